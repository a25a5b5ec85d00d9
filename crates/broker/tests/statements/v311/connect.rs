//! 3.1 and 3.2: CONNECT and CONNACK.

use super::check;

#[rustfmt::skip]
#[test]
fn a_connect_that_breaks_the_format_is_closed_without_connack() {
    check(&[
        ("[MQTT-3.1.0-1] CONNECT comes first", "a> C0:; a< closed"),
        ("[MQTT-3.1.0-1] CONNECT comes first, not PUBLISH", "w+; w> 82: 0001 't' 00; w< SUBACK; a> 30: 't' \"x\"; a< closed; w<"),
        ("[MQTT-3.1.0-2] a second CONNECT", "a+; a> 10: 'MQTT' 04 02 003C 'a'; a< closed"),
        ("[MQTT-3.1.2-1] another protocol's name", "a> 10: 'AMQP' 04 02 003C 'a'; a< CONNACK 01, closed"),
        ("[MQTT-3.1.2-2] the level of MQTT 3.1", "a> 10: 'MQIsdp' 03 02 003C 'a'; a< CONNACK 01, closed"),
        ("[MQTT-3.1.2-2] a level that does not exist", "a> 10: 'MQTT' 06 02 003C 'a'; a< CONNACK 01, closed"),
        ("[MQTT-3.1.2-3] the reserved flag", "a> 10: 'MQTT' 04 03 003C 'a'; a< closed"),
        ("[MQTT-3.1.2-9] a Will flag without topic and message", "a> 10: 'MQTT' 04 06 003C 'a'; a< closed"),
        ("[MQTT-3.1.2-9] a Will flag without message", "a> 10: 'MQTT' 04 06 003C 'a' 'w'; a< closed"),
        ("[MQTT-3.1.2-11] a Will topic and message without the flag", "a> 10: 'MQTT' 04 02 003C 'a' 'w' 'bye'; a< closed"),
        ("[MQTT-3.1.2-13] Will QoS without a Will", "a> 10: 'MQTT' 04 0A 003C 'a'; a< closed"),
        ("[MQTT-3.1.2-14] Will QoS 3", "a> 10: 'MQTT' 04 1E 003C 'a' 'w' 'bye'; a< closed"),
        ("[MQTT-3.1.2-14] B-3 Will QoS 2", "a> 10: 'MQTT' 04 16 003C 'a' 'w' 'bye'; aws| a< closed; mqtt| a< CONNACK 00"),
        ("[MQTT-3.1.2-14] Will QoS 1", "a> 10: 'MQTT' 04 0E 003C 'a' 'w' 'bye'; a< CONNACK 00"),
        ("[MQTT-3.1.2-15] Will Retain without a Will", "a> 10: 'MQTT' 04 22 003C 'a'; a< closed"),
        ("[MQTT-3.1.2-18] a user name without its flag", "a> 10: 'MQTT' 04 02 003C 'a' 'u'; a< closed"),
        ("[MQTT-3.1.2-19] a flag without a user name", "a> 10: 'MQTT' 04 82 003C 'a'; a< closed"),
        ("[MQTT-3.1.2-20] a password without its flag", "a> 10: 'MQTT' 04 82 003C 'a' 'u' 'p'; a< closed"),
        ("[MQTT-3.1.2-21] a flag without a password", "a> 10: 'MQTT' 04 C2 003C 'a' 'u'; a< closed"),
        ("[MQTT-3.1.2-22] a password without a user name", "a> 10: 'MQTT' 04 42 003C 'a' 'p'; a< closed"),
        ("[MQTT-3.1.3-1] all fields, in their order", "a> 10: 'MQTT' 04 C6 003C 'a' 'w' 'bye' 'u' 'p'; a< CONNACK 00"),
        ("[MQTT-3.1.3-3] no client id", "a> 10: 'MQTT' 04 02 003C; a< closed"),
        ("[MQTT-3.1.3-4] a client id that is not UTF-8", "a> 10: 'MQTT' 04 02 003C 0001 FF; a< closed"),
        ("[MQTT-3.1.3-7] an empty client id with a session; [MQTT-3.1.3-8] is answered with 0x02", "a> 10: 'MQTT' 04 00 003C ''; a< CONNACK 02, closed"),
        ("[MQTT-3.1.3-9] a client id that only servers give", "a> 10: 'MQTT' 04 02 003C '$GEN/1'; a< CONNACK 02, closed"),
        ("[MQTT-3.1.3-9] B-11 or that is too long", "a> 10: 'MQTT' 04 02 003C 'a'*129; aws| a< CONNACK 02, closed; mqtt| a< CONNACK 00"),
        ("[MQTT-3.1.3-10] a Will topic that is not UTF-8", "a> 10: 'MQTT' 04 06 003C 'a' 0001 FF 'bye'; a< closed"),
        ("[MQTT-3.1.3-11] a user name that is not UTF-8", "a> 10: 'MQTT' 04 82 003C 'a' 0002 C328; a< closed"),
        ("[MQTT-3.1.4-1] bytes behind the last field", "a> 10: 'MQTT' 04 02 003C 'a' 00; a< closed"),
        ("[MQTT-3.1.4-1] the packet ends in the flags", "a> 10: 'MQTT' 04; a< closed"),
        ("[MQTT-3.1.4-1] flags of the fixed header", "a> 12: 'MQTT' 04 02 003C 'a'; a< closed"),
        ("[MQTT-3.1.4-5] what comes behind a refused CONNECT is not looked at",
         "w+; w> 82: 0001 't' 00; w< SUBACK; a> 10: 'MQTT' 04 02 003C '$GEN/1' | 30: 't' \"x\"; a< CONNACK 02, closed; w<"),
    ]);
}

