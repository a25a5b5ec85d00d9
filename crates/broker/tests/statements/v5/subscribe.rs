//! 3.8 to 3.11: SUBSCRIBE, UNSUBSCRIBE and their answers.

use super::check;

#[rustfmt::skip]
#[test]
fn a_subscribe_that_breaks_a_rule_ends_the_connection() {
    check(&[
        ("[MQTT-3.8.1-1] flags", "a+; a> 80: 0001 [] 't' 00; a< DISCONNECT 81, closed"),
        ("[MQTT-3.8.1-1] all flags", "a+; a> 8F: 0001 [] 't' 00; a< DISCONNECT 81, closed"),
        ("[MQTT-3.8.3-1] a filter that is not UTF-8", "a+; a> 82: 0001 [] 0001 FF 00; a< DISCONNECT 81, closed"),
        ("[MQTT-3.8.3-2] no filter", "a+; a> 82: 0001 []; a< DISCONNECT 82, closed"),
        ("[MQTT-3.8.3-2] a filter without options", "a+; a> 82: 0001 [] 't'; a< DISCONNECT 81, closed"),
        ("[MQTT-3.8.3-4] No Local on a shared subscription", "a+; a> 82: 0001 [] '$share/g/t' 04; a< DISCONNECT 82, closed"),
        ("[MQTT-3.8.3-5] a reserved bit", "a+; a> 82: 0001 [] 't' 40; a< DISCONNECT 81, closed"),
        ("[MQTT-3.8.3-5] the other reserved bit", "a+; a> 82: 0001 [] 't' 80; a< DISCONNECT 81, closed"),
        ("[MQTT-4.13.1-1] QoS 3", "a+; a> 82: 0001 [] 't' 03; a< DISCONNECT 82, closed"),
        ("[MQTT-4.13.1-1] Retain Handling 3", "a+; a> 82: 0001 [] 't' 30; a< DISCONNECT 82, closed"),
        ("[MQTT-4.13.1-1] Subscription Identifier 0", "a+; a> 82: 0001 [0B 00] 't' 00; a< DISCONNECT 82, closed"),
        ("[MQTT-4.13.1-1] Subscription Identifier twice", "a+; a> 82: 0001 [0B 01 0B 02] 't' 00; a< DISCONNECT 82, closed"),
        ("[MQTT-4.13.1-1] a property of PUBLISH", "a+; a> 82: 0001 [23 0001] 't' 00; a< DISCONNECT 82, closed"),
        ("[MQTT-3.10.1-1] flags of UNSUBSCRIBE", "a+; a> A0: 0001 [] 't'; a< DISCONNECT 81, closed"),
        ("[MQTT-3.10.3-1] a filter to leave that is not UTF-8", "a+; a> A2: 0001 [] 0001 FF; a< DISCONNECT 81, closed"),
        ("[MQTT-3.10.3-2] no filter to leave", "a+; a> A2: 0001 []; a< DISCONNECT 82, closed"),
        ("[MQTT-4.13.1-1] a property that UNSUBSCRIBE does not have", "a+; a> A2: 0001 [0B 01] 't'; a< DISCONNECT 82, closed"),
    ]);
}

