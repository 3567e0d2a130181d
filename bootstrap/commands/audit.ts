import { organizationIdOf } from '../logins/organization.ts';
import { findReach } from '../logins/reach.ts';
import { findRepository } from '../logins/repository-file.ts';
import { UserError } from '../problem.ts';
import { printTable } from '../terminal/table.ts';
import { printJson, type Terminal } from '../terminal/terminal.ts';
import { clientOf } from './connection.ts';

/** Options of `kms audit`. */
export interface AuditOptions {
  readonly project?: string;
  readonly env?: string;
  readonly path?: string;
  readonly key?: string;
  readonly action?: string;
  readonly outcome?: string;
  readonly from?: string;
  readonly until?: string;
  readonly limit: string;
  readonly org?: string;
  readonly state: string;
  readonly json?: boolean;
}

/** Shows records of the audit of a project, the latest first; names of keys, never a value. */
export async function showAudit(
  terminal: Terminal,
  environment: NodeJS.ProcessEnv,
  options: AuditOptions,
): Promise<number> {
  const repository = await findRepository(process.cwd());
  const slug = options.project ?? repository.project;
  if (slug === undefined) throw new UserError('--project is missing', 'name it, or put it into a .kms.yaml');
  const kms = clientOf(await findReach(environment, options.state, repository.url));
  const org = options.org ?? (slug === repository.project ? repository.org : undefined);
  const organizationId = org === undefined ? undefined : await organizationIdOf(kms.organizations, org);
  const found = (await kms.projects.list(organizationId)).filter((project) => project.slug === slug);
  const [project] = found;
  if (!project) throw new UserError(`no project "${slug}" among those you can see`);
  if (found.length > 1) throw new UserError(`several organizations have a project "${slug}"`, 'name one by --org');
  const records = await kms.audit.list({
    projectId: project.id,
    environment: options.env,
    secretPath: options.path,
    secretKey: options.key,
    action: options.action,
    outcome: options.outcome,
    startDate: options.from,
    endDate: options.until,
    limit: Number(options.limit),
  });
  if (options.json) printJson(terminal, records);
  else
    printTable(
      terminal,
      ['WHEN', 'WHO', 'ACTION', 'OUTCOME', 'ENV', 'FROM', 'WHAT'],
      records.map((each) => [
        each.when,
        each.who,
        each.action,
        each.outcome,
        each.environment ?? '',
        each.where ?? '',
        shortList(each.what),
      ]),
    );
  return 0;
}

const shortList = (names: readonly string[]) =>
  names.length > 3 ? `${names.slice(0, 3).join(', ')} and ${names.length - 3} more` : names.join(', ');
