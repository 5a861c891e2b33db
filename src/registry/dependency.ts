/** `policy@^2` as people write it: a service, and the versions of it that will do. */
import { validRange } from 'semver';
import type { Dependency } from '../fleet/fleet.js';

export function parseDependency(text: string): Dependency | undefined {
  const at = text.indexOf('@');
  const [service, range] = [text.slice(0, at), text.slice(at + 1).trim()];
  const isRead = at > 0 && range !== '' && validRange(range) !== null;
  return isRead ? { service, range } : undefined;
}
