//! 3.3: PUBLISH, and what of it reaches subscribers.

use super::check;

#[rustfmt::skip]
#[test]
fn a_publish_that_breaks_a_rule_ends_the_connection() {
    check(&[
        ("[MQTT-3.3.1-2] DUP with QoS 0", "a+; a> 38: 't' [] \"x\"; a< DISCONNECT 81, closed"),
        ("[MQTT-3.3.1-4] QoS 3", "a+; a> 36: 't' 0001 [] \"x\"; a< DISCONNECT 81, closed"),
        ("[MQTT-3.3.2-1] a topic that is not UTF-8", "a+; a> 30: 0001 FF []; a< DISCONNECT 81, closed"),
        ("[MQTT-3.3.2-1] no topic", "a+; a> 30:; a< DISCONNECT 81, closed"),
        ("[MQTT-3.3.2-2] B-43 `#` in the topic", "a+; a> 30: 'a/#' []; a< DISCONNECT 90, closed"),
        ("[MQTT-3.3.2-2] B-43 `+` in the topic", "a+; a> 30: 'a/+/b' []; a< DISCONNECT 90, closed"),
        ("[MQTT-3.3.2-8] alias 0", "a+; a> 30: 't' [23 0000] \"x\"; a< DISCONNECT 82, closed"),
        ("[MQTT-3.3.2-7] an alias that no PUBLISH set", "a+; a> 30: '' [23 0001] \"x\"; a< DISCONNECT 82, closed"),
        ("[MQTT-3.3.2-7] an alias of an earlier connection", "a++; a> 30: 't' [23 0001] \"x\"; a-; a++; a> 30: '' [23 0001] \"x\"; a< DISCONNECT 82, closed"),
        ("[MQTT-3.3.2-9] B-73 alias 9", "a+; a> 30: 't' [23 0009] \"x\"; a< DISCONNECT 94, closed"),
        ("[MQTT-3.3.2-13] a Response Topic that is not UTF-8", "a+; a> 30: 't' [08 0001 FF]; a< DISCONNECT 81, closed"),
        ("[MQTT-3.3.2-14] a Response Topic with a wildcard", "a+; a> 30: 't' [08 'r/#']; a< DISCONNECT 82, closed"),
        ("[MQTT-3.3.2-14] a Response Topic with the other wildcard", "a+; a> 30: 't' [08 '+/r']; a< DISCONNECT 82, closed"),
        ("[MQTT-3.3.2-19] a Content Type that is not UTF-8", "a+; a> 30: 't' [03 0001 FF]; a< DISCONNECT 81, closed"),
        ("[MQTT-3.3.4-6] a Subscription Identifier of a client", "a+; a> 30: 't' [0B 01] \"x\"; a< DISCONNECT 82, closed"),
        ("[MQTT-4.13.1-1] neither topic nor alias", "a+; a> 30: '' [] \"x\"; a< DISCONNECT 82, closed"),
        ("[MQTT-4.13.1-1] payload format 2", "a+; a> 30: 't' [01 02]; a< DISCONNECT 82, closed"),
        ("[MQTT-4.13.1-1] payload format twice", "a+; a> 30: 't' [01 00 01 00]; a< DISCONNECT 82, closed"),
        ("[MQTT-4.13.1-1] Message Expiry Interval twice", "a+; a> 30: 't' [02 00000001 02 00000001]; a< DISCONNECT 82, closed"),
        ("[MQTT-4.13.1-1] alias twice", "a+; a> 30: 't' [23 0001 23 0001]; a< DISCONNECT 82, closed"),
        ("[MQTT-4.13.1-1] Response Topic twice", "a+; a> 30: 't' [08 'r' 08 'r']; a< DISCONNECT 82, closed"),
        ("[MQTT-4.13.1-1] Correlation Data twice", "a+; a> 30: 't' [09 'c' 09 'c']; a< DISCONNECT 82, closed"),
        ("[MQTT-4.13.1-1] Content Type twice", "a+; a> 30: 't' [03 'c' 03 'c']; a< DISCONNECT 82, closed"),
        ("[MQTT-4.13.1-1] a property of CONNECT", "a+; a> 30: 't' [21 0001]; a< DISCONNECT 82, closed"),
        ("[MQTT-4.13.1-1] a property that is cut", "a+; a> 30: 't' [02 0000]; a< DISCONNECT 81, closed"),
    ]);
}

