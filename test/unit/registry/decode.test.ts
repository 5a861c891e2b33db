import { expect } from 'chai';
import fc from 'fast-check';
import { z } from 'zod';
import type { Outcome, Problem } from '../../../src/errors.js';
import { defaultPolicy, inClear } from '../../../src/fleet/defaults.js';
import type { Registration } from '../../../src/fleet/fleet.js';
import {
  decodePolicy,
  decodeRegistration,
  type Decoded,
  type RegistrationContext,
} from '../../../src/registry/decode.js';
import { policySchema, registrationSchema } from '../../../src/registry/schema.js';
import { anyTarget, claims } from './watching.js';

function decode(
  document: unknown,
  context: Partial<RegistrationContext> = {},
): Outcome<Decoded<Registration>> {
  return decodeRegistration(document, { source: 'file', allowedTargets: anyTarget, ...context });
}

function registration(document: unknown, context: Partial<RegistrationContext> = {}): Registration {
  const outcome = decode(document, context);
  if (!outcome.ok) throw new Error(outcome.problems.map(({ message }) => message).join('\n'));
  return outcome.value.value;
}

function problems(document: unknown, context: Partial<RegistrationContext> = {}): Problem[] {
  const outcome = decode(document, context);
  return outcome.ok ? [] : [...outcome.problems];
}

