"""boto3 against the control plane: typed errors, paginators, and numbers that are dates.

Takes the API's URL; exits with 0 only when every answer was as AWS gives it.
"""

import datetime
import sys

import boto3

iot = boto3.client(
    "iot", endpoint_url=sys.argv[1], region_name=sys.argv[2], aws_access_key_id="any", aws_secret_access_key="any"
)

for number in range(7):
    iot.create_thing(thingName=f"page-{number}", attributePayload={"attributes": {"number": str(number)}})
pages = list(iot.get_paginator("list_things").paginate(PaginationConfig={"PageSize": 3}))
assert [len(page["things"]) for page in pages] == [3, 3, 1], pages
names = [thing["thingName"] for page in pages for thing in page["things"]]
assert sorted(names) == [f"page-{number}" for number in range(7)], names
assert pages[0]["things"][0]["attributes"], pages[0]

certificate = iot.create_keys_and_certificate(setAsActive=True)
described = iot.describe_certificate(certificateId=certificate["certificateId"])["certificateDescription"]
created = described["creationDate"]
now = datetime.datetime.now(datetime.timezone.utc)
assert abs((now - created).total_seconds()) < 600, created  # G-6: epoch seconds, not text
assert described["validity"]["notAfter"].year == 2049, described["validity"]

try:
    iot.describe_thing(thingName="nobody")
    sys.exit("a thing that does not exist was described")
except iot.exceptions.ResourceNotFoundException as error:
    assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 404, error.response
try:
    iot.create_policy(policyName="bad", policyDocument='{"Version":"2012-10-17","Statement":[{"Effect":"Maybe"}]}')
    sys.exit("a policy with an unknown effect was taken")
except iot.exceptions.MalformedPolicyException as error:
    assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 400, error.response
try:
    iot.delete_certificate(certificateId=certificate["certificateId"])
    sys.exit("an active certificate was deleted")
except iot.exceptions.CertificateStateException as error:
    assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 406, error.response

print("DONE")
