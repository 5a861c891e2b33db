/**
 * `mcpx up`: a small supervisor. Control plane, filter service, Envoy (and the
 * demo servers) are processes of their own, started again when they die; when
 * we die, they end too.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { adminIsOpen, adminUrlOf, localRoots } from '../admin_client/address.js';
import { localTokens } from '../admin_client/local_token.js';
import type { Config } from '../config.js';
import { reasonOf, type Problem } from '../errors.js';
import { createLog, type Log } from '../log.js';
import type { ChildSpec } from './child.js';
import { childLog } from './child_log.js';
import { demoServers, type DemoServer } from './demo.js';
import { ensureEnvoy } from './envoy_binary.js';
import { showCalls, showCatalogue, showConnection } from './first_screen.js';
import { envoyPart, ownPart, whenIdentified } from './parts.js';
import { httpUrl, portProblems, whenListening } from './ports.js';
import { clearAway, deregister, register, whenOffered, type AdminApi } from './registration.js';
import { screen } from './screen.js';
import { supervise, type Supervised } from './supervise.js';

export interface UpOptions {
  /** Start two MCP servers, register them and call each. */
  readonly demo: boolean;
  /** End after the first screen. */
  readonly once: boolean;
  readonly version: string;
}

const startDeadlineMs = 30_000;

/** Runs until interrupted (or once); the value is the exit code. */
export async function up(config: Config, options: UpOptions): Promise<number> {
  const run = new Run(config);
  const interrupted = interruption();
  try {
    const shown = run.start(options).then(() => 'shown' as const);
    const outcome = await Promise.race([shown, interrupted]);
    if (outcome === 'shown' && !options.once) await interrupted;
    return 0;
  } catch (error) {
    process.stderr.write(`\n✗ ${reasonOf(error)}\n`);
    return 1;
  } finally {
    await run.end();
  }
}

/** Resolves at the first Ctrl-C or TERM; a second one ends us, and the lifelines the rest. */
async function interruption(): Promise<'interrupted'> {
  return new Promise((resolve) => {
    let asked = false;
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
      process.on(signal, () => {
        if (asked) process.exit(1);
        asked = true;
        resolve('interrupted');
      });
  });
}

class Run {
  readonly #log: Log = createLog('up');
  readonly #running: Supervised[] = [];
  #demo: readonly DemoServer[] = [];
  #firstScreenShown = false;
  #ending = false;

  readonly #admin: AdminApi;

  constructor(private readonly config: Config) {
    this.#admin = {
      url: adminUrlOf(config),
      credentials: async () => {
        const tokenOf = localTokens(config.data);
        if (!tokenOf.ok) throw refusal(tokenOf.problems);
        return { token: tokenOf.value('up'), roots: await localRoots(config.data) };
      },
    };
  }

  async start({ demo, version }: UpOptions): Promise<void> {
    const { config } = this;
    const { gateway, admin, xds, filter } = config;
    screen.title(`MCPX ${version} · the MCP gateway on Envoy`);
    const taken = await portProblems(config);
    if (taken.length > 0) throw refusal(taken);
    await mkdir(config.data, { recursive: true, mode: 0o700 });
    const envoy = await screen.step('Envoy', async (note) => {
      const found = await ensureEnvoy({ ...config.envoy, env: process.env }, screen.note);
      if (!found.ok) throw refusal(found.problems);
      note(`${found.value.version} from ${found.value.from}: ${found.value.path}`);
      return found.value;
    });
    // From here on: Envoy may have been fetched just now, which takes as long as the line is slow.
    const deadline = AbortSignal.timeout(startDeadlineMs);
    if (demo) this.#demo = await demoServers();
    for (const { spec } of this.#demo) this.#supervise(spec);
    this.#supervise(ownPart('filter', config));
    await screen.step('control plane', async (note) => {
      this.#supervise(ownPart('serve', config));
      // The last to listen: xDS does by then, and would log a connection that says nothing.
      await whenListening(admin.host, admin.port, deadline);
      note(`xDS ${xds.host}:${xds.port} · admin ${adminUrlOf(config)}`);
    });
    await screen.step('filter service', async (note) => {
      await whenListening(filter.host, filter.port, deadline);
      note(`ext_proc ${filter.host}:${filter.port} · bridge ${filter.host}:${filter.bridgePort}`);
    });
    await screen.step('gateway', async (note) => {
      await whenIdentified(config, deadline);
      this.#supervise(await envoyPart(config, envoy));
      await whenListening(gateway.host, gateway.port, deadline);
      note(`${gatewayUrl(config)} · Envoy, told where to listen over xDS`);
    });
    if (demo) await this.#showDemo(deadline);
    showConnection(gatewayUrl(config), adminText(config), config.data, this.#demo);
    this.#firstScreenShown = true;
  }

  async #showDemo(deadline: AbortSignal): Promise<void> {
    const admin = this.#admin;
    await screen.step('MCP servers', async (note) => {
      for (const { port } of this.#demo) await whenListening('127.0.0.1', port, deadline);
      for (const { registration } of this.#demo) {
        await clearAway(admin, String(registration['name']), deadline);
        await register(admin, registration);
      }
      const where = this.config.registry.write ?? 'file';
      note(`${this.#demo.length} started and registered by REST in the ${where} registry`);
    });
    await screen.step('discovery', async (note) => {
      const wanted = this.#demo.map(({ call }) => call.tool);
      const tools = await whenOffered(gatewayUrl(this.config), admin, wanted, deadline);
      note(`${tools} tools found, reachable through Envoy`);
    });
    await showCatalogue(admin);
    await showCalls(gatewayUrl(this.config), this.#demo);
  }

  /** In reverse order of the start. Demo registrations go first: their servers end now. */
  async end(): Promise<void> {
    this.#ending = true;
    if (this.#firstScreenShown) screen.line('\nEnding …');
    for (const { registration } of this.#demo)
      await deregister(this.#admin, String(registration['name'])).catch(() => undefined);
    for (const part of this.#running.reverse()) await part.end();
  }

  #supervise(spec: ChildSpec): void {
    const showInfo = () => this.#firstScreenShown && !this.#ending;
    const onLine = childLog(spec.name, join(this.config.data, 'logs'), showInfo);
    this.#running.push(
      supervise({ ...spec, onLine: (line) => this.#ending || onLine(line) }, this.#log),
    );
  }
}

function refusal(problems: readonly Problem[]): Error {
  return new Error(problems.map(({ message }) => message).join('\n✗ '));
}

const gatewayUrl = ({ gateway }: Config): string => httpUrl(gateway);

const adminText = (config: Config): string =>
  adminIsOpen(config)
    ? `${adminUrlOf(config)} (services, tools, Envoys; /openapi.json)`
    : `${adminUrlOf(config)} (opens with a token: mcpx token; the commands here need none)`;
