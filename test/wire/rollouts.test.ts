/** A rollout waits for its Envoys: the whole control plane, and Envoys that do not take a share. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, credentials } from '@grpc/grpc-js';
import { expect } from 'chai';
import { stringify } from 'yaml';
import { startApp, type App } from '../../src/app.js';
import { rolloutStatus } from '../../src/admin/rollout_schemas.js';
import { callLine, callMetadata } from '../../src/call_log.js';
import { readConfig } from '../../src/config.js';
import { silentLog } from '../../src/log.js';
import { createMetrics } from '../../src/metrics.js';
import { callLogService, encode } from '../../src/protos.js';
import { freePorts } from '../real/parts/child.js';
import { eventually } from '../real/parts/mcpx.js';
import { WireClient, type Response } from './client.js';

const [old, fresh] = ['1.0.0', '2.0.0'];
const order = {
  ...{ kind: 'canary', from: old, to: fresh, steps: [20, 100], every: '1s' },
  // Nobody answers at the addresses of these versions: what they offer is not known.
  ...{ minCalls: 1, maxErrorRate: 0.5, maxP99: 50, acceptBreaking: true },
};

type Conduct = 'acknowledges' | 'refuses' | 'is silent';

/** An Envoy that takes all clusters and their endpoints, as long as it is told to. */
class Envoy {
  conduct: Conduct = 'acknowledges';
  #unanswered: Response[] = [];
  readonly #client: WireClient;

  constructor(port: number, id: string) {
    this.#client = new WireClient(port);
    this.#client.begin('cluster', {}, id);
    void this.#answerAll();
  }

  close(): void {
    this.#client.close();
  }

  /** Takes all that it is sent from now on, and what it has not answered. */
  mend(): void {
    this.conduct = 'acknowledges';
    for (const response of this.#unanswered.splice(0)) this.#client.acknowledge(response);
  }

  async #answerAll(): Promise<void> {
    for (;;) {
      const response = await this.#client.next();
      const names = (response.resources ?? []).map(({ name = '' }) => name);
      const isShare =
        response.type_url?.endsWith('ClusterLoadAssignment') && names.includes('claims');
      if (!isShare || this.conduct === 'acknowledges') this.#client.acknowledge(response);
      else if (this.conduct === 'refuses') this.#client.refuse(response, 'not this share');
      else this.#unanswered.push(response);
      if (response.type_url?.endsWith('.Cluster') && names.length > 0)
        this.#client.ask('endpoint', { resource_names_subscribe: names });
    }
  }
}

