"""AWS's own SDK (awsiotsdk v2) with a device's kit: connect, subscribe, say READY, receive one message, answer it.

Prints one word a step; exits with 0 only when every step was acknowledged by the broker.
"""

import queue
import sys

from awscrt import auth, io, mqtt, mqtt5
from awsiot import mqtt5_client_builder, mqtt_connection_builder

from kit import ALPN, LIMIT, access_key, arguments

kit, wanted = arguments(__doc__)
port = wanted.websocket or (kit.alpn_port if wanted.alpn else kit.mqtt_port)
messages = queue.Queue()


def alpn_context():
    """The builders send ALPN on port 443 only; a local cloud may have to use another port."""
    options = io.TlsContextOptions.create_client_with_mtls_from_path(kit.certificate, kit.private_key)
    options.override_default_trust_store_from_path(None, kit.root_ca)
    options.alpn_list = [ALPN]
    return io.ClientTlsContext(options)


def signing():
    """What both builders for signed WebSockets take."""
    return {
        "region": kit.region,
        "credentials_provider": auth.AwsCredentialsProvider.new_static(*access_key(wanted.sign)),
        "endpoint": kit.endpoint,
        "port": port,
        "ca_filepath": kit.root_ca,
        "client_id": kit.client_id,
    }


def with_mqtt5():
    connected = queue.Queue()
    stopped = queue.Queue()
    callbacks = {
        "on_publish_received": lambda data: messages.put((data.publish_packet.topic, data.publish_packet.payload)),
        "on_lifecycle_connection_success": lambda data: connected.put(None),
        "on_lifecycle_connection_failure": lambda data: connected.put(data),
        "on_lifecycle_stopped": lambda data: stopped.put(None),
    }
    if wanted.sign:
        client = mqtt5_client_builder.websockets_with_default_aws_signing(**signing(), **callbacks)
    elif wanted.alpn:
        names = {
            "on_publish_received": "on_publish_callback_fn",
            "on_lifecycle_connection_success": "on_lifecycle_event_connection_success_fn",
            "on_lifecycle_connection_failure": "on_lifecycle_event_connection_failure_fn",
            "on_lifecycle_stopped": "on_lifecycle_event_stopped_fn",
        }
        client = mqtt5.Client(
            mqtt5.ClientOptions(
                host_name=kit.endpoint,
                port=port,
                tls_ctx=alpn_context(),
                connect_options=mqtt5.ConnectPacket(client_id=kit.client_id),
                **{names[name]: callback for name, callback in callbacks.items()},
            )
        )
    else:
        client = mqtt5_client_builder.mtls_from_path(
            endpoint=kit.endpoint,
            port=port,
            cert_filepath=kit.certificate,
            pri_key_filepath=kit.private_key,
            ca_filepath=kit.root_ca,
            client_id=kit.client_id,
            **callbacks,
        )
    client.start()
    failure = connected.get(timeout=LIMIT)
    if failure is not None:
        sys.exit(f"not connected: {failure.exception} {failure.connack_packet}")
    suback = client.subscribe(
        mqtt5.SubscribePacket([mqtt5.Subscription(wanted.subscribe, mqtt5.QoS.AT_LEAST_ONCE)])
    ).result(LIMIT)
    if suback.reason_codes != [mqtt5.SubackReasonCode.GRANTED_QOS_1]:
        sys.exit(f"not subscribed: {suback.reason_codes}")
    yield
    payload = yield
    puback = (
        client.publish(mqtt5.PublishPacket(topic=wanted.publish, payload=payload, qos=mqtt5.QoS.AT_LEAST_ONCE))
        .result(LIMIT)
        .puback
    )
    if puback.reason_code != mqtt5.PubackReasonCode.SUCCESS:
        sys.exit(f"not published: {puback.reason_code}")
    yield
    client.stop()
    stopped.get(timeout=LIMIT)
    yield


def with_mqtt3():
    if wanted.sign:
        connection = mqtt_connection_builder.websockets_with_default_aws_signing(**signing(), clean_session=True)
    elif wanted.alpn:
        connection = mqtt.Connection(
            client=mqtt.Client(tls_ctx=alpn_context()),
            host_name=kit.endpoint,
            port=port,
            client_id=kit.client_id,
            clean_session=True,
        )
    else:
        connection = mqtt_connection_builder.mtls_from_path(
            endpoint=kit.endpoint,
            port=port,
            cert_filepath=kit.certificate,
            pri_key_filepath=kit.private_key,
            ca_filepath=kit.root_ca,
            client_id=kit.client_id,
            clean_session=True,
        )
    connection.connect().result(LIMIT)
    subscribed, _ = connection.subscribe(
        wanted.subscribe, mqtt.QoS.AT_LEAST_ONCE, lambda topic, payload, **_: messages.put((topic, payload))
    )
    granted = subscribed.result(LIMIT)["qos"]
    if granted != mqtt.QoS.AT_LEAST_ONCE:
        sys.exit(f"not subscribed: {granted}")
    yield
    payload = yield
    published, _ = connection.publish(wanted.publish, payload, mqtt.QoS.AT_LEAST_ONCE)
    published.result(LIMIT)
    yield
    connection.disconnect().result(LIMIT)
    yield


client = with_mqtt5() if wanted.mqtt == "5" else with_mqtt3()
next(client)
print("READY", flush=True)
topic, payload = messages.get(timeout=LIMIT)
print("RECEIVED", topic, payload.decode(), flush=True)
next(client)
client.send(b"answer to " + payload)
print("PUBLISHED", flush=True)
next(client)
print("DONE", flush=True)
