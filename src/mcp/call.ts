/** Where a `tools/call` goes, and what it must look like there. Pure. */
import { nearest } from '../config.js';
import type { Era } from '../fleet/fleet.js';
import type { ExposedService } from '../fleet/exposed.js';
import { clusterHeader } from '../gateway_contract.js';
import { encodeHeaderValue } from '../mcp_wire.js';
import { callFailed, codes, type Answer } from './answer.js';
import { withName } from './body.js';
import type { Request } from './classify.js';
import { otherEraReason, type Offer, type OfferedTool } from './offer.js';

export type RoutedCall =
  | {
      readonly kind: 'routed';
      readonly service: ExposedService;
      readonly body: Buffer;
      readonly headers: Readonly<Record<string, string>>;
    }
  | { readonly kind: 'refused'; readonly answer: Answer };

export function routeCall(request: Request, era: Era, offer: Offer): RoutedCall {
  const name = request.params['name'];
  if (typeof name !== 'string')
    return refused(request, codes.invalidParams, 'params.name must be the name of a tool');
  const found = offer.tools.get(name);
  if (found === undefined)
    return refused(request, codes.invalidParams, unknownTool(name, offer.lists[era]));
  const { service, tool } = found;
  if (!service.eras.includes(era)) {
    const advice = 'Crossing eras is not possible here yet.';
    const reason = `${service.name}: ${otherEraReason(service, era)}`;
    const message = `${name} cannot be called: ${reason}. ${advice}`;
    return refused(request, codes.otherEra, message);
  }
  const headers = {
    [clusterHeader]: service.name,
    // A server refuses a name that differs from the body's (mcp-protocol.md 4.2).
    ...(era === 'modern' && { 'mcp-name': encodeHeaderValue(tool) }),
  };
  return { kind: 'routed', service, body: withName(request.body, tool), headers };
}

function refused({ idText }: Request, code: number, message: string): RoutedCall {
  return { kind: 'refused', answer: callFailed(code, message)(idText) };
}

const suggestionsMax = 3;
/** Comparing names costs time on the one thread that decides for everyone. */
const comparedMax = 2_000;

function unknownTool(name: string, list: readonly OfferedTool[]): string {
  const unprefixed = list.filter(({ tool }) => tool === name).slice(0, suggestionsMax);
  const similar = list.filter((tool) => Math.abs(tool.name.length - name.length) <= 4);
  const names = similar.slice(0, comparedMax).map((tool) => tool.name);
  const near = name.length <= 128 ? nearest(name, names) : undefined;
  const suggested = new Set([...unprefixed.map((tool) => tool.name), ...(near ? [near] : [])]);
  const hint = suggested.size > 0 ? ` Did you mean ${[...suggested].join(' or ')}?` : '';
  return `Unknown tool: ${name.slice(0, 128)}.${hint}`;
}
