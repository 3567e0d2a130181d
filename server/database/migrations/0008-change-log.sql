-- 0008: what changed, for those who want to hear of it; which replicas run, and which keys each holds.
-- Older servers go on: triggers write the log, and nothing is asked of a replica that does not report.
-- oldest-server: 1

-- Small rows without values, read in the order of xid and id, up to the oldest transaction that is still under way: one that
-- began earlier and commits later is waited for, and never skipped, as a bare sequence would. Rows of the last hour are kept.
create table change_log (
  xid xid8 not null default pg_current_xact_id(),
  id bigint not null generated always as identity,
  at timestamptz not null default now(),
  project_id uuid not null,
  folder_id uuid not null,
  environment text not null,
  path text not null,
  event text not null check (event in ('secret:create', 'secret:update', 'secret:delete', 'secret:import-mutation')),
  keys text[] not null,
  primary key (xid, id)
);

-- Everything up to here was swept: who heard less than that last is told to look at everything.
create table change_log_swept (
  singleton boolean primary key default true check (singleton),
  xid xid8 not null
);
insert into change_log_swept (xid) values ('0');

-- Which life of the database a position belongs to: after a restore or a failover a number may come again with other content.
create function change_log_timeline() returns text language plpgsql stable as $$
begin
  return (select system_identifier::text from pg_control_system()) || '-' || (select timeline_id::text from pg_control_checkpoint());
exception when insufficient_privilege then
  return '0';
end $$;

-- One row per folder and statement, by triggers, for a forgotten call would leave a pod with an old secret.
create function log_created_secrets() returns trigger language plpgsql as $$
begin
  insert into change_log (project_id, folder_id, environment, path, event, keys)
  select f.project_id, f.id, e.slug, f.path, 'secret:create', array_agg(s.key order by s.key)
    from new_rows s join folders f on f.id = s.folder_id join environments e on e.id = f.environment_id
   group by f.project_id, f.id, e.slug, f.path;
  return null;
end $$;

-- Secrets of a folder or an environment that is being deleted are logged below, while their place is still known.
create function log_deleted_secrets() returns trigger language plpgsql as $$
begin
  insert into change_log (project_id, folder_id, environment, path, event, keys)
  select f.project_id, f.id, e.slug, f.path, 'secret:delete', array_agg(s.key order by s.key)
    from old_rows s join folders f on f.id = s.folder_id join environments e on e.id = f.environment_id
   group by f.project_id, f.id, e.slug, f.path;
  return null;
end $$;

-- A rename, or a move, is the end of one name and the beginning of another. A row that is sealed anew under another key
-- keeps its version and its date, and is no change to anybody.
create function log_updated_secrets() returns trigger language plpgsql as $$
begin
  insert into change_log (project_id, folder_id, environment, path, event, keys)
  select f.project_id, f.id, e.slug, f.path, c.event, array_agg(c.key order by c.key)
    from (
      select n.folder_id, n.key, 'secret:update' as event
        from old_rows o join new_rows n on n.id = o.id
       where n.key = o.key and n.folder_id = o.folder_id and (n.version <> o.version or n.updated_at <> o.updated_at)
      union all
      select o.folder_id, o.key, 'secret:delete'
        from old_rows o join new_rows n on n.id = o.id where n.key <> o.key or n.folder_id <> o.folder_id
      union all
      select n.folder_id, n.key, 'secret:create'
        from old_rows o join new_rows n on n.id = o.id where n.key <> o.key or n.folder_id <> o.folder_id
    ) c
    join folders f on f.id = c.folder_id join environments e on e.id = f.environment_id
   group by f.project_id, f.id, e.slug, f.path, c.event
   order by c.event = 'secret:create';
  return null;
end $$;
create trigger logs_created after insert on secrets referencing new table as new_rows
  for each statement execute function log_created_secrets();
create trigger logs_updated after update on secrets referencing old table as old_rows new table as new_rows
  for each statement execute function log_updated_secrets();
create trigger logs_deleted after delete on secrets referencing old table as old_rows
  for each statement execute function log_deleted_secrets();

-- A project that is deleted ends its subscriptions; nobody is left to tell.
create function log_deleted_folder() returns trigger language plpgsql as $$
begin
  insert into change_log (project_id, folder_id, environment, path, event, keys)
  select old.project_id, old.id, e.slug, old.path, 'secret:delete', s.keys
    from environments e join projects p on p.id = e.project_id,
         lateral (select array_agg(key order by key) as keys from secrets where folder_id = old.id) s
   where e.id = old.environment_id and s.keys is not null;
  return old;
