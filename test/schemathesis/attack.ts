import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { withExamples } from './document.ts';
import { type RunSettings, settingsOf } from './settings.ts';

export interface Attack extends RunSettings {
  /** The `schemathesis` to run. */
  readonly program: string;
  readonly base: string;
  /** Where settings and reports go. */
  readonly folder: string;
  readonly seed: number;
  readonly caller: string;
  readonly token: string;
  /** The OpenAPI document as it is served. */
  readonly document: Parameters<typeof withExamples>[0];
  /** What all of it may take, in seconds. */
  readonly longestS: number;
  readonly more: readonly string[];
}

export interface Outcome {
  readonly passed: number;
  readonly failed: number;
}

interface Report {
  readonly operations: { readonly selected: number; readonly tested: number };
  readonly test_cases: { readonly generated: number };
  readonly failures: readonly { readonly operations: readonly string[] }[];
  readonly errors: readonly { readonly title: string; readonly count: number }[];
}

/** One run as one caller. How many operations answered as the document says, and how many did not. */
export async function attack(on: Attack): Promise<Outcome> {
  const name = `${on.caller}-${on.phase}`;
  const settings = join(on.folder, `${name}.toml`);
  const report = join(on.folder, `${name}.json`);
  const document = join(on.folder, `${name}-openapi.json`);
  await writeFile(settings, settingsOf(on));
  await writeFile(document, JSON.stringify(withExamples(on.document, on.values)));
  console.log(`schemathesis: ${name} begins, seed ${on.seed}`);
  const parameters = [
    ...['--config-file', settings, 'run', document, '--url', on.base, '--seed', String(on.seed)],
    ...['--max-time', String(on.longestS), '--report', 'json', '--report-json-path', report, '--no-color', ...on.more],
  ];
  // By the environment: an argument would be everybody's to read.
  const env = { ...process.env, KMS_SCHEMATHESIS_TOKEN: on.token };
  const child = spawn(on.program, parameters, { env, cwd: on.folder, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      output += text;
    });
  }
  await once(child, 'close');
  const found = await readFile(report, 'utf8').then(JSON.parse, () => undefined);
  const outcome = found === undefined ? { passed: 0, failed: 1 } : outcomeOf(name, found);
  // What others do meanwhile would stand between the lines.
  if (outcome.failed > 0) console.log(output);
  return outcome;
}

function outcomeOf(name: string, { operations, test_cases: cases, failures, errors }: Report): Outcome {
  const broken = new Set(failures.flatMap(({ operations: those }) => those)).size;
  const failed = broken + errors.reduce((sum, { count }) => sum + count, 0);
  const { tested, selected } = operations;
  console.log(
    `schemathesis: ${name}: ${cases.generated} requests, ${tested} of ${selected} operations, ${failed} failed`,
  );
  return { passed: tested - broken, failed };
}
