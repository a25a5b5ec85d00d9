// AWS's SDK for JavaScript, version 2 (aws-iot-device-sdk-v2), led by a test; see driver.mjs.

import { ALPN, load, obey, say } from "./driver.mjs";

const { auth, io, iot, mqtt, mqtt5 } = load("aws-iot-device-sdk-v2");
let session;

/** The builders send ALPN on port 443 only; a local cloud may have to use another port. */
function alpnContext(order) {
  const options = io.TlsContextOptions.create_client_with_mtls_from_path(order.certificate, order.key);
  options.override_default_trust_store_from_path(undefined, order.root);
  options.alpn_list = [ALPN];
  return new io.ClientTlsContext(options);
}

function credentials(order) {
  return auth.AwsCredentialsProvider.newStatic(order.key_id, order.secret);
}

class Five {
  leaving = false;

  constructor(order) {
    const builder =
      order.route === "signed"
        ? iot.AwsIotMqtt5ClientConfigBuilder.newWebsocketMqttBuilderWithSigv4Auth(order.host, {
            region: order.region,
            credentialsProvider: credentials(order),
          })
        : iot.AwsIotMqtt5ClientConfigBuilder.newDirectMqttBuilderWithMtlsFromPath(
            order.host,
            order.certificate,
            order.key,
          );
    const behavior = mqtt5.ClientSessionBehavior;
    builder
      .withPort(order.port)
      .withCertificateAuthorityFromPath(undefined, order.root)
      .withSessionBehavior(order.clean ? behavior.Clean : behavior.RejoinAlways)
      .withConnectProperties({
        clientId: order.client_id,
        keepAliveIntervalSeconds: 60,
        sessionExpiryIntervalSeconds: order.expiry,
        will: order.will
          ? { topicName: order.will.topic, payload: order.will.payload, qos: mqtt5.QoS.AtLeastOnce }
          : undefined,
      });
    const config = builder.build();
    if (order.route === "alpn") config.tlsCtx = alpnContext(order);
    this.client = new mqtt5.Mqtt5Client(config);
    this.client.on("connectionSuccess", (event) => say("connected", { session: event.connack.sessionPresent }));
    this.client.on("connectionFailure", (event) => {
      const code = event.connack && mqtt5.ConnectReasonCode[event.connack.reasonCode];
      say("refused", { reason: code ?? event.error.error_name });
      this.client.stop();
    });
    this.client.on("disconnection", (event) => {
      if (this.leaving) return;
      say("closed", { reason: event.error.error_name });
      this.client.stop();
    });
    this.client.on("stopped", () => this.leaving && say("disconnected"));
    this.client.on("messageReceived", ({ message }) => {
      const payload = Buffer.from(message.payload ?? "").toString();
      say("message", { topic: message.topicName, payload, qos: message.qos, retain: message.retain });
    });
    this.client.start();
  }

  subscribe(order) {
    this.client
      .subscribe({ subscriptions: [{ topicFilter: order.filter, qos: order.qos }] })
      .then((suback) => say("subscribed", { code: suback.reasonCodes[0] }));
  }

  publish(order) {
    this.client
      .publish({ topicName: order.topic, payload: order.payload, qos: order.qos, retain: order.retain })
      .then((puback) => say("published", { code: puback?.reasonCode ?? null }));
  }

  disconnect() {
    this.leaving = true;
    this.client.stop();
  }
}

class Three {
  constructor(order) {
    const builder =
      order.route === "signed"
        ? iot.AwsIotMqttConnectionConfigBuilder.new_with_websockets({
            region: order.region,
            credentials_provider: credentials(order),
          })
        : iot.AwsIotMqttConnectionConfigBuilder.new_mtls_builder_from_path(order.certificate, order.key);
    builder
      .with_certificate_authority_from_path(undefined, order.root)
      .with_endpoint(order.host)
      .with_port(order.port)
      .with_client_id(order.client_id)
      .with_clean_session(order.clean)
      .with_keep_alive_seconds(60);
    if (order.will)
      builder.with_will(new mqtt.MqttWill(order.will.topic, mqtt.QoS.AtLeastOnce, order.will.payload, false));
    const config = builder.build();
    if (order.route === "alpn") config.tls_ctx = alpnContext(order);
    this.connection = new mqtt.MqttClient().new_connection(config);
    this.connection.on("interrupt", (error) => {
      say("closed", { reason: error.error_name });
      // Or it would connect again.
      this.connection.disconnect().catch(() => {});
    });
    this.connection.on("message", (topic, payload, dup, qos, retain) => {
      say("message", { topic, payload: Buffer.from(payload).toString(), qos, retain });
    });
    this.connection.on("error", () => {});
    this.connection.connect().then(
      (session) => say("connected", { session }),
      (error) => say("refused", { reason: error.error_name ?? String(error) }),
    );
  }

  subscribe(order) {
    this.connection.subscribe(order.filter, order.qos).then(
      (suback) => say("subscribed", { code: suback.qos }),
      () => {},
    );
  }

  publish(order) {
    this.connection.publish(order.topic, order.payload, order.qos, order.retain).then(
      () => say("published", { code: null }),
      () => {},
    );
  }

  disconnect() {
    this.connection.disconnect().then(() => say("disconnected"));
  }
}

obey({
  connect(order) {
    session = order.version === "5" ? new Five(order) : new Three(order);
  },
  subscribe: (order) => session.subscribe(order),
  publish: (order) => session.publish(order),
  disconnect: () => session.disconnect(),
});
