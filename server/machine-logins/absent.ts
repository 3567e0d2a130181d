import { notFound, type Refusal } from '../refusal.ts';

/** Machine logins of Infisical that this server does not have. */
const ABSENT = /^\/api\/v1\/auth\/((?:aws|gcp|azure|alicloud|oci|ldap|tls-cert|jwt)-auth)(?:\/|$)/;
const PRESENT = ['universal-auth', 'token-auth', 'oidc-auth', 'kubernetes-auth'];

/** Tells clients that are set up for another login which ones there are, instead of a bare "route not found". */
export function absentLogin(path: string): Refusal | undefined {
  const method = ABSENT.exec(path)?.[1];
  if (method === undefined) return undefined;
  const [always, ...switched] = PRESENT;
  return notFound(
    `this server has no ${method}; machines log in by ${always}, and, where an instance admin switched them on, by ${switched.join(', ')}`,
    { machineAuthMethods: PRESENT },
  );
}
