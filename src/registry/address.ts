/** Where a registration points: its url taken apart, and whether it may point there. */
import ipaddr from 'ipaddr.js';

export interface Address {
  /** An IP address; a v6 one without brackets. */
  readonly host: string;
  readonly port: number;
  readonly path: string;
}

/** `complaint` ends the sentence "url must …". */
type AddressOutcome =
  | { readonly address: Address }
  /** `refused`: it points where registrations must not. */
  | { readonly complaint: string; readonly refused?: true };

const shape = 'such as http://10.0.0.7:3000/mcp';

export function readAddress(url: string, allowedTargets: readonly string[]): AddressOutcome {
  if (!URL.canParse(url)) return { complaint: `be an http address with host and path ${shape}` };
  const parsed = new URL(url);
  const complaint = complaintAbout(parsed, url);
  if (complaint !== undefined) return { complaint };
  const host = ipOf(parsed.hostname);
  if (host === undefined)
    return {
      complaint:
        'name an IP address or localhost as its host: Envoy takes endpoints by IP address, and ' +
        'this version looks no names up',
    };
  if (['unspecified', 'multicast', 'broadcast'].includes(host.range()))
    return { complaint: 'name the address of one machine', refused: true };
  const refused = refusalOf(host, allowedTargets);
  if (refused !== undefined) return { complaint: refused, refused: true };
  if (isDisguised(url, parsed))
    return { complaint: `write its address plainly, as ${host.toString()}`, refused: true };
  const port = parsed.port === '' ? defaultPort(parsed) : Number(parsed.port);
  if (port === 0) return { complaint: 'have a port from 1 to 65535' };
  return { address: { host: host.toString(), port, path: parsed.pathname } };
}

const defaultPort = ({ protocol }: URL): number => (protocol === 'https:' ? 443 : 80);

/** `10.0.0.7:3000`, `[::1]:3000`: how an instance is named that was given no name. */
export function hostAndPort({ host, port }: Pick<Address, 'host' | 'port'>): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

function complaintAbout(parsed: URL, url: string): string | undefined {
  if (parsed.protocol !== 'http:' && parsed.protocol !== 'https:')
    return `begin with http:// or https:// ${shape}`;
  if (parsed.username !== '' || parsed.password !== '') return 'hold no user name and no password';
  if (url.includes('?') || url.includes('#')) return 'end with its path, without ? and #';
  if (parsed.pathname === '/' && !url.endsWith('/'))
    return `have a path; most servers answer on ${parsed.origin}/mcp`;
  return undefined;
}

function ipOf(hostname: string): Ip | undefined {
  if (hostname === 'localhost') return ipaddr.parse('127.0.0.1');
  const bare = hostname.replace(/^\[(.*)\]$/, '$1');
  // `process` makes 10.0.0.7 of ::ffff:10.0.0.7, which allowedTargets would else not recognise.
  return ipaddr.isValid(bare) ? ipaddr.process(bare) : undefined;
}

/** `http://2852039166/`, `http://0251.0376.0251.0376/`: nobody writes an address so to be read. */
function isDisguised(url: string, { protocol, hostname }: URL): boolean {
  return ipaddr.IPv4.isValid(hostname) && !url.toLowerCase().startsWith(`${protocol}//${hostname}`);
}

function refusalOf(host: Ip, targets: readonly string[]): string | undefined {
  const except = targets.filter((range) => range.startsWith('!')).map((range) => range.slice(1));
  const taken = [host, ...carriedBy(host)].flatMap((each) =>
    except.filter((range) => isIn(range, each)),
  )[0];
  if (taken !== undefined) return `not point into ${taken} (registry.allowedTargets)`;
  const allowed = targets.filter((range) => !range.startsWith('!'));
  if (allowed.some((range) => isIn(range, host))) return undefined;
  return `point into registry.allowedTargets (${allowed.join(', ')})`;
}

/** An IP address that was read before. */
export function isWithin({ host }: Pick<Address, 'host'>, ranges: readonly string[]): boolean {
  const ip = ipaddr.process(host);
  return ranges.some((range) => isIn(range, ip));
}

type Ip = ipaddr.IPv4 | ipaddr.IPv6;

function isIn(range: string, host: Ip): boolean {
  const [start, bits] = ipaddr.parseCIDR(range);
  return start.kind() === host.kind() && host.match(start, bits);
}

/** v6 ranges whose addresses reach a v4 one, and the byte at which that begins. */
const carriers: readonly (readonly [string, number])[] = [
  ...([
    ['::/96', 12],
    ['::ffff:0:0:0/96', 12],
    ['64:ff9b::/96', 12],
    ['64:ff9b:1::/48', 12],
  ] as const),
  ...([['2002::/16', 2]] as const),
];

/** The v4 address that a gateway would make of a v6 one. */
function carriedBy(host: Ip): Ip[] {
  if (host instanceof ipaddr.IPv4) return [];
  const bytes = host.toByteArray();
  return carriers.flatMap(([range, at]) =>
    isIn(range, host) ? [new ipaddr.IPv4(bytes.slice(at, at + 4))] : [],
  );
}
