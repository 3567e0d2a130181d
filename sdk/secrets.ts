import { z } from 'zod';
import { type Secret, SecretAnswer, SecretsAnswer, WrittenSecretsAnswer } from '../contracts/secrets.ts';
import { addressQuery, type FolderAddress, SECRETS_PATH } from './address.ts';
import { AnswerCache } from './etag.ts';
import { type Look, type LookOptions, lookAt } from './look.ts';
import type { Session } from './session.ts';

/** How to read. */
export interface ReadOptions {
  /**
   * Whether values come along. Without them an answer shows names, versions and dates only.
   * @default true
   */
  readonly values?: boolean;
  /** What was there at this moment, as an instant; takes the right to read the history. @default - what is there now */
  readonly asOf?: string;
  /** Gives the read up. */
  readonly signal?: AbortSignal;
}

/** A secret to be made. */
export interface NewSecret {
  readonly secretKey: string;
  /** Kept byte for byte. */
  readonly secretValue: string;
  readonly secretComment?: string;
}

/** What shall be different about a secret; what is absent stays. */
export interface ChangedSecret {
  readonly secretKey: string;
  readonly secretValue?: string;
  readonly newSecretName?: string;
  readonly secretComment?: string;
}

/** A secret by its name, and what it refers to. */
export interface NamedSecret {
  readonly key: string;
  readonly projectId: string;
  readonly environment: string;
  readonly secretPath: string;
  readonly children: NamedSecret[];
}
const NamedSecret: z.ZodType<NamedSecret> = z.object({
  key: z.string(),
  projectId: z.string(),
  environment: z.string(),
  secretPath: z.string(),
  get children() {
    return z.array(NamedSecret);
  },
});
const ReferencesAnswer = z.object({ tree: NamedSecret });

/** Secrets of a folder: one by one, the folder at once, or many in one transaction (Infisical's v3 raw routes). */
export class Secrets {
  readonly #session: Session;
  readonly #cache = new AnswerCache<z.infer<typeof SecretsAnswer>>();

  constructor(session: Session) {
    this.#session = session;
  }

  /**
   * All secrets of a folder; with `recursive` those of the folders below it too. A second look at an unchanged folder
   * costs a 304: the answer is kept in this process's memory, nowhere else (HIP-27, step 3).
   */
  async list(at: FolderAddress, options: ReadOptions & { readonly recursive?: boolean } = {}): Promise<Secret[]> {
    const query = {
      ...addressQuery(at),
      recursive: options.recursive === true,
      viewSecretValue: options.values !== false,
      asOf: options.asOf,
    };
    const kept = this.#cache.get(JSON.stringify(query));
    const { answer, etag } = await this.#session.exchange({
      method: 'GET',
      path: SECRETS_PATH,
      query,
      answer: SecretsAnswer,
      ...(kept ? { headers: { 'if-none-match': kept.etag } } : {}),
      ...withSignal(options),
    });
    if (answer && etag) this.#cache.set(JSON.stringify(query), { etag, answer });
    return structuredClone((answer ?? kept?.answer)?.secrets ?? []);
  }

  /**
   * All secrets of a folder with what it imports and with references expanded, for a caller that keeps what it needs of an answer
   * itself: no copy is kept here.
   *
   * @returns undefined when the answer that `options.etag` names is still the present one (304)
   */
  async look(at: FolderAddress, options: LookOptions = {}): Promise<Look | undefined> {
    return lookAt(this.#session, at, options);
  }

  /** What a folder has and what it imports, as it is written and without values; no copy is kept here. */
  async describe(
    at: FolderAddress,
    options: { readonly recursive?: boolean } = {},
  ): Promise<z.infer<typeof SecretsAnswer>> {
    const query = {
      ...addressQuery(at),
      recursive: options.recursive === true,
      includeImports: true,
      viewSecretValue: false,
    };
    return this.#session.call({ method: 'GET', path: SECRETS_PATH, query, answer: SecretsAnswer });
  }

  /** What a secret refers to, as a tree without values. @throws Forbidden when the caller may not read all of it */
  async references(name: string, at: FolderAddress): Promise<NamedSecret> {
    const path = `${SECRETS_PATH}/${encodeURIComponent(name)}/secret-reference-tree`;
    const query = { ...addressQuery(at), viewSecretValue: false };
    return (await this.#session.call({ method: 'GET', path, query, answer: ReferencesAnswer })).tree;
  }

  /** One secret, in its present version or an earlier one. @throws NotFound when the folder has no such key */
  async get(
    name: string,
    at: FolderAddress,
    options: ReadOptions & { readonly version?: number } = {},
  ): Promise<Secret> {
    const query = {
      ...addressQuery(at),
      version: options.version,
      asOf: options.asOf,
      viewSecretValue: options.values !== false,
    };
    const path = `${SECRETS_PATH}/${encodeURIComponent(name)}`;
    const answer = await this.#session.call({
      method: 'GET',
      path,
      query,
      answer: SecretAnswer,
      ...withSignal(options),
    });
    return answer.secret;
  }

  /** Makes a secret. @throws Conflict when the folder has the key already */
  async create({ secretKey, ...rest }: NewSecret, at: FolderAddress): Promise<Secret> {
    return this.#write('POST', secretKey, at, rest);
  }

  /** Changes a secret, which gets a new version. @throws NotFound when the folder has no such key */
  async update({ secretKey, ...rest }: ChangedSecret, at: FolderAddress): Promise<Secret> {
    return this.#write('PATCH', secretKey, at, rest);
  }

  /** Deletes a secret. @throws NotFound when the folder has no such key */
  async delete(name: string, at: FolderAddress): Promise<Secret> {
    return this.#write('DELETE', name, at, {});
  }

  /** All or nothing; refused as a whole (Conflict) when one of them exists. */
  async createMany(secrets: readonly NewSecret[], at: FolderAddress): Promise<Secret[]> {
    return this.#batch('POST', at, { secrets });
  }

  /** All or nothing. What to do about keys that do not exist: `failOnNotFound` (default), `upsert` or `ignore`. */
  async updateMany(
    secrets: readonly ChangedSecret[],
    at: FolderAddress,
    mode: 'failOnNotFound' | 'upsert' | 'ignore' = 'failOnNotFound',
  ): Promise<Secret[]> {
    return this.#batch('PATCH', at, { secrets, mode });
  }

  /** All or nothing. */
  async deleteMany(names: readonly string[], at: FolderAddress): Promise<Secret[]> {
    return this.#batch('DELETE', at, { secrets: names.map((secretKey) => ({ secretKey })) });
  }

  async #write(method: 'POST' | 'PATCH' | 'DELETE', name: string, at: FolderAddress, rest: object): Promise<Secret> {
    const path = `${SECRETS_PATH}/${encodeURIComponent(name)}`;
    const body = { ...at, ...rest };
    return (await this.#session.call({ method, path, body, answer: SecretAnswer })).secret;
  }

  async #batch(method: 'POST' | 'PATCH' | 'DELETE', at: FolderAddress, rest: object): Promise<Secret[]> {
    const path = '/api/v3/secrets/batch/raw';
    return (await this.#session.call({ method, path, body: { ...at, ...rest }, answer: WrittenSecretsAnswer })).secrets;
  }
}

const withSignal = ({ signal }: { signal?: AbortSignal }) => (signal ? { signal } : {});
