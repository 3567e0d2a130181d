import { type AuditLog, AuditLogsAnswer } from '../contracts/audit.ts';
import type { Session } from './session.ts';

/** What records of a project are asked for; what is absent does not matter. */
export interface AuditQuestion {
  readonly projectId: string;
  readonly environment?: string;
  readonly secretPath?: string;
  readonly secretKey?: string;
  readonly actions?: readonly AuditLog['action'][];
  /** @default 20 */
  readonly limit?: number;
}

/** Records by any of the filters that the route has; of lists, texts with commas. */
export interface AuditFilter {
  readonly projectId?: string | undefined;
  readonly environment?: string | undefined;
  readonly secretPath?: string | undefined;
  readonly secretKey?: string | undefined;
  readonly action?: string | undefined;
  readonly actor?: string | undefined;
  readonly outcome?: string | undefined;
  /** A day or an instant, inclusive, as the next. */
  readonly startDate?: string | undefined;
  readonly endDate?: string | undefined;
  /** @default 20 */
  readonly limit?: number | undefined;
}

/** The audit (HIP-27, "Audit Logging"). Looking at it is itself recorded. */
export class Audit {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  /** Records of a project, the latest first. @throws Forbidden for whoever is no admin of it */
  async ofProject({ projectId, actions, ...more }: AuditQuestion): Promise<AuditLog[]> {
    const query = { projectId, ...more, action: actions?.join(','), outcome: 'allowed' };
    const call = { method: 'GET', path: '/api/v1/audit-logs', query, answer: AuditLogsAnswer } as const;
    return (await this.#session.call(call)).auditLogs;
  }

  /** Records that a filter lets through, the latest first, whatever their outcome. @throws Forbidden for whoever is no admin */
  async list(filter: AuditFilter): Promise<AuditLog[]> {
    const call = { method: 'GET', path: '/api/v1/audit-logs', query: { ...filter }, answer: AuditLogsAnswer } as const;
    return (await this.#session.call(call)).auditLogs;
  }
}
