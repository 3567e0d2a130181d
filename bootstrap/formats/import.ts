import { parseEnv } from 'node:util';
import { SecretKey, SecretValue } from '../../contracts/names.ts';
import { UserError } from '../problem.ts';

/** The variables of a .env file, as Node itself reads one. @throws UserError that names what no secret can be; never a value */
export function readDotenv(text: string, file: string): Map<string, string> {
  const variables = new Map(Object.entries(parseEnv(text)) as [string, string][]);
  if (variables.size === 0) throw new UserError(`${file} has no line of the form NAME=value`);
  const problems = [...variables].flatMap(([name, value]) => {
    const wrong = SecretKey.safeParse(name).error ?? SecretValue.safeParse(value).error;
    return wrong ? [`${JSON.stringify(name)}: ${wrong.issues[0]?.message}`] : [];
  });
  if (problems.length > 0) throw new UserError(`${file}: ${problems.join('; ')}; nothing was changed`);
  return variables;
}
