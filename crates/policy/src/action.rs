//! The actions that an IoT policy can speak of (`C-14` to `C-21`), and sets of them.

use core::fmt;

use crate::pattern;

/// One action of AWS IoT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "the names are the specification's own")]
pub enum Action {
    Connect,
    Publish,
    RetainPublish,
    Subscribe,
    Receive,
    GetRetainedMessage,
    ListRetainedMessages,
    ListNamedShadowsForThing,
    GetThingShadow,
    UpdateThingShadow,
    DeleteThingShadow,
    AssumeRoleWithCertificate,
    DeleteConnection,
    SendDirectMessage,
    GetConnection,
    ListSubscriptions,
    GetThingConnectivityData,
    DescribeJobExecution,
    GetPendingJobExecutions,
    StartNextPendingJobExecution,
    UpdateJobExecution,
}

impl Action {
    /// Every action, in the order of the enum.
    pub const ALL: [Self; 21] = [
        Self::Connect,
        Self::Publish,
        Self::RetainPublish,
        Self::Subscribe,
        Self::Receive,
        Self::GetRetainedMessage,
        Self::ListRetainedMessages,
        Self::ListNamedShadowsForThing,
        Self::GetThingShadow,
        Self::UpdateThingShadow,
        Self::DeleteThingShadow,
        Self::AssumeRoleWithCertificate,
        Self::DeleteConnection,
        Self::SendDirectMessage,
        Self::GetConnection,
        Self::ListSubscriptions,
        Self::GetThingConnectivityData,
        Self::DescribeJobExecution,
        Self::GetPendingJobExecutions,
        Self::StartNextPendingJobExecution,
        Self::UpdateJobExecution,
    ];

    /// The name in a policy.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connect => "iot:Connect",
            Self::Publish => "iot:Publish",
            Self::RetainPublish => "iot:RetainPublish",
            Self::Subscribe => "iot:Subscribe",
            Self::Receive => "iot:Receive",
            Self::GetRetainedMessage => "iot:GetRetainedMessage",
            Self::ListRetainedMessages => "iot:ListRetainedMessages",
            Self::ListNamedShadowsForThing => "iot:ListNamedShadowsForThing",
            Self::GetThingShadow => "iot:GetThingShadow",
            Self::UpdateThingShadow => "iot:UpdateThingShadow",
            Self::DeleteThingShadow => "iot:DeleteThingShadow",
            Self::AssumeRoleWithCertificate => "iot:AssumeRoleWithCertificate",
            Self::DeleteConnection => "iot:DeleteConnection",
            Self::SendDirectMessage => "iot:SendDirectMessage",
            Self::GetConnection => "iot:GetConnection",
            Self::ListSubscriptions => "iot:ListSubscriptions",
            Self::GetThingConnectivityData => "iot:GetThingConnectivityData",
            Self::DescribeJobExecution => "iotjobsdata:DescribeJobExecution",
            Self::GetPendingJobExecutions => "iotjobsdata:GetPendingJobExecutions",
            Self::StartNextPendingJobExecution => "iotjobsdata:StartNextPendingJobExecution",
            Self::UpdateJobExecution => "iotjobsdata:UpdateJobExecution",
        }
    }

    /// The name with the prefix that job actions had before (`C-19`).
    const fn former_name(self) -> Option<&'static str> {
        match self {
            Self::DescribeJobExecution => Some("iot:DescribeJobExecution"),
            Self::GetPendingJobExecutions => Some("iot:GetPendingJobExecutions"),
            Self::StartNextPendingJobExecution => Some("iot:StartNextPendingJobExecution"),
            Self::UpdateJobExecution => Some("iot:UpdateJobExecution"),
            _ => None,
        }
    }

    /// The action with this name, whatever its case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| {
            action.name().eq_ignore_ascii_case(name)
                || action
                    .former_name()
                    .is_some_and(|former| former.eq_ignore_ascii_case(name))
        })
    }

    const fn bit(self) -> u32 {
        1 << self as u32
    }

    /// The action whose name is nearest to a misspelt one: the fewest edits, at most three.
    pub(crate) fn nearest(name: &str) -> Option<&'static str> {
        let (distance, action) = Self::ALL
            .iter()
            .map(|action| (edits(name, action.name()), *action))
            .min()?;
        (distance <= 3).then(|| action.name())
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Insertions, deletions and replacements that make one name of the other, ignoring case.
fn edits(one: &str, other: &str) -> usize {
    const LONGEST: usize = 48;
    let mut row = [0_usize; LONGEST];
    if one.len() >= LONGEST || other.len() >= LONGEST {
        return LONGEST;
    }
    for (column, cell) in row.iter_mut().enumerate() {
        *cell = column;
    }
    for (line, a) in one.bytes().enumerate() {
        let mut diagonal = line;
        let mut left = line.saturating_add(1);
        let mut first = true;
        let mut characters = other.bytes();
        for cell in row.iter_mut().take(other.len().saturating_add(1)) {
            let above = *cell;
            if first {
                first = false;
            } else {
                let same = characters
                    .next()
                    .is_some_and(|b| a.eq_ignore_ascii_case(&b));
                let replace = if same {
                    diagonal
                } else {
                    diagonal.saturating_add(1)
                };
                left = replace
                    .min(above.saturating_add(1))
                    .min(left.saturating_add(1));
            }
            *cell = left;
            diagonal = above;
        }
    }
    row.get(other.len()).copied().unwrap_or(LONGEST)
}

