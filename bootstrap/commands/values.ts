import type { Look } from '../../sdk/look.ts';
import { valuesOf as chosenValuesOf, NamesCollide, ValuesHidden } from '../../sdk/values.ts';
import { UserError } from '../problem.ts';

/** Values by name, as a program is given them. @throws UserError when two folders have the same name, or a value may not be read */
export function valuesOf(found: Look): Map<string, string> {
  try {
    return chosenValuesOf(found);
  } catch (error) {
    if (error instanceof ValuesHidden) throw new UserError(error.message, 'ask for the right to read them');
    throw error instanceof NamesCollide ? new UserError(error.message) : error;
  }
}
