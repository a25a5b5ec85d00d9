//! 3.1.2.5 and 3.1.3.2: the Will.

use super::check;

#[rustfmt::skip]
#[test]
fn a_will_is_kept_and_published_or_refused() {
    check(&[
        ("[MQTT-3.1.2-7] a Will is stored; [MQTT-3.1.2-8] and published when the network breaks",
         "w+; w> 82: 0001 [] 'w' 00; w< SUBACK; a> 10: 'MQTT' 05 06 003C [] 'a' [] 'w' 'bye'; a< CONNACK 00; w<; a-; w< PUBLISH w bye q0"),
        ("[MQTT-3.1.2-8] and when the client breaks the protocol",
         "w+; w> 82: 0001 [] 'w' 00; w< SUBACK; a> 10: 'MQTT' 05 06 003C [] 'a' [] 'w' 'bye'; a< CONNACK 00; a> C1:; a< DISCONNECT 81, closed; w< PUBLISH w bye"),
        ("[MQTT-3.1.2-8] and when the client asks for it with 0x04",
         "w+; w> 82: 0001 [] 'w' 00; w< SUBACK; a> 10: 'MQTT' 05 06 003C [] 'a' [] 'w' 'bye'; a< CONNACK 00; a> E0: 04; a< closed; w< PUBLISH w bye"),
        ("[MQTT-3.1.2-8] and when keep-alive ran out",
         "w+; w> 82: 0001 [] 'w' 00; w< SUBACK; a> 10: 'MQTT' 05 06 001E [] 'a' [] 'w' 'bye'; a< CONNACK 00; wait 44; w< PUBLISH w bye"),
        ("[MQTT-3.1.2-9] flag without properties, topic and payload", "a> 10: 'MQTT' 05 06 003C [] 'a'; a< CONNACK 81, closed"),
        ("[MQTT-3.1.2-9] flag without payload", "a> 10: 'MQTT' 05 06 003C [] 'a' [] 'w'; a< CONNACK 81, closed"),
        ("[MQTT-3.1.2-10] gone after DISCONNECT 0x00",
         "w+; w> 82: 0001 [] 'w' 00; w< SUBACK; a> 10: 'MQTT' 05 06 003C [] 'a' [] 'w' 'bye'; a< CONNACK 00; a> E0:; a< closed; wait 9; w<"),
        ("[MQTT-3.1.2-10] published once",
         "w+; w> 82: 0001 [] 'w' 00; w< SUBACK; a> 10: 'MQTT' 05 06 003C [11 00000E10] 'a' [] 'w' 'bye'; a< CONNACK 00; a-; w< PUBLISH w bye; a++; a-; w<"),
        ("[MQTT-3.1.2-11] QoS without a Will", "a> 10: 'MQTT' 05 0A 003C [] 'a'; a< CONNACK 81, closed"),
        ("[MQTT-3.1.2-12] QoS 3", "a> 10: 'MQTT' 05 1E 003C [] 'a' [] 'w' 'bye'; a< CONNACK 81, closed"),
        ("[MQTT-3.1.2-12] QoS 1", "a> 10: 'MQTT' 05 0E 003C [] 'a' [] 'w' 'bye'; a< CONNACK 00"),
        ("[MQTT-3.1.2-13] Retain without a Will", "a> 10: 'MQTT' 05 22 003C [] 'a'; a< CONNACK 81, closed"),
        ("[MQTT-3.1.2-14] a Will that is not retained",
         "a> 10: 'MQTT' 05 06 003C [] 'a' [] 'w' 'bye'; a< CONNACK 00; a-; b+; b> 82: 0001 [] 'w' 00; b< SUBACK"),
        ("[MQTT-3.1.2-15] a retained one",
         "a> 10: 'MQTT' 05 26 003C [] 'a' [] 'w' 'bye'; a< CONNACK 00; a-; b+; b> 82: 0001 [] 'w' 00; b< SUBACK, PUBLISH w bye retain"),
        ("[MQTT-3.1.3-9] B-60 not sent when the client is back within Will Delay Interval",
         "w+; w> 82: 0001 [] 'w' 00; w< SUBACK; a> 10: 'MQTT' 05 04 003C [11 00000E10] 'a' [18 0000000A] 'w' 'bye'; a< CONNACK 00; a-; mqtt| w<; aws| w< PUBLISH w bye; a++; wait 20; w<"),
        ("[MQTT-3.1.3-10] its user properties keep their order",
         "w+; w> 82: 0001 [] 'w' 00; w< SUBACK; a> 10: 'MQTT' 05 06 003C [] 'a' [26 'k' '2' 26 'k' '1' 26 'a' '3'] 'w' 'bye'; a< CONNACK 00; a-; w< PUBLISH w bye UserProperty(\"k\",_\"2\") UserProperty(\"k\",_\"1\") UserProperty(\"a\",_\"3\")"),
        ("[MQTT-3.1.3-11] a topic that is not UTF-8", "a> 10: 'MQTT' 05 06 003C [] 'a' [] 0001 FF 'bye'; a< CONNACK 81, closed"),
        ("[MQTT-3.1.4-1] a Will topic with a wildcard", "a> 10: 'MQTT' 05 06 003C [] 'a' [] 'w/#' 'bye'; a< CONNACK 90, closed"),
        ("[MQTT-3.1.4-1] a Will without a topic", "a> 10: 'MQTT' 05 06 003C [] 'a' [] '' 'bye'; a< CONNACK 81, closed"),
        ("[MQTT-3.1.4-1] a Will property twice", "a> 10: 'MQTT' 05 06 003C [] 'a' [01 00 01 00] 'w' 'bye'; a< CONNACK 82, closed"),
        ("[MQTT-3.1.4-1] a Will property that is none", "a> 10: 'MQTT' 05 06 003C [] 'a' [23 0001] 'w' 'bye'; a< CONNACK 82, closed"),
        ("[MQTT-3.1.4-1] a Will's payload format 2", "a> 10: 'MQTT' 05 06 003C [] 'a' [01 02] 'w' 'bye'; a< CONNACK 82, closed"),
        ("[MQTT-3.2.2-12] B-3 QoS 2 where it is not supported",
         "a> 10: 'MQTT' 05 16 003C [] 'a' [] 'w' 'bye'; aws| a< CONNACK 9B, closed; mqtt| a< CONNACK 00"),
    ]);
}
