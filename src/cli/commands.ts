/** Every command there is, in the order `--help` shows them. */
import type { CommandRow, OptionRow } from './command.js';
import { rolloutCommands } from './rollout_commands.js';

/** Taken before and after every command. */
export const sharedOptions: readonly OptionRow[] = [
  { flags: '--admin <url>', description: 'the admin API (MCPX_ADMIN_URL; else from mcpx.yaml)' },
  { flags: '--config <file>', description: 'mcpx.yaml, where it is not in this folder' },
  { flags: '--env <name>', description: 'the environment: a set of services of its own' },
];

/** What `mcpx NOUN` is about, for the nouns that have several verbs. */
export const groups: Readonly<Record<string, string>> = {
  service: 'the services and their instances',
  registry: 'where they register, and how far that is believed',
  ca: 'the authority that signs certificates',
  canary: 'ship a new version step by step, judged by what agents feel',
  bluegreen: 'ship a new version at once, and back at once',
};

const json: OptionRow = { flags: '--json', description: "print the API's JSON" };

const changesFile: OptionRow = {
  flags: '-f, --file <file>',
  description: 'as services.yaml, with `remove:` for names; - for stdin',
};

const processOptions: readonly OptionRow[] = [
  { flags: '--data <folder>', description: 'where keys and the last good are kept' },
  { flags: '--gateway-port <port>', description: 'where agents connect' },
  { flags: '--admin-port <port>', description: 'where the admin API listens' },
  { flags: '--xds-port <port>', description: 'where Envoys connect' },
  { flags: '--filter-port <port>', description: 'where the filter service listens (ext_proc)' },
  { flags: '--log-level <level>', description: 'debug, info, warn or error' },
];

