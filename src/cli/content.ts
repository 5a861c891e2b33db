/** The content of a tool's result as text for a person. */
import { isObject, type JsonObject } from '../mcp_wire.js';

export function contentText(result: JsonObject): string {
  const content = Array.isArray(result['content']) ? (result['content'] as unknown[]) : [];
  const text = content.filter(isObject).map(itemText).join('\n');
  if (text !== '' || result['structuredContent'] === undefined) return text;
  return JSON.stringify(result['structuredContent'], undefined, 2);
}

function itemText(item: JsonObject): string {
  const { type, text, data, mimeType, uri, name, resource } = item;
  switch (type) {
    case 'text':
      return withoutControls(shown(text));
    case 'image':
    case 'audio':
      return `[${type} ${shown(mimeType)}, ${Buffer.from(shown(data), 'base64').length} bytes]`;
    case 'resource_link':
      return withoutControls(`[resource ${shown(name)} ${shown(uri)}]`);
    case 'resource':
      return isObject(resource) ? resourceText(resource) : '[resource]';
    default:
      return JSON.stringify(item);
  }
}

function resourceText({ uri, text, mimeType }: JsonObject): string {
  if (typeof text === 'string') return withoutControls(text);
  return withoutControls(`[resource ${shown(uri)} ${shown(mimeType)}]`.replace(' ]', ']'));
}

const shown = (value: unknown): string => (typeof value === 'string' ? value : '');

/** A server's text may not steer the terminal; lines and tabs stay. */
function withoutControls(text: string): string {
  // eslint-disable-next-line no-control-regex -- these are what is to be taken out
  return text.replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/g, '');
}
