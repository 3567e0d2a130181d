import { UserError } from '../problem.ts';
import type { Gathered } from './source.ts';

/** GitHub's own, which no job takes from elsewhere. */
const OF_GITHUB = new Set(['GITHUB_TOKEN']);

/** The secrets that a workflow of GitHub Actions names. Their values leave GitHub in no other way than through a job. */
export function fromWorkflows(text: string, found: Gathered, file: string): void {
  const expressions = [...text.matchAll(/\$\{\{(.*?)\}\}|^\s*(?:- )?if:(.*)$/gms)].map(([whole]) => whole);
  const named = expressions.flatMap((expression) =>
    [...expression.matchAll(/\bsecrets\s*(?:\.\s*([\w-]+)|\[\s*'([^']+)'\s*\])/gi)].map(([, dotted, quoted]) =>
      (dotted ?? quoted)!.toUpperCase(),
    ),
  );
  for (const name of named)
    if (!OF_GITHUB.has(name)) found.fill(name, 'is a secret of GitHub, which nobody can read there');
  if (found.toFill.size === 0) throw new UserError(`${file} names no secret of GitHub Actions`);
}
