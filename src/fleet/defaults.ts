/** The policy of a registration that says nothing of it. */
import type { Policy, Tls } from './fleet.js';

export const defaultPolicy: Policy = {
  era: 'auto',
  health: { kind: 'mcp', intervalMs: 10_000, timeoutMs: 2_000, unhealthyAfter: 3, healthyAfter: 1 },
  traffic: {
    timeoutMs: 30_000,
    retries: 3,
    balance: 'least_request',
    outlier: { consecutiveErrors: 5, intervalMs: 30_000, ejectionMs: 30_000 },
    breaker: { connections: 1024, pending: 1024, requests: 4096 },
  },
  expose: { prefix: true, tools: ['*'] },
};

export const inClear: Tls = { mode: 'off' };