#[rustfmt::skip]
#[test]
fn a_retained_message_is_the_last_of_its_topic() {
    check(&[
        ("[MQTT-3.3.1-5] the newer replaces the older", "a+; a> 31: 't' [] \"1\" | 31: 't' [] \"2\"; a> 82: 0001 [] 't' 00; a< SUBACK, PUBLISH t 2 q0 retain"),
        ("[MQTT-3.3.1-6] an empty one is passed on and removes it", "b+; b> 82: 0001 [] 't' 00; b< SUBACK; a+; a> 31: 't' [] \"1\" | 31: 't' []; b< PUBLISH t 1, PUBLISH t; a> 82: 0001 [] 't' 00; a< SUBACK"),
        ("[MQTT-3.3.1-7] and is not stored", "a+; a> 31: 't' []; a> 82: 0001 [] 't' 00; a< SUBACK"),
        ("[MQTT-3.3.1-8] without RETAIN nothing is stored, replaced or removed", "a+; a> 31: 't' [] \"1\" | 30: 't' [] \"2\" | 30: 't' [] | 30: 'u' [] \"3\"; a> 82: 0001 [] 't' 00 'u' 00; a< SUBACK, PUBLISH t 1 retain"),
        ("[MQTT-3.3.1-9] Retain Handling 0", "a+; a> 31: 't' [] \"1\"; a> 82: 0001 [] 't' 00; a< SUBACK, PUBLISH t 1 retain; a> 82: 0002 [] 't' 00; a< SUBACK, PUBLISH t 1 retain"),
        ("[MQTT-3.3.1-10] Retain Handling 1", "a+; a> 31: 't' [] \"1\"; a> 82: 0001 [] 't' 10; a< SUBACK, PUBLISH t 1 retain; a> 82: 0002 [] 't' 10; a< SUBACK"),
        ("[MQTT-3.3.1-11] Retain Handling 2", "a+; a> 31: 't' [] \"1\"; a> 82: 0001 [] 't' 20; a< SUBACK"),
        ("[MQTT-3.3.1-12] Retain As Published 0", "a+; a> 82: 0001 [] 't' 00; a< SUBACK; a> 31: 't' [] \"1\"; a< PUBLISH t 1 !retain"),
        ("[MQTT-3.3.1-13] B-38 Retain As Published 1", "a+; a> 82: 0001 [] 't' 08; a< SUBACK; a> 31: 't' [] \"1\"; aws| a< PUBLISH t 1 !retain; mqtt| a< PUBLISH t 1 retain; a> 30: 't' [] \"2\"; a< PUBLISH t 2 !retain"),
        ("[MQTT-3.3.1-9] B-37 with a wildcard", "a+; a> 31: 't/u' [] \"1\"; a> 82: 0001 [] 't/+' 00; aws| a< SUBACK; mqtt| a< SUBACK, PUBLISH t/u 1 retain"),
    ]);
}

