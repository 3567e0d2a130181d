import { z } from 'zod';
import { EnvironmentSlug, MAX_PATH_CHARACTERS, orAbsent, Uuid } from './names.ts';

/** What can be heard of. `secret:import-mutation`: a folder that this one imports has changed, or its imports have. */
export const changeEvents = ['secret:create', 'secret:update', 'secret:delete', 'secret:import-mutation'] as const;
export const ChangeEventName = z.enum(changeEvents);
export type ChangeEventName = z.infer<typeof ChangeEventName>;

const Conditions = z.object({
  environmentSlug: EnvironmentSlug,
  secretPath: z
    .preprocess(
      (path) => (path === '' ? undefined : path),
      z.string().max(MAX_PATH_CHARACTERS).startsWith('/', 'a path is absolute, as "/" or "/app/**"').default('/'),
    )
    .describe('a folder, or a glob of folders such as "/app/**"'),
});

export const SubscribeBody = z.object({
  projectId: z.string().trim().pipe(Uuid),
  register: z
    .array(
      z.object({
        event: ChangeEventName,
        conditions: orAbsent(Conditions).describe('absent: everywhere in the project'),
      }),
    )
    .min(1)
    .max(10),
});
export type Registration = z.infer<typeof SubscribeBody>['register'][number];

const Changed = z.object({ environment: z.string(), secretPath: z.string() });

/** What stands behind `data:` of a change: which names changed where, and never a value. */
export const ChangeNotice = z.object({
  projectType: z.literal('secret-manager'),
  data: z.discriminatedUnion('eventType', [
    z.object({
      eventType: z.enum(['secret:create', 'secret:update', 'secret:delete']),
      payload: z.array(Changed.extend({ secretKey: z.string() })),
    }),
    z.object({ eventType: z.literal('secret:import-mutation'), payload: Changed }),
    // Ours: changes were missed, and everything has to be looked at.
    z.object({ eventType: z.literal('resync'), payload: z.array(z.never()) }),
  ]),
});
export type ChangeNotice = z.infer<typeof ChangeNotice>;
