/** The audit log of this replica, the newest first. */
import { open } from 'node:fs/promises';
import type { z } from 'zod';
import { reasonOf, problem } from '../errors.js';
import type { AuditLog } from './audit.js';
import { problemAnswer, refusal } from './problem.js';
import { jsonAnswer, jsonRow, type AdminRequest, type Answer, type Route } from './route.js';
import { auditLine, auditList } from './schemas.js';

const linesMost = 1_000;
/** Read from the end: the file may be as old as the installation. */
const bytesMost = 4 * 1024 * 1024;

type Line = z.infer<typeof auditLine>;

export function auditRoutes(audit: AuditLog): Route[] {
  return [
    {
      method: 'get',
      path: '/v1/audit',
      role: 'admin',
      summary: 'Who did what, from what to what, and who was refused; the newest first',
      query: [
        { name: 'limit', description: `how many lines; 200 unless told, ${linesMost} at most` },
      ],
      answers: { 200: jsonRow('The lines of this replica', auditList) },
      problems: [400, 503],
      handle: (request) => show(audit, request),
    },
  ];
}

async function show({ path }: AuditLog, { query }: AdminRequest): Promise<Answer> {
  const limit = Number(query['limit'] ?? 200);
  if (!Number.isInteger(limit) || limit < 1 || limit > linesMost)
    return refusal(400, `limit must be a whole number from 1 to ${linesMost}.`);
  try {
    return jsonAnswer({
      lines: linesIn(await endOf(path))
        .reverse()
        .slice(0, limit),
    });
  } catch (error) {
    const message = `The audit log ${path} cannot be read: ${reasonOf(error)}.`;
    return problemAnswer([problem('audit_unavailable', {}, message)]);
  }
}

async function endOf(path: string): Promise<string> {
  const file = await open(path, 'r').catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  });
  if (!file) return '';
  try {
    const { size } = await file.stat();
    const length = Math.min(size, bytesMost);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, size - length);
    return buffer.toString('utf8', 0, bytesRead);
  } finally {
    await file.close();
  }
}

/** A line that was torn by a full disk is none. */
const linesIn = (text: string): Line[] =>
  text.split('\n').flatMap((line) => {
    try {
      const read = auditLine.safeParse(JSON.parse(line));
      return read.success ? [read.data] : [];
    } catch {
      return [];
    }
  });
