/** What a row of the route table is: the router and the OpenAPI document are both made from it. */
import type { Readable } from 'node:stream';
import type { z } from 'zod';
import type { Changed } from './audit.js';
import type { Role } from './roles.js';

export interface AdminRequest {
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string>>;
  /** Who asks; where nobody is asked who they are, as they say of themselves (`x-mcpx-user`). */
  readonly user: string;
  /** The JSON object that was sent; empty where the route takes none. */
  readonly body: Readonly<Record<string, unknown>>;
}

export type Answer = JsonAnswer | ContentAnswer;

export interface JsonAnswer {
  readonly status: number;
  readonly json: unknown;
  /** `application/json` unless said otherwise. */
  readonly type?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** What a write has changed, for the audit log; it is not sent. */
  readonly changed?: Changed;
}

interface ContentAnswer {
  readonly status: number;
  readonly type: string;
  readonly content: string | Readable;
  readonly headers?: Readonly<Record<string, string>>;
}

/** One answer a route may give, as the OpenAPI document tells it. */
interface AnswerRow {
  readonly description: string;
  /** Media type → what its body looks like; `undefined` for plain text. */
  readonly content: Readonly<Record<string, z.ZodType | undefined>>;
}

export interface ParameterRow {
  readonly name: string;
  readonly description: string;
}

export interface Route {
  readonly method: 'get' | 'post' | 'delete';
  /** As OpenAPI writes it: `/v1/services/{name}`. */
  readonly path: string;
  /** The least it takes. What takes an operator, and is no `get`, is a write: it is audited. */
  readonly role: Role;
  readonly summary: string;
  readonly query?: readonly ParameterRow[];
  readonly request?: z.ZodType;
  readonly answers: Readonly<Record<number, AnswerRow>>;
  /** Statuses of the problem details it may answer with. */
  readonly problems?: readonly number[];
  handle(request: AdminRequest): Answer | Promise<Answer>;
}

/** An answer row of JSON. */
export const jsonRow = (description: string, schema: z.ZodType): AnswerRow => ({
  description,
  content: { 'application/json': schema },
});

/** An answer row of anything but JSON. */
export const textRow = (description: string, type: string): AnswerRow => ({
  description,
  content: { [type]: undefined },
});

export const jsonAnswer = (json: unknown, status = 200): JsonAnswer => ({ status, json });
