"""boto3's data-plane client publishes over HTTPS (F-24), signed in its headers: endpoint, region, roots, credentials file, topic, message."""

import base64
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from kit import access_key

endpoint, region, roots, credentials, topic, message = sys.argv[1:]


def client(key, secret):
    return boto3.client(
        "iot-data",
        region_name=region,
        endpoint_url=endpoint,
        verify=roots,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        config=Config(retries={"max_attempts": 1}),
    )


key, secret = access_key(credentials)
client(key, secret).publish(
    topic=topic,
    qos=1,
    payload=message.encode(),
    contentType="text/plain",
    responseTopic="answers/a b",
    messageExpiry=3600,
    payloadFormatIndicator="UTF8_DATA",
    correlationData=base64.b64encode(b"question 7").decode(),
    userProperties=[{"unit": "°C"}, {"unit": "K"}],
)
try:
    client(key, "another").publish(topic=topic, qos=1, payload=b"forged")
    sys.exit("a wrong secret was believed")
except ClientError as error:
    assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 403, error.response
    assert error.response["Error"]["Code"] == "ForbiddenException", error.response
print("DONE")
