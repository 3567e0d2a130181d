-- 0010: a change id for every caller, beside the one of every project. A verdict about a caller in a project, kept in
-- memory, is true while both are what they were; so a read of what memory holds looks up three rows instead of judging anew.
-- Oldest server that can run on the result: 2. Older ones never read the column, and the triggers work for them too.
-- oldest-server: 2

alter table actors add column change_id uuid not null default gen_random_uuid();
-- It grants nothing, and changes with every row that does.
drop trigger attested on actors;
select attest_table('actors', 'id', 'change_id,created_at,updated_at');

-- What a row says of its caller is looked for in the column that the trigger names.
create function change_actors_of_new() returns trigger language plpgsql as $$
begin
  execute format('update actors set change_id = gen_random_uuid() where id in (select %I from new_rows)', tg_argv[0]);
  return null;
end $$;
create function change_actors_of_old() returns trigger language plpgsql as $$
begin
  execute format('update actors set change_id = gen_random_uuid() where id in (select %I from old_rows)', tg_argv[0]);
  return null;
end $$;

do $$
declare
  fed record;
begin
  for fed in select * from (values
    ('identities', 'id'), ('users', 'id'), ('organization_memberships', 'actor_id'), ('group_members', 'actor_id'),
    ('universal_auths', 'identity_id'), ('machine_logins', 'identity_id')) as f (name, actor)
  loop
    execute format('create trigger callers_inserted after insert on %I referencing new table as new_rows
                    for each statement execute function change_actors_of_new(%L)', fed.name, fed.actor);
    execute format('create trigger callers_updated after update on %I referencing new table as new_rows
                    for each statement execute function change_actors_of_new(%L)', fed.name, fed.actor);
    execute format('create trigger callers_deleted after delete on %I referencing old table as old_rows
                    for each statement execute function change_actors_of_old(%L)', fed.name, fed.actor);
  end loop;
end $$;

create function change_actor_itself() returns trigger language plpgsql as $$
begin
  if new is distinct from old then new.change_id := gen_random_uuid(); end if;
  return new;
end $$;
create trigger caller_changed before update of instance_admin, kind on actors for each row execute function change_actor_itself();

-- A login counts the uses of its client secret, which changes nothing for the tokens of it: a revocation alone does.
create function change_actor_of_secret() returns trigger language plpgsql as $$
begin
  update actors set change_id = gen_random_uuid()
   where id = (select identity_id from universal_auths where id = new.universal_auth_id);
  return null;
end $$;
create trigger caller_revoked after update of revoked_at on client_secrets
  for each row when (new.revoked_at is distinct from old.revoked_at) execute function change_actor_of_secret();

-- A verdict names the project's organization; another slug is another change id already (0003).
create trigger moved before update of organization_id on projects
  for each row when (new.organization_id is distinct from old.organization_id) execute function change_project_itself();
