import { z } from 'zod';

/** The shapes that many answers share. */

export const Timestamp = z.iso.datetime();

/**
 * An instant as a caller gives it; comes out in UTC, to the millisecond. Only the years 1 to 9999: the database refuses
 * year 0, and beyond 9999 an answer could not say it in ISO 8601's usual form.
 */
export const Instant = z.iso.datetime({ offset: true }).transform((text, context) => {
  const date = new Date(text);
  const instant = Number.isNaN(date.getTime()) ? '' : date.toISOString();
  if (/^\d{4}-/.test(instant) && !instant.startsWith('0000-')) return instant;
  context.addIssue({ code: 'custom', message: 'an instant within the years 1 to 9999' });
  return z.NEVER;
});

/** An empty or absent JSON body reads as `{}`: Infisical's clients send none where nothing is required. */
export const emptyBody = <Schema extends z.ZodType>(schema: Schema) =>
  z.preprocess((body) => (body === undefined || body === null ? {} : body), schema);

export const Message = z.object({ message: z.string() });

/** A 304: the caller holds this content already, by the tag that it sent. */
export const NotModified = z.null().describe('The content has the tag that was sent; there is no body');
