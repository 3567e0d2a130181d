import { contentTag, type MemorySeal } from '../../keys/index.ts';
import type { Access, Caller, ProjectAccess, ProjectReference } from '../access/access.ts';
import type { Pass } from '../access/pass-store.ts';
import type { Held } from '../access/store.ts';
import type { Unchanged } from '../audit/unchanged.ts';
import type { Db } from '../database/database.ts';
import { Turns } from '../database/turns.ts';
import { noEnvironment, noFolder } from '../environments/missing.ts';
import { matches } from '../http/bodies.ts';
import type { Keyring } from '../keyring/keyring.ts';
import { forbidden, Refusal, tokenRefused, unavailable } from '../refusal.ts';
import { refuseTooLarge } from './answer-size.ts';
import type { Answer, Answers } from './answers.ts';
import { type Composed, Composition } from './composition.ts';
import { type ReferenceTree, withoutValues } from './expansion.ts';
import { type Filled, fill } from './fill-store.ts';
import { keepManifests } from './linked-store.ts';
import { Opened } from './opened.ts';
import { nameOf, type Question } from './question.ts';
import { ReferenceDenied } from './reference-refusals.ts';
import { openPersonal, openSecret } from './seal.ts';
import { noSecret, showPersonal, showSecret } from './show.ts';
import { type Reach, seesAllOf, seesSomeOf, sightOf } from './visibility.ts';

/** A complete body, as it goes over the wire. */
export interface Body {
  readonly json: Buffer;
  readonly etag: string;
  /** The client has it already: nothing is shown, and there is no json. @default false */
  readonly unchanged?: boolean;
}

/** An answer in memory that may be asked for at once. */
export interface HeldRead {
  readonly caller: Caller;
  readonly project: ProjectReference;
  readonly name: string;
  readonly answer: Answer;
  readonly unchanged: boolean;
  readonly held: Held;
  readonly pass: Pass;
}

export interface ReadsOptions {
  readonly db: Db;
  readonly access: Access;
  readonly keyring: Keyring;
  readonly answers: Answers;
  readonly seal: MemorySeal;
  readonly unchanged: Unchanged;
  /** Runs between the check and the fill; tests pause here. */
  readonly beforeFill?: (() => Promise<void>) | undefined;
  /** Runs when an answer of several places has been composed, before it is admitted; tests pause here. */
  readonly beforeAdmission?: (() => Promise<void>) | undefined;
}

const NO_BODY = Buffer.alloc(0);

/** How often a read starts over when rights or content change under it, before it answers 503. */
const ATTEMPTS = 8;

/** What a fill gives: an answer whose audit is written, or one that has yet to be admitted. */
type FilledAnswer = { readonly body: Body } | { readonly pending: Answer } | undefined;

/**
 * The product's hot path: a list of a service's secrets. What is in memory is served after one grouped statement that
 * checks the caller, compares the change ids of the projects that it draws from, and writes the audit; a miss is one
 * statement more. An answer that draws from imports or references is composed first and then goes the way of one in memory.
 */
export class Reads {
  readonly #on: ReadsOptions;
  readonly #opened: Opened;
  /** Fills under way, by question: others with the same question wait for the first instead of reading too. */
  readonly #underWay = new Map<string, Promise<unknown>>();
  /** A fill may be of many megabytes: none takes a connection that verdicts wait for, and no caller takes all of the rest. */
  readonly turns = new Turns({
    lanes: 4,
    perKey: 2,
    waiting: 5_000,
    overflow: () => unavailable('too many reads are waiting'),
  });

  constructor(options: ReadsOptions) {
    this.#on = options;
    this.#opened = new Opened(options.seal);
  }

