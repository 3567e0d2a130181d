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
}
