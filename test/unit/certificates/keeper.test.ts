import { expect } from 'chai';
import fc from 'fast-check';
import { builtinIssuer } from '../../../src/certificates/builtin_issuer.js';
import type { Certificate, Issuer } from '../../../src/certificates/certificate.js';
import { Certificates } from '../../../src/certificates/keeper.js';
import { lateAt, renewAt, retryMs } from '../../../src/certificates/renewal.js';
import { failed, problem, succeeded, type Outcome } from '../../../src/errors.js';
import { silentLog } from '../../../src/log.js';
import { createMetrics } from '../../../src/metrics.js';
import { authorityWith, cleanUp, closing, day, hour, StandingClock } from './stage.js';

const minute = 60_000;

/** Signs numbered certificates, fails when told to, and answers when told to. */
class ScriptedIssuer implements Issuer {
  kind: Issuer['kind'] = 'builtin';
  readonly asked: string[] = [];
  roots = 'roots';
  /** When set, the answer to everything. */
  refusal: string | Error | undefined;
  /** When set, the same certificate is given again. */
  unchanged = false;
  lifeMs = day;
  /** When set, nothing is answered until it is called. */
  answers: (() => void)[] | undefined;
  #renewals: (workload: string | undefined) => void = () => undefined;
  #rootsSeen: (roots: string) => void = () => undefined;
  #given = new Map<string, Certificate>();

  constructor(readonly clock: StandingClock) {}

  spiffeIdOf(workload: string): string {
    return `spiffe://mcpx/${workload}`;
  }

  async issue(workload: string): Promise<Outcome<Certificate>> {
    this.asked.push(workload);
    const { answers, refusal } = this;
    if (answers) await new Promise<void>((go) => answers.push(go));
    if (refusal instanceof Error) throw refusal;
    if (refusal !== undefined) return failed(problem('certificate_unavailable', {}, refusal));
    const before = this.#given.get(workload);
    if (before && this.unchanged) return succeeded(before);
    const certificate = {
      ...{ chain: `${workload} ${this.asked.length}`, key: 'key' },
      ...{ spiffeId: this.spiffeIdOf(workload), notBefore: this.clock.at },
      expiresAt: this.clock.at + this.lifeMs,
    };
    this.#given.set(workload, certificate);
    return succeeded(certificate);
  }

  watchRoots(seen: (roots: string) => void): void {
    this.#rootsSeen = seen;
    seen(this.roots);
  }

  watchRenewals(seen: (workload: string | undefined) => void): void {
    this.#renewals = seen;
  }

  outdate(workload?: string): void {
    this.#renewals(workload);
  }

