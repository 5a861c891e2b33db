/**
 * The text of `services.yaml`: the registrations in it, and edits that keep
 * the user's comments, order and everything else that was not asked to change.
 */
import { isDeepStrictEqual } from 'node:util';
import { isMap, isSeq, LineCounter, parseDocument, YAMLMap, YAMLSeq } from 'yaml';
import type { Document } from 'yaml';
import { nearest } from '../config.js';
import { failed, problem, reasonOf, succeeded } from '../errors.js';
import type { Outcome } from '../errors.js';
import { identify } from './decode.js';
import type { RegistrationDocument, Written } from './registry.js';

/** What an entry is called: its service, and `host:port` where its url can be read. */
interface EntryName {
  readonly service: string | undefined;
  readonly instance: string | undefined;
}

/** The entries as they stand, none of them decoded. Problems: `registry_unreadable`. */
export function readServices(text: string, path: string): Outcome<readonly unknown[]> {
  const opened = open(text, path);
  if (!opened.ok) return opened;
  try {
    const content: unknown = opened.value.toJS();
    const services = (content as { readonly services?: unknown } | null)?.services;
    return succeeded(Array.isArray(services) ? services : []);
  } catch (error) {
    return unreadable(path, reasonOf(error));
  }
}

export function nameOf(entry: unknown): EntryName {
  const { name, id } = identify(entry);
  return { service: name, instance: id };
}

interface Edit {
  readonly text: string;
  readonly change: Written['change'];
}

/** The text with `entry` in it, in place of the one of the same name and address. */
export function withService(
  text: string,
  entry: RegistrationDocument,
  path: string,
): Outcome<Edit> {
  const opened = open(text, path);
  if (!opened.ok) return opened;
  const document = opened.value;
  const services = servicesOf(document);
  const wanted = nameOf(entry);
  const present = services.items.find((item) =>
    isDeepStrictEqual(nameOf(plain(item, document)), wanted),
  );
  if (isMap(present) && isDeepStrictEqual(plain(present, document), entry))
    return succeeded({ text, change: 'unchanged' });
  if (isMap(present)) replaceFields(present, entry, document);
  else services.add(document.createNode(entry));
  const edited = written(document, path);
  const change = isMap(present) ? 'replaced' : 'added';
  return edited.ok ? succeeded({ text: edited.value, change }) : edited;
}

interface Removal {
  readonly text: string;
  /** The ids of the instances that are gone. */
  readonly removed: readonly string[];
}

/** The text without the service's entries, or without the one of `instance`. */
export function withoutService(
  text: string,
  { service, instance }: EntryName,
  path: string,
): Outcome<Removal> {
  const opened = open(text, path);
  if (!opened.ok) return opened;
  const document = opened.value;
  const services = servicesOf(document);
  const removed: string[] = [];
  services.items = services.items.filter((item) => {
    const found = nameOf(plain(item, document));
    if (found.service !== service) return true;
    if (instance !== undefined && found.instance !== instance) return true;
    removed.push(found.instance ?? service ?? '');
    return false;
  });
  const edited = written(document, path);
  return edited.ok ? succeeded({ text: edited.value, removed }) : edited;
}

function open(text: string, path: string): Outcome<Document> {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, merge: true });
  const error = document.errors[0];
  if (error !== undefined) {
    const { line, col } = lines.linePos(error.pos[0]);
    return unreadable(`${path}:${line}:${col}`, error.message);
  }
  const { contents } = document;
  if (contents === null || isEmptyScalar(contents)) return succeeded(document);
  if (!isMap(contents)) return unreadable(path, 'it must be a mapping with the key services');
  return shapeProblem(contents, path) ?? succeeded(document);
}

/** A misspelt `services` would else read as an empty fleet. */
function shapeProblem(contents: YAMLMap, path: string): Outcome<never> | undefined {
  for (const { key, value } of contents.items) {
    const name = String(key);
    if (name !== 'services') {
      const near = nearest(name, ['services']);
      const hint = near === undefined ? 'services is the only key' : `did you mean ${near}?`;
      return unreadable(path, `${name} is not a known key; ${hint}`);
    }
    if (!isSeq(value) && !isEmptyScalar(value))
      return unreadable(path, 'services must be a list of registrations, each beginning with -');
  }
  return undefined;
}

function isEmptyScalar(node: unknown): boolean {
  return node === null || (node as { readonly value?: unknown }).value === null;
}

function servicesOf(document: Document): YAMLSeq {
  const present = document.get('services');
  if (isSeq(present)) {
    // What is added to an empty `[]` is written as the rest of the file would be: a line a field.
    if (present.items.length === 0) present.flow = false;
    return present;
  }
  const services = new YAMLSeq();
  if (isMap(document.contents)) document.set('services', services);
  else document.contents = document.createNode({ services });
  return servicesOf(document);
}

/** Field by field, so that the comments of those that stay as they are stay too. */
function replaceFields(map: YAMLMap, entry: RegistrationDocument, document: Document): void {
  const before = plain(map, document) as RegistrationDocument;
  for (const field of Object.keys(before)) if (!(field in entry)) map.delete(field);
  for (const [field, value] of Object.entries(entry))
    if (!isDeepStrictEqual(before[field], value)) map.set(field, document.createNode(value));
}

function plain(item: unknown, document: Document): unknown {
  const node = item as { toJS?(document: Document): unknown };
  return node.toJS?.(document);
}

function written(document: Document, path: string): Outcome<string> {
  try {
    return succeeded(document.toString({ lineWidth: 0 }));
  } catch (error) {
    return unreadable(path, reasonOf(error));
  }
}

function unreadable(place: string, reason: string): Outcome<never> {
  return failed(
    problem(
      'registry_unreadable',
      { source: 'file', path: place },
      `${place} cannot be read: ${reason}. What it held before stays; mend the file.`,
    ),
  );
}
