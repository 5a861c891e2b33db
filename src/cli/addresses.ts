/** Addresses as flags name them: where the replicas of the control plane answer Envoys. */
import { wrongUsage } from './failure.js';

export interface Address {
  readonly host: string;
  readonly port: number;
}

export function replicasIn(given: readonly string[]): readonly Address[] {
  const words = given.flatMap((list) => list.split(',').map((word) => word.trim()));
  const twice = words.find((word, index) => words.indexOf(word) !== index);
  // Whoever believes to have two replicas would find out when the one is gone.
  if (twice !== undefined) throw wrongUsage(`--xds names ${twice} twice. Name each replica once.`);
  return words.map((word) => addressIn(word, '--xds'));
}

export function addressIn(text: string, flag: string): Address {
  const found = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text);
  const host = found?.[1] ?? found?.[2];
  const port = Number(found?.[3]);
  if (host === undefined || port < 1 || port > 65_535)
    throw wrongUsage(`${flag} must be HOST:PORT such as 10.0.0.5:18000, not ${text || 'nothing'}.`);
  return { host, port };
}

export const textOf = ({ host, port }: Address): string =>
  `${host.includes(':') ? `[${host}]` : host}:${port}`;
