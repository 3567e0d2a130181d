import { chosenOf } from '../../operator/sync/keys.ts';
import { SyncProblem } from '../../operator/sync/problem.ts';
import type { Look } from '../../sdk/index.ts';
import { UserError } from '../problem.ts';

/** Values by name: a folder's own win over imported ones. @throws UserError when two folders have the same name */
export function valuesOf(found: Look): Map<string, string> {
  try {
    const chosen = [...chosenOf(found)];
    const hidden = chosen.filter(([, { secret }]) => secret.secretValueHidden).map(([name]) => name);
    // A command that starts with a placeholder as its password is found out later and costs more.
    if (hidden.length > 0)
      throw new UserError(
        `you may know of ${hidden.join(', ')} and not read the value`,
        'ask for the right to read it',
      );
    return new Map(chosen.map(([name, { secret }]) => [name, secret.secretValue]));
  } catch (error) {
    throw error instanceof SyncProblem
      ? new UserError(error.message.replace('an object has', 'an environment has'))
      : error;
  }
}
