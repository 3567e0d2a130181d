/**
 * Globs of access rules: `*` (any text within a folder's name), `**` as a whole name (any number of folders, none too),
 * `?`, `[abc]`, `[!a-z]` and `{one,two}`. Case counts, and `*` matches a leading dot: a rule that forbids `*` forbids all.
 *
 * Why not a library: those make regular expressions, and a backtracking engine needs time with a power of the text's
 * length for a handful of `*`. Rules are written by people who may not stop the server, and run on every read; here a
 * match costs at most pattern times text.
 */

type Token =
  | { readonly is: 'char'; readonly char: string }
  | { readonly is: 'any' }
  | { readonly is: 'star' }
  | { readonly is: 'set'; readonly ranges: readonly (readonly [string, string])[]; readonly negated: boolean };

/** One name of a path: its tokens, or `**`. */
type Segment = readonly Token[] | typeof FOLDERS;
const FOLDERS = '**';

const MAX_GLOB_CHARACTERS = 256;
const MAX_ALTERNATIVES = 32;

/** What is wrong with a glob; the message is made for whoever wrote it. */
export class BadGlob extends Error {
  override readonly name = 'BadGlob';
}

export class Glob {
  readonly source: string;
  readonly #alternatives: readonly (readonly Segment[])[];

  /** @throws BadGlob on what is too long, unclosed, or of another language (`!(…)`, `(a|b)`, `\`, `{1..3}`, nested braces) */
  constructor(source: string) {
    this.source = source;
    this.#alternatives = parse(source);
  }

  test(text: string): boolean {
    const names = text.split('/');
    return this.#alternatives.some((pattern) => wildcard(pattern, names, isFolders, segmentMatches));
  }

  /** True only when everything that `other` matches is matched by this. False also where that is not easily seen. */
  covers(other: Glob): boolean {
    return other.#alternatives.every((theirs) => this.#alternatives.some((ours) => pathCovers(ours, theirs)));
  }

  /** True only when nothing is matched by both. False also where that is not easily seen. */
  apartFrom(other: Glob): boolean {
    return other.#alternatives.every((theirs) => this.#alternatives.every((ours) => pathsApart(ours, theirs)));
  }
}

const isFolders = (segment: Segment) => segment === FOLDERS;
const isStar = (token: Token) => token.is === 'star';

/** The classic match with one place to go back to: a star takes as little as it can, and the last one a unit more. */
function wildcard<Pattern, Unit>(
  pattern: readonly Pattern[],
  units: ArrayLike<Unit>,
  isWild: (part: Pattern) => boolean,
  matches: (part: Pattern, unit: Unit) => boolean,
): boolean {
  let p = 0;
  let u = 0;
  let wildAt = -1;
  let resumeAt = 0;
  while (u < units.length) {
    const part = pattern[p];
    if (p < pattern.length && isWild(part!)) {
      wildAt = p++;
      resumeAt = u;
    } else if (p < pattern.length && matches(part!, units[u]!)) {
      p++;
      u++;
    } else if (wildAt >= 0) {
      p = wildAt + 1;
      u = ++resumeAt;
    } else {
      return false;
    }
  }
  while (p < pattern.length && isWild(pattern[p]!)) p++;
  return p === pattern.length;
}

function segmentMatches(segment: Segment, name: string): boolean {
  return segment !== FOLDERS && wildcard(segment, name, isStar, tokenMatches);
}

function tokenMatches(token: Token, char: string): boolean {
  switch (token.is) {
    case 'char':
      return token.char === char;
    case 'any':
      return true;
    case 'set':
      return token.ranges.some(([from, to]) => from <= char && char <= to) !== token.negated;
    case 'star':
      return false;
  }
}

