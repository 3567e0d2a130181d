import { parse } from 'node:querystring';
import type { FastifySchemaCompiler } from 'fastify';
import { validatorCompiler } from 'fastify-type-provider-zod';
import type { z } from 'zod';

/** Texts that are kept, and the longest of them, in characters. Longer ones are rare, and read anew each time. */
const KEPT_AT_MOST = 2_000;
const LONGEST = 512;

/**
 * Reads query strings. Services ask the same few questions again and again, and reading and checking one costs as much as
 * checking a token, so what a text means is kept. Everybody who sends the same text gets the same frozen object.
 */
export class Queries {
  readonly #known = new Map<string, Readonly<Record<string, unknown>>>();

  /** For Fastify's `querystringParser`. */
  readonly parse = (text: string): Record<string, unknown> => {
    const known = this.#known.get(text);
    if (known) return known;
    const query = Object.freeze(parse(text));
    if (text.length <= LONGEST) {
      if (this.#known.size >= KEPT_AT_MOST) this.#known.clear();
      this.#known.set(text, query);
    }
    return query;
  };

  /** For `setValidatorCompiler`: the checks of zod, and for a query that passed them before, what came out then. */
  readonly compile: FastifySchemaCompiler<z.ZodType> = (route) => {
    const check = validatorCompiler(route);
    if (route.httpPart !== 'querystring') return check;
    const passed = new WeakMap<object, { readonly value: unknown }>();
    return (query: object) => {
      const before = passed.get(query);
      if (before) return before;
      const result = check(query) as { value: unknown } | { error: Error };
      if (!('value' in result)) return result;
      const kept = { value: Object.freeze(result.value) };
      passed.set(query, kept);
      return kept;
    };
  };
}
