import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { startEmbeddedPostgres } from '../server/database/embedded/index.ts';
import { load } from './load.ts';
import { numberOption } from './options.ts';
import { install, startOurs, type Target } from './processes.ts';
import { makeWorld, type World } from './world.ts';

/**
 * What years of use cost: the rate of the hot path and a day's audit, on an empty database and on one with many secrets,
 * identities and audit rows; and the bytes of an audit row, for the disk of HIP-27's 365 days.
 * `node bench/growth.ts [--secrets 200000 --identities 5000 --rows 10000000 --seconds 4]`, after `npm run build`; it
 * prints a table and writes bench/growth.json.
 */
const secrets = numberOption('secrets', 200_000);
const identities = numberOption('identities', 5_000);
const rows = numberOption('rows', 10_000_000);
const seconds = numberOption('seconds', 4);
const DAYS = 365;
/** Rows that one statement writes. */
const CHUNK = 250_000;

// A tenth of the rows is the measured project's; the others have projects that are gone. Ten rows share a transaction.
const FILL_AUDIT = `
  with place as (
    select p.id, p.organization_id, array(select id from actors where kind = 'identity' order by id limit 1000) as actors,
           (select id from audit_manifests limit 1) as manifest
      from projects p where p.slug = 'bench-20'
  )
  insert into audit_log (at, xid, organization_id, project_id, project_slug, environment, secret_path, action, event, outcome,
                         actor_kind, actor_id, actor_name, secret_key, manifest_id, ip, user_agent, request_id)
  select now() - (($3::bigint - n) * ($4::int * 86400.0 / $3::bigint)) * interval '1 second' - interval '1 hour',
         (n / 10 + 3)::text::xid8, place.organization_id,
         case when n % 10 = 0 then place.id else ('00000000-0000-4000-8000-' || lpad(to_hex(n % 999), 12, '0'))::uuid end,
         case when n % 10 = 0 then 'bench-20' else 'project-' || n % 999 end, 'prod', '/', 'read',
         case when n % 5 = 0 then 'get-secret' else 'get-secrets' end, 'allowed', 'identity',
         place.actors[1 + n % array_length(place.actors, 1)], 'service-' || n % 1000,
         case when n % 5 = 0 then 'KEY_' || n % 200 end, case when n % 5 <> 0 then place.manifest end,
         '10.1.2.3', 'InfisicalNodeSDK/5.0.2', 'req-' || lpad(n::text, 12, '0')
    from place, generate_series($1::bigint + 1, $2::bigint) as n`;

/** 12 bytes name a row in its batch, and a batch of 100 rows has a head of some 400. */
const HINT_AND_HEAD = 16;

const folder = await mkdtemp(join(tmpdir(), 'kms-growth-'));
await chmod(folder, 0o711);
const postgres = await startEmbeddedPostgres({ dataDir: folder });
const started: Target[] = [];
const say = (text: string) => process.stderr.write(`growth: ${text}\n`);
try {
  const world = await makeWorld(postgres.uri);
  const installed = join(folder, 'installed');
  install(installed);
  const target = await startOurs(installed, postgres.uri, world.keys);
  started.push(target);
  const sql = new pg.Client(postgres.uri);
  await sql.connect();
  try {
    const empty = await measure(target, world, sql);
    await fill(sql);
    const full = await measure(target, world, sql);
    const sizes = await sizesOf(sql);
    const result = { asked: { secrets, identities, rows }, empty, full, ...sizes };
    console.table({ empty, full });
    console.table(sizes);
    await writeFile(new URL('growth.json', import.meta.url), `${JSON.stringify(result, null, 2)}\n`);
  } finally {
    await sql.end();
  }
} finally {
  for (const target of started) await target.stop();
  await postgres.stop();
  await rm(folder, { recursive: true, force: true });
}