end $$;
create trigger logs_deleted before delete on folders for each row execute function log_deleted_folder();

create function log_moved_folder() returns trigger language plpgsql as $$
begin
  insert into change_log (project_id, folder_id, environment, path, event, keys)
  select old.project_id, old.id, e.slug, c.path, c.event, s.keys
    from environments e,
         lateral (select array_agg(key order by key) as keys from secrets where folder_id = old.id) s,
         (values (old.environment_id, old.path, 'secret:delete'), (new.environment_id, new.path, 'secret:create'))
           as c (environment_id, path, event)
   where e.id = c.environment_id and s.keys is not null
   order by c.event = 'secret:create';
  return null;
end $$;
create trigger logs_moved after update on folders for each row
  when (old.path <> new.path or old.environment_id <> new.environment_id) execute function log_moved_folder();

create function log_deleted_environment() returns trigger language plpgsql as $$
begin
  insert into change_log (project_id, folder_id, environment, path, event, keys)
  select old.project_id, f.id, old.slug, f.path, 'secret:delete', array_agg(s.key order by s.key)
    from projects p join folders f on f.environment_id = old.id join secrets s on s.folder_id = f.id
   where p.id = old.project_id
   group by f.id, f.path;
  return old;
end $$;
create trigger logs_deleted before delete on environments for each row execute function log_deleted_environment();

create function log_renamed_environment() returns trigger language plpgsql as $$
begin
  insert into change_log (project_id, folder_id, environment, path, event, keys)
  select old.project_id, f.id, c.slug, f.path, c.event, array_agg(s.key order by s.key)
    from folders f join secrets s on s.folder_id = f.id,
         (values (old.slug, 'secret:delete'), (new.slug, 'secret:create')) as c (slug, event)
   where f.environment_id = old.id
   group by f.id, f.path, c.slug, c.event
   order by c.event = 'secret:create';
  return null;
end $$;
create trigger logs_renamed after update on environments for each row
  when (old.slug <> new.slug) execute function log_renamed_environment();

-- What a folder imports is part of what it shows; who imports that in turn is looked up when the log is read.
create function log_changed_imports() returns trigger language plpgsql as $$
begin
  insert into change_log (project_id, folder_id, environment, path, event, keys)
  select f.project_id, f.id, e.slug, f.path, 'secret:import-mutation', '{}'
    from folders f join environments e on e.id = f.environment_id
   where f.id in (select folder_id from rows);
  return null;
end $$;
create trigger logs_inserted after insert on secret_imports referencing new table as rows
  for each statement execute function log_changed_imports();
create trigger logs_updated after update on secret_imports referencing new table as rows
  for each statement execute function log_changed_imports();
create trigger logs_deleted after delete on secret_imports referencing old table as rows
  for each statement execute function log_changed_imports();

-- So is whether another project still shares it.
create function log_changed_shares() returns trigger language plpgsql as $$
begin
  insert into change_log (project_id, folder_id, environment, path, event, keys)
  select distinct f.project_id, f.id, e.slug, f.path, 'secret:import-mutation', '{}'::text[]
    from rows r
    join secret_imports i on i.source_folder_id = r.folder_id and i.project_id = r.target_project_id
    join folders f on f.id = i.folder_id join environments e on e.id = f.environment_id;
  return null;
end $$;
create trigger logs_inserted after insert on folder_shares referencing new table as rows
  for each statement execute function log_changed_shares();
create trigger logs_deleted after delete on folder_shares referencing old table as rows
  for each statement execute function log_changed_shares();

-- Every server that runs, told by itself every few seconds: the fingerprint of each root key and the id of each signing key
-- that it holds, its newest configuration key, and whether anybody listens for changes there.
create table replicas (
  id uuid primary key,
  name text not null,
  version text not null,
  root_fingerprints text[] not null,
  auth_key_ids text[] not null,
  config_key_version integer not null,
  subscribers integer not null default 0,
  started_at timestamptz not null default now(),
  seen_at timestamptz not null default now()
);

-- The root key that a rotation goes to. It is set before the first key is wrapped anew, so that no server starts without it.
alter table instance add column next_root_fingerprint text, add column next_root_check bytea;
