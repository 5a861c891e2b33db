/** Envoy as a step of set-up: found or fetched, and in ENVOY_BIN for all that is started after. */
import { step } from './steps.mjs';

/** After the build: the search for Envoy is the product's own. */
export async function setUpEnvoy() {
  const { ensureEnvoy } = await import('../../dist/src/up/envoy_binary.js');
  await step('Envoy', async (note) => {
    const envoy = await ensureEnvoy({ binary: '', env: process.env }, note);
    if (!envoy.ok) throw new Error(envoy.problems.map(({ message }) => message).join('\n'));
    process.env.ENVOY_BIN = envoy.value.path;
    note(envoy.value.version);
  });
}
