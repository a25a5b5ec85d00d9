//! 3.1: what a CONNECT must be, and what follows from it.

use super::check;

#[rustfmt::skip]
#[test]
fn a_connect_that_breaks_the_format_is_refused() {
    check(&[
        ("[MQTT-3.1.0-1] CONNECT comes first", "a> C0:; a< closed"),
        ("[MQTT-3.1.0-1] CONNECT comes first, not SUBSCRIBE", "a> 82: 0001 [] 't' 00; a< closed"),
        ("[MQTT-3.1.0-2] a second CONNECT", "a+; a> 10: 'MQTT' 05 02 003C [] 'a'; a< DISCONNECT 82, closed"),
        ("[MQTT-3.1.2-1] another protocol's name", "a> 10: 'AMQP' 05 02 003C [] 'a'; a< CONNACK 01, closed"),
        ("[MQTT-3.1.2-1] the name of MQTT 3.1", "a> 10: 'MQIsdp' 03 02 003C 'a'; a< CONNACK 01, closed"),
        ("[MQTT-3.1.2-1] no name", "a> 10:; a< closed"),
        ("[MQTT-3.1.2-2] a version that does not exist", "a> 10: 'MQTT' 06 02 003C [] 'a'; a< CONNACK 01, closed"),
        ("[MQTT-3.1.2-3] the reserved flag", "a> 10: 'MQTT' 05 03 003C [] 'a'; a< CONNACK 81, closed"),
        ("[MQTT-3.1.2-16] a user name without its flag", "a> 10: 'MQTT' 05 02 003C [] 'a' 'u'; a< CONNACK 81, closed"),
        ("[MQTT-3.1.2-17] a flag without a user name", "a> 10: 'MQTT' 05 82 003C [] 'a'; a< CONNACK 81, closed"),
        ("[MQTT-3.1.2-18] a password without its flag", "a> 10: 'MQTT' 05 82 003C [] 'a' 'u' 'p'; a< CONNACK 81, closed"),
        ("[MQTT-3.1.2-19] a flag without a password", "a> 10: 'MQTT' 05 C2 003C [] 'a' 'u'; a< CONNACK 81, closed"),
        ("[MQTT-3.1.2-19] a password alone is allowed in MQTT 5", "a> 10: 'MQTT' 05 42 003C [] 'a' 'p'; a< CONNACK 00"),
        ("[MQTT-3.1.3-1] all fields, in their order", "a> 10: 'MQTT' 05 C6 003C [] 'a' [] 'w' 'bye' 'u' 'p'; a< CONNACK 00"),
        ("[MQTT-3.1.3-1] a Will topic where its properties should be", "a> 10: 'MQTT' 05 06 003C [] 'a' 'w' 'bye'; a< CONNACK 81, closed"),
        ("[MQTT-3.1.3-3] no client id", "a> 10: 'MQTT' 05 02 003C []; a< CONNACK 81, closed"),
        ("[MQTT-3.1.3-4] a client id that is not UTF-8", "a> 10: 'MQTT' 05 02 003C [] 0001 FF; a< CONNACK 81, closed"),
        ("[MQTT-3.1.3-4] a client id with a null", "a> 10: 'MQTT' 05 02 003C [] 0001 00; a< CONNACK 81, closed"),
        ("[MQTT-3.1.3-12] a user name that is not UTF-8", "a> 10: 'MQTT' 05 82 003C [] 'a' 0002 C328; a< CONNACK 81, closed"),
        ("[MQTT-3.1.4-1] the packet ends in the version", "a> 10: 'MQTT'; a< closed"),
        ("[MQTT-3.1.4-1] flags of the fixed header", "a> 11: 'MQTT' 05 02 003C [] 'a'; a< closed"),
        ("[MQTT-3.1.4-1] no property length", "a> 10: 'MQTT' 05 02 003C; a< CONNACK 81, closed"),
        ("[MQTT-3.1.4-1] properties behind the packet's end", "a> 10: 'MQTT' 05 02 003C 09 11; a< CONNACK 81, closed"),
        ("[MQTT-3.1.4-1] a property that does not exist", "a> 10: 'MQTT' 05 02 003C [7F 00] 'a'; a< CONNACK 81, closed"),
        ("[MQTT-3.1.4-1] a property of another packet", "a> 10: 'MQTT' 05 02 003C [24 01] 'a'; a< CONNACK 82, closed"),
        ("[MQTT-3.1.4-1] Session Expiry Interval twice", "a> 10: 'MQTT' 05 02 003C [11 00000001 11 00000001] 'a'; a< CONNACK 82, closed"),
        ("[MQTT-3.1.4-1] Receive Maximum twice", "a> 10: 'MQTT' 05 02 003C [21 0001 21 0001] 'a'; a< CONNACK 82, closed"),
        ("[MQTT-3.1.4-1] Receive Maximum 0", "a> 10: 'MQTT' 05 02 003C [21 0000] 'a'; a< CONNACK 82, closed"),
        ("[MQTT-3.1.4-1] Maximum Packet Size 0", "a> 10: 'MQTT' 05 02 003C [27 00000000] 'a'; a< CONNACK 82, closed"),
        ("[MQTT-3.1.4-1] Maximum Packet Size twice", "a> 10: 'MQTT' 05 02 003C [27 00000400 27 00000400] 'a'; a< CONNACK 82, closed"),
        ("[MQTT-3.1.4-1] Topic Alias Maximum twice", "a> 10: 'MQTT' 05 02 003C [22 0001 22 0001] 'a'; a< CONNACK 82, closed"),
        ("[MQTT-3.1.4-1] Request Response Information 2", "a> 10: 'MQTT' 05 02 003C [19 02] 'a'; a< CONNACK 82, closed"),
        ("[MQTT-3.1.4-1] Request Response Information twice", "a> 10: 'MQTT' 05 02 003C [19 00 19 00] 'a'; a< CONNACK 82, closed"),
        ("[MQTT-3.1.4-1] Request Problem Information 2", "a> 10: 'MQTT' 05 02 003C [17 02] 'a'; a< CONNACK 82, closed"),
        ("[MQTT-3.1.4-1] Request Problem Information twice", "a> 10: 'MQTT' 05 02 003C [17 01 17 01] 'a'; a< CONNACK 82, closed"),
        ("[MQTT-3.1.4-1] Authentication Method twice", "a> 10: 'MQTT' 05 02 003C [15 'X' 15 'X'] 'a'; a< CONNACK 82, closed"),
        ("[MQTT-3.1.4-1] Authentication Data without a method", "a> 10: 'MQTT' 05 02 003C [16 'X'] 'a'; a< CONNACK 82, closed"),
        ("[MQTT-3.1.4-1] a property that is cut", "a> 10: 'MQTT' 05 02 003C [21 00] 'a'; a< CONNACK 81, closed"),
    ]);
}