#[rustfmt::skip]
#[test]
fn a_message_reaches_its_subscribers_unaltered() {
    check(&[
        ("[MQTT-2.2.1-2] QoS 0 has no packet identifier", "a+; a> 82: 0001 [] 't' 01; a< SUBACK; a> 30: 't' [] \"x\"; a< PUBLISH t x q0 !#1"),
        ("[MQTT-3.3.1-3] DUP of the publisher goes no further", "b+; b> 82: 0001 [] 't' 01; b< SUBACK; a+; a> 3A: 't' 0001 [] \"x\"; a< PUBACK #1 00; b< PUBLISH t x q1 !dup"),
        ("[MQTT-3.3.2-3] the topic matches the filter", "a+; a> 82: 0001 [] 't/+' 00; a< SUBACK; a> 30: 't/u' [] \"x\" | 30: 'u/t' [] \"x\" | 30: 't/u/v' [] \"x\"; a< PUBLISH t/u x"),
        ("[MQTT-3.3.2-4] Payload Format Indicator", "a+; a> 82: 0001 [] 't' 00; a< SUBACK; a> 30: 't' [01 01] \"x\"; a< PUBLISH t x PayloadFormatIndicator(1)"),
        ("[MQTT-3.3.2-11] no alias for who takes none", "a+; a> 82: 0001 [] 't' 00; a< SUBACK; a> 30: 't' [23 0008] \"x\"; a< PUBLISH t x !TopicAlias"),
        ("[MQTT-3.3.2-12] aliases 1 to 8 are accepted", "a+; a> 82: 0001 [] '#' 00; a< SUBACK; a> 30: 't' [23 0008] \"x\" | 30: 'u' [23 0001] \"y\" | 30: '' [23 0008] \"z\" | 30: 'v' [23 0008] \"1\" | 30: '' [23 0008] \"2\"; a< PUBLISH t x, PUBLISH u y, PUBLISH t z, PUBLISH v 1, PUBLISH v 2"),
        ("[MQTT-3.3.2-15] Response Topic", "a+; a> 82: 0001 [] 't' 00; a< SUBACK; a> 30: 't' [08 'r/1'] \"x\"; a< PUBLISH t x ResponseTopic(\"r/1\")"),
        ("[MQTT-3.3.2-16] Correlation Data", "a+; a> 82: 0001 [] 't' 00; a< SUBACK; a> 30: 't' [09 0002 0001] \"x\"; a< PUBLISH t x CorrelationData([0,_1])"),
        ("[MQTT-3.3.2-17] User Properties; [MQTT-3.3.2-18] in their order", "a+; a> 82: 0001 [] 't' 00; a< SUBACK; a> 30: 't' [26 'k' '2' 26 'k' '1' 26 'a' ''] \"x\"; a< PUBLISH t x UserProperty(\"k\",_\"2\") UserProperty(\"k\",_\"1\") UserProperty(\"a\",_\"\")"),
        ("[MQTT-3.3.2-20] Content Type", "a+; a> 82: 0001 [] 't' 00; a< SUBACK; a> 30: 't' [03 'text/plain'] \"x\"; a< PUBLISH t x ContentType(\"text/plain\")"),
        ("[MQTT-3.3.4-1] an answer as the QoS asks for it", "a+; a> 30: 't' [] \"x\"; a<; a> 32: 't' 0001 [] \"x\"; a< PUBACK #1 00; mqtt| a> 34: 't' 0002 [] \"x\"; mqtt| a< PUBREC #2 00"),
        ("[MQTT-3.3.4-2] subscriptions that overlap: their highest QoS", "a+; a> 82: 0001 [] 't' 00 '+' 01 '#' 00; a< SUBACK #1 00 01 00; a> 32: 't' 0001 [] \"x\"; a< PUBLISH t x q1, PUBACK"),
        ("[MQTT-3.3.4-3] B-36 the identifier of the subscription", "a+; a> 82: 0001 [0B 07] 't' 00; aws| a< DISCONNECT A1, closed; mqtt| a< SUBACK; mqtt| a> 30: 't' [] \"x\"; mqtt| a< PUBLISH t x SubscriptionIdentifier(7)"),
        ("[MQTT-3.3.4-4] of every one that matches", "mqtt| a+; mqtt| a> 82: 0001 [0B 07] 't' 00 | 82: 0002 [0B 8001] '#' 00 | 82: 0003 [] '+' 00; mqtt| a< SUBACK, SUBACK, SUBACK; mqtt| a> 30: 't' [] \"x\"; mqtt| a< PUBLISH t x SubscriptionIdentifier(7) SubscriptionIdentifier(128)"),
    ]);
}
