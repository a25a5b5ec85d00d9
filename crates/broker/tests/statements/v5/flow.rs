//! 3.4 to 3.7, 4.1 to 4.6 and 4.9: acknowledgements, sessions, QoS, order, flow control.

use super::check;

#[rustfmt::skip]
#[test]
fn qos_1_is_acknowledged_and_kept_until_it_is() {
    check(&[
        ("[MQTT-2.2.1-4] the server's packet identifiers are not in use", "a+; a> 82: 0001 [] 't' 01; a< SUBACK; a> 32: 't' 0001 [] \"x\" | 32: 't' 0001 [] \"y\"; a< PUBLISH x #1, PUBACK, PUBLISH y #2, PUBACK"),
        ("[MQTT-2.2.1-5] PUBACK has the identifier of PUBLISH", "a+; a> 32: 't' 1234 [] \"x\"; a< PUBACK #4660 00"),
        ("[MQTT-3.3.1-1] B-5 B-6 DUP on what is sent again", "a++; a> 82: 0001 [] 't' 01; a< SUBACK; b+; b> 32: 't' 0001 [] \"x\"; a< PUBLISH t x q1 #1 !dup; a-; a> 10: 'MQTT' 05 00 003C [] 'a'; aws| a< CONNACK present, PUBLISH t x q1 !dup; mqtt| a< CONNACK present, PUBLISH t x q1 #1 dup"),
        ("[MQTT-3.4.2-1] B-51 PUBACK says success", "a+; a> 32: 't' 0001 [] \"x\"; a< PUBACK #1 00"),
        ("[MQTT-3.4.2-1] a code that PUBACK does not have", "a+; a> 40: 0001 55; a< DISCONNECT 82, closed"),
        ("[MQTT-3.4.2-2] a Reason String that does not fit is left out", "mqtt| a> 10: 'MQTT' 05 02 003C [27 00000020] 'a'; mqtt| a< CONNACK 00; mqtt| a> 32: 't/and/some/more/#' 0001 []; mqtt| a< PUBACK #1 90 !ReasonString"),
        ("[MQTT-4.3.1-1] QoS 0 goes out with QoS 0 and without DUP", "a+; a> 82: 0001 [] 't' 01; a< SUBACK; a> 30: 't' [] \"x\"; a< PUBLISH t x q0 !dup"),
        ("[MQTT-4.3.2-1] QoS 1 gets an identifier; [MQTT-4.3.2-2] and no DUP", "a+; a> 82: 0001 [] 't' 01; a< SUBACK; a> 32: 't' 0009 [] \"x\"; a< PUBLISH t x q1 #1 !dup, PUBACK #9"),
        ("[MQTT-4.3.2-3] without PUBACK it is sent again", "a++; a> 82: 0001 [] 't' 01; a< SUBACK; b+; b> 32: 't' 0001 [] \"x\"; a< PUBLISH; a-; a> 10: 'MQTT' 05 00 003C [] 'a'; a< CONNACK present, PUBLISH t x q1"),
        ("[MQTT-4.3.2-3] with PUBACK it is not", "a++; a> 82: 0001 [] 't' 01; a< SUBACK; b+; b> 32: 't' 0001 [] \"x\"; a< PUBLISH #1; a> 40: 0001; a<; a-; a> 10: 'MQTT' 05 00 003C [] 'a'; a< CONNACK present"),
        ("[MQTT-4.3.2-4] PUBACK is sent", "a+; a> 32: 't' 0001 [] \"x\"; a< PUBACK #1 00"),
        ("[MQTT-4.3.2-5] the same identifier after it is a new message, whatever DUP says", "b+; b> 82: 0001 [] 't' 01; b< SUBACK; a+; a> 32: 't' 0001 [] \"x\" | 3A: 't' 0001 [] \"x\"; a< PUBACK #1, PUBACK #1; b< PUBLISH t x, PUBLISH t x"),
        ("[MQTT-4.4.0-1] B-6 resent with its identifier", "a++; a> 82: 0001 [] 't' 01; a< SUBACK; b+; b> 32: 't' 0001 [] \"x\" | 32: 't' 0002 [] \"y\"; a< PUBLISH x #1, PUBLISH y #2; a> 40: 0001; a-; a> 10: 'MQTT' 05 00 003C [] 'a'; aws| a< CONNACK present, PUBLISH y; mqtt| a< CONNACK present, PUBLISH y #2 dup"),
        ("[MQTT-4.4.0-1] and at no other time", "a++; a> 82: 0001 [] 't' 01; a< SUBACK; b+; b> 32: 't' 0001 [] \"x\"; a< PUBLISH x #1; wait 60; a> C0:; a< PINGRESP"),
        ("[MQTT-4.4.0-2] a PUBACK that refuses is one", "a++; a> 82: 0001 [] 't' 01; a< SUBACK; b+; b> 32: 't' 0001 [] \"x\"; a< PUBLISH #1; a> 40: 0001 87; a<; a-; a> 10: 'MQTT' 05 00 003C [] 'a'; a< CONNACK present"),
        ("[MQTT-4.5.0-1] every session that matches has it", "a++; a> 82: 0001 [] 't' 01; a< SUBACK; b++; b> 82: 0001 [] '#' 01; b< SUBACK; a-; b-; c+; c> 32: 't' 0001 [] \"x\"; a> 10: 'MQTT' 05 00 003C [] 'a'; a< CONNACK present, PUBLISH t x; b> 10: 'MQTT' 05 00 003C [] 'b'; b< CONNACK present, PUBLISH t x"),
        ("[MQTT-4.6.0-5] in the order of its publisher; [MQTT-4.6.0-6] by default", "b+; b> 82: 0001 [] '#' 01; b< SUBACK; a+; a> 32: 't' 0001 [] \"1\" | 32: 't' 0002 [] \"2\" | 32: 't' 0003 [] \"3\"; b< PUBLISH t 1, PUBLISH t 2, PUBLISH t 3"),
        ("[MQTT-4.1.0-1] a session outlasts no Session Expiry Interval while connected", "a> 10: 'MQTT' 05 00 003C [11 00000001] 'a'; a< CONNACK; a> 82: 0001 [] 't' 00; a< SUBACK; wait 50; a> 30: 't' [] \"x\"; a< PUBLISH t x"),
        ("[MQTT-4.1.0-2] without it, with the connection", "a+; a-; a> 10: 'MQTT' 05 00 003C [] 'a'; a< CONNACK 00 !present"),
    ]);
}

