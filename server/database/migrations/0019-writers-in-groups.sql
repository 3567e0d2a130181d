-- 0019: answers tell through which group whoever wrote a secret works in its project, and who owns a personal value. So who
-- joins or leaves a group changes the answers of the group's projects in which something is of their writing, and an owner who is
-- renamed those of the projects in which they have a value of their own. Older servers go on: the triggers work for them too.
-- oldest-server: 1

create function change_projects_of_group_member() returns trigger language plpgsql as $$
declare
  one group_members := coalesce(new, old);
begin
  -- In one order, as in 0015.
  update projects set change_id = gen_random_uuid()
   where id in (select p.id from projects p join project_memberships m on m.project_id = p.id and m.group_id = one.group_id
                 where exists (select from secrets s where s.project_id = p.id and s.written_by = one.actor_id)
                 order by p.id for no key update of p);
  return null;
end $$;
create trigger writer_regrouped after insert or delete on group_members
  for each row execute function change_projects_of_group_member();

create or replace function change_projects_of_writer() returns trigger language plpgsql as $$
begin
  -- In one order, since two renames at once could else wait for each other.
  update projects set change_id = gen_random_uuid()
   where id in (select p.id from projects p
                 where exists (select from secrets s where s.project_id = p.id and s.written_by = old.id)
                    or p.id in (select q.project_id from personal_secrets q where q.owner_id = old.id)
                 order by p.id for no key update);
  return null;
end $$;