async function measure(target: Target, world: World, sql: pg.Client) {
  const { path } = world.lists.get(20)!;
  const rates: number[] = [];
  for (let round = 0; round < 3; round++) {
    const headers = { authorization: `Bearer ${world.token}` };
    rates.push((await load(target.address, { path, headers }, { connections: 10, seconds })).perSecond);
  }
  const projectId = await projectOf(sql);
  const yesterday = new Date(Date.now() - 86_400_000).toISOString().slice(0, 10);
  const day = `projectId=${projectId}&startDate=${yesterday}&endDate=${yesterday}`;
  return {
    'list 20, req/s': Math.round(median(rates)),
    'a day of a project, ms': await timeOf(target, world, `${day}&limit=100`),
    'a key in that day, ms': await timeOf(target, world, `${day}&limit=100&secretKey=KEY_7`),
    'a key at any time, ms': await timeOf(target, world, `projectId=${projectId}&limit=100&secretKey=KEY_7`),
    'a key that nobody read, ms': await timeOf(target, world, `projectId=${projectId}&limit=100&secretKey=NOT_THERE`),
  };
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1]!;
}

async function timeOf(target: Target, world: World, query: string): Promise<number> {
  const times: number[] = [];
  for (let n = 0; n < 5; n++) {
    const since = performance.now();
    const answer = await fetch(`${target.address}/api/v1/audit-logs?${query}`, {
      headers: { authorization: `Bearer ${world.adminToken}` },
    });
    if (answer.status !== 200) throw new Error(`the audit answered ${answer.status}: ${await answer.text()}`);
    await answer.arrayBuffer();
    times.push(performance.now() - since);
  }
  return Math.round(median(times) * 10) / 10;
}

async function projectOf(sql: pg.Client): Promise<string> {
  return (await sql.query(`select id from projects where slug = 'bench-20'`)).rows[0].id;
}

/** Rows as reads of lists and of single secrets leave them, spread over a year, by many identities in a thousand projects. */
async function fill(sql: pg.Client): Promise<void> {
  say(`${identities} identities`);
  await sql.query(
    `with made as (insert into actors (kind) select 'identity' from generate_series(1, $1) returning id),
          named as (insert into identities (id, organization_id, name) select m.id, o.id, 'grown-' || m.id from made m, organizations o)
     insert into organization_memberships (organization_id, actor_id, role) select o.id, m.id, 'no-access' from made m, organizations o`,
    [identities],
  );
  say(`${secrets} secrets`);
  for (let done = 0; done < secrets; done += CHUNK) {
    await sql.query(
      `insert into secrets (project_id, environment_id, folder_id, key, version, key_version, sealed_value)
       select s.project_id, s.environment_id, s.folder_id, 'GROWN_' || n, 1, s.key_version, s.sealed_value
         from generate_series($1::int, $2::int) n, (select * from secrets s join projects p on p.id = s.project_id where p.slug like 'written-%' limit 1) s`,
      [done + 1, Math.min(done + CHUNK, secrets)],
    );
  }
  await sql.query(
    `do $$ begin for ahead in -13..0 loop
       perform ensure_audit_partition((date_trunc('month', now()) + make_interval(months => ahead))::date);
     end loop; end $$`,
  );
  for (let done = 0; done < rows; done += CHUNK) {
    if (done % (4 * CHUNK) === 0) say(`${done} of ${rows} audit rows`);
    await sql.query(FILL_AUDIT, [done, Math.min(done + CHUNK, rows), rows, DAYS]);
  }
  say('statistics');
  await sql.query('vacuum (analyze)');
}

async function sizesOf(sql: pg.Client) {
  const { rows: found } = await sql.query(
    `select sum(pg_relation_size(relid))::float8 as heap, sum(pg_indexes_size(relid))::float8 as indexes, (select count(*) from audit_log)::float8 as rows
       from pg_partition_tree('audit_log') where isleaf`,
  );
  const { heap, indexes, rows: count } = found[0];
  const bytes = (heap + indexes) / count + HINT_AND_HEAD;
  return {
    'bytes of a row': Math.round(heap / count),
    'bytes of its indexes': Math.round(indexes / count),
    'bytes of its seal': HINT_AND_HEAD,
    'GB in 365 days at 100 reads a second': Math.round((bytes * 100 * 86_400 * DAYS) / 1e8) / 10,
  };
}
