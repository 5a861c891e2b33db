/** Starts reference servers as child processes and ends them. */
import { spawn } from 'node:child_process';
import { packageFile } from '../../../src/package_file.js';
import { freePort } from './mcpx.js';

export interface ReferenceServer {
  readonly port: number;
  readonly url: string;
  /** Stops answering without closing its connections (SIGSTOP), and goes on again. */
  pause(): void;
  resume(): void;
  stop(): Promise<void>;
}

export interface ReferenceOptions {
  readonly era?: 'modern' | 'legacy' | 'dual' | 'both';
  readonly name?: string;
  readonly path?: string;
  readonly tools?: number;
  /** Answers everything with this HTTP status. */
  readonly status?: number;
  readonly port?: number;
  /** What `whoami` answers; its name unless given. */
  readonly answer?: string;
  /** Whether `whoami` answers with `isError`. */
  readonly faulty?: boolean;
  /** Whether `whoami` never answers. */
  readonly hangs?: boolean;
  /** How long its lists may be believed; modern only. */
  readonly ttlMs?: number;
}

const running = new Set<ReferenceServer>();

export async function startServer(options: ReferenceOptions = {}): Promise<ReferenceServer> {
  const { era = 'dual', name = 'reference', path = '/mcp', tools = 0, status = 0 } = options;
  const port = options.port ?? (await freePort());
  const child = spawn(process.execPath, [packageFile('dist/test/real/parts/reference_server.js')], {
    env: {
      PORT: String(port),
      ERA: era,
      NAME: name,
      MCP_PATH: path,
      TOOLS: String(tools),
      STATUS: String(status),
      ANSWER: options.answer ?? name,
      FAULTY: options.faulty === true ? '1' : '',
      HANGS: options.hangs === true ? '1' : '',
      TTL_MS: String(options.ttlMs ?? 0),
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await new Promise<void>((resolve, reject) => {
    child.stdout.once('data', () => resolve());
    child.once('exit', (code) => reject(new Error(`the reference server ended: ${code}`)));
  });
  const server: ReferenceServer = {
    port,
    url: `http://127.0.0.1:${port}${path}`,
    pause: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
    async stop() {
      running.delete(server);
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGKILL');
      await new Promise((resolve) => child.once('exit', resolve));
    },
  };
  running.add(server);
  return server;
}

export async function stopServers(): Promise<void> {
  await Promise.all([...running].map((server) => server.stop()));
}
