"""AWS's own SDK for Python, version 2 (awsiotsdk), led by a test; see driver.py."""

from awscrt import auth, io, mqtt, mqtt5
from awsiot import mqtt5_client_builder, mqtt_connection_builder

from driver import ALPN, orders, say


def endpoint(order):
    """What every builder of the SDK takes."""
    common = {"endpoint": order.host, "port": order.port, "ca_filepath": order.root, "client_id": order.client_id}
    if order.route == "signed":
        provider = auth.AwsCredentialsProvider.new_static(order.key_id, order.secret)
        return common | {"region": order.region, "credentials_provider": provider}
    return common | {"cert_filepath": order.certificate, "pri_key_filepath": order.key}


def alpn_context(order):
    """The builders send ALPN on port 443 only; a local cloud may have to use another port."""
    options = io.TlsContextOptions.create_client_with_mtls_from_path(order.certificate, order.key)
    options.override_default_trust_store_from_path(None, order.root)
    options.alpn_list = [ALPN]
    return io.ClientTlsContext(options)


class Five:
    def __init__(self, order):
        self.leaving = False
        packet = mqtt5.ConnectPacket(client_id=order.client_id, session_expiry_interval_sec=order.expiry)
        if order.will:
            packet.will = mqtt5.PublishPacket(
                topic=order.will["topic"], payload=order.will["payload"], qos=mqtt5.QoS.AT_LEAST_ONCE
            )
        behavior = mqtt5.ClientSessionBehaviorType
        options = {
            "connect_options": packet,
            "session_behavior": behavior.CLEAN if order.clean else behavior.REJOIN_ALWAYS,
        }
        callbacks = {
            "on_publish_received": self.on_message,
            "on_lifecycle_connection_success": lambda data: say(
                "connected", session=data.connack_packet.session_present
            ),
            "on_lifecycle_connection_failure": self.on_failure,
            "on_lifecycle_disconnection": self.on_disconnection,
            "on_lifecycle_stopped": lambda data: say("disconnected") if self.leaving else None,
        }
        if order.route == "alpn":
            names = {
                "on_publish_received": "on_publish_callback_fn",
                "on_lifecycle_connection_success": "on_lifecycle_event_connection_success_fn",
                "on_lifecycle_connection_failure": "on_lifecycle_event_connection_failure_fn",
                "on_lifecycle_disconnection": "on_lifecycle_event_disconnection_fn",
                "on_lifecycle_stopped": "on_lifecycle_event_stopped_fn",
            }
            self.client = mqtt5.Client(
                mqtt5.ClientOptions(
                    host_name=order.host,
                    port=order.port,
                    tls_ctx=alpn_context(order),
                    **options,
                    **{names[name]: callback for name, callback in callbacks.items()},
                )
            )
        else:
            signed = order.route == "signed"
            build = (
                mqtt5_client_builder.websockets_with_default_aws_signing
                if signed
                else mqtt5_client_builder.mtls_from_path
            )
            self.client = build(**endpoint(order), **options, **callbacks)
        self.client.start()

    def on_message(self, data):
        packet = data.publish_packet
        say("message", topic=packet.topic, payload=packet.payload, qos=packet.qos.value, retain=packet.retain)

    def on_failure(self, data):
        code = data.connack_packet.reason_code.name if data.connack_packet else data.exception.name
        say("refused", reason=code)
        self.client.stop()

    def on_disconnection(self, data):
        if not self.leaving:
            say("closed", reason=data.exception.name)
            self.client.stop()

    def subscribe(self, order):
        packet = mqtt5.SubscribePacket([mqtt5.Subscription(order.filter, mqtt5.QoS(order.qos))])
        self.client.subscribe(packet).add_done_callback(
            lambda done: say("subscribed", code=done.result().reason_codes[0].value)
        )

    def publish(self, order):
        packet = mqtt5.PublishPacket(
            topic=order.topic, payload=order.payload, qos=mqtt5.QoS(order.qos), retain=order.retain
        )

        def done(published):
            puback = published.result().puback
            say("published", code=puback.reason_code.value if puback and puback.reason_code is not None else None)

        self.client.publish(packet).add_done_callback(done)

    def disconnect(self):
        self.leaving = True
        self.client.stop()


class Three:
    def __init__(self, order):
        will = order.will and mqtt.Will(
            order.will["topic"], mqtt.QoS.AT_LEAST_ONCE, order.will["payload"].encode(), retain=False
        )
        options = {"clean_session": order.clean, "will": will, "on_connection_interrupted": self.on_interrupted}
        if order.route == "alpn":
            self.connection = mqtt.Connection(
                client=mqtt.Client(tls_ctx=alpn_context(order)),
                host_name=order.host,
                port=order.port,
                client_id=order.client_id,
                **options,
            )
        else:
            signed = order.route == "signed"
            build = (
                mqtt_connection_builder.websockets_with_default_aws_signing
                if signed
                else mqtt_connection_builder.mtls_from_path
            )
            self.connection = build(**endpoint(order), **options)
        self.connection.on_message(
            lambda topic, payload, dup, qos, retain, **_: say(
                "message", topic=topic, payload=payload, qos=qos.value, retain=retain
            )
        )
        self.connection.connect().add_done_callback(self.on_connect)

    def on_connect(self, done):
        if error := done.exception():
            say("refused", reason=error.name)
        else:
            say("connected", session=done.result()["session_present"])

    def on_interrupted(self, connection, error, **_):
        say("closed", reason=error.name)
        # Or it would connect again.
        connection.disconnect()

    def subscribe(self, order):
        def done(subscribed):
            if not subscribed.exception():
                say("subscribed", code=subscribed.result()["qos"].value)

        future, _ = self.connection.subscribe(order.filter, mqtt.QoS(order.qos))
        future.add_done_callback(done)

    def publish(self, order):
        def done(published):
            if not published.exception():
                say("published", code=None)

        future, _ = self.connection.publish(order.topic, order.payload, mqtt.QoS(order.qos), retain=order.retain)
        future.add_done_callback(done)

    def disconnect(self):
        self.connection.disconnect().add_done_callback(lambda done: say("disconnected"))


client = None
for order in orders():
    match order.do:
        case "connect":
            client = (Five if order.version == "5" else Three)(order)
        case "subscribe":
            client.subscribe(order)
        case "publish":
            client.publish(order)
        case "disconnect":
            client.disconnect()
