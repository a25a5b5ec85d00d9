"""Makes the generator's certificate and policy in a running MiniStack, and writes what a client needs.

Arguments: the port of its API, and the folder for root-CA.pem, certificate.pem and private.key.
"""

import json
import pathlib
import sys
import urllib.request

import botocore.session

port, folder = sys.argv[1], pathlib.Path(sys.argv[2])
url = f"http://127.0.0.1:{port}"
# Credentials of MiniStack's account without name.
iot = botocore.session.get_session().create_client(
    "iot", region_name="us-east-1", endpoint_url=url, aws_access_key_id="test", aws_secret_access_key="test"
)
arn = "arn:aws:iot:us-east-1:000000000000:"


def allow(action, resource):
    return {"Effect": "Allow", "Action": action, "Resource": arn + resource}


policy = [
    allow("iot:Connect", "client/bench-*"),
    allow("iot:Publish", "topic/bench/${iot:ClientId}/*"),
    allow("iot:Receive", "topic/bench/*"),
    allow("iot:Subscribe", "topicfilter/bench/*"),
]
made = iot.create_keys_and_certificate(setAsActive=True)
iot.create_policy(policyName="bench", policyDocument=json.dumps({"Version": "2012-10-17", "Statement": policy}))
iot.attach_policy(policyName="bench", target=made["certificateArn"])
with urllib.request.urlopen(url + "/_ministack/iot/ca.pem") as answer:
    (folder / "root-CA.pem").write_bytes(answer.read())
(folder / "certificate.pem").write_text(made["certificatePem"])
(folder / "private.key").write_text(made["keyPair"]["PrivateKey"])
