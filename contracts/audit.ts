import { z } from 'zod';
import { Instant } from './http.ts';
import { EnvironmentSlug, FreeText, orAbsent, Uuid } from './names.ts';

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

export const AuditQuery = z.object({
  projectId: orAbsent(Uuid),
  organizationId: orAbsent(Uuid),
  startDate: orAbsent(from).describe('inclusive'),
  endDate: orAbsent(until).describe('inclusive; a day is meant whole'),
  action: orAbsent(z.enum(['read', 'create', 'update', 'delete', 'login'])),
  eventType: orAbsent(FreeText(64)),
  actor: orAbsent(Uuid).describe('id of a user or machine identity'),
  secretKey: orAbsent(FreeText(255)),
  environment: orAbsent(EnvironmentSlug),
  outcome: orAbsent(z.enum(['allowed', 'refused'])),
  limit: z.coerce.number().int().min(1).max(1000).default(20),
  offset: z.coerce.number().int().min(0).max(100_000).default(0),
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
  userAgentType: z.string(),
  orgId: Uuid.nullable(),
  projectId: Uuid.nullable(),
  createdAt: z.iso.datetime(),
});
export const AuditLogsAnswer = z.object({ auditLogs: z.array(AuditLog) });
