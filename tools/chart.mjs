// Writes the chart from what the constructs render, and its table and that of the stack's settings into the documentation. Run it after a change of
// constructs/, of contracts/installation.ts or of stacks/settings.ts; a test compares all of them.
import { readFile, writeFile } from 'node:fs/promises';
import { chartFiles, withStackSettings, withValues } from './chart/chart.ts';

const chart = new URL('../charts/kms-standalone/', import.meta.url);
for (const [path, text] of Object.entries(chartFiles())) await writeFile(new URL(path, chart), text);
for (const [name, filled] of Object.entries({ helm: withValues, pulumi: withStackSettings })) {
  const page = new URL(`../docs/${name}.md`, import.meta.url);
  await writeFile(page, filled(await readFile(page, 'utf8')));
}
