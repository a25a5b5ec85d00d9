//! 1.5, 2, 3.12, 3.14, 4.8: how bytes are read, PINGREQ, DISCONNECT, errors.

use super::check;

#[rustfmt::skip]
#[test]
fn what_is_not_mqtt_is_closed() {
    check(&[
        ("[MQTT-1.5.3-1] a surrogate", "a+; a> 30: 0003 EDA080; a< closed"),
        ("[MQTT-1.5.3-1] an overlong form", "a+; a> 82: 0001 0002 C080 00; a< closed"),
        ("[MQTT-1.5.3-2] a null character", "a+; a> 30: 0003 610062; a< closed"),
        ("[MQTT-1.5.3-3] U+FEFF is a character like others", "a+; a> 82: 0001 0004 EFBBBF \"t\" 00; a< SUBACK; a> 30: 't' \"x\" | 30: 0004 EFBBBF \"t\" \"y\"; a< PUBLISH \u{FEFF}t y"),
        ("[MQTT-2.2.2-1] flags of PUBACK; [MQTT-2.2.2-2]", "a+; a> 41: 0001; a< closed"),
        ("[MQTT-2.2.2-2] flags of PUBREC", "a+; a> 52: 0001; a< closed"),
        ("[MQTT-2.2.2-2] flags of PUBCOMP", "a+; a> 74: 0001; a< closed"),
        ("[MQTT-2.2.2-2] flags of PINGREQ", "a+; a> C8:; a< closed"),
        ("[MQTT-2.2.2-2] packet type 0", "a+; a> 00:; a< closed"),
        ("[MQTT-2.2.2-2] packet type 15", "a+; a> F0:; a< closed"),
        ("[MQTT-2.3.1-1] packet identifier 0 of PUBLISH", "a+; a> 32: 't' 0000 \"x\"; a< closed"),
        ("[MQTT-2.3.1-1] packet identifier 0 of SUBSCRIBE", "a+; a> 82: 0000 't' 00; a< closed"),
        ("[MQTT-2.3.1-1] packet identifier 0 of UNSUBSCRIBE", "a+; a> A2: 0000 't'; a< closed"),
        ("[MQTT-2.3.1-6] packet identifier 0 of PUBACK", "a+; a> 40: 0000; a< closed"),
        ("[MQTT-3.12.4-1] PINGREQ is answered", "a+; a> C0: | C0:; a< PINGRESP, PINGRESP"),
        ("[MQTT-4.8.0-1] a remaining length of five bytes", "a+; a> C0 FFFFFFFF 01; a< closed"),
        ("[MQTT-4.8.0-1] PINGREQ with a body", "a+; a> C0: 00; a< closed"),
        ("[MQTT-4.8.0-1] PUBACK with a code of MQTT 5", "a+; a> 40: 0001 00; a< closed"),
        ("[MQTT-4.8.0-1] a packet of servers: CONNACK", "a+; a> 20: 00 00; a< closed"),
        ("[MQTT-4.8.0-1] a packet of servers: SUBACK", "a+; a> 90: 0001 00; a< closed"),
        ("[MQTT-4.8.0-1] a packet of servers: UNSUBACK", "a+; a> B0: 0001; a< closed"),
        ("[MQTT-4.8.0-1] a packet of servers: PINGRESP", "a+; a> D0:; a< closed"),
        ("[MQTT-4.8.0-1] what came before the error counts", "a+; a> 82: 0001 't' 00; a< SUBACK; b+; b> 30: 't' \"x\" | C1:; b< closed; a< PUBLISH t x"),
        ("[MQTT-3.14.1-1] flags of DISCONNECT", "a+; a> E1:; a< closed"),
        ("[MQTT-4.8.0-1] DISCONNECT with a body", "w+; w> 82: 0001 'w' 00; w< SUBACK; a> 10: 'MQTT' 04 06 003C 'a' 'w' 'bye'; a< CONNACK; a> E0: 00; a< closed; w< PUBLISH w bye"),
        ("[MQTT-3.14.4-1] the server closes too", "a+; a> E0:; a< closed"),
        ("[MQTT-3.14.4-2] nothing behind DISCONNECT is looked at", "w+; w> 82: 0001 't' 00; w< SUBACK; a+; a> E0: | 30: 't' \"x\"; a< closed; w<"),
        ("[MQTT-7.1.1-1] bytes in their order are all that is needed", "a> 10 0D 00; a> 04 \"MQ\"; a<; a> \"TT\" 04 02 00 3C 0001; a> \"a\"; a< CONNACK 00"),
    ]);
}
