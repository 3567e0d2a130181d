import { hostname } from 'node:os';
import type { AuditLog } from '../../contracts/index.ts';

/** RFC 5424: facility 13 is the log audit; what was refused is a warning, all else is for information. */
const FACILITY = 13;
const SEVERITIES = { refused: 4, other: 6 };
const PRINTABLE = /[^\x21-\x7e]/g;

export const isSyslog = (url: string): boolean => /^syslogs?:/.test(url);

/** Records as syslog messages (RFC 5424), each behind its length (RFC 6587, 3.4.1; RFC 5425). The message is the record's JSON. */
export function syslogFrames(records: readonly AuditLog[]): Buffer {
  return Buffer.concat(
    records.flatMap((record) => {
      const priority = FACILITY * 8 + (record.outcome === 'refused' ? SEVERITIES.refused : SEVERITIES.other);
      const event = field(record.event.type, 32);
      const head = `<${priority}>1 ${record.createdAt} ${field(hostname(), 255)} hanzo-kms - ${event} - `;
      const message = Buffer.from(head + JSON.stringify(record));
      return [Buffer.from(`${message.length} `), message];
    }),
  );
}

/** A header field: printable ASCII without spaces, and `-` for none. */
const field = (text: string, longest: number) => text.replace(PRINTABLE, '').slice(0, longest) || '-';
