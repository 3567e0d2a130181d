-- 0018: which version of a key something was made with, so that a former one can be retired once a count says that nothing needs it:
-- client secrets name that of their MAC, and replicas that of the audit's key.
-- Older servers go on: they leave both empty, which counts as made with the oldest, and as not knowing a new one.
-- oldest-server: 1

-- Where one key of the audit takes over from another, and which months may be gone: few among very many batches.
create index audit_batches_checkpoints on audit_batches (number) where kind = 'checkpoint';

alter table replicas add column audit_key_version integer;

-- The version says nothing about access: it may change without an attestation, which a migration could not make.
drop trigger attested on client_secrets;
alter table client_secrets add column mac_key_version integer;
update client_secrets set mac_key_version = (select min(version) from instance_keys where purpose = 'client-secret-mac')
 where (select count(*) from instance_keys where purpose = 'client-secret-mac') = 1;
select attest_table('client_secrets', 'id', 'created_at,updated_at,num_uses,description,mac_key_version');