#[rustfmt::skip]
#[test]
fn a_client_id_names_its_session() {
    check(&[
        ("[MQTT-3.1.2-4] Clean Start discards the session",
         "a++; a> 82: 0001 [] 't' 01; a< SUBACK; a-; a> 10: 'MQTT' 05 02 003C [] 'a'; a< CONNACK 00 !present; b+; b> 32: 't' 0001 [] \"x\"; b< PUBACK; a<"),
        ("[MQTT-3.1.2-5] no Clean Start resumes it",
         "a++; a> 82: 0001 [] 't' 01; a< SUBACK; a-; a> 10: 'MQTT' 05 00 003C [] 'a'; a< CONNACK 00 present; b+; b> 32: 't' 0001 [] \"x\"; b< PUBACK; a< PUBLISH t x q1"),
        ("[MQTT-3.1.2-6] or makes one", "a> 10: 'MQTT' 05 00 003C [] 'a'; a< CONNACK 00 !present; a> 82: 0001 [] 't' 00; a< SUBACK #1 00"),
        ("[MQTT-3.1.2-23] the session is there after the connection",
         "a++; a> 82: 0001 [] 't' 01; a< SUBACK; a-; b+; b> 32: 't' 0001 [] \"x\"; b< PUBACK; a> 10: 'MQTT' 05 00 003C [] 'a'; a< CONNACK 00 present, PUBLISH t x q1"),
        ("[MQTT-3.1.3-2] another client id, another session",
         "a++; a> 82: 0001 [] 't' 01; a< SUBACK; a-; b> 10: 'MQTT' 05 00 003C [] 'b'; b< CONNACK 00 !present; b> 30: 't' [] \"x\"; b<"),
        ("[MQTT-3.1.3-5] 23 letters and digits", "a> 10: 'MQTT' 05 02 003C [] '0123456789abcdefABCDEFG'; a< CONNACK 00"),
        ("[MQTT-3.1.3-5] one", "a> 10: 'MQTT' 05 02 003C [] 'Z'; a< CONNACK 00"),
        ("[MQTT-3.1.3-6] an empty client id", "a> 10: 'MQTT' 05 02 003C [] ''; a< CONNACK 00 AssignedClientIdentifier"),
        ("[MQTT-3.1.3-7] is assigned and returned, also with a session",
         "a> 10: 'MQTT' 05 00 003C [11 00000E10] ''; a< CONNACK 00 !present AssignedClientIdentifier; a> 82: 0001 [] 't' 00; a< SUBACK #1 00"),
        ("[MQTT-3.1.3-8] a client id that only servers give", "a> 10: 'MQTT' 05 02 003C [] '$GEN/1'; a< CONNACK 85, closed"),
        ("[MQTT-3.1.4-2] B-11 further checks", "a> 10: 'MQTT' 05 02 003C [] 'a'*129; aws| a< CONNACK 85, closed; mqtt| a< CONNACK 00"),
        ("[MQTT-3.1.4-3] the older connection is told and closed", "a+; b> 10: 'MQTT' 05 02 003C [] 'a'; b< CONNACK 00; a< DISCONNECT 8E, closed"),
        ("[MQTT-3.1.4-4] and its session goes the way of Clean Start",
         "a++; b> 10: 'MQTT' 05 02 003C [] 'a'; b< CONNACK 00 !present; c> 10: 'MQTT' 05 00 003C [11 00000E10] 'a'; c< CONNACK 00 !present; d> 10: 'MQTT' 05 00 003C [] 'a'; d< CONNACK 00 present"),
        ("[MQTT-3.1.4-5] success is said", "a> 10: 'MQTT' 05 02 003C [] 'a'; a< CONNACK 00"),
        ("[MQTT-3.1.4-6] what comes behind a refused CONNECT is not looked at",
         "w+; w> 82: 0001 [] 't' 00; w< SUBACK; a> 10: 'MQTT' 05 02 003C [] '$GEN/1' | 30: 't' [] \"x\"; a< CONNACK 85, closed; w<"),
    ]);
}

