-- 0025: client secrets that make their own successor. Which of them descends from which is in a table of its own: rows of client_secrets
-- were attested without such columns, and one added to an old row would go unseen.
-- Older servers go on: they make none, and do not notice the use of one whose successor has worked.
-- oldest-server: 1

-- The first of a family has no predecessor, and is the family's name. Whether a successor has worked, its count of uses tells. The
-- predecessor's own row goes when nothing depends on it any more, hence no foreign key.
create table renewable_secrets (
  client_secret_id uuid primary key references client_secrets on delete cascade,
  family_id uuid not null,
  predecessor_id uuid,
  renewals_end_at timestamptz,
  created_at timestamptz not null default now()
);
create index on renewable_secrets (family_id);
create index on renewable_secrets (predecessor_id) where predecessor_id is not null;
select attest_table('renewable_secrets', 'client_secret_id', 'created_at');
