/** Where the admin API of this machine is found, and by which scheme. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { identityIsOn, type IdentitySettings } from '../identity_on.js';
import { isLoopback, reachedHost } from '../loopback.js';

interface AdminSettings extends IdentitySettings {
  readonly admin: { readonly host: string; readonly port: number };
}

/** Only what does not leave the machine goes in clear, where there are certificates. */
export const adminHasTls = (settings: AdminSettings): boolean =>
  identityIsOn(settings) && !isLoopback(settings.admin.host);

/** Whether nobody is asked who they are: where there are certificates, everybody is. */
export const adminIsOpen = (
  settings: IdentitySettings & { readonly admin: { readonly tokens: readonly unknown[] } },
): boolean => settings.admin.tokens.length === 0 && !identityIsOn(settings);

/** Where to connect to: what it listens on may be a wildcard. */
export function adminUrlOf(settings: AdminSettings): string {
  const { host, port } = settings.admin;
  return `${adminHasTls(settings) ? 'https' : 'http'}://${reachedHost(host)}:${port}`;
}

/** Whom the processes of this machine believe to be a control plane. */
export const rootsFile = (data: string): string => join(data, 'roots.pem');

/** PEM; undefined where no control plane has run with certificates. */
export const localRoots = (data: string): Promise<string | undefined> =>
  readFile(rootsFile(data), 'utf8').catch(() => undefined);