  /** @param has the request's If-None-Match: a body that the client has already is counted and not recorded */
  async read(caller: Caller, question: Question, has?: string): Promise<Body> {
    const { access, answers } = this.#on;
    const name = nameOf(caller, question);
    const { environment, path, recursive, key } = question;
    const reach = recursive ? { environment } : { environment, path, key };
    let waited = false;
    let pending: Answer | undefined;
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const answer: Answer | undefined = pending ?? answers.get(name);
      pending = undefined;
      const unchanged = answer !== undefined && matches(has, answer.etag);
      const held = unchanged ? { ...answer.held, event: null } : answer?.held;
      const allowed = await access.projectWithHeld(caller, question.project, held);
      if (allowed.served && unchanged) {
        this.#on.unchanged.count(allowed, answer.held);
        return { json: NO_BODY, etag: answer.etag, unchanged };
      }
      if (allowed.served && answer) return { json: this.#opened.open(answer, name), etag: answer.etag };
      await this.#needSome(allowed, reach);
      // Waits for another's fill once. When that one failed, or was overtaken by a write, this read fills for itself: in a
      // second queue, fifty requests for a missing folder would come to their turn one after another, or never.
      const other = waited ? undefined : this.#underWay.get(name);
      if (other) {
        waited = true;
        await other.catch(() => undefined);
        continue;
      }
      const filling = this.#fill(allowed, question, name);
      this.#underWay.set(name, filling);
      try {
        const filled = await filling;
        if (filled && 'body' in filled) return filled.body;
        pending = filled?.pending;
      } finally {
        if (this.#underWay.get(name) === filling) this.#underWay.delete(name);
      }
    }
    throw unavailable('this project is changing too fast to be read; try again');
  }

  /**
   * The answer of a question that was answered before, when it takes the one statement and nothing else to serve it. It asks
   * nobody anything.
   */
  held(
    caller: Caller,
    { project, name }: { readonly project: ProjectReference; readonly name: string },
    has?: string,
  ): HeldRead | undefined {
    const { answers, access } = this.#on;
    const answer = answers.peek(name);
    const pass = answer && access.passFor(caller, project, answer.held);
    if (pass === undefined) return undefined;
    answers.get(name);
    const unchanged = matches(has, answer!.etag);
    const held = unchanged ? { ...answer!.held, event: null } : answer!.held;
    return { caller, project, name, answer: answer!, unchanged, held, pass };
  }

  /** Serves it, by that statement. Undefined when it may not be; then `read` goes on from what the statement said. */
  async serve({ caller, project, name, answer, unchanged, held, pass }: HeldRead): Promise<Body | undefined> {
    const served = await this.#on.access.servedBy(pass, caller, project, held);
    if (served === undefined) return undefined;
    if (!unchanged) return { json: this.#opened.open(answer, name), etag: answer.etag };
    this.#on.unchanged.count(served, answer.held);
    return { json: NO_BODY, etag: answer.etag, unchanged };
  }

  /** Refuses a read that could never show anything, and names as little of where as is enough to say so. */
  async #needSome({ rights, ...allowed }: ProjectAccess, reach: Reach): Promise<void> {
    if (seesSomeOf(rights, reach)) return;
    const { environment, path } = reach;
    const nowhere = [{ environment }, { environment, path }].find((at) => !seesSomeOf(rights, at)) ?? reach;
    await this.#on.access.need({ rights, ...allowed }, { action: 'read', subject: 'secrets', ...nowhere });
  }

  /** Reads, opens and keeps an answer. Nothing when the caller's rights changed since they were checked. */
  async #fill(allowed: ProjectAccess, question: Question, name: string): Promise<FilledAnswer> {
    const { db, keyring } = this.#on;
    await this.#on.beforeFill?.();
    const { caller } = allowed;
    const event = question.key === undefined ? 'get-secrets' : 'get-secret';
    const { environment, path, recursive, key, secretId, withValues, expand, imports, personal } = question;
    const ask = { ...caller.origin, tokenId: caller.tokenId, projectId: allowed.project.id };
    const ownerId = personal !== 'none' && allowed.actor.kind === 'user' ? allowed.actor.id : undefined;
    const showsAll =
      personal !== 'only' &&
      !question.asTree &&
      !question.importsAlone &&
      question.version === undefined &&
      question.filter === undefined &&
      seesAllOf(allowed.rights, recursive ? { environment } : { environment, path, key });
    const wanted = { event, environment, path, recursive, key, secretId, grants: allowed.grants } as const;
    const filled = await this.turns.take(caller.actorId, () =>
      fill(db, ask, { ...wanted, showsAll, expand: expand && withValues, imports, ownerId }),
    );
    if (!filled.stillAllowed) return stale(filled);
    this.#on.access.keep(caller, question.project, filled.verdict);
    await this.#refuseMissing(allowed, question, filled);
    if (!filled.audited) return this.#compose(allowed, question, name, filled, ownerId);
    if (withValues) refuseTooLarge(filled.rows);
    const secrets = filled.rows.flatMap((row) => {
      const wantedParts = { value: withValues, comment: true, metadata: withValues };
      const shared = () =>
        showSecret(row.projectId, environment, row, openSecret(keyring, row.projectId, row, wantedParts));
      if (row.personal === null) return [shared()];
      const opened = openPersonal(keyring, row, row.personal, wantedParts);
      const own = showPersonal(row.projectId, environment, row, row.personal, opened, allowed.actor);
      return personal === 'beside' ? [shared(), own] : [own];
    });
    const { manifestId } = filled;
    const answer = this.#answer(allowed, question, name, { secrets, imports: [] }, filled, { manifestId, sources: [] });
    this.#on.answers.put(caller.actorId, name, answer.sealed);
    return { body: answer.body };
  }

