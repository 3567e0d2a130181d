import { z } from 'zod';
import { Instant } from './http.ts';
import { EnvironmentSlug, FreeText, orAbsent, QueryNumber, Uuid } from './names.ts';

/** The audit's query (HIP-27, "Audit Logging"; Infisical's `audit-logs` routes). */

/**
 * A day (`2025-01-31`), which stands for its instant at `time`, or an instant. One text and no union, since OpenAPI
 * would show a union of transforms as nothing at all.
 */
const dayOrInstant = (time: string) =>
  z.string().transform((text, context) => {
    const isDay = z.iso.date().safeParse(text).success;
    const instant = Instant.safeParse(isDay ? `${text}T${time}` : text);
    if (instant.success) return instant.data;
    context.addIssue({ code: 'custom', message: 'a date such as 2025-01-31, or an ISO 8601 instant' });
    return z.NEVER;
  });
const from = dayOrInstant('00:00:00Z');
// As an end, a day is meant whole: both of HIP-27's dates are inclusive. Records are kept to the microsecond and shown to
// the millisecond, so the end takes in all of its own millisecond.
const until = dayOrInstant('23:59:59.999Z').transform((instant) => instant.replace('Z', '999Z'));

const LIST_AT_MOST = 50;

/** One or several with commas between them, or the parameter repeated. One text in OpenAPI. */
const listOf = <Item>(item: z.ZodType<Item, string>) =>
  z.preprocess(
    (given) => (Array.isArray(given) ? given.join(',') : given === '' || given === null ? undefined : given),
    z
      .string()
      .max(4096)
      .transform((text, context) => {
        const parts = text.split(',', LIST_AT_MOST + 1).map((part) => item.safeParse(part.trim()));
        const wrong = parts.find(({ success }) => !success);
        if (wrong === undefined && parts.length <= LIST_AT_MOST) return parts.map(({ data }) => data as Item);
        const message = wrong?.error?.issues[0]?.message ?? `at most ${LIST_AT_MOST}, with commas between them`;
        context.addIssue({ code: 'custom', message });
        return z.NEVER;
      })
      .optional(),
  );

const Actions = z.enum(['read', 'create', 'update', 'delete', 'login']);
const UserAgentType = z.enum([
  'cli',
  'k8-operator',
  'terraform',
  'InfisicalNodeSDK',
  'InfisicalPythonSDK',
  'web',
  'other',
]);
const Network = z
  .string()
  .refine(
    (text) => z.union([z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6()]).safeParse(text).success,
    'an IP address, or a network such as 10.0.0.0/8',
  );
/** What a page ends with, as it was given out: when, in microseconds, and which. */
const Cursor = z
  .string()
  .regex(/^\d{1,17}_[0-9a-f-]{36}$/, 'a cursor as nextCursor gave it')
  .transform((text, context) => {
    const [micros, id] = text.split('_') as [string, string];
    if (Uuid.safeParse(id).success) return { micros, id };
    context.addIssue({ code: 'custom', message: 'a cursor as nextCursor gave it' });
    return z.NEVER;
  });

/** What records are asked for. Lists are "one of these". */
export const AuditFilters = z.object({
  projectId: orAbsent(Uuid),
  organizationId: orAbsent(Uuid),
  startDate: orAbsent(from).describe('inclusive'),
  endDate: orAbsent(until).describe('inclusive; a day is meant whole'),
  action: listOf(Actions),
  eventType: listOf(FreeText(64)),
  actor: listOf(Uuid).describe('ids of users or machine identities'),
  actorType: listOf(FreeText(32)).describe('user, identity, service, server'),
  secretKey: orAbsent(FreeText(255)).describe('finds reads of lists that showed it, too'),
  secretPath: orAbsent(FreeText(1024)),
  environment: listOf(EnvironmentSlug),
  ipAddress: orAbsent(Network).describe('an address or a network'),
  userAgentType: listOf(UserAgentType),
  outcome: orAbsent(z.enum(['allowed', 'refused'])),
});
export type AuditFilters = z.infer<typeof AuditFilters>;

export const AuditQuery = AuditFilters.extend({
  limit: QueryNumber(1, 1000, 20),
  offset: QueryNumber(0, 100_000, 0).describe('of pages by number; a cursor costs less'),
  cursor: orAbsent(Cursor).describe('goes on where the page with this nextCursor ended'),
});
export type AuditQuery = z.infer<typeof AuditQuery>;

export const AuditLog = z.object({
  id: Uuid,
  // HIP-27's six facts by name.
  who: z.string(),
  what: z.array(z.string()).describe('names of the keys, never a value'),
  when: z.iso.datetime(),
  where: z.string().nullable().describe('source IP address'),
  action: z.enum(['read', 'create', 'update', 'delete', 'login']),
  project: z.string().nullable(),
  environment: z.string().nullable(),
  outcome: z.enum(['allowed', 'refused']),
  // Infisical's shape of the same.
  event: z.object({ type: z.string(), metadata: z.record(z.string(), z.unknown()) }),
  actor: z.object({ type: z.string(), metadata: z.record(z.string(), z.unknown()) }),
  ipAddress: z.string().nullable(),
  userAgent: z.string().nullable(),
  userAgentType: UserAgentType,
  orgId: Uuid.nullable(),
  projectId: Uuid.nullable(),
  createdAt: z.iso.datetime(),
  // Optional, since servers before 0.2 do not tell.
  updatedAt: z.iso.datetime().optional().describe('as createdAt: records are never changed'),
  expiresAt: z.null().optional().describe('records go by the month, and none says when'),
});
export type AuditLog = z.infer<typeof AuditLog>;
export const AuditLogsAnswer = z.object({
  auditLogs: z.array(AuditLog),
  nextCursor: z.string().nullable().describe('gives the next page; null after the last one'),
});
export const AuditExport = z.string().describe('one record a line, as JSON, the latest first');
