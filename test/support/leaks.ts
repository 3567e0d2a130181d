import type { FastifyInstance } from 'fastify';
import pg from 'pg';
import { HIDDEN_VALUE } from '../../contracts/index.ts';
import { Needles } from './needles.ts';

/** Fields that hold what must not be seen elsewhere, in requests and in answers. */
const SECRET_FIELD =
  /^(secretValue|secretComment|clientSecret|password|newPassword|currentPassword|oldPassword|accessToken|refreshToken|token|serviceToken|mfaToken|jwt|credential|recoveryCodes?|totpSecret|otpUrl|secretKeyBase32)$/;
/** Shorter ones are words that stand anywhere. */
const SHORTEST = 12;
const AUDIT_ROWS_AT_MOST = 50_000;

/**
 * Watches one server through a test file: collects every value, token, password and comment that came or went, and at the
 * end looks for each of them in all that the server wrote elsewhere: log lines at debug level, audit rows, refusals, and
 * metrics.
 */
export class LeakWatch {
  readonly #secrets = new Set<string>();
  /** What requests and answers said openly: ids are no secrets, and some tests use one odd text for everything, names included. */
  readonly #inPaths = new Set<string>();
  readonly #open = new Set<string>();
  readonly #lines: string[] = [];
  readonly #refusals: string[] = [];
  readonly logStream = { write: (line: string) => void this.#lines.push(line) };

  /** Listens to an app that has no routes yet. */
  listen(app: FastifyInstance): void {
    app.addHook('preValidation', async (request) => {
      const bearer = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
      if (bearer !== undefined) this.#secret(bearer);
      for (const part of request.url.split('?')[0]!.split('/')) this.#inPaths.add(decoded(part));
      this.#collect(request.query);
      this.#collect(request.params);
      this.#collect(request.body);
    });
    app.addHook('onSend', async (_request, reply, payload) => {
      const text = typeof payload === 'string' || Buffer.isBuffer(payload) ? payload.toString() : '';
      if (reply.statusCode >= 400) this.#refusals.push(text);
      else if (String(reply.getHeader('content-type')).startsWith('application/json') && text !== '') {
        this.#collect(JSON.parse(text));
      }
      return payload;
    });
  }

  #secret(text: string): void {
    if (text.length >= SHORTEST && text !== HIDDEN_VALUE) this.#secrets.add(text);
  }

  /** Of a request or an answer: its secrets, and besides what it says openly. */
  #collect(root: unknown): void {
    // No recursion: some tests send bodies that are nested thousands deep.
    const left: (readonly [string, unknown])[] = [['', root]];
    for (let next = left.pop(); next !== undefined; next = left.pop()) {
      const [field, value] = next;
      if (typeof value === 'string') {
        if (SECRET_FIELD.test(field)) this.#secret(value);
        else this.#open.add(value);
      } else if (Array.isArray(value)) for (const one of value) left.push([field, one]);
      else if (value !== null && typeof value === 'object') {
        for (const entry of Object.entries(value)) {
          if (!SECRET_FIELD.test(entry[0])) this.#open.add(entry[0]);
          left.push(entry);
        }
      }
    }
  }

  /** What was found where, without the secret itself. Call it before the database is dropped. */
  async findings(app: FastifyInstance, databaseUri: string): Promise<string[]> {
    const neverInPaths = [...this.#secrets].filter((secret) => !this.#inPaths.has(secret));
    const neverOpen = neverInPaths.filter((secret) => !this.#open.has(secret));
    const found: string[] = [];
    const look = (where: string, needles: Needles, texts: Iterable<string>) => {
      for (const text of texts) {
        const hit = needles.find(text);
        if (hit !== undefined) found.push(`${where}: ${text.replaceAll(hit, '[the secret]').slice(0, 400)}`);
      }
    };
    look('a log line', new Needles(neverInPaths), this.#lines);
    const needles = new Needles(neverOpen);
    look('a refusal', needles, this.#refusals);
    look('the metrics', needles, [await app.metrics.render()]);
    look('an audit row', needles, await auditRows(databaseUri));
    return found;
  }

  /** How much was looked at; a watch that saw nothing shows nothing. */
  get seen(): { readonly secrets: number; readonly lines: number; readonly refusals: number } {
    return { secrets: this.#secrets.size, lines: this.#lines.length, refusals: this.#refusals.length };
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

async function auditRows(uri: string): Promise<string[]> {
  const client = new pg.Client(uri);
  try {
    await client.connect();
    const { rows } = await client.query(`select to_jsonb(a)::text as row from audit_log a limit ${AUDIT_ROWS_AT_MOST}`);
    return rows.map(({ row }) => row);
  } catch {
    // A test took the table, or the whole database, away; what it wrote is gone with it.
    return [];
  } finally {
    await client.end().catch(() => undefined);
  }
}
