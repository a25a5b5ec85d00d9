// mqtt.js, led by a test; see driver.mjs.

import { readFileSync } from "node:fs";

import { ALPN, load, obey, say } from "./driver.mjs";

const mqtt = load("mqtt");
let client;
let leaving = false;

function connect(order) {
  const five = order.version === "5";
  const tls = { ca: readFileSync(order.root) };
  if (order.route !== "signed") {
    tls.cert = readFileSync(order.certificate);
    tls.key = readFileSync(order.key);
  }
  if (order.route === "alpn") tls.ALPNProtocols = [ALPN];
  const scheme = order.route === "certificate" ? "wss" : "mqtts";
  const url = order.url ?? `${scheme}://${order.host}:${order.port}${scheme === "wss" ? "/mqtt" : ""}`;
  let connected = false;
  let error;
  client = mqtt.connect(url, {
    ...tls,
    wsOptions: tls,
    clientId: order.client_id,
    protocolVersion: five ? 5 : 4,
    clean: order.clean,
    keepalive: 60,
    properties: five ? { sessionExpiryInterval: order.expiry } : undefined,
    will: order.will ? { ...order.will, qos: 1, retain: false } : undefined,
    reconnectPeriod: 0,
    resubscribe: false,
  });
  client.on("connect", (packet) => {
    connected = true;
    say("connected", { session: packet.sessionPresent });
  });
  client.on("error", (why) => {
    error = why.message;
  });
  client.on("close", () => {
    if (leaving) say("disconnected");
    else say(connected ? "closed" : "refused", { reason: error ?? "close" });
  });
  client.on("message", (topic, payload, packet) => {
    say("message", { topic, payload: payload.toString(), qos: packet.qos, retain: packet.retain });
  });
}

obey({
  connect,
  subscribe(order) {
    client.subscribe(order.filter, { qos: order.qos }, (error, granted, packet) => {
      // A refusal is an error to it; the packet holds the code all the same.
      if (packet) say("subscribed", { code: packet.granted[0], text: error?.message });
    });
  },
  publish(order) {
    const { topic, payload, qos, retain } = order;
    client.publish(topic, payload, { qos, retain }, (error, packet) => {
      if (!error) say("published", { code: packet?.reasonCode ?? null });
      else if (error.code) say("published", { code: error.code, text: error.message });
    });
  },
  disconnect() {
    leaving = true;
    client.end();
  },
});