#[rustfmt::skip]
#[test]
fn qos_2_is_for_behaviour_mqtt() {
    check(&[
        ("[MQTT-4.3.3-1] QoS 2 gets an identifier; [MQTT-4.3.3-2] and no DUP", "aws| a+; aws| a> 34: 't' 0001 [] \"x\"; aws| a< DISCONNECT 9B, closed; mqtt| a+; mqtt| a> 82: 0001 [] 't' 02; mqtt| a< SUBACK; mqtt| a> 34: 't' 0007 [] \"x\"; mqtt| a< PUBLISH t x q2 #1 !dup, PUBREC #7 00; mqtt| a> 62: 0007; mqtt| a< PUBCOMP #7"),
        ("[MQTT-4.3.3-4] PUBREC is answered with PUBREL of its identifier", "mqtt| a+; mqtt| a> 82: 0001 [] 't' 02; mqtt| a< SUBACK; mqtt| b+; mqtt| b> 34: 't' 0007 [] \"x\" | 62: 0007; mqtt| a< PUBLISH #1; mqtt| a> 50: 0001; mqtt| a< PUBREL #1 00"),
        ("[MQTT-4.3.3-3] without PUBREC it is sent again", "mqtt| a++; mqtt| a> 82: 0001 [] 't' 02; mqtt| a< SUBACK; mqtt| b+; mqtt| b> 34: 't' 0007 [] \"x\" | 62: 0007; mqtt| a< PUBLISH #1; mqtt| a-; mqtt| a> 10: 'MQTT' 05 00 003C [] 'a'; mqtt| a< CONNACK present, PUBLISH t x q2 #1 dup"),
        ("[MQTT-4.3.3-5] without PUBCOMP PUBREL is; [MQTT-4.3.3-6] PUBLISH is not", "mqtt| a++; mqtt| a> 82: 0001 [] 't' 02; mqtt| a< SUBACK; mqtt| b+; mqtt| b> 34: 't' 0007 [] \"x\" | 62: 0007; mqtt| a< PUBLISH #1; mqtt| a> 50: 0001; mqtt| a< PUBREL #1; mqtt| a-; mqtt| a> 10: 'MQTT' 05 00 003C [11 00000E10] 'a'; mqtt| a< CONNACK present, PUBREL #1; mqtt| a> 70: 0001; mqtt| a-; mqtt| a> 10: 'MQTT' 05 00 003C [] 'a'; mqtt| a< CONNACK present"),
        ("[MQTT-4.3.3-8] PUBREC is sent", "mqtt| a+; mqtt| a> 34: 't' 0001 [] \"x\"; mqtt| a< PUBREC #1 00"),
        ("[MQTT-3.5.2-1] with a code of PUBREC", "mqtt| a+; mqtt| a> 34: 't' 0001 [] \"x\"; mqtt| a< PUBREC #1 00"),
        ("[MQTT-4.3.3-9] after a PUBREC that refuses the same identifier is a new message", "mqtt| b+; mqtt| b> 82: 0001 [] 't' 00; mqtt| b< SUBACK; mqtt| a+; mqtt| a> 34: 't/#' 0001 []; mqtt| a< PUBREC #1 90; mqtt| a> 34: 't' 0001 [] \"x\"; mqtt| a< PUBREC #1 00; mqtt| b< PUBLISH t x"),
        ("[MQTT-3.5.2-2] a Reason String that does not fit is left out", "mqtt| a> 10: 'MQTT' 05 02 003C [27 00000020] 'a'; mqtt| a< CONNACK 00; mqtt| a> 34: 't/and/some/more/#' 0001 []; mqtt| a< PUBREC #1 90 !ReasonString"),
        ("[MQTT-4.3.3-10] the same identifier before PUBREL is the same message", "mqtt| b+; mqtt| b> 82: 0001 [] 't' 00; mqtt| b< SUBACK; mqtt| a+; mqtt| a> 34: 't' 0001 [] \"x\" | 3C: 't' 0001 [] \"x\"; mqtt| a< PUBREC #1, PUBREC #1; mqtt| a> 62: 0001; mqtt| a< PUBCOMP #1; mqtt| b< PUBLISH t x"),
        ("[MQTT-4.3.3-11] PUBREL is answered with PUBCOMP", "mqtt| a+; mqtt| a> 34: 't' 0001 [] \"x\"; mqtt| a< PUBREC; mqtt| a> 62: 0001; mqtt| a< PUBCOMP #1 00"),
        ("[MQTT-3.7.2-1] of an identifier that is not known too", "mqtt| a+; mqtt| a> 62: 0009; mqtt| a< PUBCOMP #9 92"),
        ("[MQTT-3.6.2-1] PUBREL says success, or that there is no such identifier", "mqtt| a+; mqtt| a> 50: 0009; mqtt| a< PUBREL #9 92"),
        ("[MQTT-4.3.3-12] the same identifier after PUBCOMP is a new message", "mqtt| b+; mqtt| b> 82: 0001 [] 't' 00; mqtt| b< SUBACK; mqtt| a+; mqtt| a> 34: 't' 0001 [] \"x\" | 62: 0001 | 34: 't' 0001 [] \"x\" | 62: 0001; mqtt| a< PUBREC, PUBCOMP, PUBREC, PUBCOMP; mqtt| b< PUBLISH t x, PUBLISH t x"),
        ("[MQTT-4.3.3-13] expiry does not end the exchange", "mqtt| a+; mqtt| a> 34: 't' 0001 [02 00000001] \"x\"; mqtt| a< PUBREC; mqtt| wait 9; mqtt| a> 62: 0001; mqtt| a< PUBCOMP #1 00"),
        ("[MQTT-4.4.0-2] a PUBREC that refuses ends it", "mqtt| a++; mqtt| a> 82: 0001 [] 't' 02; mqtt| a< SUBACK; mqtt| b+; mqtt| b> 34: 't' 0007 [] \"x\" | 62: 0007; mqtt| a< PUBLISH #1; mqtt| a> 50: 0001 87; mqtt| a<; mqtt| a-; mqtt| a> 10: 'MQTT' 05 00 003C [] 'a'; mqtt| a< CONNACK present"),
        ("[MQTT-3.6.1-1] flags of PUBREL", "a+; a> 60: 0001; a< DISCONNECT 81, closed"),
        ("[MQTT-3.5.2-1] a code that PUBREC does not have", "a+; a> 50: 0001 55; a< DISCONNECT 82, closed"),
        ("[MQTT-3.6.2-1] a code that PUBREL does not have", "a+; a> 62: 0001 10; a< DISCONNECT 82, closed"),
        ("[MQTT-3.7.2-1] a code that PUBCOMP does not have", "a+; a> 70: 0001 10; a< DISCONNECT 82, closed"),
    ]);
}

