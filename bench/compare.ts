import type { Line } from './lines.ts';
import { LIST_20 } from './lines.ts';
import { load } from './load.ts';
import type { Target } from './processes.ts';
import type { World } from './world.ts';

export interface Row {
  readonly work: string;
  readonly 'req/s': number;
  readonly 'p99, ms': number;
  readonly 'of bare': string;
  readonly 'of naive': string;
  readonly 'of list 20': string;
  readonly wanted: string;
  readonly met: boolean;
}

interface Servers {
  readonly ours: Target;
  readonly bare: Target;
  readonly naive: Target;
}

const median = (numbers: readonly number[]) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1]!;

/**
 * Measures one line in pairs: ours, then each baseline, then again. A machine's speed drifts, so each of our runs is
 * divided by the baseline's run beside it, and the median of those ratios counts.
 */
export async function compare(
  line: Line,
  world: World,
  servers: Servers,
  run: { pairs: number; seconds: number },
): Promise<Row> {
  const { connections } = line;
  const seconds = run.seconds;
  const wants = line.atLeast;
  const rates: number[] = [];
  const p99s: number[] = [];
  const ratios = { ofBare: [] as number[], ofNaive: [] as number[], ofList: [] as number[] };
  for (let pair = 0; pair < run.pairs; pair++) {
    const traffic = line.traffic(world);
    const ours = await load(servers.ours.address, traffic, { connections, seconds });
    rates.push(ours.perSecond);
    p99s.push(ours.p99);
    const beside = async (target: Target, other = traffic) =>
      ours.perSecond / (await load(target.address, other, { connections, seconds })).perSecond;
    if (wants.ofBare !== undefined) ratios.ofBare.push(await beside(servers.bare));
    if (wants.ofNaive !== undefined) ratios.ofNaive.push(await beside(servers.naive));
    if (wants.ofList !== undefined) ratios.ofList.push(await beside(servers.ours, LIST_20(world)));
  }
  const found = (name: keyof typeof ratios) => (ratios[name].length === 0 ? undefined : median(ratios[name]));
  const names = ['ofBare', 'ofNaive', 'ofList'] as const;
  const shown = (name: (typeof names)[number], digits: number) => found(name)?.toFixed(digits) ?? '';
  const said = { ofBare: 'of bare', ofNaive: 'of naive', ofList: 'of list 20' };
  return {
    work: `${line.name}, ${connections} connections`,
    'req/s': Math.round(median(rates)),
    'p99, ms': median(p99s),
    'of bare': shown('ofBare', 3),
    'of naive': shown('ofNaive', 2),
    'of list 20': shown('ofList', 2),
    wanted:
      names
        .filter((name) => wants[name] !== undefined)
        .map((name) => `${wants[name]} ${said[name]}`)
        .join(', ') + (line.aim ? ` (aim ${line.aim.ofBare})` : ''),
    met: names.every((name) => wants[name] === undefined || found(name)! >= wants[name]),
  };
}
