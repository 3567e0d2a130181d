import { z } from 'zod';
import { emptyBody, Timestamp } from './http.ts';
import { orAbsent, Uuid } from './names.ts';

/** Audit log streams, as Infisical's routes of that name have them. */

/** What says where a request ends, whom it is for and who signed it: another one of these, and the receiver reads another request. */
const OWN_HEADERS: ReadonlySet<string> = new Set([
  ...['host', 'content-length', 'content-type', 'content-encoding', 'transfer-encoding', 'trailer', 'te', 'expect'],
  ...['connection', 'keep-alive', 'proxy-connection', 'upgrade', 'accept-encoding', 'x-kms-signature'],
]);
const Header = z.object({
  key: z
    .string()
    .regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$/, 'the name of an HTTP header')
    .refine((name) => !OWN_HEADERS.has(name.toLowerCase()), 'this header is set by the server itself'),
  value: z
    .string()
    .max(4096)
    .regex(/^[\t\x20-\x7e]*$/, 'printable ASCII'),
});
const Url = z
  .string()
  .trim()
  .max(2048)
  .regex(/^[\x21-\x7e]+$/, 'a URL is printable ASCII, without spaces');

export const CreateStreamBody = z.object({
  url: Url.describe(
    'gets the records by POST, or as syslog at syslogs://host:port; with TLS, and of the open internet unless KMS_OUTBOUND_ALLOW says more',
  ),
  headers: orAbsent(z.array(Header).max(20)).describe('sent along, sealed at rest, never shown again'),
  organizationId: orAbsent(Uuid).describe('needed by those who belong to several'),
});
export type CreateStreamBody = z.infer<typeof CreateStreamBody>;
export const UpdateStreamBody = emptyBody(
  z.object({ url: orAbsent(Url), headers: orAbsent(z.array(Header).max(20)).describe('replaces all of them') }),
);
export type UpdateStreamBody = z.infer<typeof UpdateStreamBody>;
export const StreamsQuery = z.object({ organizationId: orAbsent(Uuid) });
export const StreamParams = z.object({ streamId: Uuid });

const Stream = z.object({
  id: Uuid,
  orgId: Uuid,
  url: z.string(),
  headers: z.array(z.object({ key: z.string() })).describe('names alone'),
  failures: z.number().describe('in a row; 0 while records arrive'),
  lastError: z.string().nullable(),
  lastSentAt: Timestamp.nullable(),
  createdAt: Timestamp,
  updatedAt: Timestamp,
});
export type AuditLogStream = z.infer<typeof Stream>;
export const StreamAnswer = z.object({ auditLogStream: Stream });
export const StreamsAnswer = z.object({ auditLogStreams: z.array(Stream) });
export const CreatedStreamAnswer = z.object({
  auditLogStream: Stream.extend({
    signingSecret: z.string().describe('the key of the header x-kms-signature; shown this once'),
  }),
});
