/** What a row of the command table is, and what a command is handed when it runs. */
import type { Config } from '../config.js';
import type { ChangesFile } from './changes_file.js';
import type { Outcome, Problem } from '../errors.js';
import type { Environment, Terminal } from './terminal.js';

/** What the CLI starts but does not know: wired by `main`, so that no command imports a room. */
export interface Actions {
  /** Each resolves with the exit code when the process is to end. */
  up(config: Config, request: UpRequest): Promise<number>;
  serve(config: Config): Promise<number>;
  filter(config: Config): Promise<number>;
  /** The YAML of an Envoy's bootstrap. */
  bootstrap(settings: BootstrapSettings): Promise<string>;
  /** Ends when it has joined (`once`), cannot, or the process is to end. */
  join(request: JoinRequest): Promise<Outcome<{ readonly id: string; readonly expiresAt: number }>>;
  /** A key of nobody's yet and a request (PKCS#10) for its certificate; PEM. */
  certificateRequest(): Promise<{ readonly key: string; readonly request: string }>;
  findEnvoy(search: EnvoySearch): Promise<Outcome<FoundEnvoy>>;
  /** What the admin API would answer to a plan, were nothing registered. */
  plan(config: Config, changes: ChangesFile): Promise<object>;
  /** One problem for every port of the configuration that cannot be bound now. */
  portProblems(config: Config): Promise<readonly Problem[]>;
}

interface UpRequest {
  /** Starts the two demo servers too. */
  readonly demo: boolean;
  /** Shows everything once and ends. */
  readonly once: boolean;
}

export interface BootstrapSettings {
  readonly node: string;
  /** One for each replica of the control plane. */
  readonly xds: readonly HostAndPort[];
  readonly adminPort: number;
  /** Undefined: it connects in clear. */
  readonly identity?: { readonly folder: string; readonly trustDomain: string };
  /** Undefined: it is an edge. */
  readonly sidecar?: {
    readonly service: string;
    readonly inbound: HostAndPort;
    readonly outbound: HostAndPort;
    readonly local: HostAndPort;
  };
}

interface JoinRequest {
  /** Undefined: it has joined before. */
  readonly token: string | undefined;
  /** One for each replica of the control plane. */
  readonly xds: readonly HostAndPort[];
  readonly folder: string;
  /** Renews nothing that is not due now. */
  readonly once: boolean;
}

interface HostAndPort {
  readonly host: string;
  readonly port: number;
}

interface EnvoySearch {
  readonly binary: string;
  readonly env: Environment;
}

interface FoundEnvoy {
  readonly path: string;
  readonly version: string;
}

/** 0 done, 1 failed, 2 wrong usage. */
export type ExitCode = number;

export interface Invocation {
  readonly arguments: readonly (string | undefined)[];
  /** As commander read them; a command decodes those it has. */
  readonly options: Readonly<Record<string, unknown>>;
  readonly terminal: Terminal;
  readonly actions: Actions;
}

export type Run = (invocation: Invocation) => Promise<ExitCode>;

export interface OptionRow {
  readonly flags: string;
  readonly description: string;
  /** May be given several times. */
  readonly repeated?: boolean;
}

export interface CommandRow {
  /** Words as typed: `service list`. */
  readonly path: string;
  /** As commander writes them: `<name> [instance]`. */
  readonly arguments?: string;
  readonly summary: string;
  readonly options?: readonly OptionRow[];
  readonly example: string;
  /** Loads the command's file only when it runs, so that `--help` stays quick. */
  load(): Promise<Run>;
}
