/** Many services in a real Consul over few connections: all are heard, and followed. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { expect } from 'chai';
import { silentLog } from '../../../src/log.js';
import { createConsulRegistry } from '../../../src/registry/consul.js';
import type { Registry, Report } from '../../../src/registry/registry.js';
import { anyTarget, watching, type Watching } from '../../unit/registry/watching.js';
import { startConsul, type RealConsul } from '../parts/consul.js';

const many = 500;

const nameOf = (index: number) => `service-${String(index).padStart(3, '0')}`;

const portOf = ({ address }: RealConsul) => Number(new URL(address).port);

/** Connections of this process to `port`, by the kernel's own table. */
function connectionsTo(port: number): number {
  const sockets = new Set(
    readdirSync('/proc/self/fd').flatMap((entry) => {
      try {
        return /socket:\[(\d+)\]/.exec(readlinkSync(`/proc/self/fd/${entry}`))?.[1] ?? [];
      } catch {
        return [];
      }
    }),
  );
  const hexPort = port.toString(16).toUpperCase().padStart(4, '0');
  const rows = readFileSync('/proc/net/tcp', 'utf8').split('\n').slice(1);
  return rows.filter((row) => {
    const [, , remote = '', state, , , , , , inode = ''] = row.trim().split(/\s+/);
    return state === '01' && remote.endsWith(`:${hexPort}`) && sockets.has(inode);
  }).length;
}

describe('500 services in Consul', function () {
  this.timeout(60_000);
  let consul: RealConsul;
  let registry: Registry;
  let seen: Watching;
  let ofTheTest: number;

  const register = async (index: number, fields: object = {}) =>
    consul.register({
      ...{ ID: nameOf(index), Name: nameOf(index), Address: '10.0.0.7', Port: 3000 + index },
      ...{ Tags: ['mcp'], Meta: { 'mcp-version': '1.0.0' } },
      Check: { CheckID: `check-${index}`, TTL: '10m', Status: 'passing' },
      ...fields,
    });

  const found = (report: Report, index: number) =>
    report.registrations.find(({ id }) => id === nameOf(index));

  before(async () => {
    consul = await startConsul();
    for (let index = 0; index < many; index++) await register(index);
    ofTheTest = connectionsTo(portOf(consul));
    const { address } = consul;
    const options = { address, token: '', datacenter: '', allowedTargets: anyTarget };
    registry = createConsulRegistry({ ...options, log: silentLog });
    seen = watching(registry);
    await seen.report(({ registrations }) => registrations.length === many);
  });
  after(async () => {
    await registry.close();
    await consul.stop();
  });

  it('are heard over at most 100 connections', async () => {
    await seen.hearing.when(({ state }) => state === 'heard');
    expect(connectionsTo(portOf(consul)) - ofTheTest).to.be.within(1, 100);
  });

  it('are followed: an instance more, other Meta, a check, an instance less', async () => {
    for (const index of [0, 250, 499]) {
      const first = found(seen.reports.at(-1)!, index);
      await register(index, { ID: `more-${index}`, Port: 10, Check: undefined });
      const more = await seen.report(({ registrations }) =>
        registrations.some(({ id }) => id === `more-${index}`),
      );
      expect(found(more, index), 'the other instance is the same object').to.equal(first);
      await register(index, { Meta: { 'mcp-version': '2.0.0' } });
      await seen.report((report) => found(report, index)?.version === '2.0.0');
      await consul.setCheck(`check-${index}`, 'critical');
      await seen.report((report) => found(report, index)?.passing === false);
      await consul.setCheck(`check-${index}`, 'passing');
      await seen.report((report) => found(report, index)?.passing === true);
      await consul.deregister(`more-${index}`);
      await seen.report(({ registrations }) => registrations.length === many);
    }
  });

  it('come and go', async () => {
    await register(many);
    await seen.report((report) => found(report, many) !== undefined);
    await consul.deregister(nameOf(many));
    await seen.report((report) => found(report, many) === undefined);
  });

  it('are not held up by one of them that flaps', async () => {
    const flapping = new AbortController();
    const flaps = (async () => {
      for (let times = 0; !flapping.signal.aborted; times++) {
        await register(1, { Meta: { 'mcp-version': `1.0.${times}` } });
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    })();
    for (const index of [2, 300]) {
      await register(index, { Meta: { 'mcp-version': '3.0.0' } });
      await seen.report((report) => found(report, index)?.version === '3.0.0');
    }
    flapping.abort();
    await flaps;
    await register(1, { Meta: { 'mcp-version': '4.0.0' } });
    await seen.report((report) => found(report, 1)?.version === '4.0.0');
    expect(connectionsTo(portOf(consul)) - ofTheTest).to.be.within(1, 100);
  });

  it('are heard again after Consul was away', async () => {
    await consul.kill();
    await seen.hearing.when(({ state }) => state === 'lost');
    await consul.start();
    for (const index of [7, 8, 9]) await register(index, { Meta: { 'mcp-version': '5.0.0' } });
    await seen.hearing.when(({ state }) => state === 'heard');
    await seen.report(
      ({ registrations }) =>
        registrations.length === 3 && registrations.every(({ version }) => version === '5.0.0'),
    );
  });
});