#[rustfmt::skip]
#[test]
fn a_subscription_stands_from_its_suback_to_its_end() {
    check(&[
        ("[MQTT-2.2.1-6] SUBACK and UNSUBACK have the identifier of what they answer", "a+; a> 82: 1234 [] 't' 00 | A2: 4321 [] 't'; a< SUBACK #4660 00, UNSUBACK #17185 00"),
        ("[MQTT-3.8.3-3] B-38 No Local", "a+; a> 82: 0001 [] 't' 04; a< SUBACK; a> 30: 't' [] \"x\"; aws| a< PUBLISH t x; mqtt| a<; b+; b> 30: 't' [] \"y\"; a< PUBLISH t y"),
        ("[MQTT-3.8.4-1] SUBSCRIBE is answered; [MQTT-3.8.4-2] with its identifier", "a+; a> 82: 0007 [] 't' 00; a< SUBACK #7 00"),
        ("[MQTT-3.8.4-3] the same filter replaces", "a+; a> 82: 0001 [] 't' 00; a< SUBACK #1 00; a> 82: 0002 [] 't' 01; a< SUBACK #2 01; b+; b> 32: 't' 0001 [] \"x\"; a< PUBLISH t x q1; a> A2: 0003 [] 't'; a< UNSUBACK #3 00; b> 30: 't' [] \"y\"; a<"),
        ("[MQTT-3.8.4-4] and sends what is retained again", "a+; a> 31: 't' [] \"1\"; a> 82: 0001 [] 't' 00; a< SUBACK, PUBLISH t 1 retain; a> 82: 0002 [] 't' 00; a< SUBACK, PUBLISH t 1 retain"),
        ("[MQTT-3.8.4-5] many filters, one answer; [MQTT-3.8.4-6] a code for each; [MQTT-3.9.3-1] in their order", "a+; a> 82: 0001 [] 'a' 01 'b/#/c' 00 'c' 00; a< SUBACK #1 01 8F 00"),
        ("[MQTT-3.8.4-7] the QoS that is granted; [MQTT-3.9.3-2]", "a+; a> 82: 0001 [] 'a' 00 'b' 01 'c' 02; aws| a< SUBACK #1 00 01 01; mqtt| a< SUBACK #1 00 01 02"),
        ("[MQTT-3.8.4-8] B-48 the lower of both QoS", "a+; a> 82: 0001 [] 't' 00 'u' 01; a< SUBACK; b+; b> 32: 't' 0001 [] \"x\" | 30: 'u' [] \"y\" | 32: 'u' 0002 [] \"z\"; a< PUBLISH t x q0, PUBLISH u y q0, PUBLISH u z q1"),
        ("[MQTT-3.9.2-1] a Reason String that does not fit is left out", "mqtt| a> 10: 'MQTT' 05 02 003C [27 00000028] 'a'; mqtt| a< CONNACK 00; mqtt| a> 82: 0001 [] 'a/b/c/d/e/f/g/h/i/j/#/b' 00; mqtt| a< SUBACK #1 8F !ReasonString"),
        ("[MQTT-3.10.4-1] a filter is compared letter by letter", "a+; a> 82: 0001 [] 't/+' 00; a< SUBACK; a> A2: 0002 [] 't/u' 'T/+'; aws| a< UNSUBACK #2 00 00; mqtt| a< UNSUBACK #2 11 11; a> 30: 't/u' [] \"x\"; a< PUBLISH; a> A2: 0003 [] 't/+'; a< UNSUBACK #3 00; a> 30: 't/u' [] \"y\"; a<"),
        ("[MQTT-3.10.4-2] nothing new is added", "a++; a> 82: 0001 [] 't' 01; a< SUBACK; a> A2: 0002 [] 't'; a< UNSUBACK; b+; b> 32: 't' 0001 [] \"x\"; b< PUBACK; a<; a-; a> 10: 'MQTT' 05 00 003C [] 'a'; a< CONNACK present"),
        ("[MQTT-3.10.4-3] what has begun is completed", "a++; a> 82: 0001 [] 't' 01; a< SUBACK; b+; b> 32: 't' 0001 [] \"x\"; a< PUBLISH x; a> A2: 0002 [] 't'; a< UNSUBACK; a-; a> 10: 'MQTT' 05 00 003C [] 'a'; a< CONNACK present, PUBLISH t x"),
        ("[MQTT-3.10.4-4] UNSUBSCRIBE is answered; [MQTT-3.10.4-5] also when there was nothing", "a+; a> A2: 0007 [] 't'; aws| a< UNSUBACK #7 00; mqtt| a< UNSUBACK #7 11"),
        ("[MQTT-3.10.4-6] many filters, one answer; [MQTT-3.11.3-1] in their order; [MQTT-3.11.3-2]", "a+; a> 82: 0001 [] 'a' 00 'c' 00; a< SUBACK; a> A2: 0002 [] 'a' 'b/#/c' 'c'; a< UNSUBACK #2 00 8F 00; a> 30: 'a' [] \"x\" | 30: 'c' [] \"x\"; a<"),
    ]);
}
