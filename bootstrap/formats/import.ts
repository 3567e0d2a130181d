import { SecretKey, SecretValue } from '../../contracts/names.ts';
import { UserError } from '../problem.ts';
import { fromCompose } from './from-compose.ts';
import { fromDotenv } from './from-dotenv.ts';
import { fromKubernetes } from './from-kubernetes.ts';
import { fromJson, fromVault, fromYaml } from './from-structured.ts';
import { fromWorkflows } from './from-workflows.ts';
import { Gathered, type Source } from './source.ts';

const READERS = {
  dotenv: fromDotenv,
  json: fromJson,
  yaml: fromYaml,
  compose: fromCompose,
  k8s: fromKubernetes,
  vault: fromVault,
  github: fromWorkflows,
} satisfies Record<string, (text: string, found: Gathered, file: string, service?: string) => void | Promise<void>>;

/** What secrets can be read from. */
export const SOURCES = Object.keys(READERS) as (keyof typeof READERS)[];

/**
 * The secrets in a text.
 *
 * @param file how it is called in messages
 * @param service of a compose file, that one alone
 * @throws UserError that names everything that cannot be taken over; never a value
 */
export async function readSource(
  text: string,
  from: keyof typeof READERS,
  file: string,
  service?: string,
): Promise<Source> {
  const found = new Gathered();
  await READERS[from](text.replace(/^\ufeff/, ''), found, file, service);
  for (const [name, value] of found.values) {
    const wrong = SecretKey.safeParse(name).error ?? SecretValue.safeParse(value).error;
    if (wrong) found.refuse(name, `cannot be a secret: ${wrong.issues[0]?.message}`);
    else if (/^ENC\[AES256_GCM,/.test(value))
      found.refuse(name, 'is encrypted by SOPS: pass on what sops decrypt prints');
  }
  if (found.problems.length > 0) throw new UserError(`${file}: ${found.problems.join('; ')}; nothing was changed`);
  if (found.values.size + found.toFill.size === 0) throw new UserError(`${file} holds no secret`);
  return found;
}
