/** The rules of the house as data: what may import what, and how large things may be. */

/** Room → the rooms it may import. Root leaves may be imported by all. */
export const arrows: Readonly<Record<string, readonly string[]>> = {
  fleet: [],
  certificates: [],
  mcp_client: [],
  admin_client: [],
  registry: ['fleet', 'certificates'],
  probe: ['fleet', 'mcp_client'],
  rollout: ['fleet'],
  resources: ['fleet', 'rollout', 'snapshot', 'certificates'],
  signals: ['fleet', 'rollout'],
  snapshot: [],
  xds: ['snapshot', 'certificates'],
  admission: ['certificates', 'xds'],
  identity: [
    ...['admin_client', 'admission', 'certificates', 'fleet', 'probe', 'registry', 'resources'],
    'xds',
  ],
  mcp: ['fleet', 'admission', 'mcp_client', 'admin_client'],
  admin: [
    ...['registry', 'fleet', 'rollout', 'snapshot', 'xds', 'certificates', 'admission'],
    'admin_client',
  ],
  cli: ['mcp_client', 'admin_client'],
  up: ['resources', 'admission', 'mcp_client', 'admin_client'],
};

/** Root files that are no leaves: the composition, and the rooms it may reach. */
export const compositions: Readonly<Record<string, readonly string[]>> = {
  'translate.ts': ['fleet', 'resources', 'snapshot'],
  'audience_snapshots.ts': ['certificates', 'fleet', 'identity', 'resources', 'snapshot'],
  'pipeline.ts': ['fleet', 'registry', 'resources', 'snapshot'],
  'last_good.ts': ['fleet'],
  'plan.ts': ['admin', 'fleet', 'identity', 'registry', 'resources', 'snapshot'],
  'rollouts.ts': ['fleet', 'registry', 'resources', 'rollout'],
  'app.ts': Object.keys(arrows),
  'main.ts': ['admission', 'cli', 'mcp', 'up', 'resources', 'registry', 'fleet'],
};

/** Package → the only files that may import it. */
export const doors: Readonly<Record<string, readonly string[]>> = {
  consul: ['src/registry/consul.ts'],
  etcd3: ['src/registry/etcd.ts'],
  '@grpc/grpc-js': [
    ...['src/xds/server.ts', 'src/xds/receivers.ts', 'src/mcp/filter.ts'],
    'src/admission/client.ts',
  ],
  '@grpc/proto-loader': ['src/protos.ts'],
  koa: ['src/admin/'],
  pino: ['src/log.ts'],
  'pino-pretty': ['src/log.ts'],
  'prom-client': ['src/metrics.ts'],
  commander: ['src/cli/'],
  '@peculiar/x509': ['src/certificates/x509.ts'],
  'reflect-metadata': ['src/certificates/x509.ts'],
};

/** Files and folders that touch no socket, file or clock. */
export const pure: readonly string[] = [
  'src/fleet/',
  'src/rollout/',
  'src/resources/',
  'src/signals/',
  'src/snapshot/snapshot.ts',
  'src/snapshot/consistent.ts',
  'src/snapshot/refused.ts',
  'src/xds/refusals.ts',
  'src/snapshot/audience.ts',
  'src/xds/subscription.ts',
  'src/xds/order.ts',
  'src/mcp/classify.ts',
  'src/translate.ts',
];

/** Read once at start: templates that ship with the package. */
export const readsTemplates: readonly string[] = [
  'src/resources/filters.ts',
  'src/resources/bootstrap.ts',
];

export const limits = {
  fileLines: 400,
  fileLinesMedian: 100,
  fileLinesP90: 250,
  functionLines: 70,
  parameters: 4,
  columns: 100,
};

export const bannedFileNames = /^(utils?|helpers?|misc|managers?|common|shared|index)\.ts$/;

/** What may stand at the top of the repository; dot files aside. */
export const topLevel: readonly string[] = [
  'LICENSE',
  'README.md',
  'deploy',
  'dist',
  'envoy',
  'eslint.config.js',
  'node_modules',
  'package-lock.json',
  'package.json',
  'protos',
  'scripts',
  'src',
  'test',
  'tsconfig.json',
];
