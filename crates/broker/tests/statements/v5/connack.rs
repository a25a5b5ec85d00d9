//! 3.2: CONNACK; and 4.12: the authentication that the broker does not have (`B-2`).

use super::check;

#[rustfmt::skip]
#[test]
fn connack_says_what_the_server_does() {
    check(&[
        ("[MQTT-3.2.0-1] CONNACK comes first", "a> 10: 'MQTT' 05 02 003C [] 'a' | C0:; a< CONNACK 00, PINGRESP"),
        ("[MQTT-3.2.0-2] and once", "a+; a> 10: 'MQTT' 05 02 003C [] 'a'; a< DISCONNECT 82, closed"),
        ("[MQTT-3.2.2-1] its other flags are 0", "a> 10: 'MQTT' 05 02 003C [] 'a'; a< CONNACK 00"),
        ("[MQTT-3.2.2-2] Clean Start: no session", "a++; a-; a> 10: 'MQTT' 05 02 003C [] 'a'; a< CONNACK 00 !present"),
        ("[MQTT-3.2.2-3] a session, if there is one", "a> 10: 'MQTT' 05 00 003C [11 00000E10] 'a'; a< CONNACK 00 !present; a-; a> 10: 'MQTT' 05 00 003C [] 'a'; a< CONNACK 00 present"),
        ("[MQTT-3.2.2-6] a refusal speaks of no session", "a++; a-; a> 10: 'MQTT' 05 00 003C [15 'X'] 'a'; aws| a< CONNACK 87 !present, closed; mqtt| a< CONNACK 8C !present, closed"),
        ("[MQTT-3.2.2-7] a refusal closes", "a> 10: 'MQTT' 05 02 003C [] '$GEN/'; a< CONNACK 85, closed"),
        ("[MQTT-3.2.2-8] B-21 with a code of CONNACK", "a> 10: 'MQTT' 05 02 003C [] '$GEN/'; a< CONNACK 85, closed"),
        ("[MQTT-3.2.2-9] B-22 Maximum QoS where it is not 2", "a> 10: 'MQTT' 05 02 003C [] 'a'; aws| a< CONNACK 00 MaximumQoS(1); mqtt| a< CONNACK 00 !MaximumQoS"),
        ("[MQTT-3.2.2-10] B-4 a SUBSCRIBE of QoS 2 is accepted all the same", "a+; a> 82: 0001 [] 't' 02; aws| a< SUBACK #1 01; mqtt| a< SUBACK #1 02"),
        ("[MQTT-3.2.2-11] B-3 a PUBLISH above Maximum QoS", "a+; a> 34: 't' 0001 [] \"x\"; aws| a< DISCONNECT 9B, closed; mqtt| a< PUBREC #1 00"),
        ("[MQTT-3.2.2-15] a packet above Maximum Packet Size", "a+; a> 30 FF FF FF 7F; aws| a< DISCONNECT 97, closed; mqtt| a< DISCONNECT 95, closed"),
        ("[MQTT-3.2.2-16] two empty client ids are two clients",
         "a> 10: 'MQTT' 05 02 003C [] ''; a< CONNACK 00 AssignedClientIdentifier; b> 10: 'MQTT' 05 02 003C [] ''; b< CONNACK 00 AssignedClientIdentifier; a<"),
        ("[MQTT-3.2.2-17] B-73 an alias above Topic Alias Maximum", "a+; a> 30: 't' [23 0009] \"x\"; a< DISCONNECT 94, closed"),
        ("[MQTT-3.2.2-19] a Reason String that does not fit is left out", "a> 10: 'MQTT' 05 02 003C [27 00000010 15 'X'] 'a'; aws| a< CONNACK 87 !ReasonString, closed; mqtt| a< CONNACK 8C !ReasonString, closed"),
        ("[MQTT-3.2.2-22] B-15 Server Keep Alive is always said", "a> 10: 'MQTT' 05 02 003C [] 'a'; a< CONNACK 00 ServerKeepAlive(60)"),
    ]);
}

#[rustfmt::skip]
#[test]
fn enhanced_authentication_is_not_there() {
    check(&[
        ("[MQTT-4.12.0-1] B-2 a method that is not supported", "a> 10: 'MQTT' 05 02 003C [15 'SCRAM'] 'a'; aws| a< CONNACK 87, closed; mqtt| a< CONNACK 8C, closed"),
        ("[MQTT-4.12.0-4] so authentication ends there", "a> 10: 'MQTT' 05 02 003C [15 'SCRAM' 16 'x'] 'a'; aws| a< CONNACK 87, closed; mqtt| a< CONNACK 8C, closed"),
        ("[MQTT-4.12.0-6] no AUTH and no method for who named none", "a> 10: 'MQTT' 05 02 003C [] 'a'; a< CONNACK 00 !AuthenticationMethod"),
        ("[MQTT-4.12.0-7] AUTH from who named no method", "a+; a> F0: 18 [15 'SCRAM']; a< DISCONNECT 82, closed"),
        ("[MQTT-4.12.1-1] nor can it be repeated", "a+; a> F0: 19 [15 'SCRAM']; a< DISCONNECT 82, closed"),
        ("[MQTT-3.15.1-1] flags of AUTH", "a+; a> F1: 18 [15 'X']; a< DISCONNECT 81, closed"),
        ("[MQTT-3.15.2-1] a code that AUTH does not have", "a+; a> F0: 01 [15 'X']; a< DISCONNECT 82, closed"),
    ]);
}
