"""AWS's first SDK for Python (AWSIoTPythonSDK), led by a test; see driver.py.

MQTT 3.1.1 only. It does not show whether a session was present, nor a granted QoS, and cannot publish retained.
"""

import socket

from AWSIoTPythonSDK.exception.operationError import operationError
from AWSIoTPythonSDK.exception.operationTimeoutException import operationTimeoutException
from AWSIoTPythonSDK.MQTTLib import AWSIoTMQTTClient

from driver import LIMIT, orders, say


class Session:
    def __init__(self, order):
        signed = order.route == "signed"
        self.connected = self.leaving = False
        self.client = client = AWSIoTMQTTClient(order.client_id, useWebsocket=signed, cleanSession=order.clean)
        client.configureEndpoint(order.host, order.port)
        if signed:
            client.configureCredentials(order.root)
            client.configureIAMCredentials(order.key_id, order.secret)
            # It signs for names of AWS's form only; such a name does not resolve here.
            client.configureSocketFactory(lambda: socket.create_connection(("127.0.0.1", order.port)))
        else:
            client.configureCredentials(order.root, order.key, order.certificate)
        if order.route == "alpn":
            # It does so by itself on port 443 only.
            client._mqtt_core.configure_alpn_protocols()
        # When the connection is closed instead of answered it waits all the same.
        client.configureConnectDisconnectTimeout(10)
        client.configureMQTTOperationTimeout(LIMIT)
        if order.will:
            client.configureLastWill(order.will["topic"], order.will["payload"], 1)
        client.onMessage = lambda m: say("message", topic=m.topic, payload=m.payload, qos=m.qos, retain=bool(m.retain))
        client.onOffline = self.on_offline
        try:
            client.connect(60)
        except (operationError, operationTimeoutException, OSError) as error:
            say("refused", reason=type(error).__name__)
            return
        self.connected = True
        say("connected", session=None)

    def on_offline(self):
        if self.connected and not self.leaving:
            say("closed", reason="offline")


session = None
for order in orders():
    match order.do:
        case "connect":
            session = Session(order)
        case "subscribe":
            session.client.subscribeAsync(
                order.filter, order.qos, ackCallback=lambda mid, data: say("subscribed", code=data[0])
            )
        case "publish":
            if order.qos == 0:
                session.client.publishAsync(order.topic, order.payload, 0)
                say("published", code=None)
            else:
                session.client.publishAsync(
                    order.topic, order.payload, order.qos, ackCallback=lambda mid: say("published", code=None)
                )
        case "disconnect":
            session.leaving = True
            session.client.disconnect()
            say("disconnected")
