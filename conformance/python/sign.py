"""Signs URLs for MQTT over WebSocket (A-9) with botocore, for clients that do not sign; see driver.py."""

from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from driver import orders, say

for order in orders():
    request = AWSRequest("GET", f"https://{order.host}:{order.port}/mqtt")
    credentials = Credentials(order.key_id, order.secret)
    SigV4QueryAuth(credentials, "iotdevicegateway", order.region, expires=300).add_auth(request)
    say("signed", url=request.url.replace("https:", "wss:", 1))