#[rustfmt::skip]
#[test]
fn receive_maximum_is_kept_in_both_directions() {
    check(&[
        ("[MQTT-3.3.4-9] no more than Receive Maximum; [MQTT-4.9.0-2] until one is acknowledged",
         "a> 10: 'MQTT' 05 02 003C [21 0001] 'a'; a< CONNACK; a> 82: 0001 [] 't' 01; a< SUBACK; b+; b> 32: 't' 0001 [] \"x\" | 32: 't' 0002 [] \"y\"; a< PUBLISH x #1; a> 40: 0001; a< PUBLISH y"),
        ("[MQTT-4.9.0-1] the quota begins with it",
         "a> 10: 'MQTT' 05 02 003C [21 0002] 'a'; a< CONNACK; a> 82: 0001 [] 't' 01; a< SUBACK; b+; b> 32: 't' 0001 [] \"x\" | 32: 't' 0002 [] \"y\" | 32: 't' 0003 [] \"z\"; a< PUBLISH x, PUBLISH y"),
        ("[MQTT-3.3.4-10] nothing else waits for it; [MQTT-4.9.0-3]",
         "a> 10: 'MQTT' 05 02 003C [21 0001] 'a'; a< CONNACK; a> 82: 0001 [] 't' 01; a< SUBACK; b+; b> 32: 't' 0001 [] \"x\" | 32: 't' 0002 [] \"y\"; a< PUBLISH x; a> C0: | 82: 0002 [] 'u' 00; a< PINGRESP, SUBACK; b> 30: 't' [] \"z\"; a< PUBLISH z q0"),
    ]);
    // B-47: 100 are allowed, and no PUBREL comes.
    let many = |count: u16| (1..=count).map(|id| format!("34: 't' {id:04X} []")).collect::<Vec<_>>().join(" | ");
    let received = vec!["PUBREC"; 100].join(", ");
    let trace = format!("mqtt| a+; mqtt| a> {}; mqtt| a< {received}; mqtt| a> 34: 't' 0065 []; mqtt| a< DISCONNECT 93, closed", many(100));
    check(&[("[MQTT-3.3.4-7] B-47 a client that sends more than the server's Receive Maximum", &trace)]);
}
