-- 0003: imports of folders, folders shared with other projects, personal overrides, and references that are not there.
-- Older servers go on: they answer without imports and overrides, as they always did. What they write leaves plain_version
-- behind the version, and so says nothing of references.
-- oldest-server: 1

-- What a reference that leads nowhere does to a read: fail it, or stay in the value as it is written.
alter table projects
  add column unresolved_references text not null default 'error' check (unresolved_references in ('error', 'keep'));
create function change_project_itself() returns trigger language plpgsql as $$
begin
  new.change_id := gen_random_uuid();
  return new;
end $$;
create trigger changes_answers before update of unresolved_references, slug on projects for each row
  when (old.unresolved_references is distinct from new.unresolved_references or old.slug is distinct from new.slug)
  execute function change_project_itself();

-- The version of the secret whose value is known to hold no reference. A list of such secrets is answered, and audited, by
-- one statement that need not open them. Null, or another version than the present one: not known.
alter table secrets add column plain_version integer;

-- A folder shows another's secrets beside its own. By id, so that it follows a renamed or moved folder and ends with a deleted one.
create table secret_imports (
  id uuid primary key default gen_random_uuid(),
  project_id uuid not null,
  environment_id uuid not null,
  folder_id uuid not null,
  source_project_id uuid not null references projects on delete cascade,
  source_environment_id uuid not null,
  source_folder_id uuid not null,
  position integer not null check (position > 0),
  version integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  foreign key (environment_id, project_id) references environments (id, project_id) on delete cascade,
  foreign key (folder_id, environment_id) references folders (id, environment_id) on update cascade on delete cascade,
  foreign key (source_environment_id, source_project_id) references environments (id, project_id) on delete cascade,
  foreign key (source_folder_id, source_environment_id) references folders (id, environment_id) on update cascade on delete cascade,
  unique (folder_id, source_folder_id),
  unique (folder_id, position) deferrable initially immediate,
  check (folder_id <> source_folder_id)
);
create index on secret_imports (source_folder_id);
create index on secret_imports (environment_id);
create index on secret_imports (source_environment_id);
create index on secret_imports (source_project_id);

-- A folder that another project of the organization may import. Its end is the end of every read through it.
create table folder_shares (
  id uuid primary key default gen_random_uuid(),
  project_id uuid not null,
  environment_id uuid not null,
  folder_id uuid not null,
  target_project_id uuid not null references projects on delete cascade,
  created_at timestamptz not null default now(),
  foreign key (environment_id, project_id) references environments (id, project_id) on delete cascade,
  foreign key (folder_id, environment_id) references folders (id, environment_id) on update cascade on delete cascade,
  unique (folder_id, target_project_id),
  check (project_id <> target_project_id)
);
create index on folder_shares (project_id);
create index on folder_shares (environment_id);
create index on folder_shares (target_project_id);

-- A person's own value in place of a shared one, for that person alone. It ends with the shared secret.
create table personal_secrets (
  id uuid primary key default gen_random_uuid(),
  project_id uuid not null,
  secret_id uuid not null references secrets on delete cascade,
  owner_id uuid not null references users on delete cascade,
  version integer not null,
  key_version integer not null,
  sealed_value bytea not null,
  sealed_comment bytea,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  foreign key (project_id, key_version) references project_keys (project_id, version),
  unique (secret_id, owner_id)
);
create index on personal_secrets (owner_id);
create index on personal_secrets (project_id);

-- A share is part of the answers of both projects.
create function change_projects_of_shares() returns trigger language plpgsql as $$
begin
  if tg_op = 'DELETE' then
    update projects set change_id = gen_random_uuid()
     where id in (select project_id from old_rows union select target_project_id from old_rows);
  else
    update projects set change_id = gen_random_uuid()
     where id in (select project_id from new_rows union select target_project_id from new_rows);
  end if;
  return null;
end $$;
create trigger changes_inserted after insert on folder_shares referencing new table as new_rows
  for each statement execute function change_projects_of_shares();
create trigger changes_updated after update on folder_shares referencing new table as new_rows
  for each statement execute function change_projects_of_shares();
create trigger changes_deleted after delete on folder_shares referencing old table as old_rows
  for each statement execute function change_projects_of_shares();

do $$
declare
  fed text;
begin
  foreach fed in array array['secret_imports', 'personal_secrets'] loop
    execute format('create trigger changes_inserted after insert on %I referencing new table as new_rows
                    for each statement execute function change_projects_of_new()', fed);
    execute format('create trigger changes_updated after update on %I referencing new table as new_rows
                    for each statement execute function change_projects_of_new()', fed);
    execute format('create trigger changes_deleted after delete on %I referencing old table as old_rows
                    for each statement execute function change_projects_of_old()', fed);
  end loop;
end $$;
