"""`infisical-httpx-sdk`, a client of the community with models of its own. One line a step."""

import os

from infisical import InfisicalClient
from infisical.resources.folders import CreateFolderRequest, DeleteFolderRequest, UpdateFolderRequest
from infisical.resources.secrets import CreateSecretRequest, DeleteSecretRequest, UpdateSecretRequest

PROJECT = os.environ["KMS_PROJECT_ID"]
AT = {"workspaceId": PROJECT, "environment": "dev"}
client = InfisicalClient(
    endpoint=os.environ["KMS_URL"],
    client_id=os.environ["KMS_CLIENT_ID"],
    client_secret=os.environ["KMS_CLIENT_SECRET"],
)
made = {}


def step(name, run, wanted):
    try:
        found = run()
        print(f"ok {name}" if found == wanted else f"not ok {name}: {found!r}", flush=True)
    except Exception as error:
        print(f"not ok {name}: {type(error).__name__}: {error}", flush=True)


def listed():
    return {one.secret_key: one.secret_value for one in secrets.list(**AT).secrets}


secrets, folders = client.secrets.v3, client.folders.v1
step("create", lambda: secrets.create(CreateSecretRequest(
    **AT, name="HTTPX", secretValue="first", secretComment="of httpx", secretMetadata=[{"key": "a", "value": "b"}])).version, 1)
step("retrieve", lambda: secrets.retrieve(name="HTTPX", **AT).secret_value, "first")
step("update", lambda: secrets.update(UpdateSecretRequest(**AT, name="HTTPX", secretValue="second")).version, 2)
step("list hides values", lambda: listed().get("HTTPX"), "<hidden-by-infisical>")
step("delete", lambda: secrets.delete(DeleteSecretRequest(**AT, name="HTTPX")).secret_key, "HTTPX")
step("create a folder", lambda: made.update(id=folders.create(CreateFolderRequest(**AT, name="httpx")).folder_id), None)
step("get a folder by id", lambda: folders.get_by_id(folder_id=made["id"]).name, "httpx")
step("rename a folder", lambda: folders.update(UpdateFolderRequest(**AT, folder_id=made["id"], name="client")).name, "client")
step("list folders", lambda: "client" in [one.name for one in folders.list(**AT).folders], True)
step("delete a folder", lambda: folders.delete(DeleteFolderRequest(**AT, folder_id_or_name="client")).name, "client")
