//! Topics that begin with `$`: the allow-list of section B.14 (`B-82`).
//!
//! A template describes levels: a word, `a|b` (one of), `*` (any one level that is not empty), and at the
//! end `**` (one level or more). A topic that begins with `$` and fits no template with the operation asked
//! for is refused (`B-35`, `B-44`). Topics that do not begin with `$` are none of this module's business and
//! always allowed. `$share/<name>/` is taken off by the caller, before anything here is asked.

/// Which operation of a client a template allows, as the letter that stands for it in a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Operation {
    Publish = b'p',
    Subscribe = b's',
    Both = b'b',
}

use Operation::{Both, Publish, Subscribe};

/// Table B.14, line by line.
const TEMPLATES: [(Operation, &str); 29] = [
    (Both, "$aws/things/*/shadow/get|update|delete"),
    (
        Subscribe,
        "$aws/things/*/shadow/get|update|delete/accepted|rejected",
    ),
    (Subscribe, "$aws/things/*/shadow/update/delta|documents"),
    (Both, "$aws/things/*/shadow/name/*/get|update|delete"),
    (
        Subscribe,
        "$aws/things/*/shadow/name/*/get|update|delete/accepted|rejected",
    ),
    (
        Subscribe,
        "$aws/things/*/shadow/name/*/update/delta|documents",
    ),
    (Publish, "$aws/things/*/jobs/get|start-next"),
    (Publish, "$aws/things/*/jobs/*/get|update"),
    (
        Subscribe,
        "$aws/things/*/jobs/get|start-next/accepted|rejected",
    ),
    (
        Subscribe,
        "$aws/things/*/jobs/*/get|update/accepted|rejected",
    ),
    (Subscribe, "$aws/things/*/jobs/notify|notify-next"),
    (
        Publish,
        "$aws/certificates/create|create-from-csr/json|cbor",
    ),
    (
        Subscribe,
        "$aws/certificates/create|create-from-csr/json|cbor/accepted|rejected",
    ),
    (Publish, "$aws/provisioning-templates/*/provision/json|cbor"),
    (
        Subscribe,
        "$aws/provisioning-templates/*/provision/json|cbor/accepted|rejected",
    ),
    (Publish, "$aws/things/*/defender/metrics/json|cbor"),
    (
        Subscribe,
        "$aws/things/*/defender/metrics/json|cbor/accepted|rejected",
    ),
    (Publish, "$aws/things/*/streams/*/describe|get/json|cbor"),
    (
        Subscribe,
        "$aws/things/*/streams/*/description|data|rejected/json|cbor",
    ),
    // F-13
    (
        Subscribe,
        "$aws/commands/things|clients/*/executions/*/request",
    ),
    (
        Subscribe,
        "$aws/commands/things|clients/*/executions/*/request/json|cbor",
    ),
    (
        Publish,
        "$aws/commands/things|clients/*/executions/*/response/json|cbor",
    ),
    (
        Subscribe,
        "$aws/commands/things|clients/*/executions/*/response/accepted|rejected",
    ),
    (
        Subscribe,
        "$aws/commands/things|clients/*/executions/*/response/accepted|rejected/json|cbor",
    ),
    (Subscribe, "$aws/events/**"),
    // Basic Ingest, B-78: the rule's name, and a topic that may be left out.
    (Publish, "$aws/rules/*"),
    (Publish, "$aws/rules/*/**"),
    (Subscribe, "$aws/things/*/tunnels/notify"),
    (Subscribe, "$aws/sitewise/asset-models/**"),
];

/// Levels that stand in many templates. In a program each of them is one byte, from 1 on.
const PHRASES: [&str; 10] = [
    "things",
    "accepted|rejected",
    "json|cbor",
    "get|update|delete",
    "things|clients",
    "executions",
    "commands",
    "shadow",
    "create|create-from-csr",
    "provisioning-templates",
];

/// The templates as they lie in a program: half of what they would take as texts. Behind each a zero byte.
static PACKED: [u8; pack::<2_048>().1] = pack().0;

