/** How the probe opens a conversation in each era, and under what name. */
import type { Era } from '../fleet/fleet.js';
import { openLegacy, openModern, type Opened } from '../mcp_client/conversation.js';
import type { Limits, Target } from '../mcp_client/streamable.js';

const client = { name: 'mcpx-probe', version: '1' };

export const openers: Readonly<Record<Era, (target: Target, limits: Limits) => Promise<Opened>>> = {
  modern: (target, limits) => openModern(target, client, limits),
  legacy: (target, limits) => openLegacy(target, client, limits),
};
