import { expect, test } from 'vitest';
import type { KmsSecret } from '../../operator/kms-secret.ts';
import type { Secret } from '../../operator/kubernetes/resources.ts';
import { Renewals, type RenewalsOptions } from '../../operator/renewal/renewals.ts';

/** Renewals at a KMS that says of each client secret when it ends, whatever it likes. */
function renewalsAt(expiresIn: number) {
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  let secret: Secret = {
    metadata: { name: 'auth', namespace: 'evil' },
    data: { clientId: base64('id'), clientSecret: base64('0') },
  };
  const seen = { renewed: 0, reads: 0, failures: [] as string[] };
  const kms = {
    identities: { renewClientSecret: async () => ({ clientSecret: String(++seen.renewed), expiresIn }) },
    logIn: async () => {},
  };
  const api = {
    get: async () => {
      seen.reads++;
      return secret;
    },
    apply: async (_of: unknown, next: Secret) => {
      secret = next;
      return next;
    },
  };
  const renewals = new Renewals({
    ...{ api, digest: String, leading: new AbortController().signal },
    clients: { use: () => ({ kms }), release: () => {}, hasSuccessor: () => false },
    events: { record: async () => {} },
    metrics: { renewal: () => {}, credentialsEnd: () => {} },
    log: { info: () => {}, warn: ({ problem }: { problem: string }) => seen.failures.push(problem) },
    ...{ isAsked: () => true, hostsOf: () => ['http://evil'], copyOf: async () => undefined, onTold: () => {} },
    wantedBy: async () => ({ spec: { hostAPI: 'http://evil' } }) as KmsSecret,
    certificateOf: async () => undefined,
  } as unknown as RenewalsOptions);
  return { renewals, seen };
}

test.each([
  ['at once', 0],
  ['before it began', -1_000_000],
  ['in a year', 31_536_000],
  ['never', 1e300],
])('a client secret that ends %s keeps nobody busy', async (_what, expiresIn) => {
  const { renewals, seen } = renewalsAt(expiresIn);
  renewals.look('evil/auth');
  await expect.poll(() => seen.renewed).toBe(1);
  // Long enough for hundreds of rounds, each of which is three writes to the API server.
  await new Promise((resolve) => setTimeout(resolve, 300));
  await renewals.stop();
  expect(seen).toEqual({ renewed: 1, reads: 1, failures: [] });
});
