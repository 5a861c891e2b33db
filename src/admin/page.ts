/** One plain page for a person with a browser: services, nodes, problems. No script at all. */
import { createHash } from 'node:crypto';
import type { NodeStatus } from '../xds/nodes.js';
import type { Readiness } from './readiness.js';
import { textRow, type Route } from './route.js';
import type { AdminState } from './state.js';
import { summaries } from './view.js';

const style = `
  :root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif }
  body { margin: 2rem auto; max-width: 70rem; padding: 0 1rem }
  h1 { font-size: 1.3rem } h2 { font-size: 1.05rem; margin-top: 2rem }
  table { border-collapse: collapse; width: 100% }
  th, td { text-align: left; padding: .3rem .8rem .3rem 0; vertical-align: top;
    border-bottom: 1px solid #8884 }
  th { font-weight: 600; white-space: nowrap }
  .ready, .yes { color: #178a3a } .failing, .warning, .unasked { color: #b07500 }
  .down, .error, .no { color: #c5303a }
`;

const headers = {
  'content-security-policy':
    `default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; ` +
    `style-src 'sha256-${createHash('sha256').update(style).digest('base64')}'`,
  'referrer-policy': 'no-referrer',
};

export function pageRoute(state: AdminState, readiness: Readiness): Route {
  return {
    method: 'get',
    path: '/',
    role: 'viewer',
    summary: 'A page for people',
    answers: { 200: textRow('HTML', 'text/html') },
    handle: () => ({
      status: 200,
      type: 'text/html; charset=utf-8',
      content: page(state, readiness).text,
      headers,
    }),
  };
}

/** Text that is HTML already; everything else is escaped on its way in. */
class Html {
  constructor(readonly text: string) {}
}

type Part = string | number | Html | readonly Html[];

function html(pieces: TemplateStringsArray, ...parts: readonly Part[]): Html {
  const written = pieces.map((piece, index) => piece + write(parts[index] ?? ''));
  return new Html(written.join(''));
}

function write(part: Part): string {
  if (part instanceof Html) return part.text;
  if (typeof part === 'object') return part.map(({ text }) => text).join('');
  return String(part).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

function page({ fleet, nodes, problems, version }: AdminState, readiness: Readiness): Html {
  const heard = readiness
    .registries()
    .map(({ source, state, reason }) => `${source}: ${reason ?? state}`)
    .join(' · ');
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width" />
        <meta http-equiv="refresh" content="10" />
        <title>MCPX</title>
        <style>
          ${new Html(style)}
        </style>
      </head>
      <body>
        <h1>MCPX ${version}</h1>
        <p>${heard}</p>
        ${section(
          'Services',
          ['Name', 'State', 'Versions', 'Eras', 'Passing', 'Tools'],
          [...summaries(fleet.value).map(serviceRow)],
        )}
        ${section(
          'Nodes',
          ['Node', 'Envoy', 'Role', 'Address', 'Holds', 'Last NACK'],
          [...nodes().map(nodeRow)],
        )}
        ${section(
          'Problems',
          ['What', 'Who acts', 'Message'],
          problems().map(
            ({ code, severity, actor, message }) =>
              html`<tr>
                <td class="${severity}">${code}</td>
                <td>${actor}</td>
                <td>${message}</td>
              </tr>`,
          ),
        )}
        <p>The same as JSON: <a href="/openapi.json">/openapi.json</a></p>
      </body>
    </html> `;
}

function section(title: string, columns: readonly string[], rows: readonly Html[]): Html {
  if (rows.length === 0)
    return html`<h2>${title}</h2>
      <p>None.</p>`;
  const heads = columns.map((column) => html`<th>${column}</th>`);
  return html`<h2>${title} (${rows.length})</h2>
    <table>
      <thead>
        <tr>
          ${heads}
        </tr>
      </thead>
      <tbody>
        ${rows}
      </tbody>
    </table>`;
}

function serviceRow(service: ReturnType<typeof summaries>[number]): Html {
  const { name, state, reason, versions, eras, instances, tools } = service;
  return html`<tr>
    <td><a href="/v1/services/${encodeURIComponent(name)}">${name}</a></td>
    <td><span class="${state}">${state}</span> ${reason ?? ''}</td>
    <td>${versions.join(', ')}</td>
    <td>${eras.join(', ')}</td>
    <td>${instances.passing} of ${instances.total}</td>
    <td>${tools}</td>
  </tr>`;
}

function nodeRow({ id, version, role, address, kinds, lastRefusal }: NodeStatus): Html {
  const holds = Object.entries(kinds).map(([kind, { held }]) => `${held} ${kind}`);
  return html`<tr>
    <td><a href="/v1/nodes/${encodeURIComponent(id)}">${id}</a></td>
    <td>${version}</td>
    <td>${role}</td>
    <td>${address}</td>
    <td>${holds.join(', ')}</td>
    <td class="no">${lastRefusal?.message ?? ''}</td>
  </tr>`;
}
