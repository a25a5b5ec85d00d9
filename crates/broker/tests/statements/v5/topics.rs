//! 4.7 and 4.8: topic names, filters, shared subscriptions.

use super::check;

#[rustfmt::skip]
#[test]
fn topics_and_filters() {
    check(&[
        ("[MQTT-4.7.0-1] wildcards in a topic name", "a+; a> 32: 'a/+' 0001 [] \"x\"; a< PUBACK #1 90; a> 30: 'a/+' []; a< DISCONNECT 90, closed"),
        ("[MQTT-4.7.1-1] `#` is last", "a+; a> 82: 0001 [] '#/a' 00; a< SUBACK #1 8F"),
        ("[MQTT-4.7.1-1] and alone", "a+; a> 82: 0001 [] 'a#' 00; a< SUBACK #1 8F"),
        ("[MQTT-4.7.1-1] B-10 and matches any number of levels", "a+; a> 82: 0001 [] 'a/#' 00; a< SUBACK #1 00; a> 30: 'a/b/c' [] \"1\" | 30: 'a/' [] \"2\" | 30: 'a' [] \"3\" | 30: 'b' [] \"4\"; aws| a< PUBLISH 1, PUBLISH 2; mqtt| a< PUBLISH 1, PUBLISH 2, PUBLISH 3"),
        ("[MQTT-4.7.1-2] `+` is a whole level", "a+; a> 82: 0001 [] 'a+/b' 00 'a/+b' 00 '+/+' 00 '/+' 00; a< SUBACK #1 8F 8F 00 00; a> 30: '/a' [] \"1\" | 30: 'a' [] \"2\"; a< PUBLISH 1"),
        ("[MQTT-4.7.2-1] B-34 a leading wildcard and `$`", "mqtt| a+; mqtt| a> 82: 0001 [] '#' 00 '+/x' 00; mqtt| a< SUBACK; mqtt| a> 30: '$a/x' [] \"1\"; mqtt| a<; mqtt| a> 82: 0002 [] '$a/+' 00; mqtt| a< SUBACK; mqtt| a> 30: '$a/x' [] \"2\"; mqtt| a< PUBLISH 2; aws| a+; aws| a> 30: '$a/x' []; aws| a< DISCONNECT 90, closed"),
        ("[MQTT-4.7.3-1] an empty filter", "a+; a> 82: 0001 [] '' 00; a< SUBACK #1 8F"),
        ("[MQTT-4.7.3-1] an empty topic name", "a+; a> 30: '' [] \"x\"; a< DISCONNECT 82, closed"),
        ("[MQTT-4.7.3-2] a null in a filter", "a+; a> 82: 0001 [] 0003 610062 00; a< DISCONNECT 81, closed"),
        ("[MQTT-4.7.3-2] a null in a topic name", "a+; a> 30: 0001 00 []; a< DISCONNECT 81, closed"),
        ("[MQTT-4.7.3-3] B-41 the longest topic name", "a+; a> 82: 0001 [] '#' 00; a< SUBACK; a> 30: 'a'*65535 []; aws| a< DISCONNECT 90, closed; mqtt| a< PUBLISH"),
        ("[MQTT-4.7.3-4] nothing is normalised", "a+; a> 82: 0001 [] 'a//b' 00 'A' 00 0003 65CC81 00; a< SUBACK; a> 30: 'a/b' [] \"1\" | 30: 'a' [] \"2\" | 30: 0002 C3A9 [] \"3\"; a<; a> 30: 'a//b' [] \"4\" | 30: 'A' [] \"5\" | 30: 0003 65CC81 [] \"6\"; a< PUBLISH 4, PUBLISH 5, PUBLISH 6"),
    ]);
}

#[rustfmt::skip]
#[test]
fn shared_subscriptions() {
    check(&[
        ("[MQTT-4.8.2-1] a ShareName has a letter", "a+; a> 82: 0001 [] '$share//t' 00; a< SUBACK #1 8F"),
        ("[MQTT-4.8.2-2] no `+`", "a+; a> 82: 0001 [] '$share/a+/t' 00; a< SUBACK #1 8F"),
        ("[MQTT-4.8.2-2] no `#`", "a+; a> 82: 0001 [] '$share/#/t' 00; a< SUBACK #1 8F"),
        ("[MQTT-4.8.2-2] a `/` behind it", "a+; a> 82: 0001 [] '$share/g' 00; a< SUBACK #1 8F"),
        ("[MQTT-4.8.2-2] and a filter behind that", "a+; a> 82: 0001 [] '$share/g/' 00 '$share/g/a#' 00; a< SUBACK #1 8F 8F"),
        ("[MQTT-4.8.2-3] the QoS that was granted", "a+; a> 82: 0001 [] '$share/g/t' 00; a< SUBACK #1 00; b+; b> 32: 't' 0001 [] \"x\"; a< PUBLISH t x q0"),
        ("[MQTT-4.8.2-4] QoS 2 stays with its member", "mqtt| a++; mqtt| a> 82: 0001 [] '$share/g/t' 02; mqtt| a< SUBACK; mqtt| c+; mqtt| c> 34: 't' 0001 [] \"x\" | 62: 0001; mqtt| a< PUBLISH #1; mqtt| b+; mqtt| b> 82: 0001 [] '$share/g/t' 02; mqtt| b< SUBACK; mqtt| a-; mqtt| b<; mqtt| a> 10: 'MQTT' 05 00 003C [] 'a'; mqtt| a< CONNACK present, PUBLISH t x q2 #1 dup; mqtt| b<"),
        ("[MQTT-4.8.2-5] also when that one does not come back", "mqtt| a++; mqtt| a> 82: 0001 [] '$share/g/t' 02; mqtt| a< SUBACK; mqtt| c+; mqtt| c> 34: 't' 0001 [] \"x\" | 62: 0001; mqtt| a< PUBLISH #1; mqtt| b+; mqtt| b> 82: 0001 [] '$share/g/t' 02; mqtt| b< SUBACK; mqtt| a-; mqtt| a> 10: 'MQTT' 05 02 003C [] 'a'; mqtt| a< CONNACK !present; mqtt| b<"),
        ("[MQTT-4.8.2-6] a message that one refuses goes to nobody else", "a+; a> 82: 0001 [] '$share/g/t' 01; a< SUBACK; c+; c> 32: 't' 0001 [] \"x\"; a< PUBLISH #1; b+; b> 82: 0001 [] '$share/g/t' 01; b< SUBACK; a> 40: 0001 87; b<; a-; b<"),
    ]);
}
