/**
 * Vault for tests: $VAULT_BIN or PATH, and never built. Its published module does
 * not compile beside its published SDK, and takes longer than all else together.
 */
import { isProgram, onPath } from './go_tool.mjs';

/**
 * The path of a Vault binary; '' when there is none, which is told.
 * @param {(text: string) => void} report
 * @returns {string}
 */
export function findVault(report) {
  const told = process.env.VAULT_BIN;
  if (told && !isProgram(told))
    throw new Error(`VAULT_BIN is ${told}, which is no program; correct or unset it.`);
  const found = told || onPath('vault') || '';
  if (found === '')
    report(
      'not found, so its tests are left out: put vault on PATH or set VAULT_BIN (https://developer.hashicorp.com/vault/install)',
    );
  return found;
}
