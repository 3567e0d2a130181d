import { Batch, type Load } from '../database/batch.ts';
import type { Db } from '../database/database.ts';
import { unavailable } from '../refusal.ts';
import type { Caller, ProjectReference } from './caller.ts';
import { type Admission, admitTickets, type Pass, type Ticket } from './pass-store.ts';
import type { Held, Verdict } from './store.ts';

const KEPT_AT_MOST = 20_000;
/** A statement costs some 0.3 ms of two cores, whatever is in it. */
const GATHER_US = 120;

/** What became of a kept verdict, and whether the held answer was served under it. */
export interface Admitted {
  readonly verdict: Verdict;
  readonly served: boolean;
}

interface Request {
  readonly pass: Pass;
  readonly held: Held;
  readonly userAgent: string | null;
  readonly requestId: string;
}

/**
 * Verdicts that this process keeps, so that a read of what memory holds need not be judged anew. Nothing is decided from
 * them: each is asked for in the database, at each request, by the change ids under which it was made. Whatever a verdict
 * says of its caller replaces the caller's change id when it changes, and what it says of the project the project's
 * (migrations 0001 and 0010; a test holds the triggers and the tables of the verdict together).
 */
export class Passes {
  readonly #kept = new Map<string, Pass>();
  readonly #gate: Batch<Request, Admission>;
  /** Callers, one object a request, that have asked already. */
  readonly #told = new WeakMap<Caller, Admitted | 'ended'>();

  constructor(path: Db) {
    this.#gate = new Batch<Request, Admission>(
      {
        size: 500,
        lanes: 1,
        waiting: 20_000,
        overflow: () => unavailable('too many requests are waiting'),
        gatherUs: GATHER_US,
      },
      (requests) => admitTogether(path, requests),
    );
  }

  get gate(): Load {
    return this.#gate;
  }

  /** Keeps what was decided. A slug can be found in any organization of a person, so it is not kept for them. */
  keep(caller: Caller, reference: ProjectReference, verdict: Verdict): void {
    if (caller.usesLimited || verdict.projectId === null || verdict.actorChangeId === null) return;
    if (reference.id === undefined && verdict.actorKind === 'user') return;
    const name = nameOf(caller, reference);
    this.#kept.delete(name);
    if (this.#kept.size >= KEPT_AT_MOST) this.#kept.delete(this.#kept.keys().next().value!);
    this.#kept.set(name, { tokenId: caller.tokenId, ip: caller.origin.ip, verdict });
  }

  /** The project that a caller who was let in named so before. It decides nothing, and spares a question that is asked again anyway. */
  projectOf(caller: Caller, reference: ProjectReference): string | undefined {
    return this.#kept.get(nameOf(caller, reference))?.verdict.projectId ?? undefined;
  }

  /**
   * The kept verdict, and whether the held answer was served: then its audit is written. When only the project has changed
   * the answer has to be made anew, by a statement that judges the caller again, so the verdict is good enough to try it.
   */
  async admit(caller: Caller, reference: ProjectReference, held: Held): Promise<Admitted | undefined> {
    const told = this.#told.get(caller);
    if (told !== undefined) {
      this.#told.delete(caller);
      return told === 'ended' ? undefined : told;
    }
    const pass = this.passFor(caller, reference, held);
    return pass && this.ask(caller, reference, pass, held);
  }

  /** The kept verdict under which the held answer can be asked for. */
  passFor(caller: Caller, reference: ProjectReference, held: Held): Pass | undefined {
    if (held.sources !== null || held.version !== null) return undefined;
    const pass = this.#kept.get(nameOf(caller, reference));
    return pass?.verdict.changeId === held.changeId && pass.verdict.grants === held.grants ? pass : undefined;
  }

  async ask(caller: Caller, reference: ProjectReference, pass: Pass, held: Held): Promise<Admitted | undefined> {
    const { userAgent, requestId } = caller.origin;
    const admission = await this.#gate.add({ pass, held, userAgent, requestId });
    const { verdict } = pass;
    if (admission === 'served') return { verdict, served: true };
    const name = nameOf(caller, reference);
    if (this.#kept.get(name) === pass) this.#kept.delete(name);
    return admission === 'project-changed' ? { verdict, served: false } : undefined;
  }

  /** Lets the next `admit` of this request take what `ask` said to it. */
  tell(caller: Caller, admitted: Admitted | undefined): void {
    this.#told.set(caller, admitted ?? 'ended');
  }
}

/** By address as well: a token may be trusted from one and not from another. */
const nameOf = ({ tokenId, origin }: Caller, { id = '', slug = '', organizationId = '' }: ProjectReference) =>
  `${tokenId} ${origin.ip} ${id} ${slug} ${organizationId}`;

/** Requests of one caller for one answer are one ticket: the database looks once, and records each of them. */
async function admitTogether(path: Db, requests: readonly Request[]): Promise<Admission[]> {
  const tickets = new Map<Pass, (Ticket & { requestIds: string[] })[]>();
  const ticketOf = requests.map(({ pass, held, userAgent, requestId }) => {
    const ofPass = tickets.get(pass) ?? [];
    tickets.set(pass, ofPass);
    const same = ofPass.find((ticket) => isSame(ticket, { held, userAgent }));
    const ticket = same ?? { pass, held, userAgent, requestIds: [] };
    if (!same) ofPass.push(ticket);
    ticket.requestIds.push(requestId);
    return ticket;
  });
  const admissions = await admitTickets(path, [...tickets.values()].flat());
  return ticketOf.map((ticket) => admissions.get(ticket) ?? 'ended');
}

/** Answers of which nothing is recorded are told apart by nothing but the pass. */
function isSame(ticket: Pick<Ticket, 'held' | 'userAgent'>, other: Pick<Ticket, 'held' | 'userAgent'>): boolean {
  if (ticket.held.event === null && other.held.event === null) return true;
  return ticket.held === other.held && ticket.userAgent === other.userAgent;
}
