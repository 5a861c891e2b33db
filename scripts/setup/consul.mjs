/** Consul for tests and trials: $CONSUL_BIN, PATH, the cache, or built once with Go. */
import { ensureGoTool } from './go_tool.mjs';

/**
 * The path of a Consul binary.
 * @param {(text: string) => void} report told what is being done
 * @returns {Promise<string>}
 */
export async function ensureConsul(report) {
  return ensureGoTool(
    {
      name: 'consul',
      version: '1.22.3',
      variable: 'CONSUL_BIN',
      module: 'github.com/hashicorp/consul',
      duration: 'about 4 minutes, once',
    },
    report,
  );
}
