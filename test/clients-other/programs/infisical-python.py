"""Infisical's earlier Python client, `infisical-python` (native code within), as its users call it."""

import os

from infisical_client import (
    AuthenticationOptions,
    ClientSettings,
    CreateSecretOptions,
    DeleteSecretOptions,
    GetSecretOptions,
    InfisicalClient,
    ListSecretsOptions,
    UniversalAuthMethod,
    UpdateSecretOptions,
)

PROJECT, URL = os.environ["KMS_PROJECT_ID"], os.environ["KMS_URL"]
AT = {"environment": "dev", "project_id": PROJECT}


def step(name, run):
    try:
        found, wanted = run()
        print(f"ok {name}" if found == wanted else f"not ok {name}: {found!r}", flush=True)
    except Exception as error:
        print(f"not ok {name}: {type(error).__name__}: {error}", flush=True)


def new(secret=os.environ["KMS_CLIENT_SECRET"]):
    auth = AuthenticationOptions(universal_auth=UniversalAuthMethod(os.environ["KMS_CLIENT_ID"], secret))
    return InfisicalClient(ClientSettings(auth=auth, site_url=URL, cache_ttl=0))


client = new()


def keys(**more):
    return {one.secret_key: one.secret_value for one in client.listSecrets(ListSecretsOptions(**AT, **more))}


def get(name, **more):
    return client.getSecret(GetSecretOptions(secret_name=name, **AT, **more)).secret_value


def refused(run):
    try:
        run()
    except Exception as error:
        return "refused", "refused"
    return "accepted", "refused"


step("create", lambda: (client.createSecret(
    CreateSecretOptions(secret_name="NATIVE", secret_value="first", secret_comment="of py", **AT)).version, 1))
step("get", lambda: (get("NATIVE"), "first"))
step("update", lambda: (client.updateSecret(
    UpdateSecretOptions(secret_name="NATIVE", secret_value="second", **AT)).version, 2))
step("list", lambda: (keys(path="/").get("NATIVE"), "second"))
step("list expands references", lambda: (keys(expand_secret_references=True).get("REFERS"), "nested!"))
step("list brings imports", lambda: (keys(include_imports=True).get("IMPORTED"), "imported"))
step("list recursively", lambda: (keys(recursive=True).get("NESTED"), "nested"))
step("get from a folder", lambda: (get("NESTED", path="/nested"), "nested"))
step("delete", lambda: (client.deleteSecret(DeleteSecretOptions(secret_name="NATIVE", **AT)).secret_key, "NATIVE"))
step("an absent secret is refused", lambda: refused(lambda: get("NATIVE")))
step("a wrong secret is refused", lambda: refused(lambda: new("wrong").listSecrets(ListSecretsOptions(**AT))))
