/**
 * `npm test`: sets up what is missing, then runs the ladder. Words after `--`
 * select test files by a part of their path: `npm test -- unit/fleet`.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setUpRealParts } from './setup/real_parts.mjs';
import { giveUp, orGiveUp, root, setUp, step } from './setup/steps.mjs';
import { findVault } from './setup/vault.mjs';

/** From the quickest to the slowest, so that a small mistake shows early. */
const ladder = ['house', 'unit', 'golden', 'wire', 'real'];

await setUp();

const needsVault = (file) => file.endsWith('vault.test.js');

const wanted = process.argv.slice(2).filter((word) => !word.startsWith('-'));
let files = ladder
  .flatMap((rung) => testFiles(join(root, 'dist', 'test', rung)))
  .filter((file) => wanted.length === 0 || wanted.some((word) => file.includes(word)));
if (files.length === 0) giveUp(`No test file matches ${wanted.join(' ')}.`);
let leftOut = '';
if (files.some((file) => file.includes(join('test', 'real'))))
  await orGiveUp(async () => {
    await setUpRealParts();
    if (files.some(needsVault)) await setUpVault();
  });
await runMocha(files);

/** Of all parts the one that cannot be made here; nobody shall believe that it was tried. */
async function setUpVault() {
  process.env.VAULT_BIN = await step('Vault', (note) => findVault(note));
  if (process.env.VAULT_BIN !== '') return;
  files = files.filter((file) => !needsVault(file));
  leftOut = 'Not run: test/real/certificates/vault.test.ts, for want of a Vault.';
}

function testFiles(folder) {
  try {
    return readdirSync(folder, { recursive: true })
      .filter((file) => file.endsWith('.test.js'))
      .map((file) => join(folder, file))
      .sort();
  } catch {
    return [];
  }
}

async function runMocha(testFilesToRun) {
  const { default: Mocha } = await import('mocha');
  const mocha = new Mocha({ timeout: 60_000, color: process.stdout.isTTY });
  for (const file of testFilesToRun) mocha.addFile(file);
  await mocha.loadFilesAsync();
  const runner = mocha.run(() => {
    const { passes, failures, pending } = runner.stats;
    if (leftOut !== '') console.log(leftOut);
    // A test that skips itself has shown nothing: it counts as failed.
    console.log(`${passes} passed, ${failures + pending} failed`);
    process.exit(failures + pending > 0 || passes === 0 ? 1 : 0);
  });
}
