import type { Inventory } from '../../contracts/inventory.ts';
import { type AuthSecret, clientSecretPrefix, makeProof, newClientSecret } from '../../keys/index.ts';
import { Conflict, Kms, type KmsOptions, type Prove, Unauthorized } from '../../sdk/index.ts';
import { UserError } from '../problem.ts';
import { type FirstCall, firstCallFile, forgetFirstCall, readFirstCall, storeFirstCall } from './state.ts';

/** Proves knowledge of kms-secrets, for one request. */
export const proverOf =
  (authSecret: AuthSecret): Prove =>
  (request) =>
    makeProof(authSecret, request);

/** An instance that was just taken over by those who installed it, or is about to be left by the first credential. */
export interface FirstRun {
  readonly kms: Kms;
  /** Revokes the first credential and forgets it: from then on there are named people and identities alone. */
  finish(): Promise<void>;
}

/** Which instance, and what proves that its installer asks. */
export interface FirstRunOptions {
  /** Where the instance is. */
  readonly connection: Omit<KmsOptions, 'credentials'>;
  /** Folder in which the first credential waits until it is no longer needed. */
  readonly state: string;
  /** Proves kms-secrets to the server. */
  readonly authSecret: AuthSecret;
}

/**
 * Takes over a fresh instance, or goes on where an earlier run broke off. The credential is made here and is on the disk
 * before the server hears of it, so no crash and no lost answer can leave an instance that nobody can enter:
 *
 *   made, not stored   nothing has happened
 *   stored, not sent   sent by the next run
 *   sent, no answer    sent again, word for word: the same answer, the same ids
 *   applied halfway    the next run logs in with it (or, an hour later, proves kms-secrets) and goes on
 *   revoked, not gone  the next run finds that it no longer works, and removes it
 */
export async function takeOver(
  options: FirstRunOptions,
  who: Omit<FirstCall, 'url' | 'credential'>,
): Promise<FirstRun> {
  let call = await readFirstCall(options.state);
  if (call && call.url !== options.connection.url) {
    throw new UserError(
      `an unfinished first run in ${options.state} is for ${call.url}, not for ${options.connection.url}`,
      'finish that one, or use another folder with --state',
    );
  }
  if (call && (call.email !== who.email || call.organizationSlug !== who.organizationSlug)) {
    throw new UserError(
      `an unfinished first run in ${options.state} makes ${call.email} of ${call.organizationSlug} the first admin, not ${who.email} of ${who.organizationSlug}`,
      `remove ${firstCallFile(options.state)}: this instance has no admin yet`,
    );
  }
  if (!call) {
    call = { url: options.connection.url, ...who, credential: newClientSecret() };
    await storeFirstCall(options.state, call);
  }
  return resume(options, call);
}

/** Goes on with a first run that is stored. */
export async function resume(options: FirstRunOptions, call: FirstCall): Promise<FirstRun> {
  const { connection, state } = options;
  const prove = proverOf(options.authSecret);
  const { url: _, ...body } = call;
  const answer = await new Kms(connection).admin.bootstrap(body, prove).catch((error) => {
    if (!(error instanceof Conflict)) throw error;
    throw new UserError(
      `this instance was set up by somebody else: ${error.message}`,
      'use their credentials, or --recover with kms-secrets',
    );
  });
  const clientId = answer.identity.credentials.clientId;
  const kms = new Kms({ ...connection, credentials: { clientId, clientSecret: call.credential } });
  const session = (await works(kms)) ? kms : await recover(options, call.email);
  return {
    kms: session,
    async finish() {
      const prefix = clientSecretPrefix(call.credential);
      const live = await session.identities.clientSecrets(answer.identity.id);
      for (const { id, clientSecretPrefix } of live) {
        if (clientSecretPrefix === prefix) await session.identities.revokeClientSecret(answer.identity.id, id);
      }
      await forgetFirstCall(state);
    },
  };
}

/** The way back in for a named instance admin. Whoever holds kms-secrets can take it; the audit shows it. */
export async function recover({ connection, authSecret }: FirstRunOptions, email: string): Promise<Kms> {
  const { accessToken } = await new Kms(connection).admin.recoverySession(email, proverOf(authSecret));
  return new Kms({ ...connection, credentials: { token: accessToken } });
}

async function works(kms: Kms): Promise<boolean> {
  try {
    await kms.organizations.list();
    return true;
  } catch (error) {
    if (error instanceof Unauthorized) return false;
    throw error;
  }
}

/** Who owns the instance first: the first admin of the inventory and the organization that names them. */
export function firstAdmin(inventory: Inventory, email?: string): Omit<FirstCall, 'url' | 'credential'> {
  const wanted = email?.trim().toLowerCase();
  const organization = inventory.organizations.find(({ admins }) =>
    wanted ? admins.includes(wanted) : admins.length > 0,
  );
  const first = organization ?? (wanted ? inventory.organizations[0] : undefined);
  const admin = wanted ?? organization?.admins[0];
  if (!first || !admin) {
    throw new UserError(
      'nobody is named as admin in the inventory',
      'list an e-mail address under admins, or use --admin-email',
    );
  }
  return { email: admin, organization: first.name ?? first.slug, organizationSlug: first.slug };
}