/// The phrases, a zero byte behind each.
static PHRASES_PACKED: [u8; pack_phrases::<512>().1] = pack_phrases().0;

/// What every template begins with.
const AWS: &str = "$aws/";

/// Packs the templates, and answers how many bytes of the array they take.
#[expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "evaluated at compile time"
)]
const fn pack<const LEN: usize>() -> ([u8; LEN], usize) {
    let mut packed = [0; LEN];
    let (mut at, mut index) = (0, 0);
    while index < TEMPLATES.len() {
        let (operation, template) = TEMPLATES[index];
        let template = template.as_bytes();
        packed[at] = operation as u8;
        at += 1;
        let mut from = AWS.len();
        while from < template.len() {
            let phrase = phrase_at(template, from);
            if template[from - 1] == b'/' && phrase < PHRASES.len() {
                packed[at] = phrase as u8 + 1;
                from += PHRASES[phrase].len();
            } else {
                packed[at] = template[from];
                from += 1;
            }
            at += 1;
        }
        at += 1;
        index += 1;
    }
    (packed, at)
}

/// The number of the phrase that the level which begins here is; without one a number that no phrase has.
#[expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "evaluated at compile time"
)]
const fn phrase_at(template: &[u8], from: usize) -> usize {
    let mut phrase = 0;
    while phrase < PHRASES.len() {
        let words = PHRASES[phrase].as_bytes();
        let mut len = 0;
        while len < words.len() && from + len < template.len() && template[from + len] == words[len]
        {
            len += 1;
        }
        let end = from + len;
        if len == words.len() && (end == template.len() || template[end] == b'/') {
            return phrase;
        }
        phrase += 1;
    }
    phrase
}

#[expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "evaluated at compile time"
)]
const fn pack_phrases<const LEN: usize>() -> ([u8; LEN], usize) {
    let mut packed = [0; LEN];
    let (mut at, mut index) = (0, 0);
    while index < PHRASES.len() {
        let words = PHRASES[index].as_bytes();
        let mut from = 0;
        while from < words.len() {
            packed[at] = words[from];
            at += 1;
            from += 1;
        }
        at += 1;
        index += 1;
    }
    (packed, at)
}

/// Whether a topic or filter is a reserved one: it begins with `$`. RETAIN is not allowed there (`B-64`).
#[must_use]
pub fn is_reserved(topic: &str) -> bool {
    topic.starts_with('$')
}

/// Whether a client may publish to this topic name, as far as reserved topics are concerned (`B-44`).
#[must_use]
pub fn may_publish(topic: &str) -> bool {
    is_allowed(topic, Publish)
}

/// Whether a client may subscribe to this filter, as far as reserved topics are concerned (`B-35`).
///
/// A filter with wildcards is allowed when some topic that can be subscribed to would match it.
#[must_use]
pub fn may_subscribe(filter: &str) -> bool {
    is_allowed(filter, Subscribe)
}

/// Splits a Basic Ingest topic into the rule's name and the topic without the prefix (`B-78`), which is
/// the one that counts for limits (`B-41`). `None` for any other topic.
#[must_use]
pub fn basic_ingest(topic: &str) -> Option<(&str, &str)> {
    let rest = topic.strip_prefix("$aws/rules/")?;
    // Not `split_once`, whose search for any character is half a kilobyte on a chip.
    let end = rest.bytes().position(|byte| byte == b'/');
    let rule = rest.get(..end.unwrap_or(rest.len()))?;
    let topic = rest.get(rule.len()..)?;
    let topic = topic.strip_prefix('/').unwrap_or(topic);
    (!rule.is_empty()).then_some((rule, topic))
}

/// The part of a topic that counts for the limits of length and levels (`B-41`): all of it, but for Basic Ingest
/// only what follows `$aws/rules/<name>/`.
#[must_use]
pub fn counted(topic: &str) -> &str {
    basic_ingest(topic).map_or(topic, |(_, rest)| rest)
}

