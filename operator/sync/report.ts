import {
  Forbidden,
  KmsError,
  KmsRefusal,
  KmsTimeout,
  KmsUnreachable,
  NotFound,
  Unauthorized,
} from '../../sdk/index.ts';
import { KubernetesError } from '../kubernetes/errors.ts';
import { SyncProblem } from './problem.ts';
import type { Report } from './status.ts';

const KEPT = 'The last good content stays.';

/** A failure in the words of the status: what is wrong, where, and what to do. */
export function reportOf(
  error: unknown,
  where: { readonly hostAPI: string; readonly credentials: string; readonly folder: string },
): Report {
  if (error instanceof SyncProblem) {
    const authenticated =
      error.reason === 'CredentialsMissing' || error.reason === 'CredentialsSuperseded'
        ? 'False'
        : error.reason === 'CertificateMissing'
          ? 'Unknown'
          : 'True';
    return { authenticated, reason: error.reason, message: error.message };
  }
  if (error instanceof Unauthorized)
    return {
      authenticated: 'False',
      reason: 'CredentialsRefused',
      message: `KMS refuses the client id and secret in ${where.credentials}: ${error.message} Make a new client secret and put it there. ${KEPT}`,
    };
  if (error instanceof Forbidden)
    return {
      authenticated: 'True',
      reason: 'AccessDenied',
      message: `the machine identity may not read ${where.folder}: ${error.message} Give it the role Viewer in the project. ${KEPT}`,
    };
  if (error instanceof NotFound)
    return {
      authenticated: 'True',
      reason: 'NotFound',
      message: `${where.folder} is not there: ${error.message} ${KEPT}`,
    };
  if (error instanceof KmsUnreachable || error instanceof KmsTimeout)
    return { authenticated: 'Unknown', reason: 'KmsUnreachable', message: `${error.message}. ${KEPT}` };
  if (error instanceof KmsRefusal)
    return {
      authenticated: 'Unknown',
      reason: 'KmsFailing',
      message: `KMS at ${where.hostAPI} answered ${error.status}: ${error.message} ${KEPT}`,
    };
  if (error instanceof KmsError)
    return { authenticated: 'Unknown', reason: 'KmsFailing', message: `${error.message} ${KEPT}` };
  if (error instanceof KubernetesError)
    return { authenticated: 'Unknown', reason: 'KubernetesRefused', message: `${error.message} ${KEPT}` };
  throw error;
}
