//! What an action is asked on (`C-14` to `C-21`): the kind of its resource, and how people name one.

use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::String;

use thingwire_policy::Action;

/// The kind of a resource: what stands before the first `/` of its ARN's last part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `client/<clientId>`
    Client,
    /// `topic/<topic>`
    Topic,
    /// `topicfilter/<filter>`
    TopicFilter,
    /// `thing/<thing>[/<shadow>]`
    Thing,
    /// `rolealias/<alias>`
    RoleAlias,
    /// No resource: only `*`.
    Whole,
}

impl Kind {
    /// Every kind that has a prefix.
    pub const NAMED: [Self; 5] = [
        Self::Client,
        Self::Topic,
        Self::TopicFilter,
        Self::Thing,
        Self::RoleAlias,
    ];

    /// The kind that an action is asked on.
    #[must_use]
    pub const fn of(action: Action) -> Self {
        match action {
            Action::Connect
            | Action::DeleteConnection
            | Action::SendDirectMessage
            | Action::GetConnection
            | Action::ListSubscriptions => Self::Client,
            Action::Publish
            | Action::RetainPublish
            | Action::Receive
            | Action::GetRetainedMessage => Self::Topic,
            Action::Subscribe => Self::TopicFilter,
            Action::GetThingShadow
            | Action::UpdateThingShadow
            | Action::DeleteThingShadow
            | Action::ListNamedShadowsForThing
            | Action::GetThingConnectivityData
            | Action::DescribeJobExecution
            | Action::GetPendingJobExecutions
            | Action::StartNextPendingJobExecution
            | Action::UpdateJobExecution => Self::Thing,
            Action::AssumeRoleWithCertificate => Self::RoleAlias,
            Action::ListRetainedMessages => Self::Whole,
        }
    }

    /// `topic/` and so on.
    #[must_use]
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Client => "client/",
            Self::Topic => "topic/",
            Self::TopicFilter => "topicfilter/",
            Self::Thing => "thing/",
            Self::RoleAlias => "rolealias/",
            Self::Whole => "",
        }
    }
}

/// The action that a person names: `publish`, `Publish`, `iot:Publish`, `PUBLISH`, `retain`.
#[must_use]
pub fn action(name: &str) -> Option<Action> {
    if name.eq_ignore_ascii_case("retain") {
        return Some(Action::RetainPublish);
    }
    Action::from_name(name)
        .or_else(|| Action::from_name(&format!("iot:{name}")))
        .or_else(|| Action::from_name(&format!("iotjobsdata:{name}")))
}

/// The resource that a person names for an action: a topic, a filter, a client id, a thing, or a whole ARN.
///
/// A name that has its prefix already (`topic/a`) keeps it, except for topics, where `topic/a` may be the topic.
#[must_use]
pub fn named(action: Action, name: &str) -> String {
    let prefix = Kind::of(action).prefix();
    let is_topic = matches!(Kind::of(action), Kind::Topic | Kind::TopicFilter);
    if name.starts_with("arn:") || (!is_topic && name.starts_with(prefix)) {
        name.to_owned()
    } else {
        format!("{prefix}{name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_name_actions_in_many_ways() {
        for name in [
            "publish",
            "Publish",
            "PUBLISH",
            "iot:Publish",
            "iot:publish",
        ] {
            assert_eq!(action(name), Some(Action::Publish), "{name}");
        }
        assert_eq!(action("retain"), Some(Action::RetainPublish));
        assert_eq!(
            action("GetPendingJobExecutions"),
            Some(Action::GetPendingJobExecutions)
        );
        assert_eq!(action("shout"), None);
        assert_eq!(action(""), None);
    }

    #[test]
    fn resources_get_their_kind() {
        // C-14 to C-21
        assert_eq!(named(Action::Connect, "lamp"), "client/lamp");
        assert_eq!(named(Action::Connect, "client/lamp"), "client/lamp");
        assert_eq!(named(Action::Publish, "topic/a"), "topic/topic/a");
        assert_eq!(named(Action::Subscribe, "a/#"), "topicfilter/a/#");
        assert_eq!(named(Action::GetThingShadow, "lamp/cfg"), "thing/lamp/cfg");
        assert_eq!(named(Action::ListRetainedMessages, "*"), "*");
        let arn = "arn:aws:iot:us-east-1:123456789012:topic/a";
        assert_eq!(named(Action::Publish, arn), arn);
        for one in Action::ALL {
            assert!(named(one, "x").starts_with(Kind::of(one).prefix()));
        }
    }
}
