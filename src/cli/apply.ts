/**
 * `mcpx apply -f FILE`: its changes one after the other, each a compare-and-set that
 * the admin API makes. It ends at the first that fails, and says how far it came; what
 * is there already is left alone, so it can be run again.
 */
import { registered, removed, serviceDetail } from './answers.js';
import { changesOf } from './changes.js';
import { clientOf, segment, type AdminClient } from './client.js';
import type { Run } from './command.js';
import { Failure } from './failure.js';
import { plain } from './table.js';

interface Step {
  readonly name: string;
  /** What was done. */
  run(): Promise<string>;
}

interface Done {
  readonly name: string;
  readonly change: string;
}

export const apply: Run = async (invocation) => {
  const { options, terminal } = invocation;
  const { services, remove } = await changesOf(invocation);
  const client = clientOf(invocation);
  const steps = [
    ...services.map((document) => registering(client, document)),
    ...remove.map((named) => removing(client, named)),
  ];
  const asJson = options['json'] === true;
  const done: Done[] = [];
  let failure: Failure | undefined;
  for (const step of steps) {
    try {
      const change = await step.run();
      done.push({ name: step.name, change });
      if (!asJson) terminal.out(`[${done.length}/${steps.length}] ${step.name}: ${change}`);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      failure = error;
      break;
    }
  }
  const left = steps.slice(done.length).map(({ name }) => name);
  if (asJson) terminal.out(JSON.stringify({ done, failed: failure && left[0], left }));
  if (failure === undefined) return 0;
  const [failed = '', ...rest] = left;
  terminal.err(terminal.colours.red(`${failed}: ${failure.message}`));
  terminal.err(
    `${done.length} of ${steps.length} are done, and stay. Not done: ` +
      `${[failed, ...rest].join(', ')}. Mend it, and apply the file again.`,
  );
  return 1;
};

function registering(client: AdminClient, document: Readonly<Record<string, unknown>>): Step {
  const [name, version] = [document['name'], document['version']].map((field) =>
    typeof field === 'string' ? plain(field) : '?',
  );
  return {
    name: `${name ?? '?'} ${version ?? '?'}`,
    async run() {
      const sent = { method: 'POST', path: '/v1/services', body: document } as const;
      const { value } = await client.send(sent, registered);
      return `${value.change} at ${plain(value.registration.id)}`;
    },
  };
}

function removing(client: AdminClient, named: string): Step {
  const [service = '', ...rest] = named.split('/');
  const instance = rest.length > 0 ? rest.join('/') : undefined;
  const path = `/v1/services/${segment(service)}`;
  const whole = instance === undefined ? path : `${path}/instances/${segment(instance)}`;
  return {
    name: `remove ${plain(named)}`,
    async run() {
      try {
        const { value } = await client.send({ method: 'DELETE', path: whole }, removed);
        return `removed ${plain(value.removed.join(', '))}`;
      } catch (error) {
        if (!(error instanceof Failure) || !(await isGone(client, path, instance))) throw error;
        return 'unchanged, it is not there';
      }
    },
  };
}

/** What another registry holds cannot be removed here, and is there all the same. */
async function isGone(
  client: AdminClient,
  path: string,
  instance: string | undefined,
): Promise<boolean> {
  try {
    const { value } = await client.get(path, serviceDetail);
    return instance !== undefined && !value.instances.some(({ id }) => id === instance);
  } catch (error) {
    return error instanceof Failure && error.status === 404;
  }
}
