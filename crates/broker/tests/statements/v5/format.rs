//! 1.5 and 2: how bytes are read; 3.12, 3.14, 4.13: PINGREQ, DISCONNECT, errors.

use super::check;

#[rustfmt::skip]
#[test]
fn what_is_not_mqtt_ends_the_connection() {
    check(&[
        ("[MQTT-1.5.4-1] a surrogate", "a+; a> 30: 0003 EDA080 []; a< DISCONNECT 81, closed"),
        ("[MQTT-1.5.4-1] an overlong form", "a+; a> 30: 0002 C080 []; a< DISCONNECT 81, closed"),
        ("[MQTT-1.5.4-1] half a character", "a+; a> 82: 0001 [] 0001 E2 00; a< DISCONNECT 81, closed"),
        ("[MQTT-1.5.4-2] a null character", "a+; a> 30: 0003 610062 []; a< DISCONNECT 81, closed"),
        ("[MQTT-1.5.4-3] U+FEFF is a character like others",
         "a+; a> 82: 0001 [] 0004 EFBBBF \"t\" 00; a< SUBACK; a> 30: 't' [] \"x\"; a<; a> 30: 0004 EFBBBF \"t\" [] \"x\"; a< PUBLISH \u{FEFF}t x"),
        ("[MQTT-1.5.5-1] a property length of more bytes than it needs", "a+; a> 30: 't' 8000; a< DISCONNECT 81, closed"),
        ("[MQTT-1.5.5-1] a remaining length of more bytes than it needs", "a+; a> C0 80 00; a< DISCONNECT 81, closed"),
        ("[MQTT-1.5.5-1] a remaining length of five bytes", "a+; a> C0 FFFFFFFF 01; a< DISCONNECT 81, closed"),
        ("[MQTT-1.5.5-1] a property length of five bytes", "a+; a> 30: 't' FFFFFFFF 01; a< DISCONNECT 81, closed"),
        ("[MQTT-1.5.7-1] a user property's name that is not UTF-8", "a+; a> 30: 't' [26 0001 FF 'v']; a< DISCONNECT 81, closed"),
        ("[MQTT-1.5.7-1] a user property's value that is not UTF-8", "a+; a> 30: 't' [26 'k' 0001 FF]; a< DISCONNECT 81, closed"),
        ("[MQTT-1.5.7-1] a user property's value with a null", "a+; a> 30: 't' [26 'k' 0001 00]; a< DISCONNECT 81, closed"),
        ("[MQTT-2.1.3-1] flags of PUBACK", "a+; a> 41: 0001; a< DISCONNECT 81, closed"),
        ("[MQTT-2.1.3-1] flags of PUBREC", "a+; a> 52: 0001; a< DISCONNECT 81, closed"),
        ("[MQTT-2.1.3-1] flags of PUBCOMP", "a+; a> 74: 0001; a< DISCONNECT 81, closed"),
        ("[MQTT-2.1.3-1] flags of PINGREQ", "a+; a> C8:; a< DISCONNECT 81, closed"),
        ("[MQTT-2.1.3-1] packet type 0", "a+; a> 00:; a< DISCONNECT 81, closed"),
        ("[MQTT-2.2.1-3] packet identifier 0 of PUBLISH", "a+; a> 32: 't' 0000 [] \"x\"; a< DISCONNECT 82, closed"),
        ("[MQTT-2.2.1-3] packet identifier 0 of SUBSCRIBE", "a+; a> 82: 0000 [] 't' 00; a< DISCONNECT 82, closed"),
        ("[MQTT-2.2.1-3] packet identifier 0 of UNSUBSCRIBE", "a+; a> A2: 0000 [] 't'; a< DISCONNECT 82, closed"),
        ("[MQTT-2.2.1-5] packet identifier 0 of PUBACK", "a+; a> 40: 0000; a< DISCONNECT 82, closed"),
        ("[MQTT-2.2.2-1] no property length", "a+; a> 30: 't'; a< DISCONNECT 81, closed"),
        ("[MQTT-2.2.2-1] no property length in SUBSCRIBE", "a+; a> 82: 0001; a< DISCONNECT 81, closed"),
        ("[MQTT-3.12.4-1] PINGREQ is answered", "a+; a> C0: | C0:; a< PINGRESP, PINGRESP"),
        ("[MQTT-4.13.1-1] PINGREQ with a body", "a+; a> C0: 00; a< DISCONNECT 81, closed"),
        ("[MQTT-4.13.1-1] a packet of servers: CONNACK", "a+; a> 20: 00 00 []; a< DISCONNECT 82, closed"),
        ("[MQTT-4.13.1-1] a packet of servers: SUBACK", "a+; a> 90: 0001 [] 00; a< DISCONNECT 82, closed"),
        ("[MQTT-4.13.1-1] a packet of servers: UNSUBACK", "a+; a> B0: 0001 [] 00; a< DISCONNECT 82, closed"),
        ("[MQTT-4.13.1-1] a packet of servers: PINGRESP", "a+; a> D0:; a< DISCONNECT 82, closed"),
        ("[MQTT-4.13.1-1] what came before the error counts", "a+; a> 82: 0001 [] 't' 00; a< SUBACK; b+; b> 30: 't' [] \"x\" | C1:; b< DISCONNECT 81, closed; a< PUBLISH t x"),
        ("[MQTT-4.13.2-1] 0x80 and above is followed by the end", "a+; a> 30: 't' [23 0000]; a< DISCONNECT 82, closed"),
        ("[MQTT-4.2.0-1] bytes in their order are all that is needed", "a> 10 0E 00; a> 04 \"MQ\"; a<; a> \"TT\" 05 02 00 3C 00 0001; a> \"a\"; a< CONNACK 00"),
    ]);
}

