/** `mcpx bootstrap`: what an Envoy on another machine is started with. */
import { hostname } from 'node:os';
import { parse } from 'yaml';
import { z } from 'zod';
import type { Run } from './command.js';
import { wrongUsage } from './failure.js';
import { configFor } from './settings.js';

const given = z.object({
  role: z.string().default('edge'),
  node: z.string().optional(),
  xds: z.array(z.string()).optional(),
  json: z.boolean().optional(),
});

export const bootstrap: Run = async (invocation) => {
  const { role, node, xds, json } = given.parse(invocation.options);
  if (role !== 'edge') throw wrongUsage(`--role must be edge in this version, not ${role}.`);
  const config = configFor(invocation);
  const listening = /^(0\.0\.0\.0|::)$/.test(config.xds.host);
  if (xds === undefined && listening)
    throw wrongUsage(
      `xds.host is ${config.xds.host}, which is no address to connect to. Say with --xds ` +
        'HOST:PORT where that Envoy finds the control plane.',
    );
  const settings = {
    node: node ?? `edge-${hostname()}`,
    xds: xds === undefined ? [config.xds] : replicas(xds),
    adminPort: config.envoy.adminPort,
  };
  const yaml = await invocation.actions.bootstrap(settings);
  invocation.terminal.out(json ? JSON.stringify(parse(yaml), undefined, 2) : yaml.trimEnd());
  return 0;
};

interface Address {
  readonly host: string;
  readonly port: number;
}

function replicas(given: readonly string[]): readonly Address[] {
  const words = given.flatMap((list) => list.split(',').map((word) => word.trim()));
  const twice = words.find((word, index) => words.indexOf(word) !== index);
  // Whoever believes to have two replicas would find out when the one is gone.
  if (twice !== undefined) throw wrongUsage(`--xds names ${twice} twice. Name each replica once.`);
  return words.map(hostAndPort);
}

function hostAndPort(text: string): Address {
  const found = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text);
  const host = found?.[1] ?? found?.[2];
  const port = Number(found?.[3]);
  if (host === undefined || port < 1 || port > 65_535)
    throw wrongUsage(`--xds must be HOST:PORT such as 10.0.0.5:18000, not ${text || 'nothing'}.`);
  return { host, port };
}
