//! 3.8 to 3.11: SUBSCRIBE, UNSUBSCRIBE and their answers.

use super::check;

#[rustfmt::skip]
#[test]
fn a_subscribe_that_breaks_a_rule_is_closed() {
    check(&[
        ("[MQTT-3.8.1-1] flags", "a+; a> 80: 0001 't' 00; a< closed"),
        ("[MQTT-3.8.1-1] all flags", "a+; a> 8F: 0001 't' 00; a< closed"),
        ("[MQTT-3.8.3-1] a filter that is not UTF-8", "a+; a> 82: 0001 0001 FF 00; a< closed"),
        ("[MQTT-3.8.3-3] no filter", "a+; a> 82: 0001; a< closed"),
        ("[MQTT-3.8.3-3] a filter without QoS", "a+; a> 82: 0001 't'; a< closed"),
        ("[MQTT-3.8.3-4] QoS 3", "a+; a> 82: 0001 't' 03; a< closed"),
        ("[MQTT-3.8.3-4] a reserved bit, which is an option in MQTT 5", "a+; a> 82: 0001 't' 04; a< closed"),
        ("[MQTT-3.8.3-4] the highest reserved bit", "a+; a> 82: 0001 't' 80; a< closed"),
        ("[MQTT-3.10.1-1] flags of UNSUBSCRIBE", "a+; a> A0: 0001 't'; a< closed"),
        ("[MQTT-3.10.3-1] a filter to leave that is not UTF-8", "a+; a> A2: 0001 0001 FF; a< closed"),
        ("[MQTT-3.10.3-2] no filter to leave", "a+; a> A2: 0001; a< closed"),
    ]);
}

#[rustfmt::skip]
#[test]
fn a_subscription_stands_from_its_suback_to_its_end() {
    check(&[
        ("[MQTT-2.3.1-7] SUBACK and UNSUBACK have the identifier of what they answer", "a+; a> 82: 1234 't' 00 | A2: 4321 't'; a< SUBACK #4660 00, UNSUBACK #17185"),
        ("[MQTT-3.8.4-1] SUBSCRIBE is answered; [MQTT-3.8.4-2] with its identifier", "a+; a> 82: 0007 't' 00; a< SUBACK #7 00"),
        ("[MQTT-3.8.4-3] the same filter replaces and sends what is retained again", "a+; a> 31: 't' \"1\"; a> 82: 0001 't' 00; a< SUBACK #1 00, PUBLISH t 1 retain; a> 82: 0002 't' 01; a< SUBACK #2 01, PUBLISH t 1 retain; b+; b> 32: 't' 0001 \"x\"; a< PUBLISH t x q1; a> A2: 0003 't'; a< UNSUBACK #3; b> 30: 't' \"y\"; a<"),
        ("[MQTT-3.8.4-4] many filters, one answer; [MQTT-3.8.4-5] a code for each; [MQTT-3.9.3-1] in their order", "a+; a> 82: 0001 'a' 01 'b/#/c' 00 'c' 00; a< SUBACK #1 01 80 00"),
        ("[MQTT-3.8.4-6] B-48 the lower of both QoS", "a+; a> 82: 0001 't' 00 'u' 01; a< SUBACK; b+; b> 32: 't' 0001 \"x\" | 30: 'u' \"y\" | 32: 'u' 0002 \"z\"; a< PUBLISH t x q0, PUBLISH u y q0, PUBLISH u z q1"),
        ("[MQTT-3.8.4-5] B-4 QoS 2", "a+; a> 82: 0001 't' 02; aws| a< closed; mqtt| a< SUBACK #1 02"),
        ("[MQTT-3.9.3-2] only four codes", "a+; a> 82: 0001 'a' 00 'b' 01 'c#' 00; a< SUBACK #1 00 01 80"),
        ("[MQTT-3.10.4-1] a filter is compared letter by letter", "a+; a> 82: 0001 't/+' 00; a< SUBACK; a> A2: 0002 't/u' 'T/+'; a< UNSUBACK #2; a> 30: 't/u' \"x\"; a< PUBLISH"),
        ("[MQTT-3.10.4-2] nothing new is added", "a++; a> 82: 0001 't' 01; a< SUBACK; a> A2: 0002 't'; a< UNSUBACK; b+; b> 32: 't' 0001 \"x\"; b< PUBACK; a<; a-; a> 10: 'MQTT' 04 00 003C 'a'; a< CONNACK present"),
        ("[MQTT-3.10.4-3] what has begun is completed", "a++; a> 82: 0001 't' 01; a< SUBACK; b+; b> 32: 't' 0001 \"x\"; a< PUBLISH x; a> A2: 0002 't'; a< UNSUBACK; a-; a> 10: 'MQTT' 04 00 003C 'a'; a< CONNACK present, PUBLISH t x"),
        ("[MQTT-3.10.4-4] UNSUBSCRIBE is answered; [MQTT-3.10.4-5] also when there was nothing", "a+; a> A2: 0007 't'; a< UNSUBACK #7"),
        ("[MQTT-3.10.4-6] many filters, one answer", "a+; a> 82: 0001 'a' 00 'c' 00; a< SUBACK; a> A2: 0002 'a' 'b' 'c'; a< UNSUBACK #2; a> 30: 'a' \"x\" | 30: 'c' \"x\"; a<"),
    ]);
}
