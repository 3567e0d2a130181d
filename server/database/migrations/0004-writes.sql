-- 0004: tags, metadata and reminders of secrets; a history that outlives deletion; more of projects and folders.
-- Older servers go on: new columns have defaults or are nullable, and what an older server replaces or deletes is kept by
-- the triggers below, not by its own statements.
-- oldest-server: 1

create table tags (
  id uuid primary key default gen_random_uuid(),
  project_id uuid not null references projects on delete cascade,
  slug text not null,
  name text not null,
  color text not null default '',
  created_by uuid,
  created_by_kind text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (project_id, slug)
);

-- A tag's name and color are part of an answer.
create trigger changes_inserted after insert on tags referencing new table as new_rows
  for each statement execute function change_projects_of_new();
create trigger changes_updated after update on tags referencing new table as new_rows
  for each statement execute function change_projects_of_new();
create trigger changes_deleted after delete on tags referencing old table as old_rows
  for each statement execute function change_projects_of_old();

-- Kept in the secret's own row, so that a version is one row, and a read needs no join for secrets that have none of it.
-- metadata: [{key, value}], and {key} alone for a value that is sealed; all sealed ones together are in sealed_metadata.
-- reminder: {repeatDays, note, recipients}. written_by: the actor; no foreign key, since history outlives actors.
alter table secrets
  add column tag_ids uuid[] not null default '{}',
  add column metadata jsonb not null default '[]',
  add column sealed_metadata bytea,
  add column reminder jsonb,
  add column written_by uuid;

-- What a secret was: each row as it stood when the next version replaced it, or when it was deleted (replaced_at).
-- It outlives the secret and its folder, and ends with the environment or the project.
alter table secret_versions
  drop constraint secret_versions_secret_id_fkey,
  add column skip_multiline_encoding boolean not null default false,
  add column tag_ids uuid[] not null default '{}',
  add column metadata jsonb not null default '[]',
  add column sealed_metadata bytea,
  add column reminder jsonb,
  add column written_by uuid,
  add column secret_created_at timestamptz,
  add column replaced_at timestamptz;
update secret_versions v
   set secret_created_at = s.created_at,
       replaced_at = coalesce((select n.created_at from secret_versions n where n.secret_id = v.secret_id and n.version = v.version + 1),
                              s.updated_at)
  from secrets s where s.id = v.secret_id;
alter table secret_versions
  add foreign key (environment_id, project_id) references environments (id, project_id) on delete cascade;
create index on secret_versions (environment_id, folder_id);
create index on secret_versions (project_id);

-- Where a deleted folder was, for the history of what lay in it.
create table deleted_folders (
  id uuid primary key,
  project_id uuid not null,
  environment_id uuid not null,
  path text not null,
  deleted_at timestamptz not null default date_trunc('milliseconds', clock_timestamp()),
  foreign key (environment_id, project_id) references environments (id, project_id) on delete cascade
);
create index on deleted_folders (environment_id);

-- Triggers, because whatever deletes a secret (its folder, say) must not end its history. A row that is sealed anew under
-- another key keeps its version, and is not kept twice. An older server writes the version itself first: that row is completed.
create function keep_replaced_secrets() returns trigger language plpgsql as $$
begin
  insert into secret_versions (secret_id, version, project_id, environment_id, folder_id, key, key_version, sealed_value, sealed_comment,
                               skip_multiline_encoding, tag_ids, metadata, sealed_metadata, reminder, written_by, secret_created_at,
                               created_at, replaced_at)
  select o.id, o.version, o.project_id, o.environment_id, o.folder_id, o.key, o.key_version, o.sealed_value, o.sealed_comment,
         o.skip_multiline_encoding, o.tag_ids, o.metadata, o.sealed_metadata, o.reminder, o.written_by, o.created_at,
         o.updated_at, n.updated_at
    from old_rows o join new_rows n on n.id = o.id
   where n.version <> o.version
      on conflict (secret_id, version) do update
     set skip_multiline_encoding = excluded.skip_multiline_encoding, tag_ids = excluded.tag_ids, metadata = excluded.metadata,
         sealed_metadata = excluded.sealed_metadata, reminder = excluded.reminder, written_by = excluded.written_by,
         secret_created_at = excluded.secret_created_at, replaced_at = excluded.replaced_at;
  return null;
end $$;
create trigger keeps_replaced after update on secrets referencing old table as old_rows new table as new_rows
  for each statement execute function keep_replaced_secrets();

-- Not of an environment that is being deleted itself: its history goes with it.
create function keep_deleted_secrets() returns trigger language plpgsql as $$
begin
  insert into secret_versions (secret_id, version, project_id, environment_id, folder_id, key, key_version, sealed_value, sealed_comment,
                               skip_multiline_encoding, tag_ids, metadata, sealed_metadata, reminder, written_by, secret_created_at,
                               created_at, replaced_at)
  select o.id, o.version, o.project_id, o.environment_id, o.folder_id, o.key, o.key_version, o.sealed_value, o.sealed_comment,
         o.skip_multiline_encoding, o.tag_ids, o.metadata, o.sealed_metadata, o.reminder, o.written_by, o.created_at,
         o.updated_at, greatest(o.updated_at, date_trunc('milliseconds', clock_timestamp()))
    from old_rows o join environments e on e.id = o.environment_id
      on conflict (secret_id, version) do nothing;
  return null;
end $$;
create trigger keeps_deleted after delete on secrets referencing old table as old_rows
  for each statement execute function keep_deleted_secrets();

create function keep_deleted_folders() returns trigger language plpgsql as $$
begin
  insert into deleted_folders (id, project_id, environment_id, path)
  select o.id, o.project_id, o.environment_id, o.path
    from old_rows o join environments e on e.id = o.environment_id
      on conflict (id) do nothing;
  return null;
end $$;
create trigger keeps_deleted after delete on folders referencing old table as old_rows
  for each statement execute function keep_deleted_folders();

alter table folders add column description text;

-- Infisical's settings of a project; kept and shown.
alter table projects
  add column auto_capitalization boolean not null default false,
  add column pit_version_limit integer not null default 10,
  add column audit_logs_retention_days integer;
