/** Registers a server by REST and waits until Envoy carries calls to it. */
import { heldToken } from '../../../src/admin_client/local_token.js';
import { eventually, type Mcpx } from './mcpx.js';
import { startServer } from './servers.js';

export interface TestRegistration {
  readonly name: string;
  readonly url: string;
  readonly [field: string]: unknown;
}

export async function register(mcpx: Mcpx, registration: TestRegistration): Promise<void> {
  const response = await fetch(`${mcpx.admin}/v1/services`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      authorization: `Bearer ${await heldToken(mcpx.data, 'cli')}`,
    },
    body: JSON.stringify({ version: '1.0.0', ...registration }),
  });
  if (!response.ok) throw new Error(`not registered: ${await response.text()}`);
  const { host } = new URL(registration.url);
  await eventually(`Envoy holds ${registration.name} at ${host}`, async () => {
    const clusters = await (await fetch(`${mcpx.envoyAdmin}/clusters`)).text();
    return clusters.includes(`${registration.name}::${host}::health_flags::healthy`);
  });
}

/** Two services of each era: `legacy-a`, `legacy-b`, `modern-a`, `modern-b`. */
export async function registerBothEras(mcpx: Mcpx): Promise<void> {
  for (const era of ['legacy', 'modern'] as const)
    for (const name of [`${era}-a`, `${era}-b`]) {
      const { url } = await startServer({ era, name });
      await register(mcpx, { name, url });
    }
}
