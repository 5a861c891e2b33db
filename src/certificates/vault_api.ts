/** Vault's PKI by its HTTP API (1.11 and newer): what is asked, and in what words it fails. */
import { z } from 'zod';
import { failed, problem, succeeded, type Outcome } from '../errors.js';
import { ask, type Question as Asked } from './asking.js';

export interface VaultApiOptions {
  /** As `https://127.0.0.1:8200`. */
  readonly address: string;
  /** Where PKI is mounted. */
  readonly mount: string;
  readonly role: string;
  /** Never logged. */
  readonly token: string;
}

const leafSchema = z.object({
  data: z.object({
    certificate: z.string(),
    private_key: z.string(),
    ca_chain: z.array(z.string()).nullish(),
    issuing_ca: z.string(),
  }),
});
const issuersSchema = z.object({ data: z.object({ keys: z.array(z.string()).min(1) }) });
const issuerSchema = z.object({
  data: z.object({
    issuer_id: z.string(),
    certificate: z.string(),
    ca_chain: z.array(z.string()).nullish(),
  }),
});
const lookedUpSchema = z.object({
  data: z.object({
    ttl: z.number(),
    creation_ttl: z.number(),
    expire_time: z.string().nullable(),
    renewable: z.boolean().default(false),
  }),
});
const renewedSchema = z.object({
  auth: z.object({ lease_duration: z.number(), renewable: z.boolean() }),
});

interface VaultLeaf {
  /** The leaf first, PEM. */
  readonly chain: string;
  readonly key: string;
}

export interface VaultIssuers {
  /** Of each, its certificate and what stands above it, PEM. */
  readonly chains: readonly string[];
  /** The id of the one that signs where the role names none. */
  readonly signer: string;
}

/** For how long Vault takes a token. */
export interface TokenLife {
  /** 0: for ever. */
  readonly seconds: number;
  /** When it was new. */
  readonly wholeSeconds: number;
  readonly renewable: boolean;
}

const answersMs = 10_000;
/** Keys of RSA are made there, and may take a while. */
const signMs = 30_000;

type Advice = (options: VaultApiOptions) => string;

/** What Vault answers → what to do about it. */
const advice: readonly (readonly [RegExp, Advice])[] = [
  [/sealed/i, () => 'Unseal it.'],
  [
    /URI Subject Alternative Names/,
    ({ mount, role }) =>
      `Let the role sign it: allowed_uri_sans on ${mount}/roles/${role}, as spiffe://DOMAIN/*.`,
  ],
  [/common_name/, ({ mount, role }) => `Set require_cn=false on ${mount}/roles/${role}.`],
  [/unknown role/, ({ mount }) => `Make it at ${mount}/roles, or correct identity.vault.role.`],
  [/no handler for route/, () => 'Enable PKI there, or correct identity.vault.mount.'],
  [/default issuer|no issuers?/i, ({ mount }) => `Make or import an authority in ${mount}.`],
  [/beyond the expiration/, ({ mount }) => `Rotate the root of ${mount}: it ends too soon.`],
  [
    /permission denied|invalid token/,
    ({ mount, role }) =>
      `Give identity.vault.token a token that lasts and may update ${mount}/issue/${role}.`,
  ],
];
const otherwise = 'It is asked again; look at the logs of Vault if this stays.';

/** What is asked, and what it is called where it fails. */
interface Question extends Pick<Asked, 'method' | 'body' | 'signal'> {
  readonly path: string;
  readonly wanted: string;
  readonly workload?: string;
}

export class VaultApi {
  constructor(private readonly options: VaultApiOptions) {}

