//! The decision (`C-10`): default deny, an Allow overrides the default, an explicit Deny overrides every Allow.

use alloc::vec::Vec;

use crate::action::Action;
use crate::compile::{CompiledStatement, PolicySet};
use crate::document::Effect;
use crate::index::{Entry, Target};
use crate::pattern;
use crate::settings::{SharedSubscription, UnresolvedDeny};

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Some statement allows it and none denies it.
    Allowed,
    /// Nothing allows it.
    ImplicitDeny,
    /// A statement denies it.
    ExplicitDeny,
}

impl Outcome {
    /// The word of the AWS API (`C-55`).
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allowed => "ALLOWED",
            Self::ImplicitDeny => "IMPLICIT_DENY",
            Self::ExplicitDeny => "EXPLICIT_DENY",
        }
    }
}

/// A decision and a statement that made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What was decided.
    pub outcome: Outcome,
    /// A statement that allows, or one that denies; `None` when nothing applied.
    pub by: Option<StatementId>,
}

/// One statement of a [`PolicySet`]; [`PolicySet::statement_name`] says which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StatementId(pub(crate) u32);

/// What comes with the single request and not with the connection (`C-36`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Request<'a> {
    /// `iot:Topic`: the topic of a direct message.
    pub topic: Option<&'a str>,
    /// `iot:IncludeSocketInformation`.
    pub include_socket_information: Option<bool>,
}

/// Topics and filters up to this length need no allocation to be looked at in both forms of `C-24`.
const FILTER_BYTES: usize = 512;

impl PolicySet {
    /// Decides whether the connection may do `action` on `resource`.
    ///
    /// `resource` is what follows the prefix of the cloud's own ARNs, such as `topic/esp32/pub`,
    /// `topicfilter/a/+`, `client/lamp`, or a whole ARN. Allocates nothing.
    #[must_use]
    pub fn decide(&self, action: Action, resource: &str, request: &Request<'_>) -> Decision {
        let Some(rest) = self.own_part(resource) else {
            return self.decide_foreign(action, resource, request);
        };
        match shared_subscription(action, rest) {
            None => self.decide_rest(action, rest.as_bytes(), request),
            Some(filter) => self.decide_shared(action, rest.as_bytes(), filter, request),
        }
    }

