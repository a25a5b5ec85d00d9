"""aiomqtt, led by a test; see driver.py. It does not show whether a session was present, nor a PUBACK's code."""

import asyncio

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from driver import context, orders, say, websocket_path


def new(order):
    path = websocket_path(order)
    more = {"clean_session": order.clean}
    if order.version == "5":
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = order.expiry
        more = {"clean_start": order.clean, "properties": properties}
    return aiomqtt.Client(
        order.host,
        order.port,
        identifier=order.client_id,
        protocol=aiomqtt.ProtocolVersion.V5 if order.version == "5" else aiomqtt.ProtocolVersion.V311,
        transport="websockets" if path else "tcp",
        websocket_path=path,
        tls_context=context(order),
        will=aiomqtt.Will(order.will["topic"], order.will["payload"], qos=1) if order.will else None,
        **more,
    )


async def listen(client):
    try:
        async for m in client.messages:
            say("message", topic=m.topic.value, payload=m.payload, qos=m.qos, retain=m.retain)
    except aiomqtt.MqttError as error:
        say("closed", reason=str(error))


async def carry_out(order, client):
    """What it waits for may never come when the connection ends; `listen` says so."""
    try:
        if order.do == "subscribe":
            (code,) = await client.subscribe(order.filter, qos=order.qos)
            say("subscribed", code=code.value)
        else:
            await client.publish(order.topic, order.payload, qos=order.qos, retain=order.retain)
            say("published", code=None)
    except aiomqtt.MqttError:
        pass


async def main():
    loop = asyncio.get_running_loop()
    lines = orders()
    client = listener = None
    steps = set()
    while order := await loop.run_in_executor(None, next, lines, None):
        match order.do:
            case "connect":
                client = new(order)
                try:
                    await client.__aenter__()
                except aiomqtt.MqttError as error:
                    say("refused", reason=str(error))
                    continue
                say("connected", session=None)
                listener = loop.create_task(listen(client))
            case "disconnect":
                listener.cancel()
                await client.__aexit__(None, None, None)
                say("disconnected")
            case _:
                step = loop.create_task(carry_out(order, client))
                steps.add(step)
                step.add_done_callback(steps.discard)


asyncio.run(main())