/// A set of actions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ActionSet(u32);

impl ActionSet {
    pub(crate) const ALL: Self = Self((1 << Action::ALL.len()) - 1);

    pub(crate) const fn contains(self, action: Action) -> bool {
        self.0 & action.bit() != 0
    }

    pub(crate) const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) const fn complement(self) -> Self {
        Self(Self::ALL.0 & !self.0)
    }

    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = Action> {
        Action::ALL
            .into_iter()
            .filter(move |action| self.contains(*action))
    }

    /// The actions that a pattern such as `iot:Pub*` speaks of (`C-30`), with or without case (`C-29`).
    ///
    /// The former prefix of job actions counts only where the whole name is written: nobody who writes
    /// `iot:*` today is known to have meant `iotjobsdata`.
    pub(crate) fn matching(pattern: &str, case_sensitive: bool) -> Self {
        let compiled = pattern::from_wildcards(&if case_sensitive {
            pattern.into()
        } else {
            pattern.to_ascii_lowercase()
        });
        let mut set = Self::default();
        for action in Action::ALL {
            let matches = if case_sensitive {
                pattern::matches(&compiled, action.name().as_bytes())
                    || action.former_name() == Some(pattern)
            } else {
                pattern::matches(&compiled, action.name().to_ascii_lowercase().as_bytes())
                    || action
                        .former_name()
                        .is_some_and(|former| former.eq_ignore_ascii_case(pattern))
            };
            if matches {
                set = set.union(Self(action.bit()));
            }
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    fn names(pattern: &str) -> Vec<&'static str> {
        ActionSet::matching(pattern, false)
            .iter()
            .map(Action::name)
            .collect()
    }

    #[test]
    fn bits_and_list_agree() {
        for (index, action) in Action::ALL.into_iter().enumerate() {
            assert_eq!(action as usize, index);
            assert_eq!(Action::from_name(action.name()), Some(action));
        }
        assert!(
            Action::ALL
                .into_iter()
                .all(|action| ActionSet::ALL.contains(action))
        );
        assert!(ActionSet::ALL.complement().is_empty());
    }

    #[test]
    fn patterns() {
        // C-29, C-30
        assert_eq!(names("iot:Publish"), ["iot:Publish"]);
        assert_eq!(names("IOT:publish"), ["iot:Publish"]);
        assert!(ActionSet::matching("iot:publish", true).is_empty());
        assert_eq!(names("iot:*Publish"), ["iot:Publish", "iot:RetainPublish"]);
        assert_eq!(names("iot:?onnect"), ["iot:Connect"]);
        assert_eq!(names("*").len(), Action::ALL.len());
        assert!(names("iot:*").iter().all(|name| name.starts_with("iot:")));
        assert!(names("s3:*").is_empty());
    }

    #[test]
    fn an_action_named_twice_counts_once() {
        let publish = ActionSet::matching("iot:Publish", false);
        let both = ActionSet::matching("iot:*Publish", false);
        assert_eq!(both.union(publish), both);
        assert_eq!(publish.union(publish), publish);
    }

    #[test]
    fn job_actions_keep_their_former_name() {
        // C-19
        assert_eq!(
            names("iot:UpdateJobExecution"),
            ["iotjobsdata:UpdateJobExecution"]
        );
        assert_eq!(
            Action::from_name("iot:updatejobexecution"),
            Some(Action::UpdateJobExecution)
        );
    }

    #[test]
    fn a_misspelt_action_has_a_nearest_one() {
        assert_eq!(Action::nearest("iot:Publsh"), Some("iot:Publish"));
        assert_eq!(Action::nearest("iot:Recieve"), Some("iot:Receive"));
        assert_eq!(Action::nearest("iot:subscibe"), Some("iot:Subscribe"));
        assert_eq!(Action::nearest("s3:GetObject"), None);
        assert_eq!(Action::nearest(&"x".repeat(1000)), None);
    }
}
