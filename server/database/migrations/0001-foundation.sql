-- 0001: organizations, people and machines, projects with their sealed secrets, tokens, and the audit.
-- Oldest server that can run on the result: 1 (see `oldest-server` below, read by server/database/migrate.ts).
-- oldest-server: 1

-- One row: what this instance is, and which root key opens it.
create table instance (
  singleton boolean primary key default true check (singleton),
  id uuid not null default gen_random_uuid(),
  root_fingerprint text,
  root_check bytea,
  bootstrapped_at timestamptz,
  bootstrap_organization_id uuid,
  bootstrap_user_id uuid,
  bootstrap_identity_id uuid,
  created_at timestamptz not null default now()
);
insert into instance default values;

-- Keys of the instance, wrapped by the root key: the MAC key of client secrets, the signing key of the audit.
create table instance_keys (
  purpose text not null,
  version integer not null check (version > 0),
  wrapped bytea not null,
  created_at timestamptz not null default now(),
  primary key (purpose, version)
);

-- Proofs of kms-secrets that were used; each works once. Rows older than a proof can be are deleted as new ones come.
create table used_proofs (
  nonce text primary key,
  used_at timestamptz not null default now()
);

create table organizations (
  id uuid primary key default gen_random_uuid(),
  slug text not null unique,
  name text not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

-- Whoever can hold a token and be a member of something: a person or a machine identity.
create table actors (
  id uuid primary key default gen_random_uuid(),
  kind text not null check (kind in ('user', 'identity')),
  instance_admin boolean not null default false,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (id, kind)
);

create table users (
  id uuid primary key,
  kind text not null default 'user' check (kind = 'user'),
  email text not null unique check (email = lower(email)),
  first_name text not null default '',
  last_name text not null default '',
  password_hash text,
  foreign key (id, kind) references actors (id, kind) on delete cascade
);

create table identities (
  id uuid primary key,
  kind text not null default 'identity' check (kind = 'identity'),
  organization_id uuid not null references organizations on delete cascade,
  name text not null,
  foreign key (id, kind) references actors (id, kind) on delete cascade
);
create index on identities (organization_id);

create table organization_memberships (
  id uuid primary key default gen_random_uuid(),
  organization_id uuid not null references organizations on delete cascade,
  actor_id uuid not null references actors on delete cascade,
  role text not null,
  status text not null default 'accepted' check (status in ('invited', 'accepted')),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (actor_id, organization_id)
);
create index on organization_memberships (organization_id);

-- Universal Auth (HIP-27): the settings of an identity's login; TTLs in seconds.
create table universal_auths (
  id uuid primary key default gen_random_uuid(),
  identity_id uuid not null unique references identities on delete cascade,
  client_id uuid not null unique default gen_random_uuid(),
  access_token_ttl integer not null,
  access_token_max_ttl integer not null,
  access_token_num_uses_limit integer not null default 0,
  client_secret_trusted_ips cidr[] not null,
  access_token_trusted_ips cidr[] not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

-- A client secret is kept as its HMAC only. A ttl of 0 seconds never ends; a limit of 0 uses is none.
create table client_secrets (
  id uuid primary key default gen_random_uuid(),
  universal_auth_id uuid not null references universal_auths on delete cascade,
  mac bytea not null,
  prefix text not null,
  description text not null default '',
  ttl integer not null default 0,
  num_uses integer not null default 0,
  num_uses_limit integer not null default 0,
  expires_at timestamptz,
  revoked_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index on client_secrets (universal_auth_id);

-- One row per issued token. It is never updated by a read; the database's clock judges it.
create table access_tokens (
  id uuid primary key default gen_random_uuid(),
  actor_id uuid not null references actors on delete cascade,
  client_secret_id uuid references client_secrets on delete cascade,
  ttl integer not null,
  max_ttl integer not null,
  num_uses integer not null default 0,
  num_uses_limit integer not null default 0,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  revoked_at timestamptz
);
create index on access_tokens (actor_id);
create index on access_tokens (client_secret_id);
create index on access_tokens (expires_at);

create table projects (
  id uuid primary key default gen_random_uuid(),
  organization_id uuid not null references organizations on delete cascade,
  slug text not null,
  name text not null,
  description text not null default '',
  delete_protection boolean not null default false,
  -- Replaced, at random, by every change that can alter an answer: a copy in memory is current while this is the same.
  -- Not a counter: after a restore or a failover a number could come again with other content.
  change_id uuid not null default gen_random_uuid(),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (organization_id, slug)
);

create table project_keys (
  project_id uuid not null references projects on delete cascade,
  version integer not null check (version > 0),
  wrapped bytea not null,
  created_at timestamptz not null default now(),
  primary key (project_id, version)
);

create table environments (
  id uuid primary key default gen_random_uuid(),
  project_id uuid not null references projects on delete cascade,
  slug text not null,
  name text not null,
  position integer not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (project_id, slug),
  unique (id, project_id)
);

-- A folder knows its whole path, so that a read is one look-up and a recursive one a prefix.
create table folders (
  id uuid primary key default gen_random_uuid(),
  project_id uuid not null,
  environment_id uuid not null,
  parent_id uuid references folders on delete cascade,
  name text not null,
  path text not null,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  foreign key (environment_id, project_id) references environments (id, project_id) on delete cascade,
  unique (environment_id, path),
  unique (id, environment_id)
);
create index on folders (parent_id);
create index on folders (project_id);

create table secrets (
  id uuid primary key default gen_random_uuid(),
  project_id uuid not null,
  environment_id uuid not null,
  folder_id uuid not null,
  key text not null,
  version integer not null,
  key_version integer not null,
  sealed_value bytea not null,
  sealed_comment bytea,
  skip_multiline_encoding boolean not null default false,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  foreign key (environment_id, project_id) references environments (id, project_id) on delete cascade,
  foreign key (folder_id, environment_id) references folders (id, environment_id) on delete cascade,
  foreign key (project_id, key_version) references project_keys (project_id, version),
  unique (folder_id, key)
);
create index on secrets (project_id);
create index on secrets (environment_id);

-- What a secret was before: each row as it stood when the next version replaced it.
create table secret_versions (
  secret_id uuid not null references secrets on delete cascade,
  version integer not null,
  project_id uuid not null,
  environment_id uuid not null,
  folder_id uuid not null,
  key text not null,
  key_version integer not null,
  sealed_value bytea not null,
  sealed_comment bytea,
  created_at timestamptz not null,
  primary key (secret_id, version)
);

create table project_memberships (
  id uuid primary key default gen_random_uuid(),
  project_id uuid not null references projects on delete cascade,
  actor_id uuid not null references actors on delete cascade,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (actor_id, project_id)
);
create index on project_memberships (project_id);

-- environments: null is all that the role reaches; a list narrows it further.
create table project_membership_roles (
  id uuid primary key default gen_random_uuid(),
  membership_id uuid not null references project_memberships on delete cascade,
  role text not null,
  environments text[],
  temporary_range text,
  starts_at timestamptz,
  expires_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index on project_membership_roles (membership_id);

-- Every table that feeds an answer replaces its project's change id, in the writer's transaction. A trigger, because a
-- forgotten call in one of many statements would serve a stale secret. Per statement, not per row: a batch costs one update.
create function change_projects_of_new() returns trigger language plpgsql as $$
begin
  update projects set change_id = gen_random_uuid() where id in (select project_id from new_rows);
  return null;
end $$;
create function change_projects_of_old() returns trigger language plpgsql as $$
begin
  update projects set change_id = gen_random_uuid() where id in (select project_id from old_rows);
  return null;
end $$;
create function change_projects_of_roles() returns trigger language plpgsql as $$
begin
  if tg_op = 'DELETE' then
    update projects set change_id = gen_random_uuid()
     where id in (select m.project_id from old_rows r join project_memberships m on m.id = r.membership_id);
  else
    update projects set change_id = gen_random_uuid()
     where id in (select m.project_id from new_rows r join project_memberships m on m.id = r.membership_id);
  end if;
  return null;
end $$;

do $$
declare
  fed text;
begin
  foreach fed in array array['environments', 'folders', 'secrets', 'project_memberships'] loop
    execute format('create trigger changes_inserted after insert on %I referencing new table as new_rows
                    for each statement execute function change_projects_of_new()', fed);
    execute format('create trigger changes_updated after update on %I referencing new table as new_rows
                    for each statement execute function change_projects_of_new()', fed);
    execute format('create trigger changes_deleted after delete on %I referencing old table as old_rows
                    for each statement execute function change_projects_of_old()', fed);
  end loop;
end $$;
create trigger changes_inserted after insert on project_membership_roles referencing new table as new_rows
  for each statement execute function change_projects_of_roles();
create trigger changes_updated after update on project_membership_roles referencing new table as new_rows
  for each statement execute function change_projects_of_roles();
create trigger changes_deleted after delete on project_membership_roles referencing old table as old_rows
  for each statement execute function change_projects_of_roles();

-- The audit (HIP-27, "Audit Logging"): who, what, when, where, action, project and environment; never a value.
-- No foreign keys: a record outlives what it speaks of. Partitioned by month, so that 365 days are kept by dropping
-- partitions; the partitions are made ahead, and the default one catches a clock that ran away.
create table audit_log (
  id uuid not null default gen_random_uuid(),
  at timestamptz not null default clock_timestamp(),
  organization_id uuid,
  project_id uuid,
  project_slug text,
  environment text,
  secret_path text,
  action text not null,
  event text not null,
  outcome text not null check (outcome in ('allowed', 'refused')),
  actor_kind text not null,
  actor_id uuid,
  actor_name text,
  secret_key text,
  manifest_id uuid,
  metadata jsonb,
  ip inet,
  user_agent text,
  request_id text not null,
  primary key (at, id)
) partition by range (at);
create table audit_log_other partition of audit_log default;
create index on audit_log (organization_id, at desc);
create index on audit_log (project_id, at desc);
create index on audit_log (actor_id, at desc);

-- The key names that a list showed, written once per content; the rows of the audit point here.
create table audit_manifests (
  id uuid primary key,
  keys text[] not null,
  created_at timestamptz not null default now()
);

-- Refusals of callers that nobody knows: counted, so that a flood of forged tokens cannot fill the disk.
create table anonymous_refusals (
  minute timestamptz not null,
  reason text not null,
  count bigint not null,
  primary key (minute, reason)
);

-- Makes the audit's partition of a month, if it is not there.
create function ensure_audit_partition(month_start date) returns void language plpgsql as $$
begin
  execute format('create table if not exists %I partition of audit_log for values from (%L) to (%L)',
    'audit_log_' || to_char(month_start, 'YYYY_MM'), month_start, (month_start + interval '1 month')::date);
end $$;
