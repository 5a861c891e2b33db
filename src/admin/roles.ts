/**
 * Who may do what: every route names the least it takes, and whoever has more may
 * do it too. `node` is what stands beside an Envoy: it sees what agents see.
 */
export const roles = ['anybody', 'node', 'viewer', 'operator', 'admin'] as const;

export type Role = (typeof roles)[number];

/** Who asks, as was made sure of. */
export interface Caller {
  /** Empty where nobody said. */
  readonly name: string;
  readonly role: Role;
}

export const suffices = (held: Role, needed: Role): boolean =>
  roles.indexOf(held) >= roles.indexOf(needed);
