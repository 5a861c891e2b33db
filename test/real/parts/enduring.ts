/** A whole MCPX while its registries fail: what agents feel of it, and what operators are told. */
import { expect } from 'chai';
import { problemList, readiness } from '../../../src/admin/schemas.js';
import { postCall } from './agent.js';
import type { RealConsul } from './consul.js';
import type { RealEtcd } from './etcd.js';
import { underLoad } from './load.js';
import { eventually, type Mcpx } from './mcpx.js';

type Source = 'consul' | 'etcd';

const Meta = { 'mcp-version': '1.0.0' };

export async function inConsul(
  consul: Pick<RealConsul, 'register'>,
  Name: string,
  Port: number,
): Promise<void> {
  await consul.register({ ID: Name, Name, Address: '127.0.0.1', Port, Tags: ['mcp'], Meta });
}

export async function inEtcd(
  etcd: Pick<RealEtcd, 'client'>,
  name: string,
  url: string,
): Promise<void> {
  const document = JSON.stringify({ name, version: '1.0.0', url });
  await etcd.client.put(`/mcpx/instances/${name}/1`).value(document);
}

const statusOf = async ({ gateway }: Mcpx, name: string) =>
  (await postCall(`${gateway}/mcp/${name}`, 'whoami')).status;

export const callable = (mcpx: Mcpx, name: string) =>
  eventually(`${name} is callable`, async () => (await statusOf(mcpx, name)) === 200);

export const gone = (mcpx: Mcpx, name: string) =>
  eventually(`${name} is gone`, async () => (await statusOf(mcpx, name)) === 404);

export async function readyOf({ admin }: Mcpx) {
  const answer = await fetch(`${admin}/readyz`);
  return { status: answer.status, text: await answer.text() };
}

/** The codes of what is wrong with the registry itself at present. */
export async function problemsOf({ admin }: Mcpx, source: Source): Promise<string[]> {
  const answer = await fetch(`${admin}/v1/problems`);
  const { problems } = problemList.parse(await answer.json());
  return problems
    .filter(({ code, subject }) => subject.source === source && code.startsWith('registry_'))
    .map(({ code }) => code);
}

async function hearing(mcpx: Mcpx, source: Source) {
  const { text } = await readyOf(mcpx);
  const { registries } = readiness.parse(JSON.parse(text));
  return registries.find((registry) => registry.source === source);
}

/** Waits until it is lost with a reason, and everything that tells so does. */
export async function lost(mcpx: Mcpx, source: Source): Promise<void> {
  await eventually(`${source} is lost`, async () => {
    return (await hearing(mcpx, source))?.state === 'lost';
  });
  expect((await hearing(mcpx, source))?.reason)
    .to.be.a('string')
    .and.not.equal('');
  expect((await readyOf(mcpx)).status, 'it stays ready').to.equal(200);
  await eventually('the problem is listed', async () =>
    (await problemsOf(mcpx, source)).includes('registry_unreachable'),
  );
  const metrics = await (await fetch(`${mcpx.admin}/metrics`)).text();
  expect(metrics).to.include(`mcpx_registry_heard{source="${source}"} 0`);
}

/** Waits a little longer than the longest pause between two tries. */
export const heard = (mcpx: Mcpx, source: Source) =>
  eventually(
    `${source} is heard`,
    async () => (await hearing(mcpx, source))?.state === 'heard',
    8_000,
  );

/** Agents call these services, and no call fails whatever happens. */
export async function underLoadUnharmed(
  mcpx: Mcpx,
  names: readonly string[],
  happens: () => Promise<void>,
): Promise<void> {
  const [name, ...others] = names;
  if (name === undefined) return happens();
  const calls = await underLoad(`${mcpx.gateway}/mcp/${name}`, () =>
    underLoadUnharmed(mcpx, others, happens),
  );
  expect(calls.failures).to.deep.equal([]);
  expect(calls.done).to.be.greaterThan(0);
}
