-- 0006: people log in, with passwords, second factors and single sign-on, and have sessions that can be ended.
-- A server that does not know of it would let a token of one organization into every other of its person, and a
-- deactivated member go on: it must not run on the result.
-- oldest-server: 6

alter table organizations
  add column enforce_mfa boolean not null default false,
  add column sso_enforced boolean not null default false;

-- A deactivated membership keeps its role and its projects, and gives nothing.
alter table organization_memberships add column is_active boolean not null default true;

-- organization_id: the one organization that a token reaches; null: all of its actor's. The nil id is none at all, which is
-- what a person has between the login and the choice of an organization; so there is no foreign key.
-- limited: the instance admin's powers do not come with this token.
alter table access_tokens
  add column session_id uuid,
  add column organization_id uuid,
  add column limited boolean not null default false;
create index on access_tokens (session_id) where session_id is not null;

-- A login of a person. organization_id: the organization whose provider opened it, and which it is confined to.
-- generation: how often the refresh token was replaced; the token itself is a MAC over it and stored nowhere.
create table sessions (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null references users on delete cascade,
  method text not null check (method in ('password', 'oidc')),
  organization_id uuid references organizations on delete cascade,
  selected_organization_id uuid,
  generation integer not null default 0,
  rotated_at timestamptz not null default now(),
  ip inet,
  user_agent text,
  authenticated_at timestamptz not null default now(),
  mfa_at timestamptz,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  ended_at timestamptz
);
create index on sessions (user_id);
create index on sessions (expires_at);
alter table access_tokens add foreign key (session_id) references sessions on delete cascade;

-- What invites a person, or lets them set a new password: the MAC of a random token that works once.
create table one_time_links (
  id uuid primary key default gen_random_uuid(),
  mac bytea not null unique,
  purpose text not null check (purpose in ('invitation', 'password-reset')),
  user_id uuid not null references users on delete cascade,
  organization_id uuid references organizations on delete cascade,
  created_by uuid,
  also_second_factor boolean not null default false,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null
);
create index on one_time_links (user_id);
create index on one_time_links (organization_id);

-- The seed of a second factor, sealed under the configuration key. last_step: the newest time step whose code was used.
create table totp_factors (
  user_id uuid primary key references users on delete cascade,
  sealed_seed bytea not null,
  confirmed_at timestamptz,
  last_step bigint not null default 0,
  created_at timestamptz not null default now()
);

-- Kept as MACs; one that is used is deleted.
create table recovery_codes (
  user_id uuid not null references users on delete cascade,
  mac bytea not null,
  primary key (user_id, mac)
);

-- A login that waits for its second factor.
create table mfa_challenges (
  id uuid primary key default gen_random_uuid(),
  session_id uuid not null references sessions on delete cascade,
  organization_id uuid not null,
  tries integer not null default 0,
  expires_at timestamptz not null
);
create index on mfa_challenges (session_id);

-- Wrong passwords and codes, counted by what they were tried on and from where (a MAC of both).
create table login_failures (
  bucket bytea primary key,
  failures integer not null,
  last_at timestamptz not null default now()
);
create index on login_failures (last_at);

-- Single sign-on of an organization (OpenID Connect).
create table oidc_providers (
  id uuid primary key default gen_random_uuid(),
  organization_id uuid not null unique references organizations on delete cascade,
  is_active boolean not null,
  configuration_type text not null check (configuration_type in ('custom', 'discoveryURL')),
  discovery_url text,
  issuer text,
  authorization_endpoint text,
  token_endpoint text,
  jwks_uri text,
  userinfo_endpoint text,
  client_id text not null,
  sealed_client_secret bytea not null,
  allowed_email_domains text not null default '',
  signature_algorithm text not null default 'RS256',
  default_role text not null default 'member',
  groups_claim text not null default 'groups',
  group_roles jsonb not null default '[]',
  manage_group_memberships boolean not null default false,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

-- Which person a provider's subject is, in one organization.
create table sso_identities (
  organization_id uuid not null references organizations on delete cascade,
  issuer text not null,
  subject text not null,
  user_id uuid not null references users on delete cascade,
  created_at timestamptz not null default now(),
  primary key (organization_id, issuer, subject)
);
create index on sso_identities (user_id);

-- A sign-on under way, known by the MACs of its state and of the browser's cookie. link_user_id: who asked to be linked.
create table sso_attempts (
  state_mac bytea primary key,
  browser_mac bytea not null,
  provider_id uuid not null references oidc_providers on delete cascade,
  link_user_id uuid references users on delete cascade,
  expires_at timestamptz not null
);
create index on sso_attempts (expires_at);
