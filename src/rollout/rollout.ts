export type * from '../fleet/rollout.js';
