import { expect } from 'chai';
import { pino } from 'pino';
import type { ChildSpec } from '../../../src/up/child.js';
import { supervise, type Supervised } from '../../../src/up/supervise.js';
import { isAlive, program, staysAlive, until } from './processes.js';

interface Death {
  readonly process: string;
  readonly reason: string;
  readonly inMs: number;
}

describe('a supervised process', () => {
  const running: Supervised[] = [];
  afterEach(async () => {
    await Promise.all(running.splice(0).map((each) => each.end()));
  });

  function start(spec: ChildSpec) {
    const deaths: Death[] = [];
    const lines: string[] = [];
    const log = pino({}, { write: (line: string) => void deaths.push(JSON.parse(line) as Death) });
    const supervised = supervise({ ...spec, onLine: (line) => lines.push(line) }, log);
    running.push(supervised);
    return { supervised, deaths, lines };
  }

  it('is started again when it dies', async () => {
    const { lines, deaths } = start(program(staysAlive, { name: 'envoy' }));
    // The shell between us may say a word about a killed child.
    const pids = () => lines.filter((line) => /^\d+$/.test(line)).map(Number);
    await until(() => pids().length === 1);
    process.kill(pids()[0]!, 'SIGKILL');
    await until(() => pids().length === 2);
    expect(isAlive(pids()[1]!)).to.equal(true);
    expect(deaths).to.have.length(1);
    expect(deaths[0]).to.deep.include({ process: 'envoy', reason: 'exit code 137' });
  });

  it('is started again ever later while it keeps dying', async () => {
    const { deaths } = start(program('process.exit(1)'));
    await until(() => deaths.length === 4);
    expect(deaths.map(({ inMs }) => inMs)).to.deep.equal([100, 200, 400, 800]);
  });

  it('is not started again once it was ended', async () => {
    const { supervised, deaths, lines } = start(program(staysAlive));
    await until(() => lines.length === 1);
    await supervised.end();
    expect(isAlive(Number(lines[0]))).to.equal(false);
    expect(deaths).to.deep.equal([]);
  });

  it('is not started again when it is ended between two lives', async () => {
    const { supervised, deaths } = start(program('process.exit(1)'));
    await until(() => deaths.length === 1);
    const planned = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout');
    const before = planned().length;
    await supervised.end();
    expect(planned().length).to.equal(before - 1);
  });
});
