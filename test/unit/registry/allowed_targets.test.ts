import { expect } from 'chai';
import { readConfig } from '../../../src/config.js';
import { readAddress } from '../../../src/registry/address.js';

function targets(flags: Record<string, unknown> = {}): readonly string[] {
  const read = readConfig({ env: {}, cwd: '/nonexistent', flags });
  if (!read.ok) throw new Error(read.problems.map(({ message }) => message).join('\n'));
  return read.value.registry.allowedTargets;
}

const refusal = (host: string, allowed: readonly string[]): string | undefined => {
  const read = readAddress(`http://${host}:80/mcp`, allowed);
  if ('address' in read) return undefined;
  expect(read.refused, `${host}: ${read.complaint}`).to.equal(true);
  return read.complaint;
};

const secretive = [
  '169.254.169.254',
  '169.254.170.2',
  '[::ffff:169.254.169.254]',
  '[::ffff:a9fe:a9fe]',
  '[0:0:0:0:0:ffff:a9fe:a9fe]',
  '[::169.254.169.254]',
  '[::ffff:0:169.254.169.254]',
  '[64:ff9b::169.254.169.254]',
  '[2002:a9fe:a9fe::1]',
  '[fe80::1]',
  '[fd00:ec2::254]',
  '[fd20:ce::254]',
  '100.100.100.200',
  '168.63.129.16',
  '192.0.0.192',
  '[64:ff9b:1::a9fe:a9fe]',
  '0.0.0.0',
  '[::]',
  '2852039166',
  '0xa9fea9fe',
  '0251.0376.0251.0376',
  '0xa9.254.43518',
  '169.254.43518',
  '169%2e254.169.254',
  '１６９.254.169.254',
];

describe('where a registration may point when nobody has said', () => {
  for (const host of secretive)
    it(`is not ${host}`, () => {
      expect(refusal(host, targets())).to.be.a('string');
    });

  for (const host of ['10.0.0.7', '192.168.1.1', '203.0.113.7', '[fd00::7]', '[2001:db8::7]'])
    it(`is ${host}`, () => {
      expect(refusal(host, targets())).to.equal(undefined);
    });

  const loopback = ['127.0.0.1', 'localhost', '[::1]', '[::ffff:127.0.0.1]', '127.9.9.9'];
  for (const host of loopback)
    it(`is ${host} while all Envoys are on this machine, and not when others connect`, () => {
      expect(refusal(host, targets())).to.equal(undefined);
      for (const xds of ['0.0.0.0', '::', '10.0.0.5'])
        expect(refusal(host, targets({ xds: { host: xds } }))).to.contain('not point into');
    });

  for (const host of ['2130706433', '0x7f000001', '017700000001', '127.1', '0x0a.0.0.7'])
    it(`is no address written as ${host}, which nobody reads as what it is`, () => {
      expect(refusal(host, ['0.0.0.0/0'])).to.match(/write its address plainly, as \d+\.\d+/);
    });

  it('says which range it is, and where that is set', () => {
    expect(refusal('169.254.169.254', targets())).to.equal(
      'not point into 169.254.0.0/16 (registry.allowedTargets)',
    );
  });
});

describe('a list of allowed targets', () => {
  const listed = (...allowedTargets: string[]) => targets({ registry: { allowedTargets } });

  it('counts as it is written, also where it allows what would be refused', () => {
    const own = listed('169.254.0.0/16', '127.0.0.0/8');
    expect(refusal('169.254.169.254', own)).to.equal(undefined);
    expect(refusal('127.0.0.1', own)).to.equal(undefined);
    expect(refusal('10.0.0.7', own)).to.contain('(169.254.0.0/16, 127.0.0.0/8)');
  });

  it('takes out what stands behind !', () => {
    const own = listed('10.0.0.0/8', '!10.0.0.0/24');
    expect(refusal('10.0.1.7', own)).to.equal(undefined);
    expect(refusal('10.0.0.7', own)).to.contain('not point into 10.0.0.0/24');
    expect(refusal('[::ffff:10.0.0.7]', own)).to.contain('not point into 10.0.0.0/24');
  });

  for (const range of ['!', '!10.0.0.0', 'not 10.0.0.0/8', '!!10.0.0.0/8'])
    it(`refuses ${range}`, () => {
      expect(() => listed(range)).to.throw(/allowedTargets/);
    });
});
