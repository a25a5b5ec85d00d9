//! 3.3 and 4.7: PUBLISH, topics, what is retained.

use super::check;

#[rustfmt::skip]
#[test]
fn a_publish_that_breaks_a_rule_is_closed() {
    check(&[
        ("[MQTT-3.3.1-2] DUP with QoS 0", "a+; a> 38: 't' \"x\"; a< closed"),
        ("[MQTT-3.3.1-4] QoS 3", "a+; a> 36: 't' 0001 \"x\"; a< closed"),
        ("[MQTT-3.3.2-1] a topic that is not UTF-8", "a+; a> 30: 0001 FF; a< closed"),
        ("[MQTT-3.3.2-1] no topic", "a+; a> 30:; a< closed"),
        ("[MQTT-3.3.2-2] B-43 `#` in the topic", "a+; a> 30: 'a/#'; a< closed"),
        ("[MQTT-4.7.1-1] B-43 `+` in the topic", "a+; a> 32: 'a/+' 0001; a< closed"),
        ("[MQTT-4.7.3-1] an empty topic", "a+; a> 30: '' \"x\"; a< closed"),
        ("[MQTT-4.7.3-2] a null in the topic", "a+; a> 30: 0001 00; a< closed"),
        ("[MQTT-4.7.3-3] B-41 the longest topic", "a+; a> 82: 0001 '#' 00; a< SUBACK; a> 30: 'a'*65535; aws| a< closed; mqtt| a< PUBLISH"),
        ("[MQTT-3.3.5-2] B-53 what a client may not publish closes", "aws| a+; aws| a> 32: '$SYS/x' 0001 \"x\"; aws| a< closed"),
        ("[MQTT-4.8.0-1] the packet ends in the topic", "a+; a> 30: 0009 \"abc\"; a< closed"),
        ("[MQTT-4.8.0-1] QoS 1 without an identifier", "a+; a> 32: 't'; a< closed"),
    ]);
}

#[rustfmt::skip]
#[test]
fn a_retained_message_is_the_last_of_its_topic() {
    check(&[
        ("[MQTT-3.3.1-5] stored with its QoS", "a+; a> 33: 't' 0001 \"1\"; a< PUBACK; a> 82: 0001 't' 01; a< SUBACK, PUBLISH t 1 q1 retain"),
        ("[MQTT-3.3.1-6] sent to a new subscription; [MQTT-3.3.1-8] with RETAIN", "a+; a> 31: 't' \"1\" | 31: 't' \"2\"; a> 82: 0001 't' 00; a< SUBACK, PUBLISH t 2 retain"),
        ("[MQTT-3.3.1-6] B-37 with a wildcard", "a+; a> 31: 't/u' \"1\"; a> 82: 0001 't/+' 00; aws| a< SUBACK; mqtt| a< SUBACK, PUBLISH t/u 1 retain"),
        ("[MQTT-3.3.1-7] QoS 0 replaces", "a+; a> 33: 't' 0001 \"1\" | 31: 't' \"2\"; a< PUBACK; a> 82: 0001 't' 01; a< SUBACK, PUBLISH t 2 q0 retain"),
        ("[MQTT-3.3.1-9] without RETAIN to those who are there", "a+; a> 82: 0001 't' 00; a< SUBACK; a> 31: 't' \"1\"; a< PUBLISH t 1 !retain"),
        ("[MQTT-3.3.1-10] an empty one is passed on and removes", "b+; b> 82: 0001 't' 00; b< SUBACK; a+; a> 31: 't' \"1\" | 31: 't'; b< PUBLISH t 1, PUBLISH t; a> 82: 0001 't' 00; a< SUBACK"),
        ("[MQTT-3.3.1-11] and is not stored", "a+; a> 31: 't'; a> 82: 0001 't' 00; a< SUBACK"),
        ("[MQTT-3.3.1-12] without RETAIN nothing is stored, replaced or removed", "a+; a> 31: 't' \"1\" | 30: 't' \"2\" | 30: 't' | 30: 'u' \"3\"; a> 82: 0001 't' 00 'u' 00; a< SUBACK, PUBLISH t 1 retain"),
    ]);
}

#[rustfmt::skip]
#[test]
fn a_topic_finds_its_filters() {
    check(&[
        ("[MQTT-3.3.2-3] the topic matches the filter", "a+; a> 82: 0001 't/+' 00; a< SUBACK; a> 30: 't/u' \"x\" | 30: 'u/t' \"x\" | 30: 't/u/v' \"x\"; a< PUBLISH t/u x"),
        ("[MQTT-4.7.1-2] `#` is last and alone", "a+; a> 82: 0001 '#/a' 00 'a#' 00 'a/#' 00; a< SUBACK #1 80 80 00; a> 30: 'a/b/c' \"1\" | 30: 'b' \"2\"; a< PUBLISH 1"),
        ("[MQTT-4.7.1-3] `+` is a whole level", "a+; a> 82: 0001 'a+/b' 00 'a/+b' 00 '+/+' 00 '/+' 00; a< SUBACK #1 80 80 00 00; a> 30: '/a' \"1\" | 30: 'a' \"2\"; a< PUBLISH 1"),
        ("[MQTT-4.7.2-1] B-34 a leading wildcard and `$`", "mqtt| a+; mqtt| a> 82: 0001 '#' 00 '+/x' 00; mqtt| a< SUBACK; mqtt| a> 30: '$a/x' \"1\"; mqtt| a<; mqtt| a> 82: 0002 '$a/+' 00; mqtt| a< SUBACK; mqtt| a> 30: '$a/x' \"2\"; mqtt| a< PUBLISH 2; aws| a+; aws| a> 30: '$a/x'; aws| a< closed"),
        ("[MQTT-4.7.3-1] an empty filter", "a+; a> 82: 0001 '' 00; a< SUBACK #1 80"),
        ("[MQTT-4.7.3-2] a null in a filter", "a+; a> 82: 0001 0003 610062 00; a< closed"),
        ("[MQTT-4.7.3-4] nothing is normalised", "a+; a> 82: 0001 'a//b' 00 'A' 00; a< SUBACK; a> 30: 'a/b' \"1\" | 30: 'a' \"2\"; a<; a> 30: 'a//b' \"4\" | 30: 'A' \"5\"; a< PUBLISH 4, PUBLISH 5"),
    ]);
}
