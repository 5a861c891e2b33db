/**
 * A folder a case: `in/` (services.yaml, mcpx.yaml, rollouts.yaml) and `edge/` (what an edge
 * Envoy gets, one file a resource type, secrets aside: they belong in no
 * file). `npm run goldens` renews them.
 */
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { parse, stringify } from 'yaml';
import { readConfig, type Config } from '../../src/config.js';
import { emptyFleet, type Registration } from '../../src/fleet/fleet.js';
import type { RolloutDocument } from '../../src/fleet/rollout.js';
import { packageFile } from '../../src/package_file.js';
import { decode } from '../../src/protos.js';
import { decodeRegistration } from '../../src/registry/decode.js';
import { rolloutEntry } from '../../src/registry/rollouts.js';
import { translate } from '../../src/translate.js';
import { report } from '../unit/fleet/registered.js';

const folder = packageFile('test/golden');
const renewing = process.env['MCPX_RENEW_GOLDENS'] === '1';

const messages = {
  cluster: 'envoy.config.cluster.v3.Cluster',
  endpoint: 'envoy.config.endpoint.v3.ClusterLoadAssignment',
  listener: 'envoy.config.listener.v3.Listener',
  route: 'envoy.config.route.v3.RouteConfiguration',
} as const;
const kinds = Object.keys(messages) as (keyof typeof messages)[];
type Rendered = Readonly<Record<keyof typeof messages, string>>;

describe('what an edge Envoy gets', () => {
  const cases = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  for (const { name } of cases) {
    it(`is as written for ${name.replaceAll('_', ' ')}`, () => {
      const given = join(folder, name);
      const rendered = renderCase(join(given, 'in'));
      if (renewing) renew(join(given, 'edge'), rendered);
      for (const kind of kinds)
        expect(readFileSync(join(given, 'edge', `${kind}s.yaml`), 'utf8'), kind).to.equal(
          rendered[kind],
        );
    });
  }
});

function renderCase(folderIn: string): Rendered {
  const settings = caseConfig(folderIn);
  const { services } = parse(readFileSync(join(folderIn, 'services.yaml'), 'utf8')) as {
    services: Record<string, unknown>[];
  };
  const rollouts = caseRollouts(folderIn);
  const { snapshot, problems } = translate({
    reports: [{ ...report('file', services.map(decoded)), rollouts }],
    probes: new Map(),
    settings,
    previous: { fleet: emptyFleet, snapshot: undefined },
  });
  expect(problems).to.deep.equal([]);
  const texts = kinds.map((kind) => {
    const resources = [...(snapshot?.resources[kind].values() ?? [])];
    return [kind, stringify(resources.map(({ bytes }) => decode(messages[kind], bytes)))] as const;
  });
  return Object.fromEntries(texts) as Rendered;
}

/** Service → its rollout. */
function caseRollouts(folderIn: string): ReadonlyMap<string, RolloutDocument> {
  const file = join(folderIn, 'rollouts.yaml');
  if (!existsSync(file)) return new Map();
  const documents = parse(readFileSync(file, 'utf8')) as Record<string, { earlier?: object[] }>;
  return new Map(
    Object.entries(documents).map(([service, { earlier = [], ...fields }]) => {
      const current = { service, ...fields };
      // Of an earlier one only what differs is written.
      const before = earlier.map((each) => ({ ...current, ...each }));
      const text = JSON.stringify({ current, earlier: before });
      const read = rolloutEntry({ service, text, source: 'file' }).decode();
      if (!read.ok) throw new Error(JSON.stringify(read.problems));
      return [service, read.value.value];
    }),
  );
}

/** Paths of this machine do not belong in a golden. */
function caseConfig(folderIn: string): Config {
  const file = join(folderIn, 'mcpx.yaml');
  const read = readConfig({ file: existsSync(file) ? file : undefined, env: {}, cwd: folderIn });
  if (!read.ok) throw new Error(JSON.stringify(read.problems));
  return { ...read.value, bridgeSocket: '/run/mcpx/bridge.sock' };
}

function decoded(document: Record<string, unknown>): Registration {
  const outcome = decodeRegistration(document, { source: 'file', allowedTargets: ['0.0.0.0/0'] });
  if (!outcome.ok) throw new Error(JSON.stringify(outcome.problems));
  return outcome.value.value;
}

function renew(folderOut: string, rendered: Rendered): void {
  rmSync(folderOut, { recursive: true, force: true });
  mkdirSync(folderOut, { recursive: true });
  for (const kind of kinds) writeFileSync(join(folderOut, `${kind}s.yaml`), rendered[kind]);
}
