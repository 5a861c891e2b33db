import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import { pino } from 'pino';
import type { ChildSpec } from '../../../src/up/child.js';
import type { Pace } from '../../../src/up/liveness.js';
import { supervise, type Supervised } from '../../../src/up/supervise.js';
import { freePorts } from '../../real/parts/child.js';
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

  function start(spec: ChildSpec, pace?: Pace) {
    const deaths: Death[] = [];
    const lines: string[] = [];
    const log = pino({}, { write: (line: string) => void deaths.push(JSON.parse(line) as Death) });
    const supervised = supervise({ ...spec, onLine: (line) => lines.push(line) }, log, pace);
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

  it('is killed and started again when it answers nothing any more', async () => {
    const [port = 0] = await freePorts(1);
    const source = `console.log(process.pid);
      require('http').createServer((_, out) => out.end(() => console.log('answered')))
        .listen(${port}, '127.0.0.1')`;
    const spec = program(source, { health: `http://127.0.0.1:${port}/` });
    const { lines, deaths } = start(spec, { everyMs: 500, misses: 2, startingMs: 20 });
    const pids = () => lines.filter((line) => /^\d+$/.test(line)).map(Number);
    await until(() => lines.filter((line) => line === 'answered').length === 2);
    process.kill(pids()[0]!, 'SIGSTOP');
    await until(() => pids().length === 2);
    expect(isAlive(pids()[0]!)).to.equal(false);
    expect(deaths[0]?.reason).to.equal('it answered nothing for 1 s and was killed');
  });

  it('is left alone as long as it has not answered once: it may still be starting', async () => {
    let asked = 0;
    const silent = createServer(() => asked++).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as AddressInfo;
    const spec = program(staysAlive, { health: `http://127.0.0.1:${port}/` });
    const { deaths, supervised } = start(spec, { everyMs: 20, misses: 2, startingMs: 20 });
    await until(() => asked > 5);
    await supervised.end();
    expect(deaths).to.deep.equal([]);
    silent.close();
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
