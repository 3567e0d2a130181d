// Writes the chart from what the constructs render, and its table into the documentation. Run it after a change of constructs/ or of
// contracts/installation.ts; a test compares both.
import { readFile, writeFile } from 'node:fs/promises';
import { chartFiles, withValues } from './chart/chart.ts';

const chart = new URL('../charts/kms-standalone/', import.meta.url);
for (const [path, text] of Object.entries(chartFiles())) await writeFile(new URL(path, chart), text);
const page = new URL('../docs/helm.md', import.meta.url);
await writeFile(page, withValues(await readFile(page, 'utf8')));
