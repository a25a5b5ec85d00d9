"""paho-mqtt, led by a test; see driver.py."""

import paho.mqtt.client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from driver import context, orders, say, websocket_path


class Session:
    """One connection."""

    def __init__(self, order):
        path = websocket_path(order)
        five = order.version == "5"
        self.connected = self.leaving = False
        self.client = client = paho.Client(
            paho.CallbackAPIVersion.VERSION2,
            client_id=order.client_id,
            protocol=paho.MQTTv5 if five else paho.MQTTv311,
            clean_session=None if five else order.clean,
            transport="websockets" if path else "tcp",
            reconnect_on_failure=False,
        )
        client.tls_set_context(context(order))
        if path:
            client.ws_set_options(path=path)
        if order.will:
            client.will_set(order.will["topic"], order.will["payload"], qos=1)
        client.on_connect = self.on_connect
        client.on_disconnect = self.on_disconnect
        client.on_connect_fail = lambda c, u: say("refused", reason="no connection")
        client.on_subscribe = lambda c, u, mid, reasons, properties: say("subscribed", code=reasons[0].value)
        client.on_publish = lambda c, u, mid, reason, properties: say("published", code=reason.value if five else None)
        client.on_message = lambda c, u, m: say("message", topic=m.topic, payload=m.payload, qos=m.qos, retain=m.retain)
        more = {}
        if five:
            properties = Properties(PacketTypes.CONNECT)
            properties.SessionExpiryInterval = order.expiry
            more = {"clean_start": order.clean, "properties": properties}
        client.connect(order.host, order.port, keepalive=60, **more)
        client.loop_start()

    def on_connect(self, client, userdata, flags, reason, properties):
        if reason.is_failure:
            say("refused", reason=str(reason))
        else:
            self.connected = True
            say("connected", session=flags.session_present)

    def on_disconnect(self, client, userdata, flags, reason, properties):
        if self.leaving:
            say("disconnected")
        else:
            say("closed" if self.connected else "refused", reason=str(reason))


session = None
for order in orders():
    match order.do:
        case "connect":
            session = Session(order)
        case "subscribe":
            session.client.subscribe(order.filter, qos=order.qos)
        case "publish":
            session.client.publish(order.topic, order.payload, qos=order.qos, retain=order.retain)
        case "disconnect":
            session.leaving = True
            session.client.disconnect()
