/** The ids behind the names of an inventory: read from the server, and added to while steps make new things. */
export class Ids {
  readonly organization = new Map<string, string>();
  /** By organization and e-mail address. */
  readonly membership = new Map<string, string>();
  /** By organization and name. */
  readonly identity = new Map<string, string>();
  /** By organization and slug. */
  readonly project = new Map<string, string>();
  /** By organization, project and slug. */
  readonly environment = new Map<string, string>();

  /** A key of several names; `\n` occurs in none of them. */
  static key(...names: string[]): string {
    return names.join('\n');
  }

  static of(map: ReadonlyMap<string, string>, ...names: string[]): string {
    const id = map.get(Ids.key(...names));
    if (id === undefined)
      throw new Error(`nothing is known of ${names.join('/')}: a step that should have made it is missing`);
    return id;
  }
}
