/**
 * A folder a case: `in/` (services.yaml, mcpx.yaml, rollouts.yaml, sidecars.yaml) and what each
 * audience gets (`edge/`, `sidecar_claims/`), one file a resource type. Of secrets only the names
 * are written: what they hold belongs in no file. `npm run goldens` renews them.
 */
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { parse, stringify } from 'yaml';
import { audienceSnapshots } from '../../src/audience_snapshots.js';
import type { Material } from '../../src/certificates/material.js';
import { readConfig, type Config } from '../../src/config.js';
import { emptyFleet, type Registration } from '../../src/fleet/fleet.js';
import type { RolloutDocument } from '../../src/fleet/rollout.js';
import { edgeSecrets } from '../../src/identity/edge_secrets.js';
import { gatewayFiles } from '../../src/identity/gateway_certificate.js';
import type { Workloads } from '../../src/identity/workload_certificates.js';
import { identityIsOn } from '../../src/identity_on.js';
import { Latest } from '../../src/latest.js';
import { silentLog } from '../../src/log.js';
import { packageFile } from '../../src/package_file.js';
import { decode } from '../../src/protos.js';
import { decodeRegistration } from '../../src/registry/decode.js';
import { rolloutEntry } from '../../src/registry/rollouts.js';
import type { GatewayCertificate } from '../../src/resources/credentials.js';
import { audienceOfSidecar } from '../../src/snapshot/audience.js';
import type { Snapshot } from '../../src/snapshot/snapshot.js';
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

/** File → what is written in it. */
type Rendered = Readonly<Record<string, string>>;

describe('what Envoys get', () => {
  const cases = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  for (const { name } of cases) {
    it(`is as written for ${name.replaceAll('_', ' ')}`, () => {
      const given = join(folder, name);
      for (const [audience, rendered] of renderCase(join(given, 'in'))) {
        const written = join(given, audience);
        if (renewing) renew(written, rendered);
        for (const [file, text] of Object.entries(rendered))
          expect(readFileSync(join(written, file), 'utf8'), `${audience} ${file}`).to.equal(text);
      }
    });
  }
});

/** Audience, as its folder is called → what it gets. */
function renderCase(folderIn: string): ReadonlyMap<string, Rendered> {
  const settings = caseConfig(folderIn);
  const { services } = parse(readFileSync(join(folderIn, 'services.yaml'), 'utf8')) as {
    services: Record<string, unknown>[];
  };
  const rollouts = caseRollouts(folderIn);
  const identity = identityIsOn(settings);
  const workloads = identity ? certified() : undefined;
  // Where they lie is this machine's.
  const files: GatewayCertificate | undefined = gatewayFiles(settings);
  const gateway = files && new Latest<GatewayCertificate | undefined>(files);
  const registrations = services.map((service) => decoded(service, identity));
  const { fleet, snapshot, problems } = translate({
    reports: [{ ...report('file', registrations), rollouts }],
    probes: new Map(),
    settings,
    secrets: edgeSecrets({ workloads, gateway }).value,
    previous: { fleet: emptyFleet, snapshot: undefined },
  });
  expect(problems).to.deep.equal([]);
  const edge = new Latest(snapshot);
  const parts = { edge, fleet: new Latest(fleet), workloads, log: silentLog };
  const audiences = audienceSnapshots(parts);
  const all = new Map([['edge', filesOf(edge.value)]]);
  for (const service of sidecarsIn(folderIn)) {
    const inbound = { host: '10.0.0.8', port: 3443 };
    const outbound = { host: '127.0.0.1', port: 15_001 };
    const published = audiences.of(audienceOfSidecar({ service, inbound, outbound }));
    const end = published?.subscribe((made) => all.set(`sidecar_${service}`, filesOf(made)));
    end?.();
  }
  return all;
}

function filesOf(snapshot: Snapshot | undefined): Rendered {
  if (!snapshot) throw new Error('nothing was made');
  const texts = kinds.map((kind) => {
    const resources = [...snapshot.resources[kind].values()];
    const read = resources.map(({ bytes }) => decode(messages[kind], bytes));
    return [`${kind}s.yaml`, stringify(read)] as const;
  });
  const secrets = [...snapshot.resources.secret.keys()].sort();
  return {
    ...Object.fromEntries(texts),
    ...(secrets.length > 0 && { 'secrets.yaml': stringify(secrets) }),
  };
}

const sidecarsIn = (folderIn: string): readonly string[] =>
  existsSync(join(folderIn, 'sidecars.yaml'))
    ? (parse(readFileSync(join(folderIn, 'sidecars.yaml'), 'utf8')) as string[])
    : [];

/** Nobody checks these: they are only delivered. */
function certified(): Workloads {
  const spiffeIdOf = (workload: string) => `spiffe://mcpx/${workload}`;
  const certificate = (workload: string) => ({
    ...{ chain: `a chain for ${workload}`, key: `a key for ${workload}` },
    ...{ spiffeId: spiffeIdOf(workload), notBefore: 0, expiresAt: 1 },
  });
  const names = ['edge', 'claims', 'policy', 'rates'];
  const certificates = new Map(names.map((name) => [name, certificate(name)]));
  const material = new Latest<Material>({ roots: 'roots', certificates, spiffeIdOf });
  return { material, want: () => () => undefined, serverRoots: 'public roots' };
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

const anywhere = ['0.0.0.0/0'];

function decoded(document: Record<string, unknown>, isOn: boolean): Registration {
  const identity = isOn && { clearTargets: anywhere };
  const context = { source: 'file', allowedTargets: anywhere, identity } as const;
  const outcome = decodeRegistration(document, context);
  if (!outcome.ok) throw new Error(JSON.stringify(outcome.problems));
  return outcome.value.value;
}

function renew(folderOut: string, rendered: Rendered): void {
  rmSync(folderOut, { recursive: true, force: true });
  mkdirSync(folderOut, { recursive: true });
  for (const [file, text] of Object.entries(rendered)) writeFileSync(join(folderOut, file), text);
}
