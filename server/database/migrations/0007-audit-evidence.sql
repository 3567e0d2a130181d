-- 0007: the audit becomes tamper-evident, and cheaper: each row remembers its transaction, a sealer signs what committed,
-- and every change of a grant leaves an attestation that nobody without the server's keys can make.
-- Older servers go on: what they write gets its transaction from the column's default, and is sealed by a newer one.
-- oldest-server: 1

-- Rows are sealed in the order of their transactions, once no earlier transaction is under way. A bare sequence would not
-- do: numbers are drawn before the commit, and a late one would slip in behind the seal.
-- Functions, so that one place is changed where the rows come into a database whose transaction ids are smaller
-- (server/audit/seal-store.ts, rebase).
create function audit_position() returns xid8 language sql stable as $$ select pg_current_xact_id() $$;
create function audit_horizon() returns xid8 language sql stable as $$ select pg_snapshot_xmin(pg_current_snapshot()) $$;
alter table audit_log add column xid xid8 not null default audit_position();
alter table audit_manifests add column xid xid8 not null default audit_position();
create index audit_log_xid on audit_log (xid);
create index audit_manifests_xid on audit_manifests (xid);

-- Which kind of client a record is of (Infisical's names); the query shows it and filters by it.
create function user_agent_type(agent text) returns text language sql immutable parallel safe as $$
  select case
    when agent ~* '^(cli|infisical-cli|kms-cli)' then 'cli'
    when agent ~* '^(k8-operator|kms-operator)' then 'k8-operator'
    when agent ~* 'terraform' then 'terraform'
    when agent ~* '^InfisicalNodeSDK' then 'InfisicalNodeSDK'
    when agent ~* '^InfisicalPythonSDK' then 'InfisicalPythonSDK'
    when agent ~ '^Mozilla/' then 'web'
    else 'other' end
$$;

-- The primary key was an index of 60 bytes a row that no query used. Nothing refers to a record.
alter table audit_log drop constraint audit_log_pkey;

-- Times come in order. An index that holds them downwards is written at its left edge, where pages split in halves and stay
-- half empty; upwards they are filled, and read backwards as fast.
drop index audit_log_organization_id_at_idx, audit_log_project_id_at_idx, audit_log_actor_id_at_idx;
create index audit_log_organization on audit_log (organization_id, at);
create index audit_log_project on audit_log (project_id, at);
create index audit_log_actor on audit_log (actor_id, at);

-- A key is found by its name, or through the manifests of the lists that showed it. Equal entries of an index are stored
-- once, so the manifests' costs 6 bytes a row; most rows have no key of their own.
create index audit_log_manifest on audit_log (manifest_id) where manifest_id is not null;
create index audit_log_key on audit_log (secret_key, at) where secret_key is not null;
create index audit_log_written on audit_log ((metadata ->> 'secretId')) where secret_key is not null and metadata is not null;

-- What finds a manifest by a key: each entry, and what stands behind its folder (`path:KEY`).
create function manifest_names(keys text[]) returns text[] language sql immutable parallel safe as $$
  select array_agg(k) || array_agg(substring(k from position(':' in k) + 1)) filter (where position(':' in k) > 0)
    from unnest(keys) as k
$$;
create index audit_manifests_names on audit_manifests using gin (manifest_names(keys));

-- One entry for each sealed batch of rows; each is signed and names the one before it.
create table audit_batches (
  number bigint primary key check (number > 0),
  kind text not null check (kind in ('rows', 'checkpoint')),
  -- All rows with first <= xid < until, of every sealed table.
  first xid8 not null,
  until xid8 not null,
  sealed_at timestamptz not null,
  replica text not null,
  -- A table or partition with rows in the batch: its name, how many, and the root of their Merkle tree.
  parts text[] not null,
  counts integer[] not null,
  roots bytea[] not null,
  -- Of each row 8 bytes of its id and 4 of its hash, so that a tampered row can be named. Not signed: the root is.
  hints bytea[] not null,
  note text,
  key_version integer not null,
  previous bytea not null,
  hash bytea not null,
  signature bytea not null
);
alter table audit_batches alter column hints set storage external;

-- One row: who seals at present, and where it goes on.
create table audit_sealer (
  singleton boolean primary key default true check (singleton),
  holder text,
  lease_until timestamptz not null default now(),
  number bigint not null default 0,
  hash bytea not null default '\x',
  next xid8 not null default '0',
  -- The number of the last head that the sink has.
  exported bigint not null default 0
);
insert into audit_sealer default values;

-- What each row of a table that grants something became, in the order of the changes (row locks make them one per row).
-- The mac is made by the server, before the commit, with a key that the database does not have. No digest: the row is gone.
create table audit_attestations (
  n bigint generated always as identity primary key,
  xid xid8 not null default audit_position(),
  tab text not null,
  row_id text not null,
  columns text[] not null,
  digest bytea,
  mac bytea
);
create index audit_attestations_row on audit_attestations (tab, row_id, n desc);
create index audit_attestations_xid on audit_attestations (xid);

-- Notes a change of an attested table. Arguments: the columns of its key, and the columns that mean nothing for access.
create function note_attested_change() returns trigger language plpgsql set timezone = 'UTC' as $$
declare
  skipped constant text[] := string_to_array(tg_argv[1], ',');
  whole constant jsonb := case when tg_op = 'DELETE' then to_jsonb(old) else to_jsonb(new) end;
  kept constant jsonb := whole - skipped;
begin
  if tg_op = 'UPDATE' and to_jsonb(old) - skipped = kept then return null; end if;
  insert into audit_attestations (tab, row_id, columns, digest)
  values (tg_table_name,
          (select string_agg(whole ->> part, '/' order by nr) from string_to_table(tg_argv[0], ',') with ordinality as k (part, nr)),
          case when tg_op = 'DELETE' then '{}' else array(select jsonb_object_keys(kept)) end,
          case when tg_op = 'DELETE' then null else sha256(convert_to(kept::text, 'UTF8')) end);
  return null;
end $$;

-- Has every change of a table noted from now on. For migrations that bring a table which grants something; the server
-- reads which tables there are from their triggers.
create function attest_table(tab regclass, key text, skipped text) returns void language plpgsql as $$
begin
  execute format('create trigger attested after insert or update or delete on %s
                  for each row execute function note_attested_change(%L, %L)', tab, key, skipped);
end $$;

select attest_table('actors', 'id', 'created_at,updated_at');
select attest_table('users', 'id', 'first_name,last_name');
select attest_table('identities', 'id', 'name');
select attest_table('organization_memberships', 'id', 'created_at,updated_at');
select attest_table('universal_auths', 'id', 'created_at,updated_at');
select attest_table('client_secrets', 'id', 'created_at,updated_at,num_uses,description');
select attest_table('projects', 'id', 'name,description,change_id,created_at,updated_at');
select attest_table('environments', 'id', 'name,position,created_at,updated_at');
select attest_table('folders', 'id', 'version,created_at,updated_at');
select attest_table('project_memberships', 'id', 'created_at,updated_at');
select attest_table('project_membership_roles', 'id', 'created_at,updated_at');

-- What the migrations before this one brought.
select attest_table('project_roles', 'id', 'name,description,created_at,updated_at');
select attest_table('organization_roles', 'id', 'name,description,created_at,updated_at');
select attest_table('groups', 'id', 'name,created_at,updated_at');
select attest_table('group_members', 'group_id,actor_id', 'created_at');
select attest_table('folder_shares', 'id', 'created_at');
select attest_table('secret_imports', 'id', 'position,version,created_at,updated_at');
select attest_table('machine_logins', 'id', 'created_at,updated_at');
select attest_table('one_time_links', 'id', 'created_at');
select attest_table('oidc_providers', 'id', 'created_at,updated_at');
select attest_table('sso_identities', 'organization_id,issuer,subject', 'created_at');

-- Unchanged answers (HTTP 304) disclose nothing and are counted, by caller and place, in the hour they fall in.
create table audit_unchanged (
  hour timestamptz not null,
  actor_id uuid not null,
  project_id uuid not null,
  environment text not null,
  secret_path text not null,
  secret_key text not null default '',
  event text not null,
  organization_id uuid,
  project_slug text,
  actor_kind text not null,
  actor_name text,
  ip inet,
  user_agent text,
  count bigint not null,
  primary key (hour, actor_id, project_id, environment, secret_path, secret_key, event)
);

-- Days that records are kept: of the instance, and longer for single projects.
alter table instance add column audit_retention_days integer not null default 365 check (audit_retention_days > 0);
alter table projects add column audit_retention_days integer check (audit_retention_days > 0);

-- Drops a month's partition, by its name.
create function drop_audit_partition(partition text) returns void language plpgsql as $$
begin
  if partition !~ '^audit_log_[0-9]{4}_[0-9]{2}$' then raise exception '% is no month of the audit', partition; end if;
  execute format('drop table if exists %I', partition);
end $$;

-- Where organizations want their records sent. Headers and the signing secret are sealed.
create table audit_streams (
  id uuid primary key default gen_random_uuid(),
  organization_id uuid not null references organizations on delete cascade,
  url text not null,
  sealed_secrets bytea not null,
  -- Everything before this transaction is sent; of its own rows those up to an id, where it was cut within them.
  next xid8 not null,
  after_id uuid,
  failures integer not null default 0,
  retry_at timestamptz not null default now(),
  last_error text,
  last_sent_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index on audit_streams (organization_id);
select attest_table('audit_streams', 'id', 'next,after_id,failures,retry_at,last_error,last_sent_at,created_at,updated_at');
