import { LIST_20, lines } from './lines.ts';
import { load } from './load.ts';
import type { Target } from './processes.ts';
import type { World } from './world.ts';

/** A statement about the server that is no rate, with what was found. */
export interface Finding {
  readonly what: string;
  readonly found: string;
  readonly wanted: string;
  readonly met: boolean;
}

/** A thousand connections at once: nobody is refused, and nobody waits much longer than the others. */
export async function crowd(world: World, ours: Target, seconds: number): Promise<Finding> {
  const { p50, p99 } = await load(ours.address, LIST_20(world), { connections: 1000, seconds });
  return {
    what: 'list 20, 1,000 connections',
    found: `no error, p50 ${p50} ms, p99 ${p99} ms`,
    wanted: 'no error, p99 under 5 times p50',
    met: p99 < 5 * p50,
  };
}

/** Reads at a rate that leaves room, alone and while ten connections log in as fast as they can. */
export async function readsDuringLogins(world: World, ours: Target, seconds: number): Promise<Finding> {
  const read = () => load(ours.address, LIST_20(world), { connections: 10, seconds, overallRate: 500 });
  const alone = await read();
  const login = lines.find(({ name }) => name === 'login')!;
  const [meanwhile] = await Promise.all([
    read(),
    load(ours.address, login.traffic(world), { connections: login.connections, seconds }),
  ]);
  return {
    what: 'p99 of 500 reads a second, during logins',
    found: `${alone.p99} ms alone, ${meanwhile.p99} ms meanwhile`,
    wanted: 'at most doubled',
    met: meanwhile.p99 <= 2 * alone.p99,
  };
}
