-- 0016: roles that organizations write. A membership names one, and a verdict names its wording. And the second factors of
-- people are attested: one that is taken out of the table, or put in, is a way into an account.
-- Oldest server that can run on the result: 16. One before takes whoever has a role of the organization's own for a member.
-- oldest-server: 16

alter table organization_roles add column revision uuid not null default gen_random_uuid() unique;
alter table organization_roles add constraint organization_roles_of_one unique (id, organization_id);
create trigger revised before update on organization_roles for each row execute function revise_role();

alter table organization_memberships add column custom_role_id uuid;
alter table organization_memberships add constraint organization_memberships_custom_role
  foreign key (custom_role_id, organization_id) references organization_roles (id, organization_id);
alter table organization_memberships add constraint organization_memberships_role check ((role = 'custom') = (custom_role_id is not null));
create index on organization_memberships (custom_role_id) where custom_role_id is not null;

-- Whoever has the role is another caller from now on.
create function change_actors_of_role() returns trigger language plpgsql as $$
begin
  update actors set change_id = gen_random_uuid()
   where id in (select m.actor_id from organization_memberships m join new_rows r on m.custom_role_id = r.id);
  return null;
end $$;
create trigger callers_updated after update on organization_roles referencing new table as new_rows
  for each statement execute function change_actors_of_role();

select attest_table('totp_factors', 'user_id', 'last_step,created_at');
