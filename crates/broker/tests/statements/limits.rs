//! The limits of section B on both sides of each, as bytes: the last that passes and the first that does not.

use thingwire_mqtt::Version;

use crate::trace::{Row, check};

#[rustfmt::skip]
const V5: &[Row<'_>] = &[
    ("B-11 a client id of 128 bytes", "a> 10: 'MQTT' 05 02 003C [] 'a'*128; a< CONNACK 00"),
    ("B-11 a client id of 129 bytes", "a> 10: 'MQTT' 05 02 003C [] 'a'*129; aws| a< CONNACK 85, closed; mqtt| a< CONNACK 00"),
    ("B-11 a client id counts in bytes", "a> 10: 'MQTT' 05 02 003C [] 'é'*64; a< CONNACK 00; b> 10: 'MQTT' 05 02 003C [] 'é'*65; aws| b< CONNACK 85, closed; mqtt| b< CONNACK 00"),
    ("B-11 a client id with `#` and `+`", "a> 10: 'MQTT' 05 02 003C [] 'a#+'; a< CONNACK 00"),
    ("B-12 a client id with `$GEN/`", "a> 10: 'MQTT' 05 02 003C [] '$GEN/a'; a< CONNACK 85, closed"),
    ("B-12 a client id that only begins like it", "a> 10: 'MQTT' 05 02 003C [] '$GEN'; a< CONNACK 00"),
    ("B-12 no client id", "a> 10: 'MQTT' 05 02 003C [] ''; a< CONNACK 00 AssignedClientIdentifier"),
    ("B-15 keep-alive 0", "a> 10: 'MQTT' 05 02 0000 [] 'a'; aws| a< CONNACK 00 ServerKeepAlive(1200); mqtt| a< CONNACK 00 ServerKeepAlive(0)"),
    ("B-15 keep-alive 1", "a> 10: 'MQTT' 05 02 0001 [] 'a'; aws| a< CONNACK 00 ServerKeepAlive(30); mqtt| a< CONNACK 00 ServerKeepAlive(1)"),
    ("B-15 keep-alive 29", "a> 10: 'MQTT' 05 02 001D [] 'a'; aws| a< CONNACK 00 ServerKeepAlive(30); mqtt| a< CONNACK 00 ServerKeepAlive(29)"),
    ("B-15 keep-alive 1200", "a> 10: 'MQTT' 05 02 04B0 [] 'a'; a< CONNACK 00 ServerKeepAlive(1200)"),
    ("B-15 keep-alive 1201", "a> 10: 'MQTT' 05 02 04B1 [] 'a'; aws| a< CONNACK 00 ServerKeepAlive(1200); mqtt| a< CONNACK 00 ServerKeepAlive(1201)"),
    ("B-18 CONNECT with a Will of 131,072 bytes", "a> 10: 'MQTT' 05 C6 003C [] 'a' [] 'w' 'x'*65535 'u' 'p'*65508; a< CONNACK 00"),
    ("B-18 CONNECT with a Will of a byte more", "a> 10: 'MQTT' 05 C6 003C [] 'a' [] 'w' 'x'*65535 'u' 'p'*65509; aws| a< CONNACK 97, closed; mqtt| a< CONNACK 00"),
    ("B-18 without a Will it may be longer", "a> 10: 'MQTT' 05 C2 003C [] 'a' 'u'*65535 'p'*65535; a< CONNACK 00"),
    ("B-19 Maximum Packet Size 511", "a> 10: 'MQTT' 05 02 003C [27 000001FF] 'a'; aws| a< CONNACK 80, closed; mqtt| a< CONNACK 00"),
    ("B-19 Maximum Packet Size 512", "a> 10: 'MQTT' 05 02 003C [27 00000200] 'a'; a< CONNACK 00"),
    ("B-30 8 filters", "a+; a> 82: 0001 [] 'a' 00 'b' 00 'c' 00 'd' 00 'e' 00 'f' 00 'g' 00 'h' 00; a< SUBACK #1 00 00 00 00 00 00 00 00"),
    ("B-30 9 filters", "a+; a> 82: 0001 [] 'a' 00 'b' 00 'c' 00 'd' 00 'e' 00 'f' 00 'g' 00 'h' 00 'i' 00; aws| a< DISCONNECT 97, closed; mqtt| a< SUBACK #1 00 00 00 00 00 00 00 00 00"),
    ("B-30 8 filters to leave", "a+; a> A2: 0001 [] 'a' 'b' 'c' 'd' 'e' 'f' 'g' 'h'; a< UNSUBACK #1"),
    ("B-30 9 filters to leave", "a+; a> A2: 0001 [] 'a' 'b' 'c' 'd' 'e' 'f' 'g' 'h' 'i'; aws| a< DISCONNECT 97, closed; mqtt| a< UNSUBACK #1"),
    ("B-32 a filter of 256 bytes", "a+; a> 82: 0001 [] 'a'*256 00; a< SUBACK #1 00"),
    ("B-32 a filter of 257 bytes", "a+; a> 82: 0001 [] 'a'*257 00; aws| a< SUBACK #1 8F; mqtt| a< SUBACK #1 00"),
    ("B-32 a filter with 7 slashes", "a+; a> 82: 0001 [] 'a/b/c/d/e/f/g/h' 00; a< SUBACK #1 00"),
    ("B-32 a filter with 8 slashes", "a+; a> 82: 0001 [] 'a/b/c/d/e/f/g/h/i' 00; aws| a< SUBACK #1 8F; mqtt| a< SUBACK #1 00"),
    ("B-32 `$share/g/` does not count", "a+; a> 82: 0001 [] '$share/g/a/b/c/d/e/f/g/h' 00 '$share/g/a/b/c/d/e/f/g/h/i' 00; aws| a< SUBACK #1 00 8F; mqtt| a< SUBACK #1 00 00"),
    ("B-41 a topic of 256 bytes", "a+; a> 32: 'a'*256 0001 []; a< PUBACK #1 00"),
    ("B-41 a topic of 257 bytes, QoS 1", "a+; a> 32: 'a'*257 0001 []; aws| a< PUBACK #1 90; mqtt| a< PUBACK #1 00"),
    ("B-41 a topic of 257 bytes, QoS 0", "a+; a> 30: 'a'*257 []; aws| a< DISCONNECT 90, closed; mqtt| a<"),
    ("B-41 a topic with 7 slashes", "a+; a> 32: 'a/b/c/d/e/f/g/h' 0001 []; a< PUBACK #1 00"),
    ("B-41 a topic with 8 slashes", "a+; a> 32: 'a/b/c/d/e/f/g/h/i' 0001 []; aws| a< PUBACK #1 90; mqtt| a< PUBACK #1 00"),
    ("B-42 a payload of 131,072 bytes", "a+; a> 32: 't' 0001 [] 61*131072; a< PUBACK #1 00"),
    ("B-42 a payload of 131,073 bytes", "a+; a> 32: 't' 0001 [] 61*131073; aws| a< DISCONNECT 97, closed; mqtt| a< PUBACK #1 00"),
    ("B-42 a packet of 146 KB", "a+; a> 30 FC 8F 09; a<"),
    ("B-42 a packet of a byte more", "a+; a> 30 FD 8F 09; aws| a< DISCONNECT 97, closed; mqtt| a<"),
    ("B-67 a share name of 128 characters and of 129", "a+; a> 82: 0001 [] 0089 \"$share/\" 61*128 \"/t\" 00 008A \"$share/\" 61*129 \"/t\" 00; aws| a< SUBACK #1 00 8F; mqtt| a< SUBACK #1 00 00"),
    ("B-72 user properties of 8 KB", "a+; a> 32: 't' 0001 [26 'k' 'v'*8191]; a< PUBACK #1 00"),
    ("B-72 user properties of a byte more", "a+; a> 32: 't' 0001 [26 'k' 'v'*8192]; aws| a< PUBACK #1 97; mqtt| a< PUBACK #1 00"),
    ("B-72 user properties of 64 KB", "a+; a> 32: 't' 0001 [26 'k' 'v'*65535]; aws| a< PUBACK #1 97; mqtt| a< PUBACK #1 00"),
    ("B-72 user properties of 64 KB in CONNECT", "a> 10: 'MQTT' 05 02 003C [26 'k' 'v'*65535] 'a'; aws| a< CONNACK 97, closed; mqtt| a< CONNACK 00"),
    ("B-72 user properties of 64 KB in a Will", "a> 10: 'MQTT' 05 06 003C [] 'a' [26 'k' 'v'*65535] 'w' 'bye'; aws| a< CONNACK 97, closed; mqtt| a< CONNACK 00"),
    ("B-72 user properties of 64 KB in SUBSCRIBE", "a+; a> 82: 0001 [26 'k' 'v'*65535] 't' 00; aws| a< DISCONNECT 97, closed; mqtt| a< SUBACK"),
    ("B-72 user properties of 64 KB in UNSUBSCRIBE", "a+; a> A2: 0001 [26 'k' 'v'*65535] 't'; aws| a< DISCONNECT 97, closed; mqtt| a< UNSUBACK"),
    ("B-72 a thousand user properties", "a+; a> 32: 't' 0001 [260001410000*1000]; a< PUBACK #1 00"),
    ("B-72 Content Type of 256 bytes and 257", "a+; a> 32: 't' 0001 [03 'c'*256] | 32: 't' 0002 [03 'c'*257]; aws| a< PUBACK #1 00, PUBACK #2 97; mqtt| a< PUBACK #1 00, PUBACK #2 00"),
    ("B-72 Correlation Data of 8,192 bytes and 8,193", "a+; a> 32: 't' 0001 [09 'c'*8192] | 32: 't' 0002 [09 'c'*8193]; aws| a< PUBACK #1 00, PUBACK #2 97; mqtt| a< PUBACK #1 00, PUBACK #2 00"),
    ("B-73 alias 8", "a+; a> 32: 't' 0001 [23 0008]; a< PUBACK #1 00"),
    ("B-73 alias 9", "a+; a> 32: 't' 0001 [23 0009]; a< DISCONNECT 94, closed"),
    ("B-73 alias 65,535", "a+; a> 32: 't' 0001 [23 FFFF]; a< DISCONNECT 94, closed"),
];

