-- 0002: roles that people write, as rules that allow and forbid; groups; rights of one membership alone.
-- Oldest server that can run on the result: 2. One before would take a role that forbids for a role that gives nothing,
-- and leave its holder with what the role takes away.
-- oldest-server: 2

-- A custom role of a project. With a membership: rights of that one alone (Infisical's additional privileges), no role that
-- others could be given.
create table project_roles (
  id uuid primary key default gen_random_uuid(),
  project_id uuid not null references projects on delete cascade,
  membership_id uuid references project_memberships on delete cascade,
  slug text not null,
  name text not null,
  description text not null default '',
  permissions jsonb not null,
  -- Replaced by each edit. Grants name it, so that what a process remembers of a role is always of this wording.
  revision uuid not null default gen_random_uuid() unique,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create unique index on project_roles (project_id, slug) where membership_id is null;
create unique index on project_roles (membership_id, slug) where membership_id is not null;
create index on project_roles (project_id);

create function revise_role() returns trigger language plpgsql as $$
begin
  new.revision := gen_random_uuid();
  new.updated_at := now();
  return new;
end $$;
create trigger revised before update on project_roles for each row execute function revise_role();
create trigger changes_updated after update on project_roles referencing new table as new_rows
  for each statement execute function change_projects_of_new();

alter table project_membership_roles add column custom_role_id uuid references project_roles on delete cascade;
create index on project_membership_roles (custom_role_id) where custom_role_id is not null;

-- A custom role of an organization.
create table organization_roles (
  id uuid primary key default gen_random_uuid(),
  organization_id uuid not null references organizations on delete cascade,
  slug text not null,
  name text not null,
  description text not null default '',
  permissions jsonb not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (organization_id, slug)
);

create table groups (
  id uuid primary key default gen_random_uuid(),
  organization_id uuid not null references organizations on delete cascade,
  slug text not null,
  name text not null,
  role text not null default 'no-access',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (organization_id, slug),
  unique (id, organization_id)
);

-- Who leaves the organization leaves its groups: the database sees to it, whichever statement takes the membership away.
create table group_members (
  group_id uuid not null,
  organization_id uuid not null,
  actor_id uuid not null,
  created_at timestamptz not null default now(),
  primary key (group_id, actor_id),
  foreign key (group_id, organization_id) references groups (id, organization_id) on delete cascade,
  foreign key (actor_id, organization_id) references organization_memberships (actor_id, organization_id) on delete cascade
);
create index on group_members (actor_id, organization_id);

-- A membership is of an actor or of a group.
alter table project_memberships alter column actor_id drop not null;
alter table project_memberships add column group_id uuid references groups on delete cascade;
alter table project_memberships add constraint project_memberships_of_one check (num_nonnulls(actor_id, group_id) = 1);
create unique index on project_memberships (group_id, project_id) where group_id is not null;