  turnRoots(roots: string): void {
    this.#rootsSeen(roots);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

function stage(random = () => 0) {
  const clock = new StandingClock(0);
  const issuer = new ScriptedIssuer(clock);
  const metrics = createMetrics();
  const options = { issuer, clock, metrics, log: silentLog, beat: clock.beat, random };
  const kept = closing(new Certificates(options));
  const chainOf = (workload: string) => kept.material.value.certificates.get(workload)?.chain;
  const messages = () => kept.problems().map(({ message }) => message);
  return { clock, issuer, metrics, kept, chainOf, messages };
}

describe('certificates that are kept', () => {
  afterEach(cleanUp);

  it('are there for those that somebody needs, with the roots', async () => {
    const { kept, clock, issuer } = stage();
    kept.want('claims');
    kept.want('edge');
    await clock.pass(0);
    const { roots, certificates, spiffeIdOf } = kept.material.value;
    expect([...certificates.keys()]).to.deep.equal(['claims', 'edge']);
    expect(roots).to.equal('roots');
    expect(spiffeIdOf('claims')).to.equal('spiffe://mcpx/claims');
    expect(issuer.asked).to.deep.equal(['claims', 'edge']);
    expect(kept.problems()).to.deep.equal([]);
  });

  it('are asked for once, however many need one, and kept until nobody does', async () => {
    const { kept, clock, issuer, chainOf, metrics } = stage();
    const [one, other] = [kept.want('claims'), kept.want('claims')];
    await clock.pass(0);
    one();
    one();
    await clock.pass(10 * hour);
    expect(issuer.asked).to.have.length(2);
    other();
    await clock.pass(hour);
    expect(chainOf('claims')).to.equal('claims 2');
    await clock.pass(10 * hour);
    expect(chainOf('claims')).to.equal(undefined);
    expect(issuer.asked).to.have.length(2);
    expect(await metrics.text()).not.to.contain('workload="claims"');
  });

  it('are renewed at two fifths of their life, and some a little earlier', async () => {
    const { kept, clock, chainOf } = stage();
    kept.want('claims');
    await clock.pass(0);
    await clock.pass(0.4 * day - 1);
    expect(chainOf('claims')).to.equal('claims 1');
    await clock.pass(1);
    expect(chainOf('claims')).to.equal('claims 2');
    expect(renewAt({ notBefore: 0, expiresAt: 1_000 }, 1)).to.be.closeTo(350, 1);
  });

  it('are renewed when the issuer says so, one or all, whatever their age', async () => {
    const { kept, clock, issuer, chainOf } = stage();
    kept.want('claims');
    kept.want('quotes');
    await clock.pass(0);
    issuer.outdate('claims');
    await clock.pass(0);
    expect([chainOf('claims'), chainOf('quotes')]).to.deep.equal(['claims 3', 'quotes 2']);
    issuer.outdate();
    await clock.pass(0);
    expect([chainOf('claims'), chainOf('quotes')]).to.deep.equal(['claims 4', 'quotes 5']);
  });

  it('are asked for again when what was asked for is outdated before it comes', async () => {
    const { kept, clock, issuer, chainOf } = stage();
    const waiting: (() => void)[] = (issuer.answers = []);
    kept.want('claims');
    issuer.outdate();
    issuer.answers = undefined;
    waiting[0]?.();
    await clock.pass(0);
    expect(chainOf('claims')).to.equal('claims 2');
  });

  it('stay while they cannot be renewed, which is said at once and counted', async () => {
    const { kept, clock, issuer, chainOf, messages, metrics } = stage();
    kept.want('claims');
    await clock.pass(0);
    issuer.refusal = 'Vault is sealed.';
    await clock.pass(0.4 * day);
    expect(chainOf('claims')).to.equal('claims 1');
    expect(messages()).to.deep.equal([
      'The certificate of claims cannot be renewed from the issuer (builtin): Vault is sealed. ' +
        'The one there is holds until 1970-01-02T00:00:00.000Z.',
    ]);
    expect(kept.problems()[0]).to.deep.include({
      code: 'certificate_unavailable',
      subject: { service: 'claims' },
    });
    expect(await metrics.text()).to.contain('mcpx_certificate_failures_total{issuer="builtin"} 1');
    issuer.refusal = undefined;
    await clock.pass(5 * minute);
    expect(messages()).to.deep.equal([]);
    expect(chainOf('claims')).to.match(/^claims [^1]$/);
  });

  it('go when they end, and the problem says that nobody can be reached', async () => {
    const { kept, clock, issuer, chainOf, messages } = stage();
    kept.want('claims');
    await clock.pass(0);
    issuer.refusal = new Error('connection refused');
    await clock.pass(0.4 * day);
    await clock.pass(0.6 * day);
    expect(chainOf('claims')).to.equal(undefined);
    expect(messages()[0]).to.contain('cannot be had').and.to.contain('connection refused');
  });

  it('are not taken when they have ended already', async () => {
    const { kept, clock, issuer, chainOf, messages } = stage();
    issuer.lifeMs = 0;
    kept.want('claims');
    await clock.pass(0);
    expect(chainOf('claims')).to.equal(undefined);
    expect(messages()[0]).to.contain('what it gave has ended');
  });

  it('are missed long before their end when the issuer gives no newer one', async () => {
    const { kept, clock, issuer, messages } = stage();
    issuer.kind = 'files';
    issuer.unchanged = true;
    kept.want('claims');
    await clock.pass(0);
    await clock.pass(0.7 * day);
    expect(messages()).to.deep.equal([]);
    await clock.pass(0.06 * day);
    expect(messages()[0]).to.contain('there is no newer one');
    expect(lateAt({ notBefore: 0, expiresAt: 100 }, 'consul')).to.equal(92);
  });

  it('are asked for at most sixteen at a time, and again of an issuer that is silent', async () => {
    const { kept, clock, issuer, messages } = stage();
    issuer.answers = [];
    for (let at = 0; at < 40; at++) kept.want(`service-${at}`);
    await clock.pass(0);
    expect(issuer.asked).to.have.length(16);
    await clock.pass(31_000);
    expect(issuer.asked).to.have.length(32);
    expect(messages()[0]).to.contain('has not answered for 30 s');
  });

  it('are asked for when one of sixteen has been answered', async () => {
    const { kept, clock, issuer } = stage();
    for (let at = 0; at < 40; at++) kept.want(`service-${at}`);
    await clock.pass(0);
    expect(kept.material.value.certificates.size).to.equal(40);
    expect(new Set(issuer.asked).size).to.equal(40);
  });

  it('are seen with new roots as soon as there are', async () => {
    const { kept, clock, issuer } = stage();
    issuer.turnRoots('others');
    await clock.pass(0);
    expect(kept.material.value.roots).to.equal('others');
  });

  it('are told together when they come together', async () => {
    const { kept, clock } = stage();
    let told = 0;
    kept.material.subscribe(() => (told += 1));
    for (let at = 0; at < 10; at++) kept.want(`service-${at}`);
    await clock.pass(0);
    expect(told).to.be.below(4);
  });

  it('say when they end, by metric', async () => {
    const { kept, clock, metrics } = stage();
    kept.want('claims');
    await clock.pass(0);
    expect(await metrics.text()).to.contain(
      'mcpx_certificate_expires_seconds{workload="claims"} 86400',
    );
    expect(await metrics.text()).to.contain('mcpx_certificate_failures_total{issuer="builtin"} 0');
  });

  it('are looked after no more once they are closed', async () => {
    const { kept, clock, issuer } = stage();
    kept.want('claims');
    kept.close();
    await clock.pass(day);
    expect(clock.listeners).to.equal(0);
    expect(issuer.asked).to.have.length(1);
    expect(kept.material.value.certificates.size).to.equal(0);
  });

  it('never end while the issuer answers at least one question in three', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.boolean(), { minLength: 40, maxLength: 80 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        async (answers, jitter) => {
          const { kept, clock, issuer, chainOf } = stage(() => jitter);
          kept.want('claims');
          await clock.pass(0);
          for (const [at, answered] of answers.entries()) {
            issuer.refusal = answered || at % 3 === 2 ? undefined : 'not now';
            await clock.pass(day / 50);
            expect(chainOf('claims')).to.be.a('string');
          }
        },
      ),
      { numRuns: 25 },
    );
  });

  it('are asked for ever more rarely while they are refused, and never too rarely', () => {
    const waits = [1, 2, 3, 4, 20].map((failures) => retryMs(failures, day, 0));
    expect(waits).to.deep.equal([1_000, 2_000, 4_000, 8_000, 300_000]);
    expect(retryMs(20, 100_000, 0)).to.equal(5_000);
    expect(retryMs(20, 0, 1)).to.equal(500);
  });

  describe('from the built-in authority', () => {
    it('come under its new root as soon as that signs', async () => {
      const clock = new StandingClock();
      const authority = await authorityWith({ clock });
      const issuer = closing(builtinIssuer(authority));
      const options = { issuer, clock, metrics: createMetrics(), log: silentLog, beat: clock.beat };
      const kept = closing(new Certificates(options));
      kept.want('claims');
      const before = await kept.material.when(({ certificates }) => certificates.size === 1);
      await authority.rotate('now');
      const after = await kept.material.when(
        ({ certificates }) => certificates.get('claims') !== before.certificates.get('claims'),
      );
      expect(after.roots.match(/BEGIN/g)).to.have.length(2);
      expect(after.certificates.get('claims')?.spiffeId).to.equal('spiffe://mcpx/claims');
    });
  });
});