#[rustfmt::skip]
const V311: &[Row<'_>] = &[
    ("B-11 a client id of 128 bytes", "a> 10: 'MQTT' 04 02 003C 'a'*128; a< CONNACK 00"),
    ("B-11 a client id of 129 bytes", "a> 10: 'MQTT' 04 02 003C 'a'*129; aws| a< CONNACK 02, closed; mqtt| a< CONNACK 00"),
    ("B-11 a client id with `#` and `+`", "a> 10: 'MQTT' 04 02 003C 'a#+'; a< CONNACK 00"),
    ("B-12 a client id with `$GEN/`", "a> 10: 'MQTT' 04 02 003C '$GEN/a'; a< CONNACK 02, closed"),
    ("B-12 no client id", "a> 10: 'MQTT' 04 02 003C ''; a< CONNACK 00; b> 10: 'MQTT' 04 00 003C ''; b< CONNACK 02, closed"),
    ("B-15 keep-alive 0", "a> 10: 'MQTT' 04 02 0000 'a'; a< CONNACK 00; wait 1797; a<; wait 1; aws| a< closed; mqtt| a<"),
    ("B-15 keep-alive 1", "a> 10: 'MQTT' 04 02 0001 'a'; a< CONNACK 00; aws| wait 42; aws| a<; aws| wait 1; a< closed"),
    ("B-15 keep-alive 29", "a> 10: 'MQTT' 04 02 001D 'a'; a< CONNACK 00; wait 42; aws| a<; aws| wait 1; a< closed"),
    ("B-15 keep-alive 1201", "a> 10: 'MQTT' 04 02 04B1 'a'; a< CONNACK 00; wait 1797; a<; aws| wait 1; mqtt| wait 2; a< closed"),
    ("B-30 8 filters", "a+; a> 82: 0001 'a' 00 'b' 00 'c' 00 'd' 00 'e' 00 'f' 00 'g' 00 'h' 00; a< SUBACK #1 00 00 00 00 00 00 00 00"),
    ("B-30 9 filters", "a+; a> 82: 0001 'a' 00 'b' 00 'c' 00 'd' 00 'e' 00 'f' 00 'g' 00 'h' 00 'i' 00; aws| a< closed; mqtt| a< SUBACK"),
    ("B-32 a filter of 257 bytes", "a+; a> 82: 0001 'a'*256 00 'a'*257 00; aws| a< SUBACK #1 00 80; mqtt| a< SUBACK #1 00 00"),
    ("B-32 a filter with 8 slashes", "a+; a> 82: 0001 'a/b/c/d/e/f/g/h' 00 'a/b/c/d/e/f/g/h/i' 00; aws| a< SUBACK #1 00 80; mqtt| a< SUBACK #1 00 00"),
    ("B-41 a topic of 256 bytes", "a+; a> 32: 'a'*256 0001; a< PUBACK #1"),
    ("B-41 a topic of 257 bytes", "a+; a> 32: 'a'*257 0001; aws| a< closed; mqtt| a< PUBACK #1"),
    ("B-41 a topic with 7 slashes", "a+; a> 32: 'a/b/c/d/e/f/g/h' 0001; a< PUBACK #1"),
    ("B-41 a topic with 8 slashes", "a+; a> 32: 'a/b/c/d/e/f/g/h/i' 0001; aws| a< closed; mqtt| a< PUBACK #1"),
    ("B-42 a payload of 131,072 bytes", "a+; a> 32: 't' 0001 61*131072; a< PUBACK #1"),
    ("B-42 a payload of 131,073 bytes", "a+; a> 32: 't' 0001 61*131073; aws| a< closed; mqtt| a< PUBACK #1"),
];

#[test]
fn each_limit_is_where_section_b_says() {
    check(Version::V5, V5);
    check(Version::V311, V311);
}
