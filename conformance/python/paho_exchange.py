"""paho-mqtt with a device's kit: connect, subscribe, say READY, receive one message, answer it, disconnect.

Prints one word a step; exits with 0 only when every step was acknowledged by the broker.
"""

import queue
import ssl
import sys

import paho.mqtt.client as paho
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from kit import ALPN, LIMIT, access_key, arguments

kit, wanted = arguments(__doc__)
events = queue.Queue()
five = wanted.mqtt == "5"

client = paho.Client(
    paho.CallbackAPIVersion.VERSION2,
    client_id=kit.client_id,
    protocol=paho.MQTTv5 if five else paho.MQTTv311,
    transport="websockets" if wanted.websocket else "tcp",
)
tls = ssl.create_default_context(cafile=kit.root_ca)
port = wanted.websocket or (kit.alpn_port if wanted.alpn else kit.mqtt_port)
if wanted.sign:
    # As the AWS CLI would sign it: botocore knows how.
    request = AWSRequest("GET", f"https://{kit.endpoint}:{port}/mqtt")
    credentials = Credentials(*access_key(wanted.sign))
    SigV4QueryAuth(credentials, "iotdevicegateway", kit.region, expires=60).add_auth(request)
    client.ws_set_options(path=request.url.split(str(port), 1)[1])
else:
    tls.load_cert_chain(kit.certificate, kit.private_key)
    if wanted.websocket:
        client.ws_set_options(path="/mqtt")
if wanted.alpn:
    tls.set_alpn_protocols([ALPN])
client.tls_set_context(tls)
client.on_connect = lambda c, u, flags, reason, properties: events.put(("connack", reason))
client.on_connect_fail = lambda c, u: events.put(("failed", None))
client.on_disconnect = lambda c, u, flags, reason, properties: events.put(("disconnected", reason))
client.on_subscribe = lambda c, u, mid, reasons, properties: events.put(("suback", reasons))
client.on_publish = lambda c, u, mid, reason, properties: events.put(("puback", reason))
client.on_message = lambda c, u, message: events.put(("message", message))


def expect(name):
    event, value = events.get(timeout=LIMIT)
    if event != name:
        sys.exit(f"expected {name}, got {event}: {value}")
    return value


client.connect(kit.endpoint, port, keepalive=60)
client.loop_start()
reason = expect("connack")
if reason.is_failure:
    sys.exit(f"refused: {reason}")
client.subscribe(wanted.subscribe, qos=1)
for reason in expect("suback"):
    if reason.is_failure:
        sys.exit(f"not subscribed: {reason}")
print("READY", flush=True)

message = expect("message")
print("RECEIVED", message.topic, message.payload.decode(), flush=True)

client.publish(wanted.publish, b"answer to " + message.payload, qos=1)
reason = expect("puback")
if five and reason.is_failure:
    sys.exit(f"not published: {reason}")
print("PUBLISHED", flush=True)

client.disconnect()
expect("disconnected")
client.loop_stop()
print("DONE", flush=True)
