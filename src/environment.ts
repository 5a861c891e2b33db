/** A Config as `MCPX_…` variables: child processes see exactly what their parent decided. */
import { variableFor, type Config } from './config.js';

const derived: ReadonlySet<string> = new Set(['bridgeSocket']);

/** One setting, and not a section of settings: a list, or a mapping whose keys are a user's own. */
const isWhole = (value: object, path: readonly string[]): boolean =>
  Array.isArray(value) || path.join('.') === 'environments';

/** Inverse of reading variables: values as YAML (JSON is YAML). */
export function environmentOf(config: Config): Record<string, string> {
  const variables: Record<string, string> = {};
  const visit = (value: unknown, path: readonly string[]) => {
    if (typeof value === 'object' && value !== null && !isWhole(value, path))
      for (const [key, inner] of Object.entries(value)) visit(inner, [...path, key]);
    else if (value !== undefined && !derived.has(path.join('.')))
      variables[variableFor(path)] = JSON.stringify(value);
  };
  visit(config, []);
  return variables;
}
