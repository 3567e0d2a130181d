-- 0017: a row whose change means nothing for access is not looked at by the attestations. Each write replaces its project's
-- change id, and each login counts a use of its client secret: to find out that nothing else had changed took 40 microseconds
-- a row, a third of an update of secrets.
-- Older servers go on: what is attested is the same.
-- oldest-server: 1

-- The trigger of a table again, for updates that name one of its columns but the skipped ones. A trigger before it that
-- changes other columns would go unseen; those of these tables replace change ids alone.
create function attest_named_changes(tab regclass, key text, skipped text) returns void language plpgsql as $$
declare
  named constant text := (
    select string_agg(quote_ident(attname), ', ' order by attnum) from pg_attribute
     where attrelid = tab and attnum > 0 and not attisdropped and attname <> all (string_to_array(skipped, ',')));
begin
  execute format('drop trigger attested on %s', tab);
  execute format('create trigger attested after insert or delete or update of %s on %s
                  for each row execute function note_attested_change(%L, %L)', named, tab, key, skipped);
end $$;

select attest_named_changes('projects', 'id', 'name,description,change_id,created_at,updated_at');
select attest_named_changes('actors', 'id', 'change_id,created_at,updated_at');
select attest_named_changes('client_secrets', 'id', 'created_at,updated_at,num_uses,description');
