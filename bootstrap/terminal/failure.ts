import { KubernetesError } from '../../operator/kubernetes/errors.ts';
import { Forbidden, KmsRefusal, KmsUnreachable, Unauthorized, UnexpectedAnswer } from '../../sdk/index.ts';
import { ApplyStopped } from '../apply/apply.ts';
import { FileExists } from '../durable-file.ts';
import { InventoryRefused } from '../inventory/problem.ts';
import { lineOf } from '../plan/lines.ts';
import { UserError } from '../problem.ts';
import { paint, printJson, say, type Terminal } from './terminal.ts';

/** What went wrong in one or more lines, and what to do about it. */
export interface Failure {
  readonly errors: readonly string[];
  readonly hint?: string | undefined;
}

export function failureOf(error: unknown): Failure {
  if (error instanceof InventoryRefused) return { errors: error.problems, hint: 'nothing was sent to the server' };
  if (error instanceof UserError) return { errors: [error.message], hint: error.hint };
  if (error instanceof ApplyStopped) return stopped(error);
  if (error instanceof KubernetesError) return ofCluster(error);
  if (error instanceof AggregateError) {
    const all = error.errors.map(failureOf);
    return { errors: all.flatMap(({ errors }) => errors), hint: all.find(({ hint }) => hint)?.hint };
  }
  if (error instanceof FileExists)
    return { errors: [error.message], hint: 'choose another path, or move the file away first' };
  if (error instanceof KmsUnreachable) {
    return {
      errors: [error.message],
      hint: 'is the server up, and does KMS_URL name it? The local one starts with npm start',
    };
  }
  if (error instanceof UnexpectedAnswer)
    return { errors: [error.message], hint: 'check that KMS_URL is the address of KMS' };
  if (error instanceof Unauthorized) {
    return {
      errors: [error.message],
      hint: 'check KMS_TOKEN, or KMS_CLIENT_ID and KMS_CLIENT_SECRET: expired, revoked, or of another server; or kms login again',
    };
  }
  if (error instanceof Forbidden)
    return {
      errors: [error.message],
      hint: 'use credentials that may do this, or give these the right in the inventory',
    };
  if (error instanceof KmsRefusal)
    return { errors: [`${error.message}${error.reqId ? ` (request ${error.reqId})` : ''}`] };
  return { errors: [error instanceof Error ? error.message : String(error)] };
}

/** What an API server refused. Its messages name objects, rights and users, and no value of a Secret. */
function ofCluster({ status, message }: KubernetesError): Failure {
  if (status === 401)
    return {
      errors: ['the cluster does not take your credentials'],
      hint: 'log in to it again, or name another context of the kubeconfig',
    };
  if (status === 0)
    return { errors: [message], hint: 'is it up, and does the kubeconfig name it? --help tells how to name another' };
  if (status === 403)
    return {
      errors: [message],
      hint: 'have somebody give you this right, or name a context of the kubeconfig that has it',
    };
  return { errors: [message] };
}

function stopped(error: ApplyStopped): Failure {
  const { sign, noun, name } = lineOf(error.failed);
  const cause = failureOf(error.cause);
  const count = (steps: readonly unknown[]) => `${steps.length} ${steps.length === 1 ? 'step' : 'steps'}`;
  return {
    errors: [
      ...cause.errors.map((line) => `at ${sign} ${noun} ${name}: ${line}`),
      `stopped there: ${count(error.done)} done before it, ${count(error.left)} after it not begun`,
    ],
    hint: cause.hint ?? 'mend the cause and run the same command again: it goes on from here',
  };
}

/** Shows an error: a line each on standard error, or with `--json` one object on standard output. */
export function showFailure(terminal: Terminal, error: unknown, json: boolean): void {
  const { errors, hint } = failureOf(error);
  if (json) {
    printJson(terminal, { error: { message: errors.join('\n'), ...(hint ? { hint } : {}) } });
    return;
  }
  for (const line of errors) say(terminal, `${terminal.program}: ${paint(terminal.stderr, 'red', 'error:')} ${line}`);
  if (hint) say(terminal, `${terminal.program}: ${paint(terminal.stderr, 'cyan', 'hint:')} ${hint}`);
}
