-- 0014: environments are numbered from 1 without gaps, so that a position says where an environment is; a project may say how
-- many versions of each secret it keeps.
-- Older servers go on: what they number with a gap, or twice, the next change of an order puts right. They keep all versions.
-- oldest-server: 1

update environments e set position = numbered.n
  from (select id, row_number() over (partition by project_id order by position, created_at, id) as n from environments) numbered
 where numbered.id = e.id and e.position <> numbered.n;

-- Null: all versions are kept. Not pit_version_limit (0004), in which every project has a 10 that nobody asked for.
alter table projects add column version_limit integer check (version_limit between 1 and 100);
