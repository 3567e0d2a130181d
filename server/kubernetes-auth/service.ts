import { z } from 'zod';
import type { AccessToken, AttachKubernetesAuthBody } from '../../contracts/index.ts';
import type { Caller } from '../access/access.ts';
import type { Origin } from '../audit/store.ts';
import type { Keyring } from '../keyring/keyring.ts';
import { type Configure, LoginRefused, type MachineLogins } from '../machine-logins/service.ts';
import type { MachineLoginRow } from '../machine-logins/store.ts';
import { checkCa, checkUrl, unreachable } from '../machine-logins/urls.ts';
import type { Outbound } from '../outbound/outbound.ts';
import { invalid, unavailable } from '../refusal.ts';

export type KubernetesSettings = Pick<
  AttachKubernetesAuthBody,
  'kubernetesHost' | 'caCert' | 'allowedNamespaces' | 'allowedNames' | 'allowedAudience'
>;
type Given = Partial<{
  [Key in keyof AttachKubernetesAuthBody]:
    | AttachKubernetesAuthBody[Key]
    | (Key extends 'tokenReviewerJwt' ? null : never)
    | undefined;
}>;
export type KubernetesRow = MachineLoginRow<KubernetesSettings>;

const METHOD = 'kubernetes-auth';
/** What the reviewer's token is sealed for; the owner is the login. */
const REVIEWER_TOKEN = 'kubernetes-token-reviewer';

const Review = z.object({
  status: z.object({
    authenticated: z.boolean().default(false),
    // Of a token that it does not take, an API server answers with a user without a name.
    user: z.object({ username: z.string().default('') }).optional(),
    audiences: z.array(z.string()).default([]),
  }),
});

/** Kubernetes Auth: a pod's service account token for one of ours. The cluster itself says whose it is (TokenReview). */
export class KubernetesAuth {
  readonly #logins: MachineLogins;
  readonly #outbound: Outbound;
  readonly #keyring: Keyring;

  constructor(options: { logins: MachineLogins; outbound: Outbound; keyring: Keyring }) {
    this.#logins = options.logins;
    this.#outbound = options.outbound;
    this.#keyring = options.keyring;
  }

  attach(caller: Caller, identityId: string, given: AttachKubernetesAuthBody): Promise<KubernetesRow> {
    return this.#logins.attach(caller, identityId, METHOD, given, this.#configure(given));
  }

  get(caller: Caller, identityId: string): Promise<KubernetesRow> {
    return this.#logins.get(caller, identityId, METHOD);
  }

  update(caller: Caller, identityId: string, change: Given): Promise<KubernetesRow> {
    return this.#logins.update(caller, identityId, METHOD, change, this.#configure(change));
  }

  detach(caller: Caller, identityId: string): Promise<KubernetesRow> {
    return this.#logins.detach(caller, identityId, METHOD);
  }