  /** An answer of more than one place. It is admitted like one from memory: by the statement that also writes its audit. */
  async #compose(
    allowed: ProjectAccess,
    question: Question,
    name: string,
    filled: Filled,
    ownerId: string | undefined,
  ): Promise<FilledAnswer> {
    const { db } = this.#on;
    const { caller, project } = allowed;
    const changeId = filled.verdict.changeId!;
    const composition = new Composition(this.#on, allowed, question, changeId, ownerId);
    try {
      const composed = await this.turns.take(caller.actorId, () => composition.compose(filled));
      if (question.key !== undefined && composed.secrets.length === 0) {
        await this.#refuseHidden(allowed, question, filled);
        throw noSecret(project.slug, question, question.key);
      }
      await keepManifests(db, composed.manifests);
      const { sealed } = this.#answer(allowed, question, name, composed, filled, composed);
      if (composed.lasting) this.#on.answers.put(caller.actorId, name, sealed);
      await this.#on.beforeAdmission?.();
      return { pending: sealed };
    } catch (error) {
      if (!(error instanceof ReferenceDenied || error instanceof Refusal)) throw error;
      // What was read over several statements may be of two moments. A refusal counts only when it is of one.
      const now = await this.#on.access.project(caller, { id: project.id });
      if (now.project.changeId !== changeId) return undefined;
      if (error instanceof Refusal) throw error;
      throw await this.#denied(allowed, error);
    }
  }

  /** A secret that is there, and that rules about its tags keep from the caller: refused as one that they keep by its name. */
  async #refuseHidden(allowed: ProjectAccess, { environment, path, key }: Question, { rows }: Filled): Promise<void> {
    for (const { tags } of rows) {
      const spot = { environment, path, key: key!, tags: tags.map(({ slug }) => slug) };
      if (sightOf(allowed.rights, spot) !== 'nothing') continue;
      await this.#on.access.need(allowed, { action: 'describeSecret', subject: 'secrets', ...spot });
    }
  }

  /** Writes the refusal into the audit, and says which reference it was. */
  async #denied(allowed: ProjectAccess, { told, spot }: ReferenceDenied): Promise<Refusal> {
    try {
      await this.#on.access.need(allowed, { action: 'read', subject: 'secrets', ...spot });
    } catch (error) {
      if (!(error instanceof Refusal && error.kind === 'forbidden')) throw error;
      return forbidden(`${told}: ${error.message}`, { ...error.details });
    }
    return forbidden(`${told}, which ${allowed.actor.name} may not read`);
  }

  #answer(
    allowed: ProjectAccess,
    question: Question,
    name: string,
    shown: Pick<Composed, 'secrets' | 'imports' | 'tree'>,
    filled: Filled,
    { manifestId, sources }: Pick<Composed, 'manifestId' | 'sources'>,
  ): { readonly body: Body; readonly sealed: Answer } {
    const { keyring, seal } = this.#on;
    const { environment, path, key, version = null } = question;
    const { secrets, imports, tree } = shown;
    const content =
      key === undefined
        ? question.importsAlone
          ? { secrets: imports }
          : { secrets, imports, folder: { id: filled.askedFolderId, projectId: allowed.project.id } }
        : question.asTree
          ? treeBody(tree!, question.asTree === 'whole')
          : { secret: secrets[0] };
    const text = JSON.stringify(content);
    const etag = contentTag(keyring.etagKey, Buffer.from(text));
    const json = Buffer.from('folder' in content ? withChangeId(text, filled.verdict.changeId!) : text);
    const held: Held = {
      changeId: filled.verdict.changeId!,
      grants: allowed.grants,
      manifestId,
      event: key === undefined ? 'get-secrets' : 'get-secret',
      environment,
      path,
      key: key ?? null,
      version,
      sources: sources.length === 0 ? null : JSON.stringify(sources),
    };
    return { body: { json, etag }, sealed: { sealed: seal.seal(json, name), etag, held } };
  }

  async #refuseMissing(allowed: ProjectAccess, question: Question, filled: Filled): Promise<void> {
    const { slug } = allowed.project;
    if (!filled.environmentFound) throw await noEnvironment(this.#on.db, allowed.project, question.environment);
    if (filled.askedFolderId === null) throw noFolder(slug, question.environment, question.path);
    if (question.key !== undefined && filled.rows.length === 0 && filled.audited)
      throw noSecret(slug, question, question.key);
  }
}

/** A tree as it is sent. `root` is Infisical's name for where one begins. */
function treeBody(tree: ReferenceTree, withValues: boolean) {
  return withValues
    ? { tree: { ...tree, key: 'root' }, value: tree.value }
    : { tree: { ...withoutValues(tree), key: 'root' } };
}

/** Adds the change id to the folder that ends the body. It is left out of the tag: a write elsewhere in the project makes no new one. */
const withChangeId = (text: string, changeId: string) => `${text.slice(0, -'}}'.length)},"changeId":"${changeId}"}}`;

function stale(filled: Filled): undefined {
  const { tokenKnown, revoked, expired, ipTrusted } = filled.verdict;
  if (!tokenKnown || revoked || expired || !ipTrusted)
    throw tokenRefused('this access token is no longer valid; log in again');
  return undefined;
}