#[rustfmt::skip]
#[test]
fn disconnect_ends_it() {
    check(&[
        ("[MQTT-3.14.0-1] no DISCONNECT before CONNACK", "a> 10: 'MQTT' 05 02 003C [] 'a' 00; a< CONNACK 81, closed"),
        ("[MQTT-3.14.1-1] flags of DISCONNECT", "a+; a> E1:; a< DISCONNECT 81, closed"),
        ("[MQTT-3.14.2-1] a code that DISCONNECT does not have", "w+; w> 82: 0001 [] 'w' 00; w< SUBACK; a> 10: 'MQTT' 05 06 003C [] 'a' [] 'w' 'bye'; a< CONNACK; a> E0: 03; a< closed; w< PUBLISH w bye"),
        ("[MQTT-3.14.2-1] a code of errors", "w+; w> 82: 0001 [] 'w' 00; w< SUBACK; a> 10: 'MQTT' 05 06 003C [] 'a' [] 'w' 'bye'; a< CONNACK; a> E0: 81; a< closed; w< PUBLISH w bye"),
        ("[MQTT-3.14.2-2] B-25 the server says no Session Expiry Interval", "a++; b> 10: 'MQTT' 05 00 003C [] 'a'; b< CONNACK 00 present; a< DISCONNECT 8E !SessionExpiryInterval, closed"),
        ("[MQTT-3.14.2-3] a Reason String that does not fit is left out",
         "a> 10: 'MQTT' 05 02 003C [27 00000200] 'a'; a< CONNACK 00; a> 30: 'a/b/c/#' []; a< DISCONNECT 90 ReasonString, closed; mqtt| b> 10: 'MQTT' 05 02 003C [27 00000028] 'b'; mqtt| b< CONNACK 00; mqtt| b> 30: 'a/b/c/d/e/f/g/h/i/j/k/l/#' []; mqtt| b< DISCONNECT 90 !ReasonString, closed"),
        ("[MQTT-3.14.4-1] nothing behind DISCONNECT is looked at", "w+; w> 82: 0001 [] 't' 00; w< SUBACK; a+; a> E0: | 30: 't' [] \"x\"; a< closed; w<"),
        ("[MQTT-3.14.4-2] the server closes after its DISCONNECT", "a+; a> C1:; a< DISCONNECT 81, closed"),
        ("[MQTT-3.14.4-3] a DISCONNECT discards the Will",
         "w+; w> 82: 0001 [] 'w' 00; w< SUBACK; a> 10: 'MQTT' 05 06 003C [] 'a' [] 'w' 'bye'; a< CONNACK 00; a> E0: 00; a< closed; w<"),
        ("[MQTT-3.1.2-23] B-25 a session of 0 cannot be made longer", "a+; a> E0: 00 [11 00000001]; a< DISCONNECT 82, closed"),
        ("[MQTT-3.1.2-23] B-25 DISCONNECT may end the session", "a++; a> E0: 00 [11 00000000]; a< closed; a> 10: 'MQTT' 05 00 003C [] 'a'; a< CONNACK 00 !present"),
        ("[MQTT-4.13.1-1] a property twice", "a+; a> E0: 00 [1F 'a' 1F 'b']; a< DISCONNECT 82, closed"),
        ("[MQTT-4.13.1-1] a property of CONNECT", "a+; a> E0: 00 [21 0001]; a< DISCONNECT 82, closed"),
        ("[MQTT-4.13.1-1] bytes behind the last property", "a+; a> E0: 00 [] 00; a< DISCONNECT 81, closed"),
    ]);
}