#[rustfmt::skip]
#[test]
fn what_a_connect_asks_for_is_obeyed() {
    check(&[
        ("[MQTT-3.1.2-22] B-15 silence of one and a half keep-alives", "a> 10: 'MQTT' 05 02 001E [] 'a'; a< CONNACK 00; wait 43; a<; wait 1; a< DISCONNECT 8D, closed"),
        ("[MQTT-3.1.2-22] a packet starts it again", "a> 10: 'MQTT' 05 02 001E [] 'a'; a< CONNACK 00; wait 40; a> C0:; a< PINGRESP; wait 40; a<"),
        ("[MQTT-3.1.2-24] B-19 a packet above Maximum Packet Size is not sent",
         "a> 10: 'MQTT' 05 02 003C [27 00000200] 'a'; a< CONNACK 00; a> 82: 0001 [] 't' 01; a< SUBACK; b+; b> 32: 't' 0001 [] 61*520; b< PUBACK; a<"),
        ("[MQTT-3.1.2-25] and counts as sent",
         "a> 10: 'MQTT' 05 02 003C [27 00000200 21 0001] 'a'; a< CONNACK 00; a> 82: 0001 [] 't' 01; a< SUBACK; b+; b> 32: 't' 0001 [] 61*520; b< PUBACK; b> 32: 't' 0002 [] \"y\"; b< PUBACK; a< PUBLISH t y q1"),
        ("[MQTT-3.1.2-26] no alias above Topic Alias Maximum",
         "a> 10: 'MQTT' 05 02 003C [22 0001] 'a'; a< CONNACK 00; a> 82: 0001 [] '#' 00; a< SUBACK; a> 30: 't' [] \"x\" | 30: 'u' [] \"y\"; a< PUBLISH t x, PUBLISH u y !TopicAlias(2)"),
        ("[MQTT-3.1.2-27] no alias for who takes none",
         "a+; a> 82: 0001 [] '#' 00; a< SUBACK; a> 30: 't' [23 0001] \"x\" | 30: '' [23 0001] \"y\"; a< PUBLISH t x !TopicAlias, PUBLISH t y !TopicAlias"),
        ("[MQTT-3.1.2-28] no Response Information unasked", "a> 10: 'MQTT' 05 02 003C [19 00] 'a'; a< CONNACK 00 !ResponseInformation"),
        ("[MQTT-3.1.2-29] B-75 no Reason String for who wants none",
         "a> 10: 'MQTT' 05 02 003C [17 00] 'a'; a< CONNACK 00; a> 82: 0001 [] 'a/#/b' 00; a< SUBACK #1 8F !ReasonString"),
        ("[MQTT-3.1.2-29] and one for the others", "a+; a> 82: 0001 [] 'a/#/b' 00; a< SUBACK #1 8F ReasonString"),
    ]);
}
