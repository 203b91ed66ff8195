# A company's directory, made of the stock client scim2-client: it creates a person and a group, finds
# the person, and both by searches through all types of resources, closes the account and removes both.
# Then scim2-tester checks the server. What it found goes to standard output as JSON.
import json
import os
import sys
import uuid

from httpx2 import Client
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_models import PatchOp, PatchOperation, SearchRequest
from scim2_tester import check_server

base, email = sys.argv[1:3]
http = Client(base_url=base, headers={"Authorization": "Bearer " + os.environ["TOKEN"]})
directory = SyncSCIMClient(http)
directory.discover()
User, Group = (directory.get_resource_model(name) for name in ("User", "Group"))

person = directory.create(User(user_name=email, external_id="7", active=True,
                               name=User.Name(given_name="Dora", family_name="Directory"),
                               emails=[User.Emails(value=email, primary=True)]))
found = directory.query(User, query_parameters=SearchRequest(filter=f'userName eq "{email}"'))
group = directory.create(Group(display_name="Engineers", members=[Group.Members(value=person.id)]))
both = SearchRequest(filter=f'userName eq "{email}" or id eq "{group.id}"')
everywhere = [directory.query(query_parameters=both), directory.search(search_request=both)]
closed = directory.modify(User, person.id, PatchOp[User](operations=[
    PatchOperation[User](op="replace", path="active", value=False)]))
again = directory.query(User, person.id)
members = directory.query(Group, group.id).members
directory.delete(Group, group.id)
directory.delete(User, person.id)
gone = directory.query(User, person.id, raise_scim_errors=False, expected_status_codes=[404])

# The tester fills attributes with random words, unless the model has examples. Here a userName is an
# address, no group is called like an id, some attributes are checked, and of several values one stays,
# which is the primary one.
for model, field, examples in [
    (User, "user_name", [f"{uuid.uuid4()}@example.com" for _ in range(100_000)]),
    (Group, "display_name", [f"Group {uuid.uuid4()}" for _ in range(100_000)]),
    (User, "locale", ["ko-KR", "en"]), (User, "preferred_language", ["ko", "en"]), (User, "timezone", ["Asia/Seoul", "Europe/Berlin"]),
    (User.PhoneNumbers, "value", ["+8223123456"]), (User.Addresses, "postal_code", ["04524"]), (User.Addresses, "country", ["KR"]),
    *((one, "primary", [True]) for one in (User.Emails, User.PhoneNumbers, User.Photos, User.Addresses)),
    *((one, "type", ["work"]) for one in (User.Emails, User.PhoneNumbers, User.Photos, User.Addresses)),
]:
    model.model_fields[field].examples = examples
print(json.dumps({
    "id": person.id, "found": [one.id for one in found.resources], "active": again.active,
    "everywhere": [[type(one).__name__ for one in page.resources] for page in everywhere],
    "members": [one.value for one in members or []], "gone": int(gone.status) == 404,
    "checks": [{"status": one.status.name, "title": one.title, "reason": one.reason, "about": one.resource_type, "data": str(one.data)[:600]}
               for one in check_server(directory)],
}))
