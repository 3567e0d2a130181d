import { NamespaceName, ObjectName } from '../../contracts/kms-secret.ts';
import { type ClusterOptions, openCluster } from '../cluster/open.ts';
import { organizationIdOf } from '../logins/organization.ts';
import { findReach } from '../logins/reach.ts';
import { findRepository } from '../logins/repository-file.ts';
import { UserError } from '../problem.ts';
import { failureOf } from '../terminal/failure.ts';
import { paint, print, printJson, say, type Terminal } from '../terminal/terminal.ts';
import type { SecretName } from '../why/keeper.ts';
import { type KmsAccess, reportOn } from '../why/report.ts';
import { linesOf } from '../why/show.ts';
import { clientOf } from './connection.ts';

/** Options of `kms why`. */
export interface WhyOptions extends ClusterOptions {
  /** One key of the Secret. */
  readonly key?: string;
  /** The organization's slug, where several have a project of this name. */
  readonly org?: string;
  /** Folder in which the local trial keeps its state. */
  readonly state: string;
  /** Print for programs. */
  readonly json?: boolean;
  /** Tell each request on standard error. */
  readonly debug?: boolean;
}

/**
 * Tells where the content of a Kubernetes Secret comes from. It asks for no value, and takes no address and no credential from the
 * cluster: whoever may write a KMSSecret there could otherwise have the caller's token sent anywhere.
 *
 * @returns 0 when it was told; 1 when KMS could not be asked, and the cluster alone was told
 */
export async function why(
  terminal: Terminal,
  environment: NodeJS.ProcessEnv,
  name: string,
  options: WhyOptions,
): Promise<number> {
  const secret = secretOf(name);
  const debug = (line: string) => {
    if (options.debug) say(terminal, `${terminal.program}: ${line}`);
  };
  const api = await openCluster(options, {
    onAnswer: (method, path, status) => debug(`cluster: ${method} ${path} ${status}`),
  });
  try {
    const { report, problem } = await reportOn(secret, {
      api,
      connect: () => connect(environment, options, debug),
      key: options.key,
    });
    const failure = problem === undefined ? undefined : failureOf(problem);
    if (failure) report.missing.push({ part: 'all that KMS knows', why: failure.errors.join('; ') });
    if (options.json) printJson(terminal, report);
    else print(terminal, ...linesOf(report, (style, text) => paint(terminal.stdout, style, text)));
    if (failure?.hint) say(terminal, `${terminal.program}: ${paint(terminal.stderr, 'cyan', 'hint:')} ${failure.hint}`);
    return failure ? 1 : 0;
  } finally {
    api.close();
  }
}

async function connect(
  environment: NodeJS.ProcessEnv,
  options: WhyOptions,
  debug: (line: string) => void,
): Promise<KmsAccess> {
  const repository = await findRepository(process.cwd());
  const reach = await findReach(environment, options.state, repository.url);
  const noting: typeof fetch = async (input, init) => {
    const answer = await fetch(input, init);
    const { pathname, search } = new URL(String(input));
    debug(`KMS: ${init?.method ?? 'GET'} ${pathname}${search} ${answer.status}`);
    return answer;
  };
  const kms = clientOf({ ...reach, connection: { ...reach.connection, fetch: noting } });
  // Not the organization of the file: what is asked about may be another project's.
  const organizationId = options.org === undefined ? undefined : await organizationIdOf(kms.organizations, options.org);
  return { kms, url: reach.connection.url, organizationId };
}

function secretOf(name: string): SecretName {
  const [namespace = '', secret = '', ...rest] = name.split('/');
  const isRight = NamespaceName.safeParse(namespace).success && ObjectName.safeParse(secret).success;
  if (isRight && rest.length === 0) return { namespace, name: secret };
  throw new UserError(
    `"${name}" is not the name of a Secret`,
    'write its namespace and its name with "/" between them, such as hanzo/gateway-secrets',
  );
}
