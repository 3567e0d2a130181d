-- 0014: environments are numbered from 1 without gaps, so that a position says where an environment is. Older servers go on:
-- what they number with a gap, or twice, the next change of an order puts right.
-- oldest-server: 1

update environments e set position = numbered.n
  from (select id, row_number() over (partition by project_id order by position, created_at, id) as n from environments) numbered
 where numbered.id = e.id and e.position <> numbered.n;
