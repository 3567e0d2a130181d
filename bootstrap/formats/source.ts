/** What was read from wherever secrets were before. */
export interface Source {
  readonly values: ReadonlyMap<string, string>;
  /** Names whose value is not there, and why; a person has to set them. */
  readonly toFill: ReadonlyMap<string, string>;
}

/** What cannot be taken over, gathered so that all of it is told at once. Never a value. */
export class Gathered implements Source {
  readonly values = new Map<string, string>();
  readonly toFill = new Map<string, string>();
  readonly problems: string[] = [];

  /** Takes a value. Two different ones of one name are a problem: one of them would be lost. */
  take(name: string, value: string, where = ''): void {
    const other = this.values.get(name);
    if (other !== undefined && other !== value)
      this.refuse(name, `is there twice, with different values${where && `, the second in ${where}`}`);
    else this.values.set(name, value);
  }

  fill(name: string, why: string): void {
    this.toFill.set(name, why);
  }

  refuse(name: string, why: string): void {
    this.problems.push(`${JSON.stringify(name)} ${why}`);
  }
}