    /// What follows the prefix of the cloud's own ARNs; `None` for an ARN of somewhere else.
    pub(crate) fn own_part<'r>(&self, resource: &'r str) -> Option<&'r str> {
        if resource.starts_with("arn:") {
            resource.strip_prefix(&*self.arn_prefix)
        } else {
            Some(resource)
        }
    }

    fn decide_rest(&self, action: Action, rest: &[u8], request: &Request<'_>) -> Decision {
        let decided = |effect| self.matching(action, effect, rest, request).next();
        Decision::of(decided(Effect::Deny), || decided(Effect::Allow))
    }

    /// `C-24`: one form must be allowed, neither may be denied.
    fn decide_shared(
        &self,
        action: Action,
        full: &[u8],
        filter: &str,
        request: &Request<'_>,
    ) -> Decision {
        with_inner_form("", filter, |inner| {
            let (main, other) = self.main_and_other(full, inner);
            let denied = |text| self.matching(action, Effect::Deny, text, request).next();
            Decision::of(denied(main).or_else(|| denied(other)), || {
                self.matching(action, Effect::Allow, main, request).next()
            })
        })
    }

    /// An ARN of another region, account or partition: seldom asked, so without the index.
    fn decide_foreign(&self, action: Action, arn: &str, request: &Request<'_>) -> Decision {
        let full = arn.as_bytes();
        let (before, rest) = split_arn(arn);
        match shared_subscription(action, rest) {
            None => self.decide_foreign_forms(action, full, full, request),
            Some(filter) => with_inner_form(before, filter, |inner| {
                let (main, other) = self.main_and_other(full, inner);
                self.decide_foreign_forms(action, main, other, request)
            }),
        }
    }

    fn decide_foreign_forms(
        &self,
        action: Action,
        main: &[u8],
        other: &[u8],
        request: &Request<'_>,
    ) -> Decision {
        let denied = |arn| {
            self.matching_foreign(action, Effect::Deny, arn, request)
                .next()
        };
        Decision::of(denied(main).or_else(|| denied(other)), || {
            self.matching_foreign(action, Effect::Allow, main, request)
                .next()
        })
    }

    /// `C-24`: the form that must be allowed, and the one that only must not be denied.
    const fn main_and_other<'f>(&self, full: &'f [u8], inner: &'f [u8]) -> (&'f [u8], &'f [u8]) {
        match self.shared_subscription {
            SharedSubscription::Full => (full, inner),
            SharedSubscription::Inner => (inner, full),
        }
    }

    /// The statements of an effect that apply to a request on the cloud's own resources.
    fn matching<'s>(
        &'s self,
        action: Action,
        effect: Effect,
        rest: &'s [u8],
        request: &'s Request<'s>,
    ) -> impl Iterator<Item = StatementId> {
        self.index
            .candidates(action, effect, rest)
            .filter(move |(entry, behind)| self.entry_matches(entry, rest, behind, request))
            .map(|(entry, _)| StatementId(entry.statement))
    }

    /// Whether an entry applies to a resource whose beginning is the entry's literal text; `behind` is what follows it.
    fn entry_matches(
        &self,
        entry: &Entry,
        whole: &[u8],
        behind: &[u8],
        request: &Request<'_>,
    ) -> bool {
        let Some(statement) = self.statement(StatementId(entry.statement)) else {
            return false;
        };
        let resource = match entry.target {
            Target::Everything => true,
            Target::Resource(resource, at) => usize::try_from(resource)
                .ok()
                .and_then(|resource| self.resources.get(resource))
                .is_some_and(|resource| pattern::matches(resource.rest(at), behind)),
            Target::NotResource => !self
                .resources_of(statement)
                .any(|resource| resource.matches_rest(whole)),
        };
        resource && statement.conditions.hold(request)
    }

    fn matching_foreign<'s>(
        &'s self,
        action: Action,
        effect: Effect,
        arn: &'s [u8],
        request: &'s Request<'s>,
    ) -> impl Iterator<Item = StatementId> {
        self.statements
            .iter()
            .zip(0_u32..)
            .filter_map(move |(statement, id)| {
                let applies = statement.effect == effect
                    && statement.actions.contains(action)
                    && statement.conditions.hold(request)
                    && self.matches_foreign(statement, arn);
                applies.then_some(StatementId(id))
            })
    }

    fn matches_foreign(&self, statement: &CompiledStatement, arn: &[u8]) -> bool {
        let deny = statement.effect == Effect::Deny;
        let unresolved = self
            .resources_of(statement)
            .any(|resource| !resource.missing.is_empty());
        let listed = self
            .resources_of(statement)
            .any(|resource| resource.matches_arn(arn));
        if statement.not_resource {
            (deny || !unresolved) && !listed
        } else {
            listed || (deny && unresolved && self.unresolved_deny == UnresolvedDeny::Denies)
        }
    }

    /// Every statement of an effect that applies to a request, in order of policies and statements.
    pub(crate) fn all_matching(
        &self,
        action: Action,
        effect: Effect,
        resource: &str,
        request: &Request<'_>,
    ) -> Vec<StatementId> {
        let mut found = Vec::new();
        let own = self.own_part(resource);
        let (before, rest) = own.map_or_else(|| split_arn(resource), |rest| ("", rest));
        let mut find = |text: &[u8]| match own {
            Some(_) => found.extend(self.matching(action, effect, text, request)),
            None => found.extend(self.matching_foreign(action, effect, text, request)),
        };
        let full = own.unwrap_or(resource).as_bytes();
        match shared_subscription(action, rest) {
            None => find(full),
            Some(filter) => with_inner_form(before, filter, |inner| {
                let (main, other) = self.main_and_other(full, inner);
                find(main);
                if effect == Effect::Deny {
                    find(other);
                }
            }),
        }
        found.sort_unstable_by_key(|id| id.0);
        found.dedup();
        found
    }

    pub(crate) fn statement(&self, id: StatementId) -> Option<&CompiledStatement> {
        usize::try_from(id.0)
            .ok()
            .and_then(|id| self.statements.get(id))
    }

    pub(crate) fn resources_of(
        &self,
        statement: &CompiledStatement,
    ) -> impl Iterator<Item = &crate::compile::Resource> {
        self.resources
            .get(statement.resources.clone())
            .unwrap_or_default()
            .iter()
    }
}

impl Decision {
    fn of(denied: Option<StatementId>, allowed: impl FnOnce() -> Option<StatementId>) -> Self {
        if denied.is_some() {
            return Self {
                outcome: Outcome::ExplicitDeny,
                by: denied,
            };
        }
        let allowed = allowed();
        let outcome = if allowed.is_some() {
            Outcome::Allowed
        } else {
            Outcome::ImplicitDeny
        };
        Self {
            outcome,
            by: allowed,
        }
    }
}

/// The filter behind `topicfilter/$share/<name>/` of a SUBSCRIBE.
fn shared_subscription(action: Action, rest: &str) -> Option<&str> {
    if action != Action::Subscribe {
        return None;
    }
    let (name, filter) = rest.strip_prefix("topicfilter/$share/")?.split_once('/')?;
    (!name.is_empty()).then_some(filter)
}

/// The first five parts of an ARN with their colons, and what follows them.
fn split_arn(arn: &str) -> (&str, &str) {
    let colon = arn.match_indices(':').nth(4);
    colon
        .and_then(|(colon, _)| arn.split_at_checked(colon.saturating_add(1)))
        .unwrap_or(("", arn))
}

/// Calls `then` with `topicfilter/<filter>` behind what comes before it, on the stack unless the filter is far
/// longer than MQTT allows.
fn with_inner_form<T>(before: &str, filter: &str, then: impl FnOnce(&[u8]) -> T) -> T {
    const START: &[u8] = b"topicfilter/";
    let parts = [before.as_bytes(), START, filter.as_bytes()];
    let mut buffer = [0_u8; FILTER_BYTES];
    let mut length = 0_usize;
    for part in parts {
        let end = length.saturating_add(part.len());
        let Some(place) = buffer.get_mut(length..end) else {
            return then(&parts.concat());
        };
        place.copy_from_slice(part);
        length = end;
    }
    then(buffer.get(..length).unwrap_or_default())
}
