/** `npm run bench:rollout`: what a rollout costs: to every Envoy, in memory, in judging. */
import { cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { onStack, type Stack } from '../stack.js';
import { machine } from './machine.js';
import { goalsTable, type Goal } from './rollout/goals.js';
import { judgeGoals, judgeTable, measureJudge } from './rollout/judge.js';
import { measureMemory, memoryGoals, memoryTable } from './rollout/memory.js';
import { measureSteps, stepGoals, stepsTable } from './rollout/steps.js';

const usage = `npm run bench:rollout -- [--quick] [--only SECTION]

  --quick   one round of each: about a minute
  --only    one section: steps, memory or judge`;

/** What a section has to say. */
interface Told {
  readonly title: string;
  readonly table: string;
  readonly goals: readonly Goal[];
  /** Under which conditions. */
  readonly words: string;
}

type Section = (stack: Stack, rounds: number) => Promise<Told>;

const sections: Readonly<Record<string, Section>> = {
  async steps(stack, rounds) {
    const figures = await measureSteps(stack, rounds);
    return {
      ...{ title: 'A step to every Envoy', table: stepsTable(figures) },
      goals: stepGoals(figures),
      words:
        'Envoys are lean clients of the incremental protocol, each with every cluster and all ' +
        'endpoints; the time is from the change of the rollout in a registry in memory until a ' +
        'client has read the new weights. The first figures are over all steps and Envoys. ' +
        (figures.pinned
          ? 'The server had one core and the client fleet another.'
          : 'Server and clients shared the cores (no taskset): read no times, only CPU.'),
    };
  },
  async memory(_, rounds) {
    const figures = await measureMemory(rounds);
    return {
      ...{ title: 'Memory', table: memoryTable(figures) },
      goals: memoryGoals(figures),
      words:
        'Each open rollout remembers 20 that ended and has signals of a week behind it, and the ' +
        'loop that carries rollouts on judges all of them twice a second. Calls are entries of ' +
        "Envoy's log, spread over the open rollouts; without one they are read and dropped.",
    };
  },
  async judge(stack, rounds) {
    const figures = await measureJudge(stack, rounds);
    return {
      ...{ title: 'Being judged', table: judgeTable(figures) },
      goals: judgeGoals(figures),
      words:
        'The same calls through one Envoy, in turns: to a service whose rollout is open, whose ' +
        'answers are scanned and told of, and to one that shares by weights.',
    };
  },
};

export async function rollout(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    print(usage);
    return;
  }
  if (process.platform !== 'linux') throw new Error('bench:rollout reads /proc: it needs Linux.');
  const names = Object.keys(sections).filter((name) => name === (values.only ?? name));
  if (names.length === 0) throw new Error(`There is no section ${values.only ?? ''}.\n\n${usage}`);
  const [load = 0] = loadavg();
  const rounds = values.quick ? 1 : 2;
  const told: Told[] = [];
  await onStack(async (stack) => {
    for (const name of names) {
      const section = await sections[name]?.(stack, rounds);
      if (section) told.push(section);
    }
  });
  for (const { title, table, words } of told) print(`## ${title}\n\n${table}\n\n${words}\n`);
  print(`## Goals\n\n${goalsTable(told.flatMap(({ goals }) => goals))}\n`);
  print(`${machine()}. Medians of ${rounds === 1 ? 'one round' : `${rounds} rounds`}.`);
  if (load > cpus().length / 2)
    print(`\nNot to be published: the machine was busy before it began (load ${load.toFixed(1)}).`);
}

const print = (text: string): void => void process.stdout.write(`${text}\n`);
