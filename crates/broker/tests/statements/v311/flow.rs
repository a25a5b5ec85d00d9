//! 4.3 to 4.6: QoS, what is sent again, order.

use super::check;

#[rustfmt::skip]
#[test]
fn qos_1_is_acknowledged_and_kept_until_it_is() {
    check(&[
        ("[MQTT-2.3.1-4] the server's packet identifiers are not in use", "a+; a> 82: 0001 't' 01; a< SUBACK; a> 32: 't' 0001 \"x\" | 32: 't' 0001 \"y\"; a< PUBLISH x #1, PUBACK, PUBLISH y #2, PUBACK"),
        ("[MQTT-2.3.1-5] QoS 0 has none", "a+; a> 82: 0001 't' 01; a< SUBACK; a> 30: 't' \"x\"; a< PUBLISH t x q0 !#1"),
        ("[MQTT-2.3.1-6] PUBACK has the identifier of PUBLISH", "a+; a> 32: 't' 1234 \"x\"; a< PUBACK #4660"),
        ("[MQTT-3.3.1-1] B-5 B-6 DUP on what is sent again; [MQTT-4.4.0-1] with its identifier; [MQTT-2.3.1-3]", "a++; a> 82: 0001 't' 01; a< SUBACK; b+; b> 32: 't' 0001 \"x\" | 32: 't' 0002 \"y\"; a< PUBLISH x #1 !dup, PUBLISH y #2; a> 40: 0001; a-; a> 10: 'MQTT' 04 00 003C 'a'; aws| a< CONNACK present, PUBLISH y !dup; mqtt| a< CONNACK present, PUBLISH y #2 dup"),
        ("[MQTT-3.3.1-3] DUP of the publisher goes no further", "b+; b> 82: 0001 't' 01; b< SUBACK; a+; a> 3A: 't' 0001 \"x\"; a< PUBACK #1; b< PUBLISH t x q1 !dup"),
        ("[MQTT-3.3.4-1] an answer as the QoS asks for it", "a+; a> 30: 't' \"x\"; a<; a> 32: 't' 0001 \"x\"; a< PUBACK #1; a> 34: 't' 0002 \"x\"; aws| a< closed; mqtt| a< PUBREC #2"),
        ("[MQTT-3.3.5-1] subscriptions that overlap: their highest QoS", "a+; a> 82: 0001 't' 00 '+' 01 '#' 00; a< SUBACK; a> 32: 't' 0001 \"x\"; a< PUBLISH t x q1, PUBACK"),
        ("[MQTT-4.3.1-1] QoS 0 goes out without DUP", "a+; a> 82: 0001 't' 01; a< SUBACK; a> 30: 't' \"x\"; a< PUBLISH t x q0 !dup"),
        ("[MQTT-4.3.2-1] QoS 1 is sent until it is acknowledged", "a++; a> 82: 0001 't' 01; a< SUBACK; b+; b> 32: 't' 0001 \"x\"; a< PUBLISH t x q1 #1 !dup; a-; a> 10: 'MQTT' 04 00 003C 'a'; a< CONNACK present, PUBLISH t x q1; aws| a> 40: 0002; mqtt| a> 40: 0001; a-; a> 10: 'MQTT' 04 00 003C 'a'; a< CONNACK present"),
        ("[MQTT-4.3.2-2] the same identifier after PUBACK is a new message", "b+; b> 82: 0001 't' 01; b< SUBACK; a+; a> 32: 't' 0001 \"x\" | 3A: 't' 0001 \"x\"; a< PUBACK #1, PUBACK #1; b< PUBLISH t x, PUBLISH t x"),
        ("[MQTT-4.5.0-1] every session that matches has it", "a++; a> 82: 0001 't' 01; a< SUBACK; b++; b> 82: 0001 '#' 01; b< SUBACK; a-; b-; c+; c> 32: 't' 0001 \"x\"; a> 10: 'MQTT' 04 00 003C 'a'; a< CONNACK present, PUBLISH t x; b> 10: 'MQTT' 04 00 003C 'b'; b< CONNACK present, PUBLISH t x"),
        ("[MQTT-4.6.0-2] PUBACKs in the order of their PUBLISHes", "a+; a> 32: 't' 0005 | 32: 't' 0003 | 32: 't' 0004; a< PUBACK #5, PUBACK #3, PUBACK #4"),
        ("[MQTT-4.6.0-1] what is sent again keeps its order; [MQTT-4.6.0-6] as does all else; [MQTT-4.6.0-5]", "b++; b> 82: 0001 '#' 01; b< SUBACK; a+; a> 32: 't' 0001 \"1\" | 32: 't' 0002 \"2\" | 32: 't' 0003 \"3\"; b< PUBLISH t 1, PUBLISH t 2, PUBLISH t 3; b-; b> 10: 'MQTT' 04 00 003C 'b'; b< CONNACK present, PUBLISH t 1, PUBLISH t 2, PUBLISH t 3"),
    ]);
}

#[rustfmt::skip]
#[test]
fn qos_2_is_for_behaviour_mqtt() {
    check(&[
        ("[MQTT-3.6.1-1] flags of PUBREL", "a+; a> 60: 0001; a< closed"),
        ("[MQTT-3.3.4-1] B-3 QoS 2", "aws| a+; aws| a> 34: 't' 0001 \"x\"; aws| a< closed"),
        ("[MQTT-4.3.3-1] sent until PUBREC, then PUBREL until PUBCOMP", "mqtt| a++; mqtt| a> 82: 0001 't' 02; mqtt| a< SUBACK; mqtt| b+; mqtt| b> 34: 't' 0007 \"x\" | 62: 0007; mqtt| a< PUBLISH t x q2 #1 !dup; mqtt| a-; mqtt| a> 10: 'MQTT' 04 00 003C 'a'; mqtt| a< CONNACK present, PUBLISH t x q2 #1 dup; mqtt| a> 50: 0001; mqtt| a< PUBREL #1; mqtt| a-; mqtt| a> 10: 'MQTT' 04 00 003C 'a'; mqtt| a< CONNACK present, PUBREL #1; mqtt| a> 70: 0001; mqtt| a-; mqtt| a> 10: 'MQTT' 04 00 003C 'a'; mqtt| a< CONNACK present"),
        ("[MQTT-4.3.3-2] the same identifier before PUBREL is the same message", "mqtt| b+; mqtt| b> 82: 0001 't' 00; mqtt| b< SUBACK; mqtt| a+; mqtt| a> 34: 't' 0001 \"x\" | 3C: 't' 0001 \"x\"; mqtt| a< PUBREC #1, PUBREC #1; mqtt| a> 62: 0001; mqtt| a< PUBCOMP #1; mqtt| b< PUBLISH t x"),
        ("[MQTT-4.6.0-3] PUBRECs in the order of their PUBLISHes", "mqtt| a+; mqtt| a> 34: 't' 0005 | 34: 't' 0003; mqtt| a< PUBREC #5, PUBREC #3"),
        ("[MQTT-4.6.0-4] PUBRELs in the order of their PUBRECs", "mqtt| a+; mqtt| a> 82: 0001 't' 02; mqtt| a< SUBACK; mqtt| b+; mqtt| b> 34: 't' 0001 | 34: 't' 0002; mqtt| a< PUBLISH #1, PUBLISH #2; mqtt| a> 50: 0002 | 50: 0001; mqtt| a< PUBREL #2, PUBREL #1"),
    ]);
}
