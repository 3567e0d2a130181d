import type { z } from 'zod';

/** What is wrong with a value, a line a problem, in the words that cdk8s prints behind the construct's path. */
export function problemsOf(schema: z.ZodType, value: unknown): string[] {
  const result = schema.safeParse(value);
  if (result.success) return [];
  return result.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
}
