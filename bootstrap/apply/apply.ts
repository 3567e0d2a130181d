import type { Kms } from '../../sdk/index.ts';
import type { Live } from '../live/read.ts';
import type { Plan, Step } from '../plan/steps.ts';
import { applyStep } from './step.ts';

/** A step failed, so the ones after it were not begun. Running the same command again goes on from here. */
export class ApplyStopped extends Error {
  override readonly name = 'ApplyStopped';
  readonly done: readonly Step[];
  readonly failed: Step;
  readonly left: readonly Step[];

  constructor(steps: readonly Step[], at: number, cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.done = steps.slice(0, at);
    this.failed = steps[at] as Step;
    this.left = steps.slice(at + 1);
  }
}

/** Carries out the very steps of a plan, in their order; `onDone` hears of each. Stops at the first that fails. */
export async function applyPlan(
  kms: Kms,
  live: Live,
  plan: Plan,
  onDone: (step: Step) => void = () => {},
): Promise<void> {
  for (const [index, step] of plan.steps.entries()) {
    try {
      await applyStep(kms, live.ids, step);
    } catch (error) {
      throw new ApplyStopped(plan.steps, index, error);
    }
    onDone(step);
  }
}
