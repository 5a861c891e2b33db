/**
 * Whether a URI can have come from a template (RFC 6570), to find its owner. At
 * most as strict as the servers' own matchers: the server judges again. It walks
 * over the text without a regular expression, so that no template of a server
 * and no URI of a client can make it slow. Pure.
 */

export interface UriTemplate {
  /** Characters outside of expressions: more of them say more precisely what is meant. */
  readonly literals: number;
  matches(uri: string): boolean;
}

/** From the places in `uri` where the part may begin to those where it may have ended. */
type Part = (uri: string, from: ReadonlySet<number>) => ReadonlySet<number>;

const uriMax = 4_096;
const expressionsMax = 32;

/** Undefined when `template` is not well formed. */
export function parseUriTemplate(template: string): UriTemplate | undefined {
  if (template.length > uriMax) return undefined;
  // Every second piece is an expression.
  const pieces = template.split(/\{([^{}]*)\}/);
  const parts: Part[] = [];
  let literals = 0;
  for (const [index, piece] of pieces.entries()) {
    const part = index % 2 === 0 ? literal(piece) : expression(piece);
    if (part === undefined || index > 2 * expressionsMax) return undefined;
    if (index % 2 === 0) literals += piece.length;
    parts.push(part);
  }
  const start = pieces[0] ?? '';
  const matches = (uri: string): boolean => {
    if (uri.length > uriMax || !uri.startsWith(start)) return false;
    let places: ReadonlySet<number> = new Set([0]);
    for (const part of parts) {
      places = part(uri, places);
      if (places.size === 0) return false;
    }
    return places.has(uri.length);
  };
  return { literals, matches };
}

function literal(text: string): Part | undefined {
  if (/[{}]/.test(text)) return undefined;
  return (uri, from) => {
    const ends = [...from].filter((at) => uri.startsWith(text, at));
    return new Set(ends.map((at) => at + text.length));
  };
}

const operators = '+#./;?&';

function expression(text: string): Part | undefined {
  const operator = text !== '' && operators.includes(text[0] ?? '') ? (text[0] ?? '') : '';
  const variables = text.slice(operator.length).split(',');
  if (!variables.every((variable) => /^[\w.%]+(\*|:\d+)?$/.test(variable))) return undefined;
  const isExploded = variables.some((variable) => variable.endsWith('*'));
  const isList = variables.length > 1 || isExploded;
  const plain = variables.map((variable) => variable.replace(/:\d+$/, ''));
  const names = isExploded ? undefined : plain;
  switch (operator) {
    case '?':
      return query('?', names);
    case '&':
      return query('&', names);
    case '+':
    case '#':
      return run(() => true);
    case '/':
      return behind('/', isList ? (sign) => sign !== '?' && sign !== '#' : isSegment);
    case '.':
    case ';':
      return behind(operator, isSegment);
    default:
      return run(isSegment);
  }
}

const isSegment = (sign: string): boolean => sign !== '/';

/** One or more characters that are `allowed`. */
function run(allowed: (sign: string) => boolean): Part {
  return (uri, from) => {
    const ends = new Set<number>();
    for (const start of from) {
      // What follows a place already reached was walked from there.
      for (let at = start; at < uri.length && allowed(uri[at] ?? ''); at++) {
        if (ends.has(at + 1)) break;
        ends.add(at + 1);
      }
    }
    return ends;
  };
}

function behind(sign: string, allowed: (sign: string) => boolean): Part {
  const [begins, goesOn] = [literal(sign), run(allowed)];
  return (uri, from) => goesOn(uri, begins?.(uri, from) ?? new Set());
}

/** `?a=1&b=2`: pairs of known names (undefined: of any) in any order, or nothing. */
function query(first: '?' | '&', names: readonly string[] | undefined): Part {
  const isNamed = (uri: string, at: number): boolean =>
    names === undefined || names.some((name) => uri.startsWith(`${name}=`, at));
  return (uri, from) => {
    const ends = new Set(from);
    for (const start of from) {
      let at = start;
      while (uri[at] === (at === start ? first : '&') && isNamed(uri, at + 1)) {
        const end = endOfPair(uri, at + 1);
        if (ends.has(end)) break;
        ends.add(end);
        at = end;
      }
    }
    return ends;
  };
}

function endOfPair(uri: string, start: number): number {
  let end = start;
  while (end < uri.length && uri[end] !== '&' && uri[end] !== '#') end++;
  return end;
}
