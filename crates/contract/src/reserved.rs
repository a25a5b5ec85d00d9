//! Topics that begin with `$`: the allow-list of section B.14 (`B-82`).
//!
//! A template describes levels: a word, `a|b` (one of), `*` (any one level that is not empty), and at the
//! end `**` (one level or more). A topic that begins with `$` and fits no template with the operation asked
//! for is refused (`B-35`, `B-44`). Topics that do not begin with `$` are none of this module's business and
//! always allowed. `$share/<name>/` is taken off by the caller, before anything here is asked.

/// Which operation of a client a template allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Publish,
    Subscribe,
    Both,
}

impl Operation {
    const fn includes(self, wanted: Self) -> bool {
        matches!(
            (self, wanted),
            (Self::Both, _) | (Self::Publish, Self::Publish) | (Self::Subscribe, Self::Subscribe)
        )
    }
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

/// Whether a topic or filter is a reserved one: it begins with `$`. RETAIN is not allowed there (`B-64`).
#[must_use]
pub fn is_reserved(topic: &str) -> bool {
    topic.starts_with('$')
}

/// Whether a client may publish to this topic name, as far as reserved topics are concerned (`B-44`).
#[must_use]
pub fn may_publish(topic: &str) -> bool {
    !is_reserved(topic)
        || TEMPLATES
            .iter()
            .any(|(allows, template)| allows.includes(Publish) && fits(topic, template))
}

/// Whether a client may subscribe to this filter, as far as reserved topics are concerned (`B-35`).
///
/// A filter with wildcards is allowed when some topic that can be subscribed to would match it.
#[must_use]
pub fn may_subscribe(filter: &str) -> bool {
    !is_reserved(filter)
        || TEMPLATES
            .iter()
            .any(|(allows, template)| allows.includes(Subscribe) && meets(filter, template))
}

/// Splits a Basic Ingest topic into the rule's name and the topic without the prefix (`B-78`), which is
/// the one that counts for limits (`B-41`). `None` for any other topic.
#[must_use]
pub fn basic_ingest(topic: &str) -> Option<(&str, &str)> {
    let rest = topic.strip_prefix("$aws/rules/")?;
    let (rule, topic) = rest.split_once('/').unwrap_or((rest, ""));
    (!rule.is_empty()).then_some((rule, topic))
}

/// The part of a topic that counts for the limits of length and levels (`B-41`): all of it, but for Basic Ingest
/// only what follows `$aws/rules/<name>/`.
#[must_use]
pub fn counted(topic: &str) -> &str {
    basic_ingest(topic).map_or(topic, |(_, rest)| rest)
}

/// Whether a topic name fits a template.
fn fits(topic: &str, template: &str) -> bool {
    let mut levels = topic.split('/');
    for wanted in template.split('/') {
        match levels.next() {
            Some(_) if wanted == "**" => return true,
            Some(level) if level_fits(level, wanted) => {}
            _ => return false,
        }
    }
    levels.next().is_none()
}

/// Whether some topic fits both the filter and the template.
fn meets(filter: &str, template: &str) -> bool {
    let mut levels = filter.split('/');
    for wanted in template.split('/') {
        match levels.next() {
            // On AWS `#` stands for at least one level (`B-10`), so it must find one here.
            Some("#") => return true,
            Some(_) if wanted == "**" => return true,
            Some("+") => {}
            Some(level) if level_fits(level, wanted) => {}
            _ => return false,
        }
    }
    levels.next().is_none()
}

fn level_fits(level: &str, wanted: &str) -> bool {
    match wanted {
        "*" => !level.is_empty(),
        words => words.split('|').any(|word| word == level),
    }
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
