import type pg from 'pg';

/** Statements that the server ran on the test's own database, by the first words of their text, as the database counted them. */
export type Counts = Readonly<Record<string, number>>;

const NAMES: readonly (readonly [RegExp, string])[] = [
  [/insert into audit_manifests/, 'fill'],
  [/insert into audit_log[\s\S]*decided/, 'admit'],
  [/insert into audit_log[\s\S]*from ticket/, 'pass'],
];

/** Run now and then, and for no request: they may fall into any count. */
const BESIDE = /insert into (anonymous_refusals|replicas)/;
/** A replica that reports reads the keys with it, once; read by themselves they count. */
const REPORT = /insert into replicas/;
const KEYS = /^select purpose, version, wrapped, created_at as "createdAt" from instance_keys$/;

/** Runs `work`, and tells which statements it cost. The counting itself, and what `sql` does besides, is left out. */
export async function statementsOf(sql: pg.Client, work: () => Promise<unknown>): Promise<Counts> {
  const before = await calls(sql);
  await work();
  const after = await calls(sql);
  const counts: Record<string, number> = {};
  const moreOf = (text: string) => (after.get(text) ?? 0) - (before.get(text) ?? 0);
  const reports = [...after.keys()].filter((text) => REPORT.test(text)).reduce((sum, text) => sum + moreOf(text), 0);
  for (const text of after.keys()) {
    const more = KEYS.test(text) ? Math.max(moreOf(text) - reports, 0) : moreOf(text);
    if (more === 0 || BESIDE.test(text)) continue;
    const name = NAMES.find(([pattern]) => pattern.test(text))?.[1] ?? text.trim();
    counts[name] = (counts[name] ?? 0) + more;
  }
  return counts;
}

async function calls(sql: pg.Client): Promise<Map<string, number>> {
  const { rows } = await sql.query<{ query: string; calls: number }>(
    `select s.query, sum(s.calls)::int as calls
       from stats.pg_stat_statements s join pg_database d on d.oid = s.dbid
      where d.datname = current_database() and s.query not like '%pg_stat_statements%'
      group by s.query`,
  );
  return new Map(rows.map(({ query, calls: count }) => [query, count]));
}
