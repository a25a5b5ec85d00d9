//! MQTT 5 properties (2.2.2): one type for both directions.

/// One property. Variants carry the wire identifier in their documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Property<'a> {
    /// 0x01: 0 bytes, 1 UTF-8 text.
    PayloadFormatIndicator(u8),
    /// 0x02: seconds.
    MessageExpiryInterval(u32),
    /// 0x03
    ContentType(&'a str),
    /// 0x08
    ResponseTopic(&'a str),
    /// 0x09
    CorrelationData(&'a [u8]),
    /// 0x0B: 1 to 268,435,455.
    SubscriptionIdentifier(u32),
    /// 0x11: seconds.
    SessionExpiryInterval(u32),
    /// 0x12
    AssignedClientIdentifier(&'a str),
    /// 0x13: seconds.
    ServerKeepAlive(u16),
    /// 0x15
    AuthenticationMethod(&'a str),
    /// 0x16
    AuthenticationData(&'a [u8]),
    /// 0x17
    RequestProblemInformation(bool),
    /// 0x18: seconds.
    WillDelayInterval(u32),
    /// 0x19
    RequestResponseInformation(bool),
    /// 0x1A
    ResponseInformation(&'a str),
    /// 0x1C
    ServerReference(&'a str),
    /// 0x1F
    ReasonString(&'a str),
    /// 0x21: never 0.
    ReceiveMaximum(u16),
    /// 0x22
    TopicAliasMaximum(u16),
    /// 0x23: never 0.
    TopicAlias(u16),
    /// 0x24: 0 or 1.
    MaximumQoS(u8),
    /// 0x25
    RetainAvailable(bool),
    /// 0x26
    UserProperty(&'a str, &'a str),
    /// 0x27: bytes, never 0.
    MaximumPacketSize(u32),
    /// 0x28
    WildcardSubscriptionAvailable(bool),
    /// 0x29
    SubscriptionIdentifierAvailable(bool),
    /// 0x2A
    SharedSubscriptionAvailable(bool),
}

/// The properties of one packet: validated wire bytes when decoded, a slice when to be sent.
///
/// In MQTT 3.1.1 they must be empty.
#[derive(Clone, Copy)]
pub enum Properties<'a> {
    /// The property bytes of a decoded packet, without their length; identifiers, types, repetitions and
    /// their place in this packet type were checked, so iterating cannot fail.
    Wire(&'a [u8]),
    /// Properties to send.
    List(&'a [Property<'a>]),
}

/// Walks through [`Properties`] in order.
#[derive(Clone, Debug)]
pub struct PropertyIter<'a> {
    pub(crate) rest: Properties<'a>,
}
