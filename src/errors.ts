/**
 * The catalogue of everything MCPX can say is wrong: one row a code, with who
 * must act. Rooms return problems as values; only `admin/problem` turns one
 * into an HTTP status, and only the CLI into an exit code.
 */
export type Actor = 'operator' | 'server owner' | 'agent';

interface CatalogueRow {
  readonly actor: Actor;
  readonly severity: 'error' | 'warning';
  readonly title: string;
}

export const catalogue = {
  registration_invalid: {
    actor: 'server owner',
    severity: 'error',
    title: 'A registration has wrong fields',
  },
  registration_field_unused: {
    actor: 'server owner',
    severity: 'warning',
    title: 'A field is not acted on by this version',
  },
  registration_conflict: {
    actor: 'server owner',
    severity: 'error',
    title: 'Registrations of one service disagree',
  },
  registration_differs: {
    actor: 'server owner',
    severity: 'warning',
    title: 'Instances of one service ask for different policies',
  },
  dependency_unmet: {
    actor: 'server owner',
    severity: 'error',
    title: 'A service depends on what is not there',
  },
  address_shared: {
    actor: 'server owner',
    severity: 'warning',
    title: 'One server is registered as several services',
  },
  write_conflict: {
    actor: 'operator',
    severity: 'error',
    title: 'Somebody else changed it in between',
  },
  registry_unreachable: {
    actor: 'operator',
    severity: 'error',
    title: 'A registry cannot be reached',
  },
  registry_unreadable: {
    actor: 'operator',
    severity: 'error',
    title: 'A registry holds what cannot be read',
  },
  registry_loss_held: {
    actor: 'operator',
    severity: 'warning',
    title: 'A registry lost many instances at once; they are served for a while',
  },
  server_unreachable: {
    actor: 'server owner',
    severity: 'error',
    title: 'A server cannot be reached',
  },
  server_not_mcp: { actor: 'server owner', severity: 'error', title: 'A server answers no MCP' },
  tool_name_unusable: {
    actor: 'server owner',
    severity: 'error',
    title: 'A tool cannot be exposed under its name',
  },
  rollout_refused: {
    actor: 'operator',
    severity: 'error',
    title: 'A rollout cannot do this now',
  },
  resource_refused: {
    actor: 'operator',
    severity: 'error',
    title: 'An Envoy refused a resource (NACK)',
  },
  translation_failed: {
    actor: 'operator',
    severity: 'error',
    title: 'The fleet could not be rendered; the last good stays',
  },
  stopping: { actor: 'operator', severity: 'warning', title: 'This control plane is stopping' },
  config_invalid: { actor: 'operator', severity: 'error', title: 'The configuration is wrong' },
  certificate_unavailable: {
    actor: 'operator',
    severity: 'error',
    title: 'A certificate cannot be had or renewed',
  },
  certificate_late: {
    actor: 'operator',
    severity: 'warning',
    title: 'A certificate ends soon, or nobody can tell when',
  },
  identity_refused: {
    actor: 'operator',
    severity: 'error',
    title: 'Somebody is not who they say they are',
  },
  target_refused: {
    actor: 'server owner',
    severity: 'error',
    title: 'A registration points where it must not',
  },
  audit_unavailable: {
    actor: 'operator',
    severity: 'error',
    title: 'The audit log cannot be written',
  },
  port_in_use: { actor: 'operator', severity: 'error', title: 'A port is already in use' },
  envoy_missing: { actor: 'operator', severity: 'error', title: 'No Envoy could be found' },
  envoy_too_old: { actor: 'operator', severity: 'error', title: 'This Envoy is too old' },
  not_found: { actor: 'operator', severity: 'error', title: 'There is no such thing' },
  request_invalid: { actor: 'operator', severity: 'error', title: 'The request is wrong' },
} as const satisfies Record<string, CatalogueRow>;

export type ProblemCode = keyof typeof catalogue;

/** What a problem is about; every part that is known is given. */
export interface Subject {
  readonly source?: string;
  readonly service?: string;
  readonly instance?: string;
  readonly node?: string;
  /** Where in the input, as `traffic.outlier.interval`. */
  readonly path?: string;
}

/** One thing that is wrong: a value, never thrown across rooms. */
export interface Problem {
  readonly code: ProblemCode;
  readonly severity: 'error' | 'warning';
  readonly actor: Actor;
  readonly subject: Subject;
  /** What happened, to what, and what to do now: one or two sentences. */
  readonly message: string;
}

export function problem(code: ProblemCode, subject: Subject, message: string): Problem {
  const { severity, actor } = catalogue[code];
  return { code, severity, actor, subject, message };
}

/** A result that is either a value or the problems that prevented it. */
export type Outcome<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly problems: readonly Problem[] };

export const succeeded = <T>(value: T): Outcome<T> => ({ ok: true, value });
export const failed = (...problems: readonly Problem[]): Outcome<never> => ({
  ok: false,
  problems,
});

/** The text of anything thrown, for a log line or a problem's message. */
export function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '')
    return error.errors.map(reasonOf).join('; ');
  return error instanceof Error ? error.message : String(error);
}
