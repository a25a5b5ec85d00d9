"""What the drive_*.py programs share: orders as JSON lines on standard input, events as JSON lines on standard output.

conformance/src/driver.rs says which there are.
"""

import json
import ssl
import sys
import threading
from types import SimpleNamespace
from urllib.parse import urlsplit

ALPN = "x-amzn-mqtt-ca"
LIMIT = 30  # seconds for any one step of a client that asks for a limit

_out = threading.Lock()


def say(event, **what):
    for name, value in what.items():
        if isinstance(value, (bytes, bytearray)):
            what[name] = value.decode()
    with _out:
        print(json.dumps({"event": event, **what}), flush=True)


def orders():
    """Each order as an object; its `do` is the name of the thing to do."""
    for line in sys.stdin:
        yield SimpleNamespace(**json.loads(line))


def context(order):
    """TLS as the order's route wants it."""
    tls = ssl.create_default_context(cafile=order.root)
    if order.route != "signed":
        tls.load_cert_chain(order.certificate, order.key)
    if order.route == "alpn":
        tls.set_alpn_protocols([ALPN])
    return tls


def websocket_path(order):
    """The path, and the signature if there is one; None for plain MQTT."""
    if order.route == "signed":
        url = urlsplit(order.url)
        return f"{url.path}?{url.query}"
    return "/mqtt" if order.route == "certificate" else None
