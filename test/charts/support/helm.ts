import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { parseAllDocuments } from 'yaml';
import type { RenderedObject } from '../../../constructs/index.ts';
import { toolAtHand } from '../../../tools/cluster/programs.ts';

export const CHART = fileURLToPath(new URL('../../../charts/kms-standalone', import.meta.url));

/** A title for tests that need Helm: without it they are skipped, and say so. */
export const isHelmAtHand = toolAtHand('helm') !== undefined;
export const withHelm = (title: string) =>
  isHelmAtHand ? title : `${title} (no helm at hand: npm run cluster -- build)`;

/** The real Helm, with a home of its own. */
export class Helm {
  readonly #folder = mkdtempSync(join(tmpdir(), 'kms-helm-'));
  readonly #kubeconfig: string | undefined;
  #files = 0;

  /** @param kubeconfig of the cluster that it installs into. @default - none, for rendering alone */
  constructor(kubeconfig?: string) {
    this.#kubeconfig = kubeconfig;
  }

  /** What it prints; warnings, which it writes beside that, come first. @throws Error with what Helm says when it fails */
  async run(...args: string[]): Promise<string> {
    const env = {
      PATH: process.env.PATH,
      HOME: this.#folder,
      ...(this.#kubeconfig === undefined ? {} : { KUBECONFIG: this.#kubeconfig }),
    };
    const { stdout, stderr } = await promisify(execFile)(toolAtHand('helm')!, args, {
      env,
      timeout: 120_000,
      maxBuffer: 64 * 1024 * 1024,
    });
    return stderr + stdout;
  }

  /** The arguments that give these values. */
  values(values: object): string[] {
    const file = join(this.#folder, `values-${this.#files++}.yaml`);
    // YAML takes these by number alone.
    const escaped = (text: string) => text.replaceAll('\u007f', '\\u007f');
    writeFileSync(file, escaped(JSON.stringify(values)));
    return ['--values', file];
  }

  /** What `helm template` renders, as text. */
  template(values: object, ...args: string[]): Promise<string> {
    return this.run('template', 'kms', CHART, '--namespace', 'hanzo', ...this.values(values), ...args);
  }

  /** The chart as it is published: an archive. */
  async package(): Promise<string> {
    const told = await this.run('package', CHART, '--destination', this.#folder);
    return told.trim().split(': ').at(-1)!;
  }

  close(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

export function objectsIn(text: string): RenderedObject[] {
  // As Helm reads it.
  return parseAllDocuments(text, { version: '1.1' })
    .map((document) => document.toJS() as RenderedObject | null)
    .filter((object) => object !== null);
}

/** Objects by what names them in a cluster. */
export function byName(objects: readonly RenderedObject[]): Record<string, RenderedObject> {
  return Object.fromEntries(
    objects.map((object) => [
      [object.apiVersion, object.kind, object.metadata.namespace, object.metadata.name].filter(Boolean).join(' '),
      object,
    ]),
  );
}
