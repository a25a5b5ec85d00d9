//! The quotas of AWS IoT Core, one constant each (section H of the specification).
//!
//! Sizes are in bytes, times in seconds, rates per second, unless the name or the comment says otherwise.
//! "characters" are Unicode scalar values.

/// Client identifier, bytes of UTF-8 (`B-11`).
pub const CLIENT_ID_BYTES: usize = 128;

/// Keep alive when the client gives 0 or more than [`KEEP_ALIVE_MAX_SECONDS`] (`B-15`).
pub const KEEP_ALIVE_DEFAULT_SECONDS: u16 = 1200;
/// Smallest keep alive; smaller ones are treated as this (`B-15`).
pub const KEEP_ALIVE_MIN_SECONDS: u16 = 30;
/// Largest keep alive; larger ones are treated as this (`B-15`).
pub const KEEP_ALIVE_MAX_SECONDS: u16 = 1200;

/// PUBLISH packets of one connection, in and out together (`B-45`).
pub const PUBLISHES_PER_SECOND: u32 = 100;
/// Bytes of one connection; more is delayed (`B-46`).
pub const THROUGHPUT_BYTES_PER_SECOND: usize = 512 * 1024;
/// QoS 1 PUBLISH packets without PUBACK, each direction; also our Receive Maximum (`B-22`, `B-47`).
pub const UNACKNOWLEDGED_PUBLISHES: u16 = 100;

/// Subscriptions of one connection (`B-31`).
pub const SUBSCRIPTIONS_PER_CONNECTION: usize = 50;
/// Topic filters of one SUBSCRIBE or UNSUBSCRIBE (`B-30`).
pub const FILTERS_PER_SUBSCRIBE: usize = 8;
/// Topic name or topic filter, bytes of UTF-8 (`B-32`, `B-41`).
pub const TOPIC_BYTES: usize = 256;
/// Slashes of a topic name or topic filter (`B-32`, `B-41`).
pub const TOPIC_SLASHES: usize = 7;
/// Name of a group of shared subscriptions, characters (`B-67`).
pub const SHARE_NAME_CHARACTERS: usize = 128;

/// PUBLISH payload (`B-42`).
pub const PAYLOAD_BYTES: usize = 128 * 1024;
/// Whole packet of MQTT 5, the Maximum Packet Size of CONNACK (`B-22`, `B-42`).
pub const PACKET_BYTES: u32 = 146 * 1024;
/// Smallest Maximum Packet Size a client may announce (`B-19`).
pub const CLIENT_PACKET_MIN_BYTES: u32 = 512;
/// User properties of one packet, together (`B-72`).
pub const USER_PROPERTIES_BYTES: usize = 8 * 1024;
/// Content type (`B-72`).
pub const CONTENT_TYPE_BYTES: usize = 256;
/// Correlation data (`B-72`).
pub const CORRELATION_DATA_BYTES: usize = 8 * 1024;
/// Topic aliases from client to server, the Topic Alias Maximum of CONNACK (`B-73`).
pub const TOPIC_ALIASES: u16 = 8;
/// Longest message expiry (`B-74`).
pub const MESSAGE_EXPIRY_MAX_SECONDS: u32 = 604_800;

/// How long a persistent session lives after its connection, unless the account changed it (`B-24`).
pub const SESSION_EXPIRY_DEFAULT_SECONDS: u32 = 3600;
/// Longest session expiry an account can have (`B-24`).
pub const SESSION_EXPIRY_MAX_SECONDS: u32 = 604_800;
/// Stored messages sent to a resumed session (`B-28`).
pub const STORED_MESSAGES_PER_SECOND: u32 = 10;
/// How long an unacknowledged QoS 1 message is retried to an MQTT 3.1.1 client (`B-49`).
pub const RETRY_MQTT_3_SECONDS: u32 = 3600;
/// How long an unacknowledged QoS 1 message is retried to an MQTT 5 client (`B-49`).
pub const RETRY_MQTT_5_SECONDS: u32 = 960;
/// CONNECT packets of one client id (`B-17`).
pub const CONNECTS_PER_CLIENT_ID_PER_SECOND: u32 = 1;
/// Life of a WebSocket connection (`A-10`).
pub const WEBSOCKET_LIFE_SECONDS: u32 = 86_400;

/// Retained messages of an account (`B-65`).
pub const RETAINED_MESSAGES: usize = 500_000;

/// Policy document, characters that are not white space (`C-3`).
pub const POLICY_CHARACTERS: usize = 2048;
/// Policy document, bytes of the request member at most (`C-3`, the API model).
pub const POLICY_DOCUMENT_BYTES: usize = 404_600;
/// Versions of a policy (`C-4`).
pub const POLICY_VERSIONS: usize = 5;
/// Policies attached to one certificate or Cognito identity (`C-5`).
pub const POLICIES_PER_PRINCIPAL: usize = 10;
/// Policies attached to one thing group (`C-5`).
pub const POLICIES_PER_THING_GROUP: usize = 2;
/// Policy name, characters (`C-6`).
pub const POLICY_NAME_CHARACTERS: usize = 128;

/// Thing name, characters (`G-9`).
pub const THING_NAME_CHARACTERS: usize = 128;
/// Attributes of a thing without a thing type (`G-9`).
pub const ATTRIBUTES_WITHOUT_TYPE: usize = 3;
/// Attributes of a thing with a thing type (`G-9`).
pub const ATTRIBUTES_WITH_TYPE: usize = 50;
/// Attribute name, characters (`G-9`).
pub const ATTRIBUTE_NAME_CHARACTERS: usize = 128;
/// Attribute value, characters (`G-9`).
pub const ATTRIBUTE_VALUE_CHARACTERS: usize = 800;
/// Groups that one thing is in (`G-19`).
pub const THING_GROUPS_PER_THING: usize = 10;
/// Groups from the root of a hierarchy down to its deepest group, both counted (section H.2).
pub const THING_GROUP_DEPTH: usize = 7;
/// Groups directly below one group (section H.2).
pub const THING_GROUP_CHILDREN: usize = 100;
/// Attributes of a thing group (section H.2).
pub const THING_GROUP_ATTRIBUTES: usize = 50;
/// Description of a thing group, characters (the API model).
pub const THING_GROUP_DESCRIPTION_CHARACTERS: usize = 2028;

/// Tags of one resource (the API model).
pub const TAGS: usize = 50;
/// Key of a tag, characters (the API model).
pub const TAG_KEY_CHARACTERS: usize = 128;
/// Value of a tag, characters (the API model).
pub const TAG_VALUE_CHARACTERS: usize = 256;

/// Shadow document (section E.5).
pub const SHADOW_BYTES: usize = 8 * 1024;
/// Shadow name, characters (section H.2).
pub const SHADOW_NAME_CHARACTERS: usize = 64;
/// Shadow requests of one connection without an answer (section H.1).
pub const SHADOW_REQUESTS_IN_FLIGHT: usize = 10;

/// Certificate id, characters: the hexadecimal SHA-256 of the DER certificate (`A-25`).
pub const CERTIFICATE_ID_CHARACTERS: usize = 64;
/// Provisioning template name, characters (`F-18`).
pub const TEMPLATE_NAME_CHARACTERS: usize = 36;

/// Items of one page: `maxResults` and `pageSize` (`G-22`).
pub const PAGE_ITEMS: usize = 250;
