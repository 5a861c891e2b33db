/** What MCPX promises of its xDS server (issue 5, point 8), held against what was measured. */
import type { Figures } from './figures.js';
import type {
  CornerFigures,
  HostileFigures,
  Measured,
  RegisteringFigures,
  ServerName,
} from './measure.js';

export interface Goal {
  readonly text: string;
  /** Where it was looked at: a quick run does not have the corner that the goal is about. */
  readonly corner: string;
  /** Null: not measured. */
  readonly value: number | null;
  readonly most: number;
  readonly unit: '×' | 's' | '';
}

export function goalsOf({ corners, registering, hostile }: Measured): readonly Goal[] {
  return [
    ...againstLinear(nearest(corners, 500)),
    ...flatness(exactly(corners, 2000, 500), exactly(corners, 50, 500)),
    ...floods(corners),
    ...growth(registering),
    ...(hostile ? [amongHostile(hostile)] : []),
  ];
}

export const isReached = ({ value, most }: Goal): boolean => value !== null && value <= most;

const exactly = (corners: readonly CornerFigures[], services: number, clients: number) =>
  corners.find((each) => each.services === services && each.clients === clients);

/** Of the corners with as many services, if there are any, the one with most clients. */
function nearest(corners: readonly CornerFigures[], services: number): CornerFigures | undefined {
  const alike = corners.filter((each) => each.services === services);
  const candidates = alike.length > 0 ? alike : corners;
  return [...candidates].sort((a, b) => b.clients - a.clients)[0];
}

type Pick = (figures: Figures) => number | undefined;

const cornerName = (corner: CornerFigures | undefined): string =>
  corner ? `${corner.services}×${corner.clients}` : '–';

export function ratio(corner: CornerFigures | undefined, pick: Pick): number | null {
  const of = (name: ServerName): number | undefined => {
    const figures = corner?.servers[name];
    return figures && pick(figures);
  };
  const [ours, theirs] = [of('mcpx'), of('linear')];
  return ours === undefined || theirs === undefined || theirs === 0 ? null : ours / theirs;
}

export const compared = {
  changeProcessor: ({ change }) => change?.processorMs,
  changeP99: ({ change }) => change?.p99Ms,
  coldMs: ({ cold }) => cold?.ms,
  coldProcessor: ({ cold }) => cold?.processorMs,
  burstProcessor: ({ burst }) => burst?.processorMs,
  reconnectProcessor: ({ reconnect }) => reconnect?.processorMs,
  memory: ({ peakMiB }) => peakMiB,
} satisfies Record<string, Pick>;

function againstLinear(corner: CornerFigures | undefined): Goal[] {
  const common = { corner: cornerName(corner), unit: '×' } as const;
  const goal = (text: string, pick: Pick, most: number): Goal => {
    return { ...common, text, value: ratio(corner, pick), most };
  };
  return [
    goal("one change, server CPU to LinearCache's", compared.changeProcessor, 0.12),
    goal("one change, p99 to all to LinearCache's", compared.changeP99, 0.2),
    goal("peak RSS to LinearCache's", compared.memory, 0.5),
    goal("cold start of all to LinearCache's", compared.coldMs, 1.1),
  ];
}

function flatness(many: CornerFigures | undefined, few: CornerFigures | undefined): Goal[] {
  if (!many || !few) return [];
  const ours = (corner: CornerFigures) => corner.servers.mcpx?.change?.processorMs;
  const [more, fewer] = [ours(many), ours(few)];
  return [
    {
      text: 'one change, server CPU, many services to few',
      corner: `${cornerName(many)} to ${cornerName(few)}`,
      value: more && fewer ? more / fewer : null,
      most: 1.5,
      unit: '×',
    },
  ];
}

/** Of every corner the worst. */
function floods(corners: readonly CornerFigures[]): Goal[] {
  const worst = (pick: Pick) => {
    const all = corners.map(({ servers }) => (servers.mcpx ? pick(servers.mcpx) : undefined));
    const value = all.some((each) => each === undefined)
      ? null
      : Math.max(...all.map((each) => each ?? 0));
    return { corner: 'the worst', value };
  };
  const large = nearest(corners, 500);
  const churn = large?.servers.mcpx?.churn;
  return [
    {
      ...{ text: 'burst of 300 changes, until all hold the last state', unit: 's', most: 2 },
      ...worst(({ burst }) => (burst ? burst.ms / 1_000 : undefined)),
    },
    {
      ...{ text: 'the same, responses per client', unit: '', most: 100 },
      ...worst(({ burst }) => burst?.responsesPerClient),
    },
    {
      text: 'churn of 200 changes/s, responses per client and change',
      corner: cornerName(large),
      value: churn ? churn.responsesPerClient / churn.count : null,
      most: 0.5,
      unit: '',
    },
    {
      ...{ text: 'reconnect of all, resources sent again per client', unit: '', most: 0 },
      ...worst(({ reconnect }) => reconnect?.resourcesPerClient),
    },
  ];
}

/** The 5,000th service to the 50th, for each number of clients. */
function growth(all: readonly RegisteringFigures[]): Goal[] {
  const sizes = [...new Set(all.map(({ clients }) => clients))];
  return sizes.flatMap((clients) => {
    const fleets = all.filter((each) => each.clients === clients);
    const sorted = [...fleets].sort((a, b) => a.services - b.services);
    const [few, many] = [sorted[0], sorted.at(-1)];
    if (!few || !many || few === many) return [];
    const common = {
      corner: `${clients} client${clients === 1 ? '' : 's'}`,
      most: 1.5,
      unit: '×' as const,
    };
    const name = `service ${many.services + 1} to service ${few.services + 1}`;
    return [
      {
        ...{ ...common, text: `registering ${name}, server CPU` },
        value: many.processorMs / few.processorMs,
      },
      {
        ...{ ...common, text: `registering ${name}, bytes to each client` },
        value: many.bytesPerClient / few.bytesPerClient,
      },
    ];
  });
}

/** Whoever reads, answers or asks as nobody should delays no other. */
function amongHostile({ services, clients, without, with: among }: HostileFigures): Goal {
  return {
    text: 'one change, p99 to the others, a tenth hostile to none',
    corner: `${services}×${clients}`,
    value: among.eachP99Ms / without.eachP99Ms,
    most: 1.2,
    unit: '×',
  };
}
