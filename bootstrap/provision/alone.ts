import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import type { KubernetesApi } from '../../operator/kubernetes/api.ts';
import type { KubernetesError } from '../../operator/kubernetes/errors.ts';
import { LeaderElection } from '../../operator/kubernetes/lease.ts';
import { UserError } from '../problem.ts';

const NAME = 'kms-bootstrap';
const TOLD_EVERY_MS = 10_000;

/**
 * Does something while no other run of this cluster does, by the Lease `kms-bootstrap`. A run that was killed is taken to be over ten
 * seconds after its last word. The signal ends when another run may have begun, which is looked at before each write; what is on
 * its way then is made good by the next run.
 */
export async function alone<Result>(
  api: KubernetesApi,
  options: {
    readonly namespace: string;
    /** Longest wait for others. */
    readonly seconds: number;
    readonly signal: AbortSignal;
    readonly say: (line: string) => void;
  },
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const { namespace, seconds, signal, say } = options;
  const { promise, resolve, reject } = Promise.withResolvers<Result>();
  let isBegun = false;
  let trouble: KubernetesError | undefined;
  const election = new LeaderElection(api, {
    namespace,
    name: NAME,
    identity: `${process.env.POD_NAME ?? hostname()}-${randomBytes(4).toString('hex')}`,
    periodMs: 1000,
    async onLead(leading) {
      if (isBegun) return;
      isBegun = true;
      await work(AbortSignal.any([leading, signal])).then(resolve, reject);
    },
    onTrouble(found) {
      trouble = found;
      // What no waiting mends.
      if ([401, 403, 404].includes(found.status)) reject(found);
    },
  });
  const stop = () => reject(signal.reason);
  signal.addEventListener('abort', stop, { once: true });
  const telling = setInterval(() => {
    if (!isBegun)
      say(`waiting for another run to end (Lease ${namespace}/${NAME})${trouble ? `: ${trouble.message}` : ''}`);
  }, TOLD_EVERY_MS);
  const deadline = setTimeout(() => {
    if (!isBegun)
      reject(
        new UserError(
          `another run has not ended within ${seconds} seconds${trouble ? `: ${trouble.message}` : ''}`,
          `see who holds it: kubectl -n ${namespace} get lease ${NAME}`,
        ),
      );
  }, seconds * 1000);
  try {
    return await promise;
  } finally {
    clearInterval(telling);
    clearTimeout(deadline);
    signal.removeEventListener('abort', stop);
    isBegun = true;
    await election.stop();
  }
}
