import { expect } from 'chai';
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { packageFile } from '../../../src/package_file.js';
import { startChild, type Child, type ChildSpec } from '../../../src/up/child.js';
import { isAlive, program, staysAlive, temporaryFolder, until } from './processes.js';

describe('a child process', () => {
  const started: Child[] = [];
  afterEach(async () => {
    await Promise.all(started.splice(0).map((child) => child.end()));
  });

  function start(spec: ChildSpec) {
    const lines: string[] = [];
    const child = startChild({
      ...spec,
      onLine: (line, stream) => lines.push(`${stream} ${line}`),
    });
    started.push(child);
    /** The process id that the program itself has said. */
    const pid = async () => {
      await until(() => lines.length > 0);
      return Number(lines[0]?.split(' ')[1]);
    };
    return { ...child, lines, pid };
  }

  it('runs until it is ended', async () => {
    const child = start(program(staysAlive));
    const pid = await child.pid();
    expect(isAlive(pid)).to.equal(true);
    await child.end();
    expect(isAlive(pid)).to.equal(false);
  });

  it('is asked to end before it is made to', async () => {
    const child = start(
      program(
        `process.on('SIGTERM', () => { console.log('asked'); process.exit(0) });${staysAlive}`,
      ),
    );
    await child.pid();
    expect(await child.end()).to.equal('exit code 0');
    expect(child.lines).to.include('stdout asked');
  });

  it('is killed when it will not end', async function () {
    this.timeout(15_000);
    const child = start(program(`process.on('SIGTERM', () => console.log('no'));${staysAlive}`));
    const pid = await child.pid();
    await child.end();
    expect(child.lines).to.include('stdout no');
    expect(isAlive(pid)).to.equal(false);
  });

  it('tells why it ended by itself', async () => {
    expect(await start(program('process.exit(3)')).ended).to.equal('exit code 3');
  });

  it('that cannot be started says why', async () => {
    const child = start({ name: 'gone', command: ['/nonexistent/program'], env: {} });
    expect(await child.ended).to.equal('exit code 127');
    expect(child.lines.join()).to.include('/nonexistent/program');
  });

  it('whose folder is not there ends with the reason', async () => {
    const child = start(program(staysAlive, { cwd: '/nonexistent/folder' }));
    expect(await child.ended).to.include('ENOENT');
  });

  it('may be ended twice, and after it has ended', async () => {
    const child = start(program(staysAlive));
    await child.pid();
    const [one, other] = await Promise.all([child.end(), child.end()]);
    expect(one).to.equal(other);
    expect(await child.end()).to.equal(one);
  });

  it('inherits nothing of our environment', async () => {
    process.env['MCPX_TEST_SECRET'] = 'secret';
    const asked = 'console.log(process.env.MCPX_TEST_SECRET, process.env.PORT)';
    const child = start(program(asked, { env: { PORT: '1', ABSENT: undefined } }));
    await child.ended;
    delete process.env['MCPX_TEST_SECRET'];
    expect(child.lines).to.deep.equal(['stdout undefined 1']);
  });

  it('is given its arguments as they are, whatever a shell would make of them', async () => {
    const given = ['a b', '$HOME', '*', '"', "'", '', '; exit 9'];
    const told = start({
      name: 'arguments',
      command: [
        process.execPath,
        '-e',
        'console.log(JSON.stringify(process.argv.slice(1)))',
        '--',
      ].concat(given) as [string, ...string[]],
      env: {},
    });
    expect(await told.ended).to.equal('exit code 0');
    expect(told.lines).to.deep.equal([`stdout ${JSON.stringify(given)}`]);
  });

  describe('what it writes', () => {
    it('comes line by line, by stream', async () => {
      const child = start(program(`console.log('one\\ntwo'); console.error('three')`));
      await child.ended;
      expect(child.lines).to.have.members(['stdout one', 'stdout two', 'stderr three']);
    });

    it('comes whole when it is written in pieces', async () => {
      const pieces = `process.stdout.write('é'.repeat(40_000));
        setImmediate(() => process.stdout.write('end\\n'))`;
      const child = start(program(pieces));
      await child.ended;
      expect(child.lines).to.deep.equal([`stdout ${'é'.repeat(40_000)}end`]);
    });

    it('comes also when its last line has no end', async () => {
      const child = start(program(`process.stderr.write('fatal: out of files')`));
      await child.ended;
      expect(child.lines).to.deep.equal(['stderr fatal: out of files']);
    });
  });

  describe('when its parent is killed', () => {
    const folder = temporaryFolder();
    after(() => folder.remove());

    it('ends too', async () => {
      const told = join(folder.path, 'pid');
      const file = JSON.stringify(told);
      const writes = `require('node:fs').writeFileSync(${file}, String(process.pid))`;
      const source = `${writes}; setInterval(() => {}, 1e6)`;
      const parent = spawn(process.execPath, [
        '--input-type=module',
        '-e',
        `import { startChild } from ${JSON.stringify(compiledChild())};
        startChild({ name: 'child', env: {},
          command: [process.execPath, '-e', ${JSON.stringify(source)}] });`,
      ]);
      await until(() => existsSync(told) && readFileSync(told, 'utf8') !== '');
      const pid = Number(readFileSync(told, 'utf8'));
      expect(isAlive(pid)).to.equal(true);
      parent.kill('SIGKILL');
      await until(() => !isAlive(pid));
      rmSync(told);
    });
  });
});

const compiledChild = () => pathToFileURL(packageFile('dist/src/up/child.js')).href;