describe('decoding a registration', () => {
  it('fills in the default of every field that is left out', () => {
    expect(registration(claims())).to.deep.equal({
      ...defaultPolicy,
      id: '10.0.0.7:3000',
      source: 'file',
      name: 'claims',
      version: '2.1.0',
      host: '10.0.0.7',
      port: 3000,
      path: '/mcp',
      tags: [],
      metadata: {},
      zone: '',
      weight: 100,
      priority: 0,
      checkedBy: 'envoy',
      passing: true,
      tls: inClear,
      dependsOn: [],
    });
  });

  it('takes every field it knows', () => {
    const found = registration(
      claims({
        era: 'legacy',
        tags: ['pii'],
        metadata: { team: 'marine' },
        zone: 'eu-west-1a',
        weight: 10,
        priority: 1,
        health: { kind: 'tcp', interval: '1s', timeout: '500ms' },
        traffic: { timeout: '2m', outlier: { ejection: '1h' }, breaker: { requests: 8 } },
        tls: { mode: 'off' },
        expose: { prefix: false, tools: ['*', '!get-env'] },
        dependsOn: ['policy@^2', 'customer@>=1.2 <3'],
      }),
    );
    expect(found.dependsOn).to.deep.equal([
      { service: 'policy', range: '^2' },
      { service: 'customer', range: '>=1.2 <3' },
    ]);
    expect(found).to.deep.include({ era: 'legacy', zone: 'eu-west-1a', weight: 10, priority: 1 });
    expect(found.health).to.deep.include({ kind: 'tcp', intervalMs: 1_000, timeoutMs: 500 });
    expect(found.traffic.timeoutMs).to.equal(120_000);
    expect(found.traffic.outlier).to.deep.equal({
      consecutiveErrors: 5,
      intervalMs: 30_000,
      ejectionMs: 3_600_000,
    });
    expect(found.traffic.breaker).to.deep.equal({ connections: 1024, pending: 1024, requests: 8 });
  });

  it("keeps the registry's id and its verdict; without checks of its own everything passes", () => {
    const context = { id: 'one', checkedBy: 'registry', passing: false } as const;
    expect(registration(claims(), context)).to.include({ ...context });
    expect(registration(claims(), { passing: false }).passing).to.equal(true);
  });

  const addresses: readonly (readonly [string, string, number, string])[] = [
    ['http://localhost:3000/mcp', '127.0.0.1', 3000, '/mcp'],
    ['http://[::1]:3000/mcp', '::1', 3000, '/mcp'],
    ['http://[::ffff:10.0.0.7]:3000/', '10.0.0.7', 3000, '/'],
    ['http://10.0.0.7/v1/mcp', '10.0.0.7', 80, '/v1/mcp'],
  ];
  for (const [url, host, port, path] of addresses)
    it(`takes ${url} apart`, () => {
      expect(registration(claims({ url }))).to.include({ host, port, path });
    });

  const wrong: readonly (readonly [Record<string, unknown>, string, RegExp])[] = [
    [{ name: 'Claims' }, 'name', /must be a DNS label.*it is "Claims"/],
    [{ name: 'a_b' }, 'name', /DNS label/],
    [{ name: '-a' }, 'name', /DNS label/],
    [{ name: '' }, 'name', /DNS label/],
    [{ name: 'a'.repeat(64) }, 'name', /at most 63/],
    [{ name: undefined }, 'name', /it is missing/],
    [{ version: 1.2 }, 'version', /semantic version.*as text.*it is 1\.2/],
    [{ version: 'v1.2.3' }, 'version', /semantic version/],
    [{ version: '1.2' }, 'version', /semantic version/],
    [{ url: 'claims' }, 'url', /must be an http address/],
    [{ url: '' }, 'url', /must be an http address/],
    [{ url: 3000 }, 'url', /must be an http address.*it is 3000/],
    [{ url: 'https://10.0.0.7/mcp' }, 'url', /begin with http:.*identity\.mode.*not sent in clear/],
    [{ url: 'ftp://10.0.0.7/mcp' }, 'url', /must begin with http/],
    [{ url: 'http://10.0.0.7:3000' }, 'url', /must have a path; .*http:\/\/10.0.0.7:3000\/mcp/],
    [{ url: 'http://10.0.0.7/mcp?a=b' }, 'url', /without \? and #/],
    [{ url: 'http://10.0.0.7/mcp#a' }, 'url', /without \? and #/],
    [{ url: 'http://claims.internal/mcp' }, 'url', /IP address or localhost/],
    [{ url: 'http://10.0.0.7:0/mcp' }, 'url', /port from 1 to 65535/],
    [{ era: 'modrn' }, 'era', /must be one of auto, modern, legacy; it is "modrn"/],
    [{ tags: 'pii' }, 'tags', /list of words/],
    [{ tags: [1] }, 'tags[0]', /must be text/],
    [{ metadata: { tier: 1 } }, 'metadata.tier', /in YAML: in quotes/],
    [{ weight: 0 }, 'weight', /whole number from 1 to 1000; it is 0/],
    [{ weight: 1.5 }, 'weight', /whole number/],
    [{ priority: -1 }, 'priority', /whole number from 0/],
    [{ health: { kind: 'udp' } }, 'health.kind', /one of mcp, http, tcp/],
    [{ health: null }, 'health', /mapping of fields; it is empty/],
    [{ traffic: { outlier: { interval: 30 } } }, 'traffic.outlier.interval', /duration.*it is 30/],
    [{ traffic: { timeout: '0s' } }, 'traffic.timeout', /duration .*1ms to 24h/],
    [{ traffic: { retrys: 1 } }, 'traffic.retrys', /did you mean traffic.retries\?/],
    [{ tls: { mode: 'mutual' } }, 'tls.mode', /must be off here.*not sent in clear/],
    [{ tls: { spiffe: 'mcpx/claims' } }, 'tls.spiffe', /a SPIFFE id such as/],
    [{ tls: { sni: '10.0.0.7' } }, 'tls.sni', /a host name such as/],
    [{ allow: 'edge' }, 'allow', /a list of services/],
    [{ allow: ['*'] }, 'allow[0]', /a list of services/],
    [{ tls: { mode: 'on' } }, 'tls.mode', /one of off, tls, mutual/],
    [{ expose: { tools: [''] } }, 'expose.tools[0]', /pattern of tool names/],
    [{ zone: '\ud800' }, 'zone', /must be text, in well-formed Unicode; it is "\\ud800"/],
    [{ tags: ['pii', 'a\udc00'] }, 'tags[1]', /well-formed/],
    [{ metadata: { team: '\ud800' } }, 'metadata.team', /well-formed/],
    [{ metadata: { '\ud800': 'team' } }, 'metadata.\ud800', /names to text/],
    [{ url: 'http://10.0.0.7/\ud800' }, 'url', /well-formed/],
    [{ expose: { tools: ['\ud800'] } }, 'expose.tools[0]', /well-formed/],
    [{ dependsOn: 'policy' }, 'dependsOn', /list of services/],
    [{ dependsOn: ['policy'] }, 'dependsOn[0]', /with a version range such as policy@\^2/],
    [{ dependsOn: ['policy@two'] }, 'dependsOn[0]', /with a version range/],
    [{ dependsOn: ['Policy@^2'] }, 'dependsOn[0]', /with a version range/],
    [{ wieght: 1 }, 'wieght', /not a known field; did you mean weight\?/],
    [{ timeout: '1s' }, 'timeout', /belongs to health.timeout or traffic.timeout/],
    [{ colour: 'red' }, 'colour', /known are name, version, url/],
  ];
  for (const [fields, path, message] of wrong)
    it(`refuses ${JSON.stringify(fields)}, saying what is right`, () => {
      const found = problems(claims(fields));
      expect(found.map(({ subject }) => subject.path)).to.deep.equal([path]);
      expect(found[0]?.message).to.match(message);
      expect(found[0]?.code).to.equal('registration_invalid');
    });

  it('names every problem at once, with the subject and where the document lies', () => {
    const document = { name: 'claims', url: 'http://10.0.0.7:3000/mcp', weight: 0, trafic: {} };
    const found = problems(document, { at: 'services[2]' });
    expect(found.map(({ subject }) => subject.path)).to.have.members([
      'services[2].version',
      'services[2].weight',
      'services[2].trafic',
    ]);
    expect(found[0]?.subject).to.include({
      source: 'file',
      service: 'claims',
      instance: '10.0.0.7:3000',
    });
  });

  it('repeats no password of a url', () => {
    const [found] = problems(claims({ url: 'http://me:secret@10.0.0.7:3000/mcp' }));
    expect(found?.message).to.include('no password').and.not.include('secret');
  });

  it('refuses what is no mapping', () => {
    for (const document of [null, 'claims', 7, ['claims']])
      expect(problems(document)[0]?.message).to.match(/must be a mapping of fields/);
  });

  it('refuses addresses outside of allowedTargets, also those written as v6', () => {
    const allowedTargets = ['10.0.0.0/8'];
    expect(registration(claims(), { allowedTargets }).host).to.equal('10.0.0.7');
    for (const host of ['127.0.0.1', 'localhost', '[::1]', '[::ffff:127.0.0.1]', '2130706433'])
      expect(
        problems(claims({ url: `http://${host}:3000/mcp` }), { allowedTargets })[0]?.message,
      ).to.include('registry.allowedTargets (10.0.0.0/8)');
  });

  it('warns of fields that are not acted on', () => {
    const outcome = decode(claims({ tls: { spiffe: 'spiffe://mcpx/claims' } }));
    expect(outcome.ok && outcome.value.warnings).to.have.lengthOf(1);
    expect(outcome.ok && outcome.value.warnings[0]).to.deep.include({
      code: 'registration_field_unused',
      severity: 'warning',
    });
  });

  it('never throws, whatever it is given', () => {
    fc.assert(
      fc.property(fc.anything(), fc.dictionary(fc.string(), fc.anything()), (anything, fields) => {
        decode(anything);
        decode(claims(fields));
      }),
    );
  });
});

describe('decoding a policy', () => {
  const context = { source: 'etcd', service: 'claims' } as const;

  it('takes the blocks that are given, each complete', () => {
    const outcome = decodePolicy({ traffic: { timeout: '5s' } }, context);
    expect(outcome.ok && outcome.value.value).to.deep.equal({
      traffic: { ...defaultPolicy.traffic, timeoutMs: 5_000 },
    });
  });

  it('refuses what no policy has, with the path', () => {
    const outcome = decodePolicy({ name: 'claims', health: { interval: 1 } }, context);
    expect(!outcome.ok && outcome.problems.map(({ subject }) => subject)).to.deep.equal([
      { ...context, path: 'health.interval' },
      { ...context, path: 'name' },
    ]);
  });
});

describe('where workloads have certificates', () => {
  const on = { identity: { clearTargets: ['10.0.0.0/8'] } };
  const tlsOf = (fields: Record<string, unknown>) => registration(claims(fields), on).tls;

  it('takes how an instance is reached', () => {
    const tls = { mode: 'mutual', spiffe: 'spiffe://mcpx/claims', sni: 'claims.example' };
    expect(tlsOf({ tls })).to.deep.equal(tls);
    expect(tlsOf({})).to.deep.equal(inClear);
  });

  it('takes https for TLS at least, at its own port', () => {
    const url = 'https://10.0.0.7/mcp';
    expect(tlsOf({ url }).mode).to.equal('tls');
    expect(tlsOf({ url, tls: { mode: 'mutual' } }).mode).to.equal('mutual');
    expect(registration(claims({ url }), on).port).to.equal(443);
  });

  it('takes whose calls a service takes, from a policy too', () => {
    expect(registration(claims({ allow: ['edge', 'quotes'] }), on).allow).to.deep.equal([
      'edge',
      'quotes',
    ]);
    const policy = decodePolicy({ allow: [] }, { source: 'file', service: 'claims' });
    expect(policy.ok && policy.value.value).to.deep.equal({ allow: [] });
  });

  it('refuses a server whose calls would leave the machine in clear', () => {
    const strict = { identity: { clearTargets: ['127.0.0.0/8'] } };
    const [found] = problems(claims(), strict);
    expect(found?.subject.path).to.equal('tls.mode');
    expect(found?.message).to.contain('in clear').and.contain('registry.clearTargets');
    expect(problems(claims({ tls: { mode: 'tls' } }), strict)).to.deep.equal([]);
    expect(problems(claims({ url: 'http://127.0.0.1:3000/mcp' }), strict)).to.deep.equal([]);
  });

  for (const name of ['edge', 'control-plane', 'filter'])
    it(`refuses a service that would be taken for a part of MCPX: ${name}`, () => {
      const found = problems(claims({ name }), on);
      expect(found.map(({ subject }) => subject.path)).to.deep.equal(['name']);
      expect(problems(claims({ name }))).to.deep.equal([]);
    });
});

describe('the schemas', () => {
  it('describe their input as JSON Schema, for the admin API', () => {
    const described = z.toJSONSchema(registrationSchema, { io: 'input' });
    expect(described.required).to.deep.equal(['name', 'version', 'url']);
    expect(described).to.have.nested.property(
      'properties.traffic.properties.timeout.default',
      '30s',
    );
    expect(z.toJSONSchema(policySchema, { io: 'input' }).properties).to.have.all.keys(
      'era',
      'health',
      'traffic',
      'expose',
      'allow',
    );
  });
});
