//! A policy document, read and checked (`C-1`).

use alloc::string::String;
use alloc::vec::Vec;

use crate::action::{Action, ActionSet};
use crate::condition::Operator;
use crate::error::{PolicyError, Position};
use crate::key::Key;
use crate::read;
use crate::settings::Settings;
use crate::template::Template;

/// A policy document. It is complete: whatever it says, the engine decides by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    pub(crate) statements: Vec<Statement>,
}

/// One statement of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    pub(crate) sid: Option<String>,
    pub(crate) effect: Effect,
    pub(crate) actions: Vec<ActionPattern>,
    pub(crate) not_action: bool,
    pub(crate) resources: Vec<ResourcePattern>,
    pub(crate) not_resource: bool,
    pub(crate) conditions: Vec<Condition>,
}

/// What a statement does when it applies (`C-10`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// Allows, unless something denies.
    Allow,
    /// Denies, whatever allows.
    Deny,
}

/// One entry of `Action` or `NotAction`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ActionPattern {
    pub(crate) text: String,
    pub(crate) any_case: ActionSet,
    pub(crate) exact_case: ActionSet,
}

/// One entry of `Resource` or `NotResource`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ResourcePattern {
    pub(crate) template: Template,
    pub(crate) path: String,
    pub(crate) position: Position,
}

/// One key of one operator of `Condition`, with its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Condition {
    pub(crate) operator: Operator,
    /// The operator as written.
    pub(crate) operator_name: String,
    pub(crate) key: Key,
    pub(crate) values: Vec<ConditionValue>,
}

/// One value of a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConditionValue {
    pub(crate) template: Template,
    pub(crate) path: String,
    pub(crate) position: Position,
}

impl Document {
    /// Reads a document with the default [`Settings`].
    ///
    /// # Errors
    /// [`PolicyError`] with the place, when the text is no JSON, is too long (`C-3`), breaks the grammar (`C-1`),
    /// or names an action, operator or condition key that AWS IoT does not have.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        Self::parse_with(text, &Settings::default())
    }

    /// Reads a document.
    ///
    /// # Errors
    /// As [`parse`](Self::parse), as far as the settings do not accept what is unknown.
    pub fn parse_with(text: &str, settings: &Settings) -> Result<Self, PolicyError> {
        read::document(text, settings)
    }

    /// The statements, in their order.
    #[must_use]
    pub fn statements(&self) -> &[Statement] {
        &self.statements
    }
}

impl Statement {
    /// `Sid`, if it has one.
    #[must_use]
    pub fn sid(&self) -> Option<&str> {
        self.sid.as_deref()
    }

    /// Allow or Deny.
    #[must_use]
    pub const fn effect(&self) -> Effect {
        self.effect
    }

    /// The entries of `Action` (or `NotAction`), as written.
    pub fn actions(&self) -> impl Iterator<Item = &str> {
        self.actions.iter().map(|action| action.text.as_str())
    }

    /// Whether it is about the actions that it does not list (`NotAction`).
    #[must_use]
    pub const fn is_not_action(&self) -> bool {
        self.not_action
    }

    /// Whether it is about the resources that it does not list (`NotResource`).
    #[must_use]
    pub const fn is_not_resource(&self) -> bool {
        self.not_resource
    }

    /// Whether it has conditions.
    #[must_use]
    pub const fn is_conditional(&self) -> bool {
        !self.conditions.is_empty()
    }

    /// Whether it is about this action, with the default [`Settings`].
    #[must_use]
    pub fn speaks_of(&self, action: Action) -> bool {
        self.action_set(&Settings::default()).contains(action)
    }

    /// The entries of `Resource` (or `NotResource`), as written.
    pub fn resources(&self) -> impl Iterator<Item = &str> {
        self.resources
            .iter()
            .map(|resource| resource.template.text.as_str())
    }

    /// The actions it is about, with `NotAction` worked out.
    pub(crate) fn action_set(&self, settings: &Settings) -> ActionSet {
        let named = self
            .actions
            .iter()
            .fold(ActionSet::default(), |set, action| {
                set.union(if settings.case_sensitive_actions {
                    action.exact_case
                } else {
                    action.any_case
                })
            });
        if self.not_action {
            named.complement()
        } else {
            named
        }
    }
}
