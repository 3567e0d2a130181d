-- 0011: service tokens (Infisical's `st.`). Each is an actor of its own kind with one membership in one project, so that it is
-- judged like everybody else, and one access token of the same id. Older servers refuse the token's text, which they do not know.
-- oldest-server: 2

alter table actors drop constraint actors_kind_check;
alter table actors add constraint actors_kind_check check (kind in ('user', 'identity', 'service'));

create table service_tokens (
  id uuid primary key,
  kind text not null default 'service' check (kind = 'service'),
  organization_id uuid not null references organizations on delete cascade,
  project_id uuid not null references projects on delete cascade,
  name text not null,
  -- As they were asked for; what they allow is said by the role of the token's membership, and never changes either.
  scopes jsonb not null,
  permissions text[] not null,
  created_by uuid references actors on delete set null,
  expires_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  foreign key (id, kind) references actors (id, kind) on delete cascade
);
create index on service_tokens (project_id);
create index on service_tokens (organization_id);
create index on service_tokens (created_by) where created_by is not null;
select attest_table('service_tokens', 'id', 'name,created_by,created_at,updated_at');

create trigger callers_inserted after insert on service_tokens referencing new table as new_rows
  for each statement execute function change_actors_of_new('id');
create trigger callers_updated after update on service_tokens referencing new table as new_rows
  for each statement execute function change_actors_of_new('id');
create trigger callers_deleted after delete on service_tokens referencing old table as old_rows
  for each statement execute function change_actors_of_old('id');

-- A token that lost its project is nobody: its actor goes with it, and the access token with that.
create function delete_actor_of_service_token() returns trigger language plpgsql as $$
begin
  delete from actors where id = old.id;
  return null;
end $$;
create trigger actor_deleted after delete on service_tokens for each row execute function delete_actor_of_service_token();
