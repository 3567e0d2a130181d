-- 0027: a browser hands a login to a command line on the same machine. The code that it carries there works once, for a minute, and with
-- the verifier alone that the command line keeps. Only its MAC is here.
-- Older servers go on: they hand out no codes, and never read the table.
-- oldest-server: 1
create table command_line_codes (
  mac bytea primary key,
  session_id uuid not null references sessions on delete cascade,
  organization_id uuid not null references organizations on delete cascade,
  challenge text not null,
  expires_at timestamptz not null
);
create index on command_line_codes (session_id);
create index on command_line_codes (organization_id);
create index on command_line_codes (expires_at);
