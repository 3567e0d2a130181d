import type { Credentials } from './authentication.ts';

/** Where KMS is and who asks: as given, or as the environment says. @throws TypeError when neither does */
export function reachOf(
  given: { readonly url?: string | undefined; readonly credentials?: Credentials | undefined },
  env: Readonly<Record<string, string | undefined>> = globalThis.process?.env ?? {},
): { readonly url: string; readonly credentials: Credentials } {
  const url = given.url ?? env.KMS_URL;
  const credentials = given.credentials ?? credentialsOf(env);
  if (!url) throw new TypeError('it is not said where KMS is: set KMS_URL, or give url');
  if (!credentials)
    throw new TypeError('no credentials: set KMS_TOKEN, or KMS_CLIENT_ID and KMS_CLIENT_SECRET, or give credentials');
  return { url, credentials };
}

function credentialsOf(env: Readonly<Record<string, string | undefined>>): Credentials | undefined {
  if (env.KMS_TOKEN) return { token: env.KMS_TOKEN };
  const { KMS_CLIENT_ID: clientId, KMS_CLIENT_SECRET: clientSecret } = env;
  return clientId && clientSecret ? { clientId, clientSecret } : undefined;
}
