-- 0015: answers tell who wrote each secret, so whoever is renamed or deleted changes the answers of every project in which
-- something is of their writing. Older servers go on: they tell nobody, and the triggers work for them too.
-- oldest-server: 2

create function change_projects_of_writer() returns trigger language plpgsql as $$
begin
  -- In one order, since two renames at once could else wait for each other.
  update projects set change_id = gen_random_uuid()
   where id in (select p.id from projects p
                 where exists (select from secrets s where s.project_id = p.id and s.written_by = old.id)
                 order by p.id for no key update);
  return null;
end $$;
create trigger writer_renamed after update of name on identities
  for each row when (new.name is distinct from old.name) execute function change_projects_of_writer();
create trigger writer_renamed after update of email on users
  for each row when (new.email is distinct from old.email) execute function change_projects_of_writer();
create trigger writer_deleted after delete on actors for each row execute function change_projects_of_writer();
