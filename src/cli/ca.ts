/** `mcpx ca show | rotate`. */
import type { z } from 'zod';
import type { Colours } from '../colours.js';
import { certificateList, rootList } from './answers.js';
import { clientOf } from './client.js';
import type { Run } from './command.js';
import { plain, table } from './table.js';
import type { Terminal } from './terminal.js';

type Root = z.infer<typeof rootList>['roots'][number];
type Certificate = z.infer<typeof certificateList>['certificates'][number];

export const show: Run = async (invocation) => {
  const { options, terminal } = invocation;
  const { value, json } = await clientOf(invocation).get('/v1/certificates', certificateList);
  if (options['json']) {
    terminal.out(json);
    return 0;
  }
  const gateway = value.gateway && gatewayText(value.gateway, terminal);
  if (value.identity === 'off') {
    terminal.err('Identity is off: nobody needs a certificate. identity.mode: mutual turns it on.');
    if (gateway !== undefined) terminal.out(gateway);
    return 0;
  }
  terminal.out(rootsText(value.roots, terminal));
  if (value.certificates.length > 0)
    terminal.out(`\nSigned for workloads (${value.issuer ?? 'builtin'}):`);
  if (value.certificates.length > 0) terminal.out(certificatesText(value.certificates, terminal));
  if (gateway !== undefined) terminal.out(`\n${gateway}`);
  return 0;
};

export const rotate: Run = async (invocation) => {
  const { options, terminal } = invocation;
  const body = { now: options['now'] === true };
  const request = { method: 'POST', path: '/v1/certificates/rotate', body } as const;
  const { value, json } = await clientOf(invocation).send(request, rootList);
  if (options['json']) {
    terminal.out(json);
    return 0;
  }
  terminal.out(rootsText(value.roots, terminal));
  const next = value.roots.find(({ state }) => state === 'next');
  terminal.out(
    next
      ? `The new root is trusted now and signs from ${next.until ?? 'then'} on.`
      : 'The new root signs for workloads now, and for the links of MCPX when half of a ' +
          'life is over: whoever renews knows it by then.',
  );
  return 0;
};

function rootsText(roots: readonly Root[], terminal: Terminal): string {
  const rows = roots.map(({ fingerprint, state, since, until, expiresAt }) => [
    plain(fingerprint),
    stateText(state, terminal.colours),
    ...[shown(since), until === undefined ? '' : shown(until), shown(expiresAt)],
  ]);
  return table(terminal, ['ROOT (SHA-256)', 'STATE', 'SINCE', 'UNTIL', 'ENDS'], rows);
}

function certificatesText(certificates: readonly Certificate[], terminal: Terminal): string {
  const rows = certificates.map(({ workload, spiffeId, expiresAt, late }) => [
    ...[plain(workload), plain(spiffeId), shown(expiresAt)],
    late ? terminal.colours.red('not renewed') : '',
  ]);
  return table(terminal, ['WORKLOAD', 'SPIFFE ID', 'ENDS', ''], rows);
}

function gatewayText(
  { file, expiresAt, late }: NonNullable<z.infer<typeof certificateList>['gateway']>,
  { colours }: Terminal,
): string {
  const end = `The certificate of the gateway (${plain(file)}) ends at ${shown(expiresAt)}`;
  return late ? colours.red(`${end}: not renewed`) : end;
}

const shown = (instant: string): string => plain(instant).replace(/\.\d+Z$/, 'Z');

function stateText(state: string, colours: Colours): string {
  return state === 'signing' ? colours.green(state) : colours.yellow(plain(state));
}
