/** Names of workloads: a service's own, and those of MCPX's parts, which no service gets. */

export const ownWorkloads = ['edge', 'control-plane', 'filter'] as const;

const own: ReadonlySet<string> = new Set(ownWorkloads);

/** Whether a service of this name would be taken for a part of MCPX. */
export const isOwnWorkload = (name: string): boolean => own.has(name);
