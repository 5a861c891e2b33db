/** Envoy, Consul and etcd as steps of set-up; whatever is started after finds them by variables. */
import { ensureConsul } from './consul.mjs';
import { setUpEnvoy } from './envoy.mjs';
import { ensureEtcd } from './etcd.mjs';
import { step } from './steps.mjs';

export async function setUpRealParts() {
  await setUpEnvoy();
  process.env.CONSUL_BIN = await step('Consul', (note) => ensureConsul(note));
  process.env.ETCD_BIN = await step('etcd', (note) => ensureEtcd(note));
}
