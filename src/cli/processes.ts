/** `mcpx up | serve | filter`: the configuration is read here, the process is handed in. */
import { z } from 'zod';
import type { Run } from './command.js';
import { configFor } from './settings.js';

const given = z.object({
  data: z.string().optional(),
  gatewayPort: z.string().optional(),
  adminPort: z.string().optional(),
  xdsPort: z.string().optional(),
  filterPort: z.string().optional(),
  logLevel: z.string().optional(),
  demo: z.boolean().default(false),
  once: z.boolean().default(false),
});

type Given = z.infer<typeof given>;

export const up: Run = async (invocation) => {
  const options = given.parse(invocation.options);
  const config = configFor(invocation, settingsOf(options));
  const { demo, once } = options;
  return invocation.actions.up(config, { demo, once });
};

export const serve: Run = async (invocation) => {
  const options = given.parse(invocation.options);
  return invocation.actions.serve(configFor(invocation, settingsOf(options)));
};

export const filter: Run = async (invocation) => {
  const options = given.parse(invocation.options);
  return invocation.actions.filter(configFor(invocation, settingsOf(options)));
};

/** As `mcpx.yaml` nests them; what is not a number is left for the schema to name. */
function settingsOf(options: Given): Readonly<Record<string, unknown>> {
  const { data, gatewayPort, adminPort, xdsPort, filterPort, logLevel } = options;
  return {
    ...(data !== undefined && { data }),
    ...(gatewayPort !== undefined && { gateway: { port: numberOf(gatewayPort) } }),
    ...(adminPort !== undefined && { admin: { port: numberOf(adminPort) } }),
    ...(xdsPort !== undefined && { xds: { port: numberOf(xdsPort) } }),
    ...(filterPort !== undefined && { filter: { port: numberOf(filterPort) } }),
    ...(logLevel !== undefined && { log: { level: logLevel } }),
  };
}

const numberOf = (text: string): unknown => (/^\d+$/.test(text) ? Number(text) : text);
