-- 0023: what Infisical's clients show of tokens and members: when a token was last used and renewed and how often, when somebody last logged in
-- and how, and by which name a role was given. None of it decides anything. Tables of their own, since a token's row is never written by a read,
-- and what grants something is attested. Older servers go on: they write none of it, and show nothing.
-- oldest-server: 1

create table token_uses (
  token_id uuid primary key references access_tokens on delete cascade,
  uses bigint not null default 0,
  used_at timestamptz,
  renewed_at timestamptz
);

create table last_logins (
  membership_id uuid primary key references organization_memberships on delete cascade,
  method text not null,
  at timestamptz not null
);

-- Infisical's `member` is `developer` here. A client that wrote the one and reads the other takes it for a change of somebody else's, or for a fault.
alter table project_membership_roles add column written_as text check (written_as = 'member');
