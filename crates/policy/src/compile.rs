//! The policies of one connection, compiled: variables and conditions worked out, statements indexed.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use crate::action::ActionSet;
use crate::clause::Conditions;
use crate::context::Context;
use crate::document::{Document, Effect};
use crate::explain::Missing;
use crate::index::{Entry, Found, Index, Target, small};
use crate::pattern;
use crate::settings::{Settings, SharedSubscription, UnresolvedDeny};

/// The policies that apply to one connection (`C-8`), compiled for what is known of it.
///
/// Make a new one when a policy, an attachment, the thing or anything else of the context changes.
#[derive(Debug)]
pub struct PolicySet {
    pub(crate) policies: Box<[Box<str>]>,
    pub(crate) statements: Box<[CompiledStatement]>,
    pub(crate) resources: Box<[Resource]>,
    pub(crate) index: Index,
    /// The beginning of the cloud's own ARNs.
    pub(crate) arn_prefix: Box<str>,
    pub(crate) shared_subscription: SharedSubscription,
    pub(crate) unresolved_deny: UnresolvedDeny,
}

/// One statement with everything of the connection put in.
#[derive(Debug)]
pub(crate) struct CompiledStatement {
    /// Which of the policies.
    pub(crate) policy: usize,
    /// Which statement of it, counted from 1.
    pub(crate) number: usize,
    pub(crate) sid: Option<Box<str>>,
    pub(crate) effect: Effect,
    pub(crate) actions: ActionSet,
    pub(crate) not_resource: bool,
    /// Its entries of `resources`.
    pub(crate) resources: Range<usize>,
    pub(crate) conditions: Conditions,
}

/// One entry of `Resource` or `NotResource` with its variables replaced.
#[derive(Debug)]
pub(crate) struct Resource {
    /// The pattern of the whole ARN; as written, if a variable has no value.
    pub(crate) pattern: Box<[u8]>,
    /// What remains of it after the cloud's own ARN prefix: offsets into the pattern.
    pub(crate) rests: Box<[u32]>,
    /// Variables that have no value. If there are any, it matches nothing (`C-45`).
    pub(crate) missing: Box<[Missing]>,
}

impl Resource {
    /// Whether the part of an own ARN after the prefix matches.
    pub(crate) fn matches_rest(&self, rest: &[u8]) -> bool {
        self.rests
            .iter()
            .any(|at| pattern::matches(self.rest(*at), rest))
    }

    /// Whether a whole ARN matches.
    pub(crate) fn matches_arn(&self, arn: &[u8]) -> bool {
        self.missing.is_empty() && pattern::matches(&self.pattern, arn)
    }

    /// The pattern from an offset on.
    pub(crate) fn rest(&self, at: u32) -> &[u8] {
        usize::try_from(at)
            .ok()
            .and_then(|at| self.pattern.get(at..))
            .unwrap_or_default()
    }
}

impl PolicySet {
    /// Compiles the documents that apply to a connection, each with the name of its policy, with the default
    /// [`Settings`].
    pub fn compile<'d, N: Into<String>>(
        policies: impl IntoIterator<Item = (N, &'d Document)>,
        context: &Context,
    ) -> Self {
        Self::compile_with(policies, context, &Settings::default())
    }

