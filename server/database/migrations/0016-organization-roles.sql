-- 0016: roles that organizations write. A membership names one, and a verdict names its wording. And what people
-- come in by is attested: second factors, sessions, revoked tokens.
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

-- A code that was used and comes back, a session that is made somebody else's or goes on past its end.
select attest_table('totp_factors', 'user_id', 'last_step,created_at');
select attest_table('recovery_codes', 'user_id,mac', '');
select attest_table('sessions', 'id', 'selected_organization_id,generation,rotated_at,ip,user_agent,created_at');
-- A token is signed, and made at every login: what counts is whose it is, how far it reaches, and that it was revoked.
create trigger attested
  after update of actor_id, client_secret_id, machine_login_id, session_id, organization_id, limited, ttl, max_ttl, num_uses_limit, revoked_at
  on access_tokens for each row execute function note_attested_change('id', 'name,num_uses,created_at,expires_at');
