"""Infisical's Python client, `infisicalsdk`, as its users call it. One line a step: `ok NAME`, or `not ok NAME: why`."""

import os
from datetime import datetime, timedelta, timezone

from infisical_sdk import InfisicalError, InfisicalSDKClient

PROJECT, SLUG = os.environ["KMS_PROJECT_ID"], os.environ["KMS_PROJECT_SLUG"]
AT = {"project_id": PROJECT, "environment_slug": "dev", "secret_path": "/"}
client = InfisicalSDKClient(host=os.environ["KMS_URL"], cache_ttl=None)
secrets, folders = client.secrets, client.folders
made = {}


def step(name, run):
    try:
        wrong = run()
        print(f"ok {name}" if wrong in (None, True) else f"not ok {name}: {wrong!r}", flush=True)
    except Exception as error:
        print(f"not ok {name}: {type(error).__name__}: {error}", flush=True)


def is_(found, wanted):
    return True if found == wanted else (found, wanted)


def keys(**at):
    return {one.secretKey: one.secretValue for one in secrets.list_secrets(**{**AT, **at}).secrets}


def refused(status, run):
    try:
        run()
    except InfisicalError as error:
        return is_(error.status_code, status)
    return "was not refused"


def login():
    answer = client.auth.universal_auth.login(os.environ["KMS_CLIENT_ID"], os.environ["KMS_CLIENT_SECRET"])
    return is_((answer.tokenType, bool(answer.accessToken), answer.expiresIn > 0), ("Bearer", True, True))


def create():
    one = secrets.create_secret_by_name(
        secret_name="PY",
        secret_value="first",
        secret_comment="a comment",
        skip_multiline_encoding=True,
        secret_reminder_repeat_days=30,
        secret_reminder_note="rotate it",
        secret_metadata=[{"key": "owner", "value": "py"}],
        **AT,
    )
    found = (one.version, one.secretComment, one.skipMultilineEncoding, one.secretReminderNote, one.secretPath)
    return is_(found, (1, "a comment", True, "rotate it", "/"))


def get():
    one = secrets.get_secret_by_name(secret_name="PY", **AT)
    found = (one.secretValue, one.type, one.workspace, one.environment, one.secretReminderRepeatDays, one.secretMetadata)
    metadata = [{"key": "owner", "value": "py", "isEncrypted": False}]
    return is_(found, ("first", "shared", PROJECT, "dev", 30, metadata))


def create_folder():
    made["folder"] = folders.create_folder(name="py", environment_slug="dev", project_id=PROJECT, description="of py")
    return is_((made["folder"].path, made["folder"].description), ("/py", "of py"))


def get_folder():
    one = folders.get_folder_by_id(made["folder"].id)
    return is_((one.name, one.path, one.environment.envSlug), ("py", "/py", "dev"))


def list_folders():
    one = next(f for f in folders.list_folders(PROJECT, "dev", "/").folders if f.name == "py")
    return is_(one.description, "of py")


def list_folders_deep():
    found = folders.list_folders(PROJECT, "dev", "/", recursive=True).folders
    return is_([f.relativePath for f in found if f.name == "deep"], ["/py/deep"])


def list_folders_since():
    ago, ahead = datetime.now(timezone.utc) - timedelta(days=1), datetime.now(timezone.utc) + timedelta(days=1)
    names = lambda when: [f.name for f in folders.list_folders(PROJECT, "dev", "/", last_secret_modified=when).folders]
    return is_(("py" in names(ago), names(ahead)), (True, []))


def update_folder():
    args = {"environment_slug": "dev", "project_id": PROJECT, "description": "renamed"}
    one = folders.update_folder(folder_id=made["folder"].id, name="python", **args)
    return is_((one.name, one.path, one.description), ("python", "/python", "renamed"))


step("login by universal auth", login)
step("create with comment, metadata and reminder", create)
step("get by name", get)
step("get by the project's slug", lambda: is_(secrets.get_secret_by_name(
    secret_name="PY", environment_slug="dev", secret_path="/", project_slug=SLUG).secretValue, "first"))
step("a second create is refused", lambda: refused(409, lambda: secrets.create_secret_by_name("PY", "/", "dev", PROJECT, "again")))
step("update the value", lambda: is_(secrets.update_secret_by_name(
    current_secret_name="PY", secret_value="second", **AT).version, 2))
step("get an earlier version", lambda: is_(secrets.get_secret_by_name(secret_name="PY", version=1, **AT).secretValue, "first"))
step("rename", lambda: is_(secrets.update_secret_by_name(
    current_secret_name="PY", new_secret_name="PY_RENAMED", **AT).secretKey, "PY_RENAMED"))
step("list", lambda: is_(keys().get("PY_RENAMED"), "second"))
step("list without values", lambda: is_(keys(view_secret_value=False).get("PY_RENAMED"), "<hidden-by-infisical>"))
step("list by the project's slug", lambda: is_(keys(project_id=None, project_slug=SLUG).get("PY_RENAMED"), "second"))
step("list expands references", lambda: is_(keys().get("REFERS"), "nested!"))
step("list does not expand them when told so", lambda: is_(keys(expand_secret_references=False).get("REFERS"), "${dev.nested.NESTED}!"))
step("list brings imports", lambda: is_([(i.secretPath, i.environment) for i in secrets.list_secrets(**AT).imports], [("/imported", "dev")]))
step("list recursively", lambda: is_(keys(recursive=True).get("NESTED"), "nested"))
step("get an imported secret by name", lambda: is_(secrets.get_secret_by_name(secret_name="IMPORTED", **AT).secretValue, "imported"))
step("list by tags", lambda: is_(list(keys(tag_filters=["blue"])), ["TAGGED"]))
step("create by the project's slug", lambda: is_(secrets.create_secret_by_name(
    "PY_SLUG", "/", "dev", secret_value="x", project_slug=SLUG).version, 1))
step("delete by the project's slug", lambda: is_(secrets.delete_secret_by_name(
    "PY_SLUG", "/", "dev", project_slug=SLUG).secretKey, "PY_SLUG"))
step("delete", lambda: is_(secrets.delete_secret_by_name("PY_RENAMED", "/", "dev", PROJECT).secretKey, "PY_RENAMED"))
step("an absent secret is refused", lambda: refused(404, lambda: secrets.get_secret_by_name(secret_name="ABSENT", **AT)))
step("create a folder with a description", create_folder)
step("create a folder in it", lambda: is_(folders.create_folder("deep", "dev", PROJECT, "/py").path, "/py/deep"))
step("get a folder by id", get_folder)
step("list folders", list_folders)
step("list folders recursively", list_folders_deep)
secrets.create_secret_by_name("IN_FOLDER", "/py", "dev", PROJECT, "x")
step("list folders changed since", list_folders_since)
step("rename a folder", update_folder)
step("delete a folder by name, with what is in it", lambda: is_(folders.delete_folder(
    "python", "dev", PROJECT, force_delete=True).name, "python"))
step("a token of one's own is used", lambda: is_(InfisicalSDKClient(
    host=os.environ["KMS_URL"], token=client.get_token()).secrets.get_secret_by_name(secret_name="SEEDED", **AT).secretValue, "seeded"))
step("keys of a KMS are refused with 404", lambda: refused(404, lambda: client.kms.list_keys(PROJECT)))