  async issue(
    { workload, ...wish }: { workload: string; spiffeId: string; life: string },
    signal: AbortSignal,
  ): Promise<Outcome<VaultLeaf>> {
    const { mount, role } = this.options;
    const body = { uri_sans: wish.spiffeId, ttl: wish.life, private_key_format: 'pkcs8' };
    const path = `${mount}/issue/${role}`;
    const wanted = `certificate of ${workload}`;
    const answer = await this.#ask(
      { path, method: 'POST', body, wanted, workload, signal },
      leafSchema,
    );
    if (!answer.ok) return answer;
    const { certificate, private_key: key, ca_chain: above, issuing_ca } = answer.value.data;
    const chain = [certificate, ...(above ?? [issuing_ca])].join('\n');
    return succeeded({ chain, key });
  }

  async issuers(signal: AbortSignal): Promise<Outcome<VaultIssuers>> {
    const { mount } = this.options;
    const common = { wanted: 'roots', signal };
    const path = `${mount}/issuers`;
    const listed = await this.#ask({ ...common, path, method: 'LIST' }, issuersSchema);
    if (!listed.ok) return listed;
    const chains: string[] = [];
    for (const id of listed.value.data.keys) {
      const issuer = await this.#issuer(id, common);
      if (!issuer.ok) return issuer;
      chains.push([issuer.value.certificate, ...(issuer.value.ca_chain ?? [])].join('\n'));
    }
    const signer = await this.#issuer('default', common);
    return signer.ok ? succeeded({ chains, signer: signer.value.issuer_id }) : signer;
  }

  async #issuer(id: string, common: Pick<Question, 'wanted' | 'signal'>) {
    const path = `${this.options.mount}/issuer/${id}/json`;
    const answer = await this.#ask({ ...common, path }, issuerSchema);
    return answer.ok ? succeeded(answer.value.data) : answer;
  }

  async tokenLife(signal: AbortSignal): Promise<Outcome<TokenLife>> {
    const question = { path: 'auth/token/lookup-self', wanted: 'word on the token', signal };
    const answer = await this.#ask(question, lookedUpSchema);
    if (!answer.ok) return answer;
    const { ttl, creation_ttl: wholeSeconds, expire_time: end, renewable } = answer.value.data;
    return succeeded({ seconds: end === null ? 0 : Math.max(ttl, 1), wholeSeconds, renewable });
  }

  async renewToken(signal: AbortSignal): Promise<Outcome<TokenLife>> {
    const path = 'auth/token/renew-self';
    const question = { path, method: 'POST', body: {}, wanted: 'longer life to the token', signal };
    const answer = await this.#ask(question, renewedSchema);
    if (!answer.ok) return answer;
    const { lease_duration: seconds, renewable } = answer.value.auth;
    return succeeded({ seconds, wholeSeconds: seconds, renewable });
  }

  async #ask<T>(question: Question, schema: z.ZodType<T>): Promise<Outcome<T>> {
    const { address, token } = this.options;
    const path = question.path.split('/').map(encodeURIComponent).join('/');
    const url = new URL(`${address.replace(/\/+$/, '')}/v1/${path}`);
    const headers: Record<string, string> = token === '' ? {} : { 'x-vault-token': token };
    const withinMs = question.workload === undefined ? answersMs : signMs;
    const answer = await ask({ ...question, url, headers, withinMs }, schema);
    if (answer.is === 'had') return succeeded(answer.value);
    if (answer.is === 'unheard')
      return this.#failed(question, answer.reason, 'Start it, or correct identity.vault.');
    const said = errorsIn(answer.text);
    const [, what] = advice.find(([pattern]) => pattern.test(said)) ?? [];
    return this.#failed(question, said, what?.(this.options) ?? otherwise);
  }

  #failed({ wanted, workload }: Question, reason: string, what: string): Outcome<never> {
    const said = reason.replace(/\.$/, '');
    const message = `Vault at ${this.options.address} gives no ${wanted}: ${said}. ${what}`;
    const subject = workload === undefined ? { source: 'vault' } : { service: workload };
    return failed(problem('certificate_unavailable', subject, message));
  }
}

const errorsSchema = z.object({ errors: z.array(z.string()).min(1) });

/** `{"errors": ["…"]}` in one line; any other text as it is. */
function errorsIn(text: string): string {
  try {
    const read = errorsSchema.safeParse(JSON.parse(text));
    if (!read.success) return text;
    return read.data.errors
      .join('; ')
      .replace(/\s*\n[\s*]*/g, ' ')
      .trim();
  } catch {
    return text;
  }
}
