import { UserError } from '../problem.ts';
import { print, printJson, readStdin, say, type Terminal } from '../terminal/terminal.ts';
import { type FolderOptions, reach } from './folder.ts';
import { versionOf } from './versions.ts';

/** Names and versions of a folder's secrets; values only when asked for, because screens and logs are read by others. */
export async function listSecrets(
  terminal: Terminal,
  environment: NodeJS.ProcessEnv,
  options: FolderOptions & { readonly reveal?: boolean; readonly recursive?: boolean },
): Promise<number> {
  const { kms, at } = await reach(environment, options);
  const secrets = await kms.secrets.list(at, {
    values: options.reveal === true,
    recursive: options.recursive === true,
  });
  secrets.sort((a, b) => (place(a) < place(b) ? -1 : 1));
  if (options.json) {
    const shown = secrets.map(
      ({ secretKey: name, secretPath: path, version, updatedAt, secretComment: comment, secretValue }) => ({
        name,
        path,
        version,
        updatedAt,
        comment,
        ...(options.reveal ? { value: secretValue } : {}),
      }),
    );
    printJson(terminal, shown);
    return 0;
  }
  const name = Math.max(4, ...secrets.map((secret) => place(secret).length));
  print(terminal, `${'NAME'.padEnd(name)}  VERSION  ${options.reveal ? 'VALUE' : 'CHANGED'}`);
  for (const secret of secrets) {
    const last = options.reveal ? JSON.stringify(secret.secretValue) : secret.updatedAt;
    print(terminal, `${place(secret).padEnd(name)}  ${String(secret.version).padEnd(7)}  ${last}`);
  }
  return 0;
}

const place = ({ secretPath, secretKey }: { secretPath: string; secretKey: string }) =>
  secretPath === '/' ? secretKey : `${secretPath}/${secretKey}`;

/** One value, byte for byte; where a person looks at it, a line end is added, and what a terminal would obey is written out. */
export async function getSecret(
  terminal: Terminal,
  environment: NodeJS.ProcessEnv,
  name: string,
  options: FolderOptions & { readonly version?: string },
): Promise<number> {
  const { kms, at } = await reach(environment, options);
  const version = options.version === undefined ? undefined : versionOf(options.version);
  const secret = await kms.secrets.get(name, at, version === undefined ? {} : { version });
  if (options.json) printJson(terminal, { name, version: secret.version, value: secret.secretValue });
  else if (terminal.stdout.isTTY) print(terminal, secret.secretValue);
  else terminal.stdout.write(secret.secretValue);
  return 0;
}

/** Sets a value that comes from standard input or a prompt, never from the command line, which other users can see. */
export async function setSecret(
  terminal: Terminal,
  environment: NodeJS.ProcessEnv,
  name: string,
  options: FolderOptions & { readonly keepNewline?: boolean; readonly allowEmpty?: boolean },
): Promise<number> {
  const { kms, at } = await reach(environment, options);
  const secretValue = await readValue(terminal, name, options.keepNewline === true);
  if (secretValue === '' && !options.allowEmpty) {
    throw new UserError(
      'the value is empty, so nothing was changed',
      'did the command before the pipe fail? --allow-empty sets it all the same',
    );
  }
  const [written] = await kms.secrets.updateMany([{ secretKey: name, secretValue }], at, 'upsert');
  if (options.json) printJson(terminal, { name, version: written?.version });
  else say(terminal, `${name} of ${at.projectSlug} in ${at.environment} is set (version ${written?.version})`);
  return 0;
}

async function readValue(terminal: Terminal, name: string, keepNewline: boolean): Promise<string> {
  if (!terminal.stdin.isTTY) {
    const text = await readStdin(terminal);
    return keepNewline ? text : text.replace(/\r?\n$/, '');
  }
  const prompts = await import('@clack/prompts');
  const answer = await prompts.password({ message: `Value of ${name}`, output: terminal.stderr });
  if (typeof answer !== 'string') throw new UserError('nothing was changed');
  return answer;
}
