import { openSession } from '../../sdk/open.ts';
import { type Ids, makeProject } from '../infisical/make.ts';
import { refuseUnfit, type TakenProject } from '../infisical/project.ts';
import { readProject } from '../infisical/read.ts';
import { UserError } from '../problem.ts';
import { confirmed } from '../terminal/confirm.ts';
import { print, printJson, say, type Terminal } from '../terminal/terminal.ts';

import { findFolder } from './folder.ts';
import type { ImportOptions } from './import-options.ts';

/** Makes a project that another instance has, with its folders, secrets, their versions, tags and imports. Shows names only. */
export async function takeOver(
  terminal: Terminal,
  environment: NodeJS.ProcessEnv,
  url: string,
  options: ImportOptions,
): Promise<number> {
  if (options.env !== undefined || options.path !== undefined)
    throw new UserError('a whole project is taken over', 'leave --env and --path out');
  const { session: target, at } = await findFolder(environment, { ...options, env: 'dev', path: '/' });
  const source = openSession({ url, credentials: credentialsOf(environment, url), userAgent: 'kms-cli' });
  const taken = await readProject(source, at.projectSlug);
  refuseUnfit(taken);
  if (!options.json) show(terminal, taken);
  if (options.dryRun) {
    say(terminal, 'nothing was changed: --dry-run');
    return 0;
  }
  if (!options.yes && !(await confirmed(terminal, `Make the project ${at.projectSlug}?`))) {
    say(terminal, 'nothing was changed');
    return 1;
  }
  const ids = await makeProject(target, taken, at);
  if (options.json) printJson(terminal, { ...ids, leftOut: taken.leftOut });
  else print(terminal, countOf(ids));
  return 0;
}

const countOf = ({ secrets, environments }: Ids) =>
  `1 project, ${environments.length} environments and ${secrets.length} secrets created.`;

function show(terminal: Terminal, { slug, environments, leftOut }: TakenProject): void {
  print(terminal, `  + project ${slug}`);
  for (const { slug: environment, folders } of environments) {
    print(terminal, `  + environment ${environment}`);
    for (const { path, secrets, imports } of folders) {
      for (const { key, versions } of secrets)
        print(
          terminal,
          `  + ${environment} ${path} ${key}${versions.length > 1 ? `, ${versions.length} versions` : ''}`,
        );
      for (const from of imports)
        print(terminal, `  + ${environment} ${path} imports ${from.environment} ${from.path}`);
    }
  }
  for (const what of leftOut) print(terminal, `  ! not taken over: ${what}`);
}

/** What Infisical's own programs read from the environment. They go to the address on the command line, and to no other. */
function credentialsOf(environment: NodeJS.ProcessEnv, url: string) {
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
    throw new UserError(
      `${JSON.stringify(url)} is no address of an instance`,
      'write one such as https://app.infisical.com',
    );
  const {
    INFISICAL_TOKEN: token,
    INFISICAL_UNIVERSAL_AUTH_CLIENT_ID: clientId,
    INFISICAL_UNIVERSAL_AUTH_CLIENT_SECRET: clientSecret,
  } = environment;
  if (token) return { token };
  if (clientId && clientSecret) return { clientId, clientSecret };
  throw new UserError(
    `no credentials for ${url}`,
    'set INFISICAL_TOKEN, or INFISICAL_UNIVERSAL_AUTH_CLIENT_ID and INFISICAL_UNIVERSAL_AUTH_CLIENT_SECRET',
  );
}