    /// Compiles the documents that apply to a connection, each with the name of its policy.
    pub fn compile_with<'d, N: Into<String>>(
        policies: impl IntoIterator<Item = (N, &'d Document)>,
        context: &Context,
        settings: &Settings,
    ) -> Self {
        let arn_prefix = context.arn_prefix();
        let mut names = Vec::new();
        let mut statements = Vec::new();
        let mut resources = Vec::new();
        for (name, document) in policies {
            let policy = names.len();
            names.push(name.into().into_boxed_str());
            for (index, statement) in document.statements.iter().enumerate() {
                let start = resources.len();
                for resource in &statement.resources {
                    resources.push(match resource.template.pattern(context, settings) {
                        Ok(pattern) => {
                            let rests = pattern::after(&pattern, &arn_prefix);
                            Resource {
                                rests: rests
                                    .into_iter()
                                    .filter_map(|at| u32::try_from(at).ok())
                                    .collect(),
                                pattern: pattern.into_boxed_slice(),
                                missing: Box::default(),
                            }
                        }
                        Err(absent) => Resource {
                            pattern: resource.template.text.as_bytes().into(),
                            rests: Box::default(),
                            missing: absent
                                .iter()
                                .map(|(key, why)| Missing::new(key, context.reason(key, *why)))
                                .collect(),
                        },
                    });
                }
                statements.push(CompiledStatement {
                    policy,
                    number: index.saturating_add(1),
                    sid: statement.sid.as_deref().map(Into::into),
                    effect: statement.effect,
                    actions: statement.action_set(settings),
                    not_resource: statement.not_resource,
                    resources: start..resources.len(),
                    conditions: Conditions::of(
                        &statement.conditions,
                        statement.effect,
                        context,
                        settings,
                    ),
                });
            }
        }
        let index = Index::build(entries(&statements, &resources, settings));
        Self {
            policies: names.into_boxed_slice(),
            statements: statements.into_boxed_slice(),
            resources: resources.into_boxed_slice(),
            index,
            arn_prefix: arn_prefix.into_boxed_str(),
            shared_subscription: settings.shared_subscription,
            unresolved_deny: settings.unresolved_deny,
        }
    }

    /// The names of the policies, in the order given.
    pub fn policies(&self) -> impl Iterator<Item = &str> {
        self.policies.iter().map(|name| &**name)
    }

    /// Bytes on the heap, for those who keep one of these per connection.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        let names: usize = self.policies.iter().map(|name| name.len()).sum();
        let patterns: usize = self
            .resources
            .iter()
            .map(|resource| {
                resource
                    .pattern
                    .len()
                    .saturating_add(size_of_val(&*resource.rests))
            })
            .sum();
        [
            size_of_val(&*self.policies),
            size_of_val(&*self.statements),
            size_of_val(&*self.resources),
            self.index.heap_bytes(),
            self.arn_prefix.len(),
            names,
            patterns,
        ]
        .into_iter()
        .fold(0, usize::saturating_add)
    }
}

/// The index entries of all statements that can apply at all.
fn entries<'r>(
    statements: &[CompiledStatement],
    resources: &'r [Resource],
    settings: &Settings,
) -> Vec<Found<'r>> {
    let mut entries = Vec::new();
    for (statement, number) in statements.iter().zip(0_u32..) {
        if matches!(statement.conditions, Conditions::Fail(..)) {
            continue;
        }
        let own = resources
            .get(statement.resources.clone())
            .unwrap_or_default();
        let unresolved = own.iter().any(|resource| !resource.missing.is_empty());
        let deny = statement.effect == Effect::Deny;
        let mut targets: Vec<(&'r [u8], Target)> = Vec::new();
        if statement.not_resource {
            // An unresolved entry of `NotResource` must not widen an Allow; see `settings`.
            if deny || !unresolved {
                targets.push((&[], Target::NotResource));
            }
        } else if deny && unresolved && settings.unresolved_deny == UnresolvedDeny::Denies {
            targets.push((&[], Target::Everything));
        } else {
            for (index, resource) in statement.resources.clone().zip(own) {
                for at in &resource.rests {
                    let literal = pattern::literal_prefix(resource.rest(*at));
                    let behind = at.saturating_add(small(literal.len()));
                    targets.push((literal, Target::Resource(small(index), behind)));
                }
            }
        }
        for action in statement.actions.iter() {
            entries.extend(targets.iter().map(|(literal, target)| Found {
                action,
                effect: statement.effect,
                literal,
                entry: Entry {
                    statement: number,
                    target: *target,
                },
            }));
        }
    }
    entries
}