/// Whether a topic name may be published to, or a topic filter subscribed to.
fn is_allowed(topic: &str, wanted: Operation) -> bool {
    if !is_reserved(topic) {
        return true;
    }
    let Some(levels) = topic.strip_prefix(AWS) else {
        return false;
    };
    PACKED
        .split(|byte| *byte == 0)
        .any(|packed| match packed.split_first() {
            Some((operation, template)) => {
                (*operation == Both as u8 || *operation == wanted as u8)
                    && fits(levels.as_bytes(), template, wanted == Subscribe)
            }
            None => false,
        })
}

/// Whether a topic name fits a template, or some topic fits both the filter and the template.
fn fits(topic: &[u8], template: &[u8], is_filter: bool) -> bool {
    let is_slash = |byte: &u8| *byte == b'/';
    let mut levels = topic.split(is_slash);
    for wanted in template.split(is_slash) {
        match levels.next() {
            // On AWS `#` stands for at least one level (`B-10`), so it must find one here.
            Some(b"#") if is_filter => return true,
            Some(_) if wanted == b"**" => return true,
            Some(b"+") if is_filter => {}
            Some(level) if level_fits(level, wanted) => {}
            _ => return false,
        }
    }
    levels.next().is_none()
}

fn level_fits(level: &[u8], wanted: &[u8]) -> bool {
    let words = match *wanted {
        [b'*'] => return !level.is_empty(),
        [phrase @ 1..b' '] => {
            let mut phrases = PHRASES_PACKED.split(|byte| *byte == 0);
            let before = usize::from(phrase).saturating_sub(1);
            phrases.nth(before).unwrap_or_default()
        }
        _ => wanted,
    };
    words.split(|byte| *byte == b'|').any(|word| word == level)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_topics_are_free() {
        for topic in ["esp32/pub", "a", "/", "aws/things", "x/$aws/y"] {
            assert!(may_publish(topic) && may_subscribe(topic), "{topic}");
        }
        // B-34: these filters never match a topic that begins with `$`, so they need no permission here.
        assert!(may_subscribe("#") && may_subscribe("+/things/#"));
    }

    #[test]
    fn table_b_14_line_by_line() {
        // (topic, publish, subscribe)
        let table = [
            ("$aws/things/t1/shadow/update", true, true),
            ("$aws/things/t1/shadow/get", true, true),
            ("$aws/things/t1/shadow/delete", true, true),
            ("$aws/things/t1/shadow/name/cfg/update", true, true),
            ("$aws/things/t1/shadow/update/accepted", false, true),
            ("$aws/things/t1/shadow/name/cfg/get/rejected", false, true),
            ("$aws/things/t1/shadow/update/delta", false, true),
            ("$aws/things/t1/shadow/update/documents", false, true),
            ("$aws/things/t1/shadow/get/delta", false, false),
            ("$aws/things/t1/jobs/get", true, false),
            ("$aws/things/t1/jobs/start-next", true, false),
            ("$aws/things/t1/jobs/job-7/get", true, false),
            ("$aws/things/t1/jobs/$next/update", true, false),
            ("$aws/things/t1/jobs/get/accepted", false, true),
            ("$aws/things/t1/jobs/job-7/update/rejected", false, true),
            ("$aws/things/t1/jobs/notify", false, true),
            ("$aws/things/t1/jobs/notify-next", false, true),
            ("$aws/certificates/create/json", true, false),
            ("$aws/certificates/create-from-csr/cbor", true, false),
            ("$aws/certificates/create/xml", false, false),
            ("$aws/certificates/create/json/accepted", false, true),
            ("$aws/provisioning-templates/T1/provision/json", true, false),
            (
                "$aws/provisioning-templates/T1/provision/cbor/rejected",
                false,
                true,
            ),
            ("$aws/things/t1/defender/metrics/json", true, false),
            ("$aws/things/t1/defender/metrics/json/accepted", false, true),
            ("$aws/things/t1/streams/s/describe/json", true, false),
            ("$aws/things/t1/streams/s/get/cbor", true, false),
            ("$aws/things/t1/streams/s/data/cbor", false, true),
            (
                "$aws/commands/things/t1/executions/e1/request/json",
                false,
                true,
            ),
            (
                "$aws/commands/clients/c1/executions/e1/response/json",
                true,
                false,
            ),
            (
                "$aws/commands/clients/c1/executions/e1/response/accepted",
                false,
                true,
            ),
            ("$aws/events/presence/connected/c1", false, true),
            ("$aws/rules/BuildingManager", true, false),
            ("$aws/rules/BuildingManager/Buildings/B5", true, false),
            ("$aws/rules/", false, false),
            ("$aws/things/t1/tunnels/notify", false, true),
            ("$aws/sitewise/asset-models/m/assets/a", false, true),
            ("$aws/things//shadow/update", false, false),
            ("$aws/things/t1/shadow", false, false),
            ("$aws/things/t1/shadow/update/", false, false),
            ("$aws", false, false),
            ("$SYS/broker/uptime", false, false),
            ("$invalid/reserved/topic", false, false),
            ("$share/g/t", false, false),
            ("$", false, false),
        ];
        for (topic, publish, subscribe) in table {
            assert_eq!(may_publish(topic), publish, "publish {topic}");
            assert_eq!(may_subscribe(topic), subscribe, "subscribe {topic}");
        }
    }

    #[test]
    fn what_is_packed_is_the_table() {
        assert_eq!(
            PACKED.split(|byte| *byte == 0).count(),
            TEMPLATES.len() + 1,
            "the last one ends with a zero byte too"
        );
        for (packed, (operation, template)) in PACKED.split(|byte| *byte == 0).zip(TEMPLATES) {
            assert_eq!(packed[0], operation as u8);
            let levels = packed[1..].split(|byte| *byte == b'/');
            let levels = levels.map(|level| match level {
                [phrase @ 1..b' '] => PHRASES[usize::from(*phrase) - 1].as_bytes(),
                words => words,
            });
            assert!(
                levels.eq(template[AWS.len()..].split('/').map(str::as_bytes)),
                "{template}"
            );
        }
        assert!(PACKED.len() < 800, "{}", PACKED.len());
    }

    #[test]
    fn wildcards_inside_reserved_topics() {
        // B-35
        for filter in [
            "$aws/things/t1/shadow/#",
            "$aws/things/+/shadow/update/accepted",
            "$aws/things/t1/#",
            "$aws/events/#",
            "$aws/events/presence/+/c1",
            "$aws/#",
            "$aws/things/t1/jobs/+/get/+",
            "$aws/certificates/create/#",
        ] {
            assert!(may_subscribe(filter), "{filter}");
        }
        for filter in [
            "$SYS/#",
            "$aws/rules/#",
            "$aws/rules/+/x",
            "$aws/things/t1/tunnels/notify/#",
            "$aws/things/t1/nothing/#",
            "$aws/things/+/shadow/get/delta",
            "$aws/events",
            "$+/x",
        ] {
            assert!(!may_subscribe(filter), "{filter}");
        }
        assert!(
            !may_publish("$aws/things/+/shadow/frobnicate"),
            "a wildcard is no level of a topic name"
        );
    }

    #[test]
    fn basic_ingest_topics_lose_their_prefix() {
        // B-41, B-78
        assert_eq!(basic_ingest("$aws/rules/R/a/b"), Some(("R", "a/b")));
        assert_eq!(basic_ingest("$aws/rules/R"), Some(("R", "")));
        assert_eq!(basic_ingest("$aws/rules/"), None);
        assert_eq!(basic_ingest("a/b"), None);
        assert_eq!(counted("$aws/rules/R/a/b"), "a/b");
        assert_eq!(
            counted("$aws/things/t/shadow/get"),
            "$aws/things/t/shadow/get"
        );
    }
}
