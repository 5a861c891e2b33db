import { expect } from 'chai';
import { emptyFleet, type Fleet, type Registration } from '../../../src/fleet/fleet.js';
import { merge } from '../../../src/fleet/merge.js';
import { Latest } from '../../../src/latest.js';
import { silentLog } from '../../../src/log.js';
import { Probe } from '../../../src/probe/probe.js';
import { versionsWith } from '../../../src/probe/versions.js';
import { freePorts } from '../../real/parts/child.js';
import { catalogueOf, registration, report, serviceOf } from '../fleet/registered.js';
import { mcpServer, modernResults, type Spoken } from './mcp_server.js';

describe('asking every version', () => {
  let fleet: Latest<Fleet>;
  let probe: Probe;
  const servers: Spoken[] = [];
  beforeEach(() => {
    fleet = new Latest(emptyFleet);
    probe = new Probe(fleet, silentLog);
  });
  afterEach(async () => {
    probe.close();
    await Promise.all(servers.splice(0).map((server) => server.close()));
  });

  async function serving(...tools: readonly string[]): Promise<number> {
    const server = await mcpServer(modernResults(...tools));
    servers.push(server);
    return server.port;
  }

  function register(...instances: readonly (readonly [version: string, port: number])[]): void {
    const calm = { ...registration().health, intervalMs: 60_000 };
    const all = instances.map(([version, port]): Registration =>
      registration({ host: '127.0.0.1', port, version, era: 'modern', health: calm }),
    );
    fleet.set(merge([report('file', all)], new Map(), fleet.value).fleet);
  }

  const told = () => {
    const { catalogue, versions } = probe.report.value.get('claims') ?? {};
    const names = (of: typeof catalogue) => of?.tools.map(({ name }) => name).join();
    const each = Object.entries(versions ?? {}).map(([version, of]) => [version, names(of)]);
    return { service: names(catalogue), versions: Object.fromEntries(each) as object };
  };
  const tells = (expected: ReturnType<typeof told>) =>
    probe.report.when(() => JSON.stringify(told()) === JSON.stringify(expected));

  it('tells what each offers, and the newest speaks for the service', async () => {
    register(['1.0.0', await serving('file')], ['1.10.0', await serving('file', 'renew')]);
    await tells({
      service: 'file,renew',
      versions: { '1.10.0': 'file,renew', '1.0.0': 'file' },
    });
  });

  it('tells no version apart where there is only one', async () => {
    register(['1.0.0', await serving('file')], ['1.0.0', await serving('file')]);
    await tells({ service: 'file', versions: {} });
    expect(probe.report.value.get('claims')).not.to.have.property('versions');
  });

  it('leaves out a version of which no instance answers', async () => {
    const [away = 0] = await freePorts(1);
    const [one, two] = [await serving('file'), await serving('renew')];
    register(['1.0.0', one], ['2.0.0', away], ['3.0.0', two]);
    await tells({ service: 'renew', versions: { '3.0.0': 'renew', '1.0.0': 'file' } });
  });

  it('forgets a version that is gone', async () => {
    const [one, two] = [await serving('file'), await serving('renew')];
    register(['1.0.0', one], ['2.0.0', two]);
    await tells({ service: 'renew', versions: { '2.0.0': 'renew', '1.0.0': 'file' } });
    register(['1.0.0', one]);
    await tells({ service: 'file', versions: {} });
  });
});

describe('what is known of versions', () => {
  const [one, two] = [catalogueOf('file'), catalogueOf('renew')];
  const both = serviceOf(registration(), registration({ port: 3001, version: '2.0.0' }));

  it('stays while a version does not answer', () => {
    expect(versionsWith(both, { '1.0.0': one }, { '2.0.0': two })).to.deep.equal({
      '2.0.0': two,
      '1.0.0': one,
    });
  });

  it('is replaced by what it tells now', () => {
    expect(versionsWith(both, { '2.0.0': one }, { '2.0.0': two })).to.deep.equal({ '2.0.0': two });
  });

  it('is nothing where none has told anything', () => {
    expect(versionsWith(both, undefined, {})).to.equal(undefined);
  });
});
