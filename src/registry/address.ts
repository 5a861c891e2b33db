/** Where a registration points: its url taken apart, and whether it may point there. */
import ipaddr from 'ipaddr.js';

export interface Address {
  /** An IP address; a v6 one without brackets. */
  readonly host: string;
  readonly port: number;
  readonly path: string;
}

/** `complaint` ends the sentence "url must …". */
type AddressOutcome = { readonly address: Address } | { readonly complaint: string };

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
  const refused = refusalOf(host, allowedTargets);
  if (refused !== undefined) return { complaint: refused };
  const port = parsed.port === '' ? 80 : Number(parsed.port);
  if (port === 0) return { complaint: 'have a port from 1 to 65535' };
  return { address: { host: host.toString(), port, path: parsed.pathname } };
}

/** `10.0.0.7:3000`, `[::1]:3000`: how an instance is named that was given no name. */
export function hostAndPort({ host, port }: Pick<Address, 'host' | 'port'>): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

function complaintAbout(parsed: URL, url: string): string | undefined {
  if (parsed.protocol === 'https:')
    return 'begin with http:// in this version: certificates come later';
  if (parsed.protocol !== 'http:') return `begin with http:// ${shape}`;
  if (parsed.username !== '' || parsed.password !== '') return 'hold no user name and no password';
  if (url.includes('?') || url.includes('#')) return 'end with its path, without ? and #';
  if (parsed.pathname === '/' && !url.endsWith('/'))
    return `have a path; most servers answer on ${parsed.origin}/mcp`;
  return undefined;
}

function ipOf(hostname: string): ipaddr.IPv4 | ipaddr.IPv6 | undefined {
  if (hostname === 'localhost') return ipaddr.parse('127.0.0.1');
  const bare = hostname.replace(/^\[(.*)\]$/, '$1');
  // `process` makes 10.0.0.7 of ::ffff:10.0.0.7, which allowedTargets would else not recognise.
  return ipaddr.isValid(bare) ? ipaddr.process(bare) : undefined;
}

function refusalOf(
  host: ipaddr.IPv4 | ipaddr.IPv6,
  allowedTargets: readonly string[],
): string | undefined {
  if (['unspecified', 'multicast', 'broadcast'].includes(host.range()))
    return 'name the address of one machine';
  const allowed = allowedTargets.some((cidr) => {
    const [range, bits] = ipaddr.parseCIDR(cidr);
    return range.kind() === host.kind() && host.match(range, bits);
  });
  if (allowed) return undefined;
  return `point into registry.allowedTargets (${allowedTargets.join(', ')})`;
}