export const commandTable: readonly CommandRow[] = [
  {
    path: 'up',
    summary: 'start everything on this machine: control plane, filter service, one Envoy',
    options: [
      { flags: '--demo', description: 'start two demo MCP servers too' },
      { flags: '--once', description: 'show that everything works, then end' },
      ...processOptions,
    ],
    example: 'mcpx up --demo',
    load: async () => (await import('./processes.js')).up,
  },
  {
    path: 'serve',
    summary: 'start the control plane alone',
    options: processOptions,
    example: 'mcpx serve --config mcpx.yaml',
    load: async () => (await import('./processes.js')).serve,
  },
  {
    path: 'filter',
    summary: 'start the filter service alone',
    options: processOptions,
    example: 'mcpx filter --config mcpx.yaml',
    load: async () => (await import('./processes.js')).filter,
  },
  {
    path: 'bootstrap',
    summary: 'print the bootstrap of an Envoy that connects here',
    options: [
      { flags: '--role <role>', description: 'edge, or sidecar of one service' },
      { flags: '--service <name>', description: 'sidecar: the service it stands beside' },
      {
        flags: '--inbound <ip:port>',
        description: 'sidecar: where others call its server (default: 0.0.0.0:3443)',
      },
      {
        flags: '--outbound <ip:port>',
        description: 'sidecar: where its server calls others (default: 127.0.0.1:15001)',
      },
      {
        flags: '--local <ip:port>',
        description: 'sidecar: its server, on this machine (default: 127.0.0.1:3000)',
      },
      { flags: '--node <id>', description: 'what the Envoy is called (default: ROLE-HOSTNAME)' },
      {
        flags: '--xds <host:port>',
        description: 'where it finds the control plane; several times, or a list with commas',
        repeated: true,
      },
      { flags: '--folder <folder>', description: 'where its certificate is (that of `mcpx join`)' },
      { flags: '--no-token', description: 'print no join token: it has joined already' },
      { flags: '--json', description: 'print JSON instead of YAML' },
    ],
    example: 'mcpx bootstrap --xds 10.0.0.5:18000,10.0.0.6:18000 > edge.yaml',
    load: async () => (await import('./bootstrap.js')).bootstrap,
  },
  {
    path: 'join',
    summary: "get this machine's Envoy its certificate, and keep it fresh",
    options: [
      { flags: '--token <token>', description: 'from `mcpx bootstrap`, the first time; -: stdin' },
      {
        flags: '--xds <host:port>',
        description: 'where the control plane answers; several times, or a list with commas',
        repeated: true,
      },
      {
        flags: '--folder <folder>',
        description: 'where the certificate is kept (default: /etc/mcpx/identity)',
      },
      { flags: '--once', description: 'renew only if it is due now, then end' },
    ],
    example: 'mcpx join --token mcpx1.… --xds 10.0.0.5:18000',
    load: async () => (await import('./join.js')).join,
  },
  {
    path: 'service list',
    summary: 'list every service: versions, eras, instances, tools, state',
    options: [json],
    example: 'mcpx service list',
    load: async () => (await import('./service.js')).list,
  },
  {
    path: 'service show',
    arguments: '<name>',
    summary: 'show all that is known of one service',
    options: [json],
    example: 'mcpx service show claims',
    load: async () => (await import('./service.js')).show,
  },
  {
    path: 'service register',
    arguments: '[name]',
    summary: 'register instances, by flags or from a file',
    options: [
      { flags: '--url <url>', description: 'where the server speaks MCP' },
      { flags: '--version <version>', description: 'semantic version of the server' },
      { flags: '--era <era>', description: 'auto, modern or legacy' },
      { flags: '--tag <tag>', description: 'may be given several times', repeated: true },
      { flags: '-f, --file <file>', description: 'YAML or JSON, one or a list; - for stdin' },
      { flags: '--no-wait', description: 'do not wait until the server was asked for its tools' },
      json,
    ],
    example: 'mcpx service register claims --url http://127.0.0.1:3000/mcp --version 2.1.0',
    load: async () => (await import('./register.js')).register,
  },
  {
    path: 'service remove',
    arguments: '<name> [instance]',
    summary: 'remove a service, or one of its instances',
    options: [json],
    example: 'mcpx service remove claims 127.0.0.1:3000',
    load: async () => (await import('./service.js')).remove,
  },
  {
    path: 'plan',
    summary: 'show what changes would do to every Envoy, before they are made',
    options: [changesFile, json],
    example: 'mcpx plan -f changes.yaml',
    load: async () => (await import('./plan.js')).plan,
  },
  {
    path: 'apply',
    summary: 'make the changes of a file in order, up to the first that fails',
    options: [changesFile, json],
    example: 'mcpx apply -f changes.yaml',
    load: async () => (await import('./apply.js')).apply,
  },
  {
    path: 'registry list',
    summary: 'list the registries: whether each is heard, and what is held back of it',
    options: [json],
    example: 'mcpx registry list',
    load: async () => (await import('./registry.js')).list,
  },
  {
    path: 'registry accept',
    arguments: '<source>',
    summary: 'let go the instances that are held back after a sudden loss',
    options: [{ flags: '--dry-run', description: 'only show what would go' }, json],
    example: 'mcpx registry accept consul',
    load: async () => (await import('./registry.js')).accept,
  },
  ...rolloutCommands,
  {
    path: 'tools',
    summary: 'list every tool that agents see',
    options: [json],
    example: 'mcpx tools',
    load: async () => (await import('./tools.js')).tools,
  },
  {
    path: 'call',
    arguments: '<tool> [json]',
    summary: 'call a tool through the gateway, as an agent would',
    options: [
      { flags: '--gateway <url>', description: 'the gateway (default: from mcpx.yaml)' },
      { flags: '--json', description: 'print the MCP result as JSON' },
    ],
    example: `mcpx call everything__get-sum '{"a": 2, "b": 3}'`,
    load: async () => (await import('./call.js')).call,
  },
  {
    path: 'fleet',
    arguments: '[node]',
    summary: 'list the connected Envoys: what each holds, and what it refused',
    options: [json],
    example: 'mcpx fleet',
    load: async () => (await import('./fleet.js')).fleet,
  },
  {
    path: 'problems',
    summary: 'list everything that is wrong at present, and who must act',
    options: [json],
    example: 'mcpx problems',
    load: async () => (await import('./problems.js')).problems,
  },
  {
    path: 'ca show',
    summary: 'show the roots of the authority, and the certificates that are held',
    options: [json],
    example: 'mcpx ca show',
    load: async () => (await import('./ca.js')).show,
  },
  {
    path: 'ca rotate',
    summary: 'have the authority sign with a new root; the old one is trusted while it is needed',
    options: [
      { flags: '--now', description: 'sign at once, before everybody had time to trust it' },
      json,
    ],
    example: 'mcpx ca rotate',
    load: async () => (await import('./ca.js')).rotate,
  },
  {
    path: 'ca issue',
    summary: 'give a person or a script a certificate for the admin API, with a key made here',
    options: [
      { flags: '--name <name>', description: 'whose it is: ana, ci' },
      { flags: '--role <role>', description: 'viewer, operator or admin' },
      { flags: '--folder <folder>', description: 'where its files go (default: here)' },
    ],
    example: 'mcpx ca issue --name ana --role operator --folder ~/.mcpx',
    load: async () => (await import('./ca_issue.js')).issue,
  },
  {
    path: 'audit',
    summary: 'show who did what, from what to what, and who was refused',
    options: [{ flags: '--limit <count>', description: 'how many lines (default: 200)' }, json],
    example: 'mcpx audit --limit 50',
    load: async () => (await import('./audit.js')).audit,
  },
  {
    path: 'token',
    summary: 'make a token for the admin API; mcpx.yaml takes its digest',
    options: [
      { flags: '--name <name>', description: 'whose it is: audit log and histories show it' },
      {
        flags: '--role <role>',
        description: 'viewer (looks), operator (registers, rolls out) or admin (everything)',
      },
      { flags: '--json', description: 'print the token and its entry as JSON' },
    ],
    example: 'mcpx token --name ana --role operator',
    load: async () => (await import('./token.js')).token,
  },
  {
    path: 'doctor',
    summary: 'check this machine and say how to mend what is wrong',
    options: [
      {
        flags: '--config [file]',
        description: 'without a file: show the configuration in effect, secrets hidden',
      },
      { flags: '--json', description: 'print the checks as JSON' },
    ],
    example: 'mcpx doctor',
    load: async () => (await import('./doctor.js')).doctor,
  },
];
