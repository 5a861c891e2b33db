/**
 * The two real MCP servers of the first run, one of each era: started on free
 * loopback ports, then registered like anybody's server.
 */
import { createServer } from 'node:net';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { packageFile } from '../package_file.js';
import type { ChildSpec } from './child.js';

export interface DemoServer {
  readonly spec: ChildSpec;
  readonly port: number;
  readonly registration: Readonly<Record<string, unknown>>;
  /** The call shown on the first screen. */
  readonly call: {
    readonly era: 'modern' | 'legacy';
    readonly tool: string;
    readonly arguments: Readonly<Record<string, unknown>>;
  };
}

export async function demoServers(): Promise<readonly DemoServer[]> {
  const [everything, marine] = [await freePort(), await freePort()];
  return [
    {
      port: everything,
      spec: {
        name: 'everything',
        command: [
          process.execPath,
          '--import',
          packageFile('scripts/demo/loopback.mjs'),
          everythingServer(),
          'streamableHttp',
        ],
        // It offers a tool that tells its environment: there is nothing to tell.
        env: { PORT: String(everything) },
      },
      registration: {
        name: 'everything',
        version: '2026.8.31',
        url: `http://127.0.0.1:${everything}/mcp`,
        era: 'legacy',
        expose: { tools: ['*', '!get-env'] },
      },
      call: { era: 'legacy', tool: 'everything__get-sum', arguments: { a: 19, b: 23 } },
    },
    {
      port: marine,
      spec: {
        name: 'marine',
        command: [process.execPath, packageFile('dist/scripts/demo/marine.js')],
        env: { PORT: String(marine) },
      },
      registration: {
        name: 'marine',
        version: '1.0.0',
        url: `http://127.0.0.1:${marine}/mcp`,
        metadata: { team: 'underwriting' },
      },
      call: {
        era: 'modern',
        tool: 'marine__voyage',
        arguments: { from: 'Rotterdam', to: 'Singapore', knots: 14 },
      },
    },
  ];
}

function everythingServer(): string {
  const require = createRequire(import.meta.url);
  const manifest = require.resolve('@modelcontextprotocol/server-everything/package.json');
  return join(dirname(manifest), 'dist', 'index.js');
}

async function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}
