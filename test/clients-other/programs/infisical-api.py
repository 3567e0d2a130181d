"""`infisical-api`, a client of the community that knows service tokens. One line a step."""

import os

from infisical_api import infisical_api

client = infisical_api(os.environ["KMS_SERVICE_TOKEN"], os.environ["KMS_URL"], log_level="ERROR")


def step(name, run, wanted):
    try:
        found = run()
        print(f"ok {name}" if found == wanted else f"not ok {name}: {found!r}", flush=True)
    except Exception as error:
        print(f"not ok {name}: {type(error).__name__}: {error}", flush=True)


step("the token tells its project", client.get_workspace_id, os.environ["KMS_PROJECT_ID"])
step("get", lambda: client.get_secret("SEEDED", "dev").secretValue, "seeded")
step("get from a folder", lambda: client.get_secret("NESTED", "dev", "/nested").secretValue, "nested")
