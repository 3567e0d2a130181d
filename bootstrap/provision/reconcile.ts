import type { Inventory } from '../../contracts/inventory.ts';
import { Conflict, type Kms } from '../../sdk/index.ts';
import { ApplyStopped, applyPlan } from '../apply/apply.ts';
import type { Ids } from '../live/ids.ts';
import { readLive } from '../live/read.ts';
import { formatLines, lineOf } from '../plan/lines.ts';
import { makePlan } from '../plan/plan.ts';
import { isCreation, type MissingValue, type Step, weightOf } from '../plan/steps.ts';

/** What an inventory came to. */
export interface Reconciled {
  readonly ids: Ids;
  readonly created: number;
  readonly changed: number;
  readonly unchanged: number;
  readonly needsValue: readonly MissingValue[];
}

/** Others may change the instance meanwhile; each time at least one step is done by them. */
const PLANS_AT_MOST = 5;

/**
 * Makes the instance as an inventory says. Whatever it does not mention stays, nothing is deleted. Where somebody else makes the same thing
 * in the same moment, it looks again and goes on with what is left.
 */
export async function reconcile(
  kms: Kms,
  inventory: Inventory,
  { signal, say }: { signal: AbortSignal; say: (line: string) => void },
): Promise<Reconciled> {
  let created = 0;
  let changed = 0;
  const done = (step: Step) => {
    const isNew = isCreation(step);
    if (isNew) created += weightOf(step);
    else changed += weightOf(step);
    say(...(formatLines([{ ...lineOf(step), detail: isNew ? 'created' : 'changed' }]) as [string]));
    signal.throwIfAborted();
  };
  for (let tried = 1; ; tried++) {
    const live = await readLive(kms, inventory);
    const plan = makePlan(inventory, live.world);
    signal.throwIfAborted();
    try {
      await applyPlan(kms, live, plan, done);
      return { ids: live.ids, created, changed, unchanged: plan.unchanged, needsValue: plan.missing };
    } catch (error) {
      const isOvertaken = error instanceof ApplyStopped && error.cause instanceof Conflict;
      if (!isOvertaken || tried === PLANS_AT_MOST) throw error;
    }
  }
}