  login(identityId: string, jwt: string, origin: Origin): Promise<AccessToken> {
    return this.#logins.login<KubernetesSettings>(METHOD, identityId, origin, async (login) => {
      if (!/^[\w-]+\.[\w-]+\.[\w-]+$/.test(jwt)) throw refused('format', 'this is no JWT');
      const { allowedAudience, allowedNamespaces, allowedNames } = login.settings;
      const { authenticated, user, audiences } = await this.#review(login, jwt);
      if (!authenticated) throw refused('token', 'the cluster does not know this token');
      const account = /^system:serviceaccount:([a-z0-9-]{1,63}):([a-z0-9.-]{1,253})$/.exec(user?.username ?? '');
      if (!account) throw refused('subject', 'this token is of no service account');
      const [, namespace, name] = account as unknown as [string, string, string];
      if (!isOneOf(allowedNamespaces, namespace)) throw denied('namespace', 'the namespace');
      if (!isOneOf(allowedNames, name)) throw denied('name', 'the service account');
      // A cluster that does not know audiences answers with none, and has then checked none.
      if (allowedAudience !== '' && !audiences.includes(allowedAudience)) throw denied('audience', 'the audience');
      return { namespace, serviceAccount: name };
    });
  }

  async #review(login: KubernetesRow, jwt: string): Promise<z.infer<typeof Review>['status']> {
    const { kubernetesHost, caCert, allowedAudience } = login.settings;
    const reviewer = login.sealedReviewerToken
      ? await this.#keyring.openConfig(REVIEWER_TOKEN, login.id, login.sealedReviewerToken)
      : jwt;
    const { status, body } = await this.#outbound
      .fetch(`${kubernetesHost.replace(/\/+$/, '')}/apis/authentication.k8s.io/v1/tokenreviews`, {
        method: 'POST',
        ca: caCert || undefined,
        headers: {
          authorization: `Bearer ${reviewer}`,
          accept: 'application/json',
          'content-type': 'application/json',
        },
        body: JSON.stringify({
          apiVersion: 'authentication.k8s.io/v1',
          kind: 'TokenReview',
          spec: { token: jwt, ...(allowedAudience === '' ? {} : { audiences: [allowedAudience] }) },
        }),
      })
      .catch(unreachable);
    // A token that reviews itself and is not known is turned away before it is looked at.
    if (status === 401 && !login.sealedReviewerToken) throw refused('token', 'the cluster does not know this token');
    if (status === 401 || status === 403) {
      throw unavailable(`the cluster does not let its tokens be reviewed (status ${status}); see tokenReviewerJwt`);
    }
    const review = status === 200 || status === 201 ? Review.safeParse(parse(body)) : undefined;
    if (!review?.success) throw unavailable(`the cluster did not review the token (status ${status})`);
    return review.data.status;
  }

  #configure(given: Given): Configure<KubernetesSettings> {
    return async (id, before) => {
      const old = before?.settings;
      const settings: KubernetesSettings = {
        kubernetesHost: given.kubernetesHost ?? old!.kubernetesHost,
        caCert: given.caCert ?? old!.caCert,
        allowedNamespaces: given.allowedNamespaces ?? old!.allowedNamespaces,
        allowedNames: given.allowedNames ?? old!.allowedNames,
        allowedAudience: given.allowedAudience ?? old!.allowedAudience,
      };
      checkUrl(this.#outbound, 'kubernetesHost', settings.kubernetesHost);
      checkCa(settings.caCert);
      const { allowedNamespaces, allowedNames } = settings;
      if (entriesOf(allowedNamespaces).length === 0 && entriesOf(allowedNames).length === 0) {
        throw invalid(
          ['allowedNamespaces'],
          'name namespaces or service accounts: every pod of the cluster has a token',
        );
      }
      const elsewhere = old && (settings.kubernetesHost !== old.kubernetesHost || settings.caCert !== old.caCert);
      if (elsewhere && before.sealedReviewerToken && given.tokenReviewerJwt === undefined) {
        throw invalid(['tokenReviewerJwt'], 'give tokenReviewerJwt again: the stored one is not sent to another host');
      }
      return { settings, ...(await this.#seal(id, given.tokenReviewerJwt, before)) };
    };
  }

  /** The reviewer's token, when it is given or taken away. */
  async #seal(id: string, token: string | null | undefined, before: KubernetesRow | undefined) {
    if (token === undefined) return before ? {} : { sealedReviewerToken: null };
    if (token === null || token === '') return { sealedReviewerToken: null };
    if (!/^[\x21-\x7e]+$/.test(token)) throw invalid(['tokenReviewerJwt'], 'not a token');
    return { sealedReviewerToken: await this.#keyring.sealConfig(REVIEWER_TOKEN, id, token) };
  }
}

const entriesOf = (list: string) =>
  list
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');
const isOneOf = (list: string, name: string) => entriesOf(list).length === 0 || entriesOf(list).includes(name);

const refused = (reason: string, what: string) => new LoginRefused(reason, `Invalid credentials: ${what}`);
const denied = (reason: string, what: string) =>
  new LoginRefused(reason, `Access denied: ${what} of this token is not one that this identity takes`);

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
}