#[rustfmt::skip]
#[test]
fn a_session_is_kept_or_not() {
    check(&[
        ("[MQTT-3.1.2-4] no clean session resumes it or makes one", "a> 10: 'MQTT' 04 00 003C 'a'; a< CONNACK 00 !present; a> 82: 0001 't' 01; a< SUBACK; a-; a++; b+; b> 32: 't' 0001 \"x\"; a< PUBLISH t x q1"),
        ("[MQTT-3.1.2-5] QoS 1 is kept while it is away", "a++; a> 82: 0001 't' 01; a< SUBACK; a-; b+; b> 32: 't' 0001 \"x\"; b< PUBACK; a> 10: 'MQTT' 04 00 003C 'a'; a< CONNACK 00 present, PUBLISH t x q1"),
        ("[MQTT-3.1.2-6] a clean session begins and ends with the connection", "a++; a> 82: 0001 't' 01; a< SUBACK; a-; a+; b+; b> 32: 't' 0001 \"x\"; b< PUBACK; a<; a-; a> 10: 'MQTT' 04 00 003C 'a'; a< CONNACK 00 !present"),
        ("[MQTT-3.1.2-7] what is retained stays when its session ends", "a+; a> 31: 't' \"1\"; a-; b+; b> 82: 0001 't' 00; b< SUBACK, PUBLISH t 1 retain"),
        ("[MQTT-3.1.3-2] another client id, another session", "a++; a-; b> 10: 'MQTT' 04 00 003C 'b'; b< CONNACK 00 !present"),
        ("[MQTT-3.1.3-5] 23 letters and digits", "a> 10: 'MQTT' 04 02 003C '0123456789abcdefABCDEFG'; a< CONNACK 00"),
        ("[MQTT-3.1.3-6] empty ids are different clients", "a> 10: 'MQTT' 04 02 003C ''; a< CONNACK 00; b> 10: 'MQTT' 04 02 003C ''; b< CONNACK 00; a> C0:; a< PINGRESP"),
        ("[MQTT-3.1.4-2] the older connection is closed", "a+; b> 10: 'MQTT' 04 02 003C 'a'; b< CONNACK 00; a< closed"),
        ("[MQTT-3.1.4-3] and clean session is obeyed", "a++; b> 10: 'MQTT' 04 00 003C 'a'; b< CONNACK 00 present; c> 10: 'MQTT' 04 02 003C 'a'; c< CONNACK 00 !present"),
        ("[MQTT-3.1.4-4] success is said", "a> 10: 'MQTT' 04 02 003C 'a'; a< CONNACK 00"),
        ("[MQTT-3.2.0-1] CONNACK comes first", "a> 10: 'MQTT' 04 02 003C 'a' | C0:; a< CONNACK 00, PINGRESP"),
        ("[MQTT-3.2.2-1] clean session: no session", "a++; a-; a> 10: 'MQTT' 04 02 003C 'a'; a< CONNACK 00 !present"),
        ("[MQTT-3.2.2-2] a session, if there is one", "a++; a-; a> 10: 'MQTT' 04 00 003C 'a'; a< CONNACK 00 present"),
        ("[MQTT-3.2.2-3] and if there is none", "a> 10: 'MQTT' 04 00 003C 'a'; a< CONNACK 00 !present"),
        ("[MQTT-3.2.2-4] a refusal speaks of no session", "a> 10: 'MQTT' 04 00 003C '$GEN/1'; a< CONNACK 02 !present, closed"),
        ("[MQTT-3.2.2-5] and closes", "a> 10: 'MQTT' 04 02 003C '$GEN/1'; a< CONNACK 02, closed"),
        ("[MQTT-3.2.2-6] no code fits: closed without CONNACK", "a> 10: 'MQTT' 04 06 003C 'a' 'w/#' 'bye'; a< closed"),
        ("[MQTT-4.1.0-1] a session is there as long as it is connected; [MQTT-4.1.0-2]", "a+; a> 82: 0001 't' 00; a< SUBACK; wait 80; a> C0:; a< PINGRESP; wait 80; a> 30: 't' \"x\"; a< PUBLISH t x"),
    ]);
}

