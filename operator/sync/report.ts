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
import { plainText } from '../plain-text.ts';
import { SyncProblem } from './problem.ts';
import type { Report } from './status.ts';

const KEPT = 'The last good content stays.';
const NONE_YET = 'Nothing was written yet.';

/** A failure in the words of the status: what is wrong, where, and what to do. */
export function reportOf(
  error: unknown,
  where: {
    readonly hostAPI: string;
    readonly credentials: string;
    readonly folder: string;
    /** Whether there is a last good content. */
    readonly hasContent: boolean;
  },
): Report {
  const kept = where.hasContent ? KEPT : NONE_YET;
  if (error instanceof SyncProblem) {
    const authenticated =
      error.reason === 'CredentialsMissing' || error.reason === 'CredentialsSuperseded'
        ? 'False'
        : error.reason === 'CertificateMissing' || error.reason === 'HostNotAllowed'
          ? 'Unknown'
          : 'True';
    return { authenticated, reason: error.reason, message: `${sentence(error.message)} ${kept}` };
  }
  if (error instanceof Unauthorized)
    return {
      authenticated: 'False',
      reason: 'CredentialsRefused',
      message: `KMS refuses the client id and secret in ${where.credentials}: ${sentence(error.message)} Make a new client secret and put it there. ${kept}`,
    };
  if (error instanceof Forbidden)
    return {
      authenticated: 'True',
      reason: 'AccessDenied',
      message: `the machine identity may not read ${where.folder}: ${sentence(error.message)} Give it the role Viewer in the project. ${kept}`,
    };
  if (error instanceof NotFound)
    return {
      authenticated: 'True',
      reason: 'NotFound',
      message: `${where.folder} is not there: ${sentence(error.message)} ${kept}`,
    };
  if (error instanceof KmsUnreachable || error instanceof KmsTimeout)
    return { authenticated: 'Unknown', reason: 'KmsUnreachable', message: `${sentence(error.message)} ${kept}` };
  if (error instanceof KmsRefusal)
    return {
      authenticated: 'Unknown',
      reason: 'KmsFailing',
      message: `KMS at ${where.hostAPI} answered ${error.status}: ${sentence(error.message)} ${kept}`,
    };
  if (error instanceof KmsError)
    return { authenticated: 'Unknown', reason: 'KmsFailing', message: `${sentence(error.message)} ${kept}` };
  if (error instanceof KubernetesError)
    return { authenticated: 'Unknown', reason: 'KubernetesRefused', message: `${sentence(error.message)} ${kept}` };
  // Nothing that was foreseen, and so nothing to quote: but a KMSSecret that goes on saying that all is well is worse.
  const name = error instanceof Error ? error.name : typeof error;
  return { authenticated: 'Unknown', reason: 'KmsFailing', message: `the operator failed with a ${name}. ${kept}` };
}

/** What KMS and the API server say ends in all ways; another sentence follows here. */
function sentence(text: string): string {
  return plainText(text).replace(/[.\s]*$/, '.');
}