function parse(source: string): Segment[][] {
  if (source === '') throw new BadGlob('an empty glob matches nothing');
  if (source.length > MAX_GLOB_CHARACTERS) throw new BadGlob(`a glob has at most ${MAX_GLOB_CHARACTERS} characters`);
  const foreign = /[\\()|]|^!|[+@!](?=\()/.exec(source)?.[0];
  if (foreign !== undefined) {
    throw new BadGlob(`"${source}": "${foreign}" means nothing in a glob of rules; there are *, **, ?, [ab] and {a,b}`);
  }
  return expand(source).map((text) => {
    // The trailing slash of a folder says nothing.
    const path = text.length > 1 ? text.replace(/\/$/, '') : text;
    return path.split('/').map((name) => (name === FOLDERS ? FOLDERS : tokens(name, source)));
  });
}

/** `/{a,b}/c` as `/a/c` and `/b/c`. */
function expand(source: string): string[] {
  let texts = [''];
  for (let at = 0; at < source.length; ) {
    const char = source[at]!;
    if (char === '}') throw new BadGlob(`"${source}": "}" without "{"`);
    if (char !== '{') {
      texts = texts.map((text) => text + char);
      at++;
      continue;
    }
    const end = source.indexOf('}', at);
    const inner = source.slice(at + 1, end === -1 ? undefined : end);
    if (end === -1) throw new BadGlob(`"${source}": "{" without "}"`);
    if (/[{[]|\.\./.test(inner)) throw new BadGlob(`"${source}": within braces there are names and "," alone`);
    const choices = inner.split(',');
    if (texts.length * choices.length > MAX_ALTERNATIVES) {
      throw new BadGlob(`"${source}" stands for more than ${MAX_ALTERNATIVES} globs; write several rules`);
    }
    texts = choices.flatMap((choice) => texts.map((text) => text + choice));
    at = end + 1;
  }
  return texts;
}

function tokens(name: string, source: string): Token[] {
  const made: Token[] = [];
  for (let at = 0; at < name.length; at++) {
    const char = name[at]!;
    if (char === '*') {
      if (made.at(-1)?.is !== 'star') made.push({ is: 'star' });
    } else if (char === '?') {
      made.push({ is: 'any' });
    } else if (char === '[') {
      const end = name.indexOf(']', at + 2);
      if (end === -1) throw new BadGlob(`"${source}": "[" without "]"`);
      made.push(set(name.slice(at + 1, end)));
      at = end;
    } else {
      made.push({ is: 'char', char });
    }
  }
  // A name has a character at least: `/*` is no match of `/`.
  if (made.length === 1 && made[0]!.is === 'star') made.unshift({ is: 'any' });
  return made;
}

function set(inner: string): Token {
  const negated = inner.startsWith('!') || inner.startsWith('^');
  const members = negated ? inner.slice(1) : inner;
  const ranges: [string, string][] = [];
  for (let at = 0; at < members.length; at++) {
    const from = members[at]!;
    const isRange = members[at + 1] === '-' && at + 2 < members.length;
    const to = isRange ? members[at + 2]! : from;
    if (from > to) throw new BadGlob(`"[${inner}]": "${from}-${to}" is no range`);
    ranges.push([from, to]);
    if (isRange) at += 2;
  }
  if (ranges.length === 0) throw new BadGlob(`"[${inner}]" names no character`);
  return { is: 'set', ranges, negated };
}

/** Whether `ours` matches all that `theirs` does, told part by part: their `**` and `*` are matched by ours alone. */
function pathCovers(ours: readonly Segment[], theirs: readonly Segment[]): boolean {
  return wildcard(
    ours,
    theirs,
    isFolders,
    (our, their) => our !== FOLDERS && their !== FOLDERS && segmentCovers(our, their),
  );
}

function segmentCovers(ours: readonly Token[], theirs: readonly Token[]): boolean {
  return wildcard(ours, theirs, isStar, tokenCovers);
}

function tokenCovers(our: Token, their: Token): boolean {
  if (our.is === 'any') return their.is !== 'star';
  if (their.is === 'char') return tokenMatches(our, their.char);
  return our.is === 'set' && their.is === 'set' && JSON.stringify(our) === JSON.stringify(their);
}

function pathsApart(ours: readonly Segment[], theirs: readonly Segment[]): boolean {
  const open = ours.includes(FOLDERS) || theirs.includes(FOLDERS);
  if (!open && ours.length !== theirs.length) return true;
  return (
    differBefore(ours, theirs, segmentsApart) || differBefore(ours.toReversed(), theirs.toReversed(), segmentsApart)
  );
}

/** Whether two patterns differ for sure in a part that comes before the first of theirs that stands for any number. */
function differBefore<Part>(
  ours: readonly Part[],
  theirs: readonly Part[],
  apart: (our: Part, their: Part) => boolean | 'open',
): boolean {
  for (let at = 0; at < Math.min(ours.length, theirs.length); at++) {
    const told = apart(ours[at]!, theirs[at]!);
    if (told === 'open') return false;
    if (told) return true;
  }
  return false;
}

function segmentsApart(ours: Segment, theirs: Segment): boolean | 'open' {
  if (ours === FOLDERS || theirs === FOLDERS) return 'open';
  const open = ours.some(isStar) || theirs.some(isStar);
  if (!open && ours.length !== theirs.length) return true;
  return differBefore(ours, theirs, tokensApart) || differBefore(ours.toReversed(), theirs.toReversed(), tokensApart);
}

function tokensApart(our: Token, their: Token): boolean | 'open' {
  if (our.is === 'star' || their.is === 'star') return 'open';
  if (our.is === 'char') return !tokenMatches(their, our.char);
  return their.is === 'char' && !tokenMatches(our, their.char);
}
