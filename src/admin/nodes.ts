/** Nodes: the connected Envoys, what each holds, and what it refused. */
import type { z } from 'zod';
import { notFound } from './problem.js';
import type { Holding, NodeStatus } from './node_status.js';
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
      summary: 'Every Envoy that is connected',
      answers: { 200: jsonRow('The nodes', nodeList) },
      handle: () => jsonAnswer({ nodes: nodes.value.map(nodeView) }),
    },
    {
      method: 'get',
      path: '/v1/nodes/{id}',
      summary: 'One Envoy: what it holds and what it refused',
      answers: { 200: jsonRow('The node', node) },
      problems: [404],
      handle: ({ params }) => show(nodes.value, params['id'] ?? ''),
    },
  ];
}

function show(nodes: readonly NodeStatus[], id: string): Answer {
  const found = nodes.find((candidate) => candidate.id === id);
  if (found) return jsonAnswer(nodeView(found));
  const ids = nodes.map((candidate) => candidate.id);
  return notFound(`No node ${id} is connected.${didYouMean(id, ids)}`);
}

function nodeView({ kinds, connectedSince, ...rest }: NodeStatus): NodeView {
  const holdings = Object.values(kinds);
  return {
    ...rest,
    connectedSince: new Date(connectedSince).toISOString(),
    inSync: holdings.every(({ inFlight, lastNack }) => !inFlight && lastNack === undefined),
    kinds: Object.fromEntries(
      Object.entries(kinds).map(([kind, holding]) => [kind, holdingView(holding)]),
    ),
  };
}

function holdingView({ lastNack, ...rest }: Holding): NodeView['kinds'][string] {
  if (lastNack === undefined) return rest;
  const { message, resources, at } = lastNack;
  return {
    ...rest,
    lastNack: { message, resources: [...resources], at: new Date(at).toISOString() },
  };
}
