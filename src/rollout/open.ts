/** Which rollouts are under way; one that has ended goes on to say what the shares are. */
import type { Phase, Rollout } from '../fleet/rollout.js';

const openPhases: ReadonlySet<Phase> = new Set(['running', 'paused', 'staged', 'switched']);

export const isOpen = ({ phase }: Rollout): boolean => openPhases.has(phase);