describe('a rollout and its Envoys', function () {
  this.timeout(30_000);
  let folder: string;
  let app: App;
  let admin: string;
  let xdsPort: number;
  let envoys: Envoy[];

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'mcpx-wire-'));
    const [adminPort = 0, port = 0] = await freePorts(2);
    register({ weight: 100 });
    const read = readConfig({ env: {}, cwd: folder });
    if (!read.ok) throw new Error(read.problems[0]?.message);
    const { xds, registry, ...config } = read.value;
    const started = await startApp({
      config: {
        ...{
          ...config,
          data: folder,
          registry: { ...registry, file: join(folder, 'services.yaml') },
        },
        ...{ admin: { ...config.admin, port: adminPort }, xds: { ...xds, port } },
      },
      ...{ log: silentLog, metrics: createMetrics(), version: '0.0.0' },
    });
    if (!started.ok) throw new Error(started.problems[0]?.message);
    app = started.value;
    admin = `http://127.0.0.1:${adminPort}`;
    xdsPort = port;
    envoys = ['edge-1', 'edge-2'].map((id) => new Envoy(xdsPort, id));
    await eventually('both Envoys hold the service', async () => {
      const answer = await fetch(`${admin}/v1/services/claims/rollout?dryRun=true`, begun());
      const { nodes } = (await answer.json()) as { nodes?: unknown[] };
      return nodes?.length === 2;
    });
  });
  afterEach(async () => {
    for (const envoy of envoys) envoy.close();
    await app.close();
    rmSync(folder, { recursive: true, force: true });
  });

  function register(ofTheNew: { readonly weight: number }): void {
    const health = { kind: 'none' };
    const services = [old, fresh].map((version, at) => ({
      ...{ name: 'claims', version, url: `http://127.0.0.1:${at + 1}/mcp`, era: 'modern', health },
      ...(version === fresh && ofTheNew),
    }));
    writeFileSync(join(folder, 'services.yaml'), stringify({ services }));
  }

  const begun = (): RequestInit => ({
    ...{ method: 'POST', body: JSON.stringify(order) },
    headers: { 'content-type': 'application/json' },
  });

  async function begin(): Promise<void> {
    const answer = await fetch(`${admin}/v1/services/claims/rollout`, begun());
    if (!answer.ok) throw new Error(await answer.text());
    await callsAreTold();
  }

  async function status() {
    const answer = await fetch(`${admin}/v1/services/claims/rollout`);
    return rolloutStatus.parse(await answer.json());
  }

  /** As an Envoy's access log does: each version answered well, often enough to be judged. */
  async function callsAreTold(): Promise<void> {
    const share = `%DYNAMIC_METADATA(${callMetadata.namespace}:${callMetadata.share})%`;
    const records = [old, fresh].flatMap((version) => {
      const line = callLine
        .replace('%UPSTREAM_CLUSTER%', 'claims')
        .replace('%UPSTREAM_METADATA(envoy.lb:version)%', version)
        .replace('%RESPONSE_CODE%', '200')
        .replace(share, '1')
        .replace('%DURATION%', '3')
        .replaceAll(/%[^|]*%/g, '-');
      return Array<object>(300).fill({ body: { string_value: line } });
    });
    const type = 'opentelemetry.proto.collector.logs.v1.ExportLogsServiceRequest';
    const bytes = encode(type, { resource_logs: [{ scope_logs: [{ log_records: records }] }] });
    const client = new Client(`127.0.0.1:${xdsPort}`, credentials.createInsecure());
    const { path } = callLogService().Export;
    const pass = (message: Buffer): Buffer => message;
    await new Promise<void>((resolve, reject) =>
      client.makeUnaryRequest(path, pass, pass, bytes, (error) =>
        error ? reject(error) : resolve(),
      ),
    );
    client.close();
  }

  /** Until nothing but an Envoy can be what it waits for; then why it waits. */
  async function waitsFor(): Promise<string> {
    await eventually('the step is judged good, and its time is over', async () => {
      const { rollout, verdict } = await status();
      return verdict?.kind === 'good' && Date.now() > Date.parse(rollout.stepSince) + 1_500;
    });
    const { rollout, next } = await status();
    expect(rollout.events.map(({ what }) => what)).to.deep.equal(['start']);
    expect(next.what).to.equal('wait');
    return next.why;
  }

  const goesOn = () =>
    eventually('it is at its next step', async () => {
      const { rollout, next, lagging } = await status();
      if (rollout.step === 1) return true;
      throw new Error(`${next.why} ${JSON.stringify(lagging)}`);
    });

  it('waits for nobody where all acknowledge the share', async () => {
    await begin();
    await goesOn();
  });

  it('holds its next step while an Envoy refuses the share (point 29)', async () => {
    const [, envoy] = envoys;
    envoy!.conduct = 'refuses';
    await begin();
    expect(await waitsFor()).to.match(/^The share of 20 % is refused by .*edge-2/);
    const { lagging } = await status();
    expect(lagging).to.deep.include({ node: 'edge-2', refused: true });
    envoy!.mend();
    // What was refused is not sent again; what is different is.
    register({ weight: 90 });
    await goesOn();
  });

  it('holds its next step while an Envoy does not acknowledge the share', async () => {
    const [, envoy] = envoys;
    envoy!.conduct = 'is silent';
    await begin();
    expect(await waitsFor()).to.equal('The share of 20 % is not acknowledged by edge-2.');
    envoy!.mend();
    await goesOn();
  });

  it('goes on without an Envoy that has left', async () => {
    const [, envoy] = envoys;
    envoy!.conduct = 'is silent';
    await begin();
    await waitsFor();
    envoy!.close();
    await goesOn();
  });
});
