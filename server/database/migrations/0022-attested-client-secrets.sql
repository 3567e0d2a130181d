-- 0022: the trigger of client secrets is one for named columns (0017), and passes by the version of the key (0018), whichever of those two came
-- last: each made the trigger anew. Older servers go on: what is attested is the same.
-- oldest-server: 1

select attest_named_changes('client_secrets', 'id', 'created_at,updated_at,num_uses,description,mac_key_version');
