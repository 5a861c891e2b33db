/** etcd for tests and trials: $ETCD_BIN, PATH, the cache, or built once with Go. */
import { ensureGoTool } from './go_tool.mjs';

/**
 * The path of an etcd binary.
 * @param {(text: string) => void} report told what is being done
 * @returns {Promise<string>}
 */
export async function ensureEtcd(report) {
  return ensureGoTool(
    {
      name: 'etcd',
      version: '3.7.3',
      variable: 'ETCD_BIN',
      module: 'go.etcd.io/etcd/server/v3',
      duration: 'about 2 minutes, once',
    },
    report,
  );
}
