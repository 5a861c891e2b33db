/** Nodes: the connected Envoys, what each holds, and what it refused. */
import type { z } from 'zod';
import type { ShownCertificate } from '../xds/node_certificates.js';
import type { KindStatus, NodeStatus } from '../xds/nodes.js';
import { notFound } from './problem.js';
import { jsonAnswer, jsonRow, type Answer, type Route } from './route.js';
import { node, nodeList } from './schemas.js';
import { didYouMean } from './services.js';
import type { AdminState } from './state.js';

type NodeView = z.infer<typeof node>;

export function nodeRoutes({ nodes }: AdminState): Route[] {
  return [
    {
      method: 'get',
      path: '/v1/nodes',
      role: 'viewer',
      summary: 'Every Envoy that is connected',
      answers: { 200: jsonRow('The nodes', nodeList) },
      handle: () => jsonAnswer({ nodes: nodes().map(nodeView) }),
    },
    {
      method: 'get',
      path: '/v1/nodes/{id}',
      role: 'viewer',
      summary: 'One Envoy: what it holds and what it refused',
      answers: { 200: jsonRow('The node', node) },
      problems: [404],
      handle: ({ params }) => show(nodes(), params['id'] ?? ''),
    },
  ];
}

function show(nodes: readonly NodeStatus[], id: string): Answer {
  const found = nodes.find((candidate) => candidate.id === id);
  if (found) return jsonAnswer(nodeView(found));
  const ids = nodes.map((candidate) => candidate.id);
  return notFound(`No node ${id} is connected.${didYouMean(id, ids)}`);
}

function nodeView(status: NodeStatus): NodeView {
  const { id, cluster, version, role, address, kinds, connectedSince, lagMs, lastRefusal } = status;
  const { certificate } = status;
  const holdings = Object.values(kinds);
  const refusal = lastRefusal && {
    ...lastRefusal,
    names: [...lastRefusal.names],
    at: new Date(lastRefusal.at).toISOString(),
  };
  return {
    ...{ id, cluster, version, role, address },
    connectedSince: new Date(connectedSince).toISOString(),
    ...(certificate && { certificate: certificateView(certificate) }),
    inSync: holdings.length > 0 && holdings.every(isInSync),
    lagMs,
    overdue: holdings.some(({ overdue }) => overdue),
    kinds: Object.fromEntries(
      Object.entries(kinds).map(([kind, status]) => [kind, holdingView(status)]),
    ),
    ...(refusal && { lastRefusal: refusal }),
  };
}

const certificateView = ({ expiresAt, late }: ShownCertificate) => ({
  ...{ expiresAt: new Date(expiresAt).toISOString(), late },
});

const isInSync = ({ settled, refused }: KindStatus): boolean => settled && refused.length === 0;

function holdingView(status: KindStatus): NodeView['kinds'][string] {
  const { acknowledged, held, inFlight, overdue = false, settled, refused } = status;
  return {
    ...(acknowledged !== undefined && { acknowledged }),
    ...{ held, inFlight, overdue, settled, refused: [...refused] },
  };
}
