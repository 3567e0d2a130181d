import { App } from 'cdk8s';
import { KmsInstallation, type RenderedObject } from '../../constructs/index.ts';
import type { InstallationProps } from '../../contracts/index.ts';
import { both, editsBetween, type Finding, merged } from './derive.ts';
import { type Edits, joined, type Marks, template } from './template.ts';

/** Another setting, and what its rendering tells. */
export interface Variation {
  readonly settings: InstallationProps;
  readonly finding: Finding;
}

/** What the constructs do not tell, for one object. */
export interface Fixed {
  /** Places that are written so, whatever the renderings say. */
  readonly edits?: Edits;
  /** What is in it besides. */
  readonly more?: Readonly<Record<string, unknown>>;
  /** A further condition of the whole object. */
  readonly when?: string;
  /** A list and the name of its element, such as `$service := $.Values.services`: there is an object for each. */
  readonly each?: string;
  /** More names for each, such as `$where := $service.namespace`. */
  readonly let?: string;
}

/** The objects of one installation with everything on, and of others in which one setting is another one. */
export class Source {
  readonly #base: ReadonlyMap<string, RenderedObject>;
  readonly #asked = new Set<string>();
  readonly #others: readonly { readonly finding: Finding; readonly objects: ReadonlyMap<string, RenderedObject> }[];

  constructor(settings: InstallationProps, variations: readonly Variation[]) {
    this.#base = render(settings);
    this.#others = variations.map(({ settings, finding }) => ({ finding, objects: render(settings) }));
  }

  /** @param key kind and name. @throws Error when there is no such object */
  object(key: string): RenderedObject {
    const object = this.#base.get(key);
    if (!object) throw new Error(`there is no ${key}; there are ${[...this.#base.keys()].join(', ')}`);
    this.#asked.add(key);
    return object;
  }

  /** Objects that no template was made of. */
  get left(): string[] {
    return [...this.#base.keys()].filter((key) => !this.#asked.has(key));
  }

  /** The template of one object, with its `---`. */
  template(key: string, fixed: Fixed = {}): string {
    const { text, when } = this.body(key, fixed);
    const object = `---\n${text}`;
    const more = fixed.let === undefined ? '' : `{{- ${fixed.let} }}\n`;
    const repeated = fixed.each === undefined ? object : `{{- range ${fixed.each} }}\n${more}${object}{{- end }}\n`;
    return when.length === 0 ? repeated : `{{- if ${both(when)} }}\n${repeated}{{- end }}\n`;
  }

  /** The template of one object, or of a part of it, and the conditions that it is there under. */
  body(key: string, fixed: Fixed = {}, part: readonly string[] = []): { text: string; when: string[] } {
    const { edits: named = {}, more = {}, when } = fixed;
    const bare = this.object(key);
    const object = together(bare, more) as object;
    const edits = Object.fromEntries(
      Object.entries(named).map(([path, edit]) => [stepsIn(object, path).join(' '), edit]),
    );
    const conditions = when === undefined ? [] : [when];
    const whole = (one: object) => without(together(one, more) as object, named);
    const found: Edits[] = [];
    for (const { finding, objects } of this.#others) {
      const other = objects.get(key);
      if (other) found.push(editsBetween(whole(bare), whole(other), finding));
      else if ('when' in finding) conditions.push(finding.when);
      else throw new Error(`${key} is missing where ${JSON.stringify(finding)}`);
    }
    const all = merged(...found, edits);
    if (part.length === 0) return { text: template(object, all), when: conditions };
    const inside = part.reduce<unknown>((node, step) => (node as Record<string, unknown>)[step], object) as object;
    const start = `${part.join(' ')} `;
    const below = Object.entries(all).flatMap(([path, edit]) =>
      path.startsWith(start) ? [[path.slice(start.length), edit] as const] : [],
    );
    return { text: template(inside, Object.fromEntries(below)), when: conditions };
  }
}

/** The text of a file, with the marks of the settings replaced. */
export function fileOf(texts: readonly string[], marks: Marks): string {
  return `{{- /* Written by tools/chart.mjs from what the constructs render: a change belongs there. */}}\n{{- include "kms.checked" $ }}\n${joined(marked(texts.join(''), marks))}`;
}

/** A scalar that is a mark and nothing else is quoted: a namespace may look like a number. */
function marked(text: string, marks: Marks): string {
  let result = text;
  for (const [mark, expression] of Object.entries(marks)) {
    result = result.replaceAll(new RegExp(`(: |- )${mark}$`, 'gm'), `$1{{ ${expression} | quote }}`);
    result = result.replaceAll(mark, `{{ ${expression} }}`);
  }
  return result;
}

function render(settings: InstallationProps): Map<string, RenderedObject> {
  const objects = new KmsInstallation(new App(), 'kms', settings).toJson();
  return new Map(objects.map((object) => [keyOf(object), object]));
}

/** The names of these follow from their content. */
const NAMED_BY_CONTENT = ['Job', 'ConfigMap'];

function keyOf({ kind, metadata: { name, namespace } }: RenderedObject): string {
  if (NAMED_BY_CONTENT.includes(kind)) return kind;
  return [kind, name, namespace === NAMESPACE ? undefined : namespace].filter(Boolean).join(' ');
}

/** Helm leaves it in the cluster when the release goes. */
export const KEPT = { metadata: { annotations: { 'helm.sh/resource-policy': 'keep' } } };

/** Stands for the namespace of the release. */
export const NAMESPACE = 'zz-namespace';

/** The object without what is written by hand. */
function without(object: object, edits: Edits): object {
  const rest = structuredClone(object);
  for (const [path, edit] of Object.entries(edits)) {
    if (edit.value === undefined && edit.block === undefined) continue;
    const steps = stepsIn(rest, path);
    const parent = steps.slice(0, -1).reduce(child, rest) as Record<string, unknown> | undefined;
    const written = child(parent, steps.at(-1)!);
    // A list's entries are told apart by their names.
    if (written !== undefined)
      parent![steps.at(-1)!] = child(written, 'name') === undefined ? '' : { name: child(written, 'name') };
  }
  return rest;
}

function together(one: unknown, more: unknown): unknown {
  if (typeof one !== 'object' || one === null || typeof more !== 'object' || more === null) return more;
  const both = { ...one } as Record<string, unknown>;
  for (const [key, value] of Object.entries(more)) both[key] = key in both ? together(both[key], value) : value;
  return both;
}

/** A path whose `[name]` is the entry of that name. */
function stepsIn(object: object, path: string): string[] {
  let node: unknown = object;
  return path.split(' ').map((step) => {
    const name = /^\[(.+)\]$/.exec(step)?.[1];
    const index =
      name === undefined || !Array.isArray(node) ? -1 : node.findIndex((one) => child(one, 'name') === name);
    const found = index < 0 ? step : String(index);
    node = child(node, found);
    return found;
  });
}

function child(node: unknown, step: string): unknown {
  return typeof node === 'object' && node !== null ? (node as Record<string, unknown>)[step] : undefined;
}
