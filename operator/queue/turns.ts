/** Whose turn a piece of work takes: of each party one after another, and within a party of each lane. */
export interface Party {
  /** Such as a namespace. */
  readonly name: string;
  /** Such as whom it asks: what one of them keeps waiting leaves the other lanes alone. */
  readonly lane: string;
}

/** Keys that wait, by whom they are of. However many one party has, another waits for one of them at most. */
export class Turns {
  readonly #partyOf: (key: string) => Party;
  readonly #waiting = new Map<string, Map<string, Set<string>>>();
  readonly #parties = new Map<string, Party>();

  constructor(partyOf: (key: string) => Party) {
    this.#partyOf = partyOf;
  }

  get size(): number {
    return this.#parties.size;
  }

  has(key: string): boolean {
    return this.#parties.has(key);
  }

  add(key: string): void {
    if (this.#parties.has(key)) return;
    const party = this.#partyOf(key);
    this.#parties.set(key, party);
    const lanes = this.#waiting.get(party.name) ?? new Map<string, Set<string>>();
    this.#waiting.set(party.name, lanes);
    lanes.set(party.lane, (lanes.get(party.lane) ?? new Set()).add(key));
  }

  delete(key: string): void {
    const party = this.#parties.get(key);
    const lanes = party && this.#waiting.get(party.name);
    const keys = party && lanes?.get(party.lane);
    if (!party || !lanes || !keys) return;
    this.#parties.delete(key);
    keys.delete(key);
    if (keys.size === 0) lanes.delete(party.lane);
    if (lanes.size === 0) this.#waiting.delete(party.name);
  }

  /** The next one whose party may have another; that party and its lane are last from then on. */
  take(mayBegin: (party: Party) => boolean): { readonly key: string; readonly party: Party } | undefined {
    for (const [name, lanes] of this.#waiting) {
      for (const [lane, keys] of lanes) {
        const party = { name, lane };
        if (!mayBegin(party)) continue;
        const [key] = keys;
        this.delete(key!);
        if (lanes.delete(lane)) lanes.set(lane, keys);
        if (this.#waiting.delete(name)) this.#waiting.set(name, lanes);
        return { key: key!, party };
      }
    }
    return undefined;
  }

  clear(): void {
    this.#waiting.clear();
    this.#parties.clear();
  }
}