#[rustfmt::skip]
#[test]
fn a_will_is_published_unless_the_client_says_goodbye() {
    check(&[
        ("[MQTT-3.1.2-8] published when the network breaks", "w+; w> 82: 0001 'w' 00; w< SUBACK; a> 10: 'MQTT' 04 06 003C 'a' 'w' 'bye'; a< CONNACK; w<; a-; w< PUBLISH w bye q0"),
        ("[MQTT-3.1.2-8] and when the client breaks the protocol", "w+; w> 82: 0001 'w' 00; w< SUBACK; a> 10: 'MQTT' 04 06 003C 'a' 'w' 'bye'; a< CONNACK; a> C1:; a< closed; w< PUBLISH w bye"),
        ("[MQTT-3.1.2-8] and when keep-alive ran out", "w+; w> 82: 0001 'w' 00; w< SUBACK; a> 10: 'MQTT' 04 06 001E 'a' 'w' 'bye'; a< CONNACK; wait 44; w< PUBLISH w bye"),
        ("[MQTT-3.1.2-10] gone after DISCONNECT; [MQTT-3.14.4-3]", "w+; w> 82: 0001 'w' 00; w< SUBACK; a> 10: 'MQTT' 04 06 003C 'a' 'w' 'bye'; a< CONNACK; a> E0:; a< closed; w<"),
        ("[MQTT-3.1.2-10] published once", "w+; w> 82: 0001 'w' 00; w< SUBACK; a> 10: 'MQTT' 04 04 003C 'a' 'w' 'bye'; a< CONNACK; a-; w< PUBLISH w bye; a++; a-; w<"),
        ("[MQTT-3.1.2-12] no Will, nothing is sent", "w+; w> 82: 0001 '#' 00; w< SUBACK; a+; a-; w<"),
        ("[MQTT-3.1.2-16] a Will that is not retained", "a> 10: 'MQTT' 04 06 003C 'a' 'w' 'bye'; a< CONNACK; a-; b+; b> 82: 0001 'w' 00; b< SUBACK"),
        ("[MQTT-3.1.2-17] a retained one", "a> 10: 'MQTT' 04 26 003C 'a' 'w' 'bye'; a< CONNACK; a-; b+; b> 82: 0001 'w' 00; b< SUBACK, PUBLISH w bye retain"),
        ("[MQTT-3.1.2-24] B-15 silence of one and a half keep-alives", "a> 10: 'MQTT' 04 02 001E 'a'; a< CONNACK; wait 43; a<; wait 1; a< closed"),
        ("[MQTT-3.1.2-24] a packet starts it again", "a> 10: 'MQTT' 04 02 001E 'a'; a< CONNACK; wait 40; a> C0:; a< PINGRESP; wait 40; a<"),
    ]);
}
