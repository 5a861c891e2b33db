/** The Connect CA by a Consul agent's HTTP API: what is asked, and in what words it fails. */
import { z } from 'zod';
import { failed, problem, succeeded, type Outcome } from '../errors.js';
import { ask } from './asking.js';

export interface ConsulAgentOptions {
  /** As `http://127.0.0.1:8500`. */
  readonly address: string;
  /** '' for none. Never logged. */
  readonly token: string;
  /** '' for the agent's own. */
  readonly datacenter: string;
}

const rootsSchema = z.object({
  ActiveRootID: z.string(),
  Roots: z.array(z.object({ RootCert: z.string() })).min(1),
});
const leafSchema = z.object({ CertPEM: z.string(), PrivateKeyPEM: z.string() });

export type ConsulRoots = z.output<typeof rootsSchema>;
type ConsulLeaf = z.output<typeof leafSchema>;

/** How long Consul may stay silent: a half-open connection is found soon after. */
const waitSeconds = 10;
/** Consul adds up to a sixteenth of the wait, and the answer has to travel. */
const waitMs = waitSeconds * 1_000 + 3_000;
/** To sign may take a while: Consul's own CA may be one elsewhere. */
const signMs = 30_000;

/** What Consul answers → what to do about it. */
const advice: readonly (readonly [RegExp, string])[] = [
  [
    /lacks permission|ACL not found|token not found/i,
    'Give registry.consul.token service:write on every workload, `edge` and `control-plane` too.',
  ],
  [/Connect must be enabled/, 'Set `connect { enabled = true }` on its servers.'],
  [/^No path to datacenter/, 'Correct registry.consul.datacenter.'],
];
const otherwise = 'It is asked again; look at the logs of Consul if this stays.';

interface Question {
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly withinMs: number;
  readonly signal: AbortSignal;
  /** Whom it is about. */
  readonly workload?: string;
}

interface Answer<T> {
  /** Where the next blocking query begins; 0 for none. */
  readonly index: bigint;
  readonly value: T;
}

export class ConsulAgent {
  constructor(private readonly options: ConsulAgentOptions) {}

  /** Answered at once for index 0; else when there is something newer, or after a while. */
  async roots(index: bigint, signal: AbortSignal): Promise<Outcome<Answer<ConsulRoots>>> {
    const newer = { index: index.toString(), wait: `${waitSeconds}s` };
    const query = index === 0n ? {} : newer;
    const question: Question = { path: 'roots', query, withinMs: waitMs, signal };
    const answer = await this.#ask(question, rootsSchema);
    // With index 0 the next query would not block, and this would ask without pause.
    if (answer.ok && answer.value.index === 0n)
      return this.#failed(question, 'its answer has no index', otherwise);
    return answer;
  }

  /** Signed by the root that is active now: Consul looks, as no index is named. */
  async leaf(workload: string, signal: AbortSignal): Promise<Outcome<ConsulLeaf>> {
    const path = `leaf/${encodeURIComponent(workload)}`;
    const question = { path, query: {}, withinMs: signMs, signal, workload };
    const answer = await this.#ask(question, leafSchema);
    return answer.ok ? succeeded(answer.value.value) : answer;
  }

  async #ask<T>(question: Question, schema: z.ZodType<T>): Promise<Outcome<Answer<T>>> {
    const { token } = this.options;
    const headers: Record<string, string> = token === '' ? {} : { 'x-consul-token': token };
    const answer = await ask({ ...question, headers, url: this.#url(question) }, schema);
    if (answer.is === 'unheard')
      return this.#failed(question, answer.reason, 'Start it, or correct registry.consul.');
    if (answer.is === 'refused') {
      const [, what = otherwise] = advice.find(([pattern]) => pattern.test(answer.text)) ?? [];
      return this.#failed(question, answer.text, what);
    }
    const index = answer.headers.get('x-consul-index') ?? '';
    return succeeded({ index: BigInt(/^\d+$/.test(index) ? index : 0), value: answer.value });
  }

  #url({ path, query }: Question): URL {
    const { address, datacenter } = this.options;
    const url = new URL(`${address.replace(/\/+$/, '')}/v1/agent/connect/ca/${path}`);
    const asked = datacenter === '' ? query : { ...query, dc: datacenter };
    for (const [name, value] of Object.entries(asked)) url.searchParams.set(name, value);
    return url;
  }

  #failed({ workload }: Question, reason: string, what: string): Outcome<never> {
    const wanted = workload === undefined ? 'roots' : `certificate of ${workload}`;
    const said = reason.replace(/\.$/, '');
    const message = `Consul at ${this.options.address} gives no ${wanted}: ${said}. ${what}`;
    const subject = workload === undefined ? { source: 'consul' } : { service: workload };
    return failed(problem('certificate_unavailable', subject, message));
  }
}
