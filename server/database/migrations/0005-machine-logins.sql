-- 0005: more ways for machines to log in than Universal Auth, each off until an instance admin switches it on; periodic
-- tokens; what Infisical keeps beside an identity; service tokens. Older servers go on: every column has a default, and what
-- the new tables hold they never read. They refuse the tokens of the new logins only where the addresses are checked.
-- oldest-server: 1

-- The machine logins that are on, besides Universal Auth. HIP-27 names that one as the sole method.
alter table instance add column machine_auth_methods text[] not null default '{}';

-- When a token ends: a TTL or a max TTL of 0 is none. A hundred years stand for never, which every client can calculate with.
create function token_end(created timestamptz, started timestamptz, ttl integer, max_ttl integer) returns timestamptz
  language sql immutable as $$
  select least(case when ttl > 0 then started + ttl * interval '1 second' end,
               case when max_ttl > 0 then created + max_ttl * interval '1 second' end,
               started + interval '100 years')
$$;

-- Infisical's lockout, which here slows down wrong secrets and never refuses a right one. Seconds.
alter table universal_auths
  add column access_token_period integer not null default 0,
  add column lockout_enabled boolean not null default true,
  add column lockout_threshold integer not null default 3,
  add column lockout_duration integer not null default 300,
  add column lockout_counter_reset integer not null default 30;

alter table identities
  add column delete_protection boolean not null default false,
  add column metadata jsonb not null default '[]';

-- An identity's other logins, one a method: the tokens that it gives, and what the method itself needs to know.
create table machine_logins (
  id uuid primary key default gen_random_uuid(),
  identity_id uuid not null references identities on delete cascade,
  method text not null check (method in ('token-auth', 'oidc-auth', 'kubernetes-auth')),
  settings jsonb not null,
  -- The token that asks a cluster about others, sealed under the instance's configuration key.
  sealed_reviewer_token bytea,
  access_token_ttl integer not null,
  access_token_max_ttl integer not null,
  access_token_num_uses_limit integer not null default 0,
  access_token_period integer not null default 0,
  access_token_trusted_ips cidr[] not null,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (identity_id, method)
);

alter table access_tokens
  add column machine_login_id uuid references machine_logins on delete cascade,
  add column name text;
create index on access_tokens (machine_login_id) where machine_login_id is not null;
