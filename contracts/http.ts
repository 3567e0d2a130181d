import { z } from 'zod';

/** The shapes that many answers share. */

export const Timestamp = z.iso.datetime();

/** An empty or absent JSON body reads as `{}`: Infisical's clients send none where nothing is required. */
export const emptyBody = <Schema extends z.ZodType>(schema: Schema) =>
  z.preprocess((body) => (body === undefined || body === null ? {} : body), schema);

export const Message = z.object({ message: z.string() });
