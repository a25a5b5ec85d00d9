//! One condition of a statement, ready to be evaluated (`C-33`, `C-34`).

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::condition::{Operand, Operator, Quantifier, Test};
use crate::context::Context;
use crate::decide::Request;
use crate::document::{Condition, Effect};
use crate::error::Quoted;
use crate::explain::Missing;
use crate::key::Key;
use crate::settings::Settings;

/// A condition with its values worked out for one connection.
#[derive(Clone, Debug)]
pub(crate) struct Clause {
    operator: Operator,
    key: Key,
    operands: Box<[Operand]>,
    /// Some value has a variable without a value.
    unresolved: bool,
    effect: Effect,
}

/// A condition as people would say it.
fn describe(condition: &Condition) -> Box<str> {
    let mut text = format!("{} {}", condition.operator_name, condition.key);
    for (index, value) in condition.values.iter().enumerate() {
        text.push_str(if index == 0 { " " } else { ", " });
        text.push_str(&format!("{}", Quoted(&value.template.text)));
    }
    text.into_boxed_str()
}

/// What is known of a statement's conditions once the connection is known.
#[derive(Clone, Debug)]
pub(crate) enum Conditions {
    /// They hold, whatever the request.
    Hold,
    /// They do not, whatever the request: the first that fails, and the keys that had no value.
    Fail(Box<str>, Box<[Missing]>),
    /// They hold if these do, which look at the request; each with its words.
    Depend(Box<[(Clause, Box<str>)]>),
}

impl Conditions {
    /// Works out all conditions of a statement.
    pub(crate) fn of(
        conditions: &[Condition],
        effect: Effect,
        context: &Context,
        settings: &Settings,
    ) -> Self {
        let mut depend = Vec::new();
        for condition in conditions {
            let mut missing = Vec::new();
            let clause = Clause::new(condition, effect, context, settings, &mut missing);
            if condition.key.is_of_request() {
                depend.push((clause, describe(condition)));
                continue;
            }
            let values = context
                .values(&condition.key, settings)
                .unwrap_or_else(|absent| {
                    missing.push(Missing::new(
                        &condition.key,
                        context.reason(&condition.key, absent),
                    ));
                    Vec::new()
                });
            if !clause.holds(values.iter().map(String::as_str)) {
                return Self::Fail(describe(condition), missing.into_boxed_slice());
            }
        }
        if depend.is_empty() {
            Self::Hold
        } else {
            Self::Depend(depend.into_boxed_slice())
        }
    }

    /// Whether they hold for a request. Allocates nothing.
    pub(crate) fn hold(&self, request: &Request<'_>) -> bool {
        match self {
            Self::Hold => true,
            Self::Fail(..) => false,
            Self::Depend(clauses) => clauses.iter().all(|(clause, _)| clause.holds_for(request)),
        }
    }

    /// The condition that does not hold for a request, in words, and the keys that had no value.
    pub(crate) fn failure(&self, request: &Request<'_>) -> Option<(&str, &[Missing])> {
        match self {
            Self::Hold => None,
            Self::Fail(text, missing) => Some((text, missing)),
            Self::Depend(clauses) => clauses
                .iter()
                .find(|(clause, _)| !clause.holds_for(request))
                .map(|(_, text)| (&**text, [].as_slice())),
        }
    }
}

impl Clause {
    fn new(
        condition: &Condition,
        effect: Effect,
        context: &Context,
        settings: &Settings,
        missing: &mut Vec<Missing>,
    ) -> Self {
        let mut operands = Vec::with_capacity(condition.values.len());
        let mut unresolved = false;
        for value in &condition.values {
            match Operand::new(condition.operator.test, &value.template, context, settings) {
                Ok(operand) => operands.extend(operand),
                Err(absent) => {
                    unresolved = true;
                    missing.extend(
                        absent
                            .iter()
                            .map(|(key, why)| Missing::new(key, context.reason(key, *why))),
                    );
                }
            }
        }
        Self {
            operator: condition.operator,
            key: condition.key.clone(),
            operands: operands.into_boxed_slice(),
            unresolved,
            effect,
        }
    }

    fn holds_for(&self, request: &Request<'_>) -> bool {
        let value = match self.key {
            Key::Topic => request.topic,
            Key::IncludeSocketInformation => request
                .include_socket_information
                .map(|included| if included { "true" } else { "false" }),
            _ => None,
        };
        self.holds(value.into_iter())
    }

    /// Whether the condition holds for these values of its key; none means that the key is absent.
    fn holds<'v>(&self, values: impl Iterator<Item = &'v str> + Clone) -> bool {
        let Operator {
            test,
            negated,
            if_exists,
            quantifier,
        } = self.operator;
        let absent = values.clone().next().is_none();
        if test == Test::Null {
            return self.operands.contains(&Operand::Bool(absent));
        }
        if absent {
            return if_exists
                || match quantifier {
                    Quantifier::ForAllValues => true,
                    Quantifier::ForAnyValue => false,
                    Quantifier::None => negated,
                };
        }
        // "Not equal to something unknown" must not widen an Allow; see `settings`.
        if negated && self.unresolved && self.effect == Effect::Allow {
            return false;
        }
        let mut passes =
            values.map(|value| self.operands.iter().any(|operand| operand.test(value)) != negated);
        match (quantifier, negated) {
            (Quantifier::ForAllValues, _) | (Quantifier::None, true) => passes.all(|passed| passed),
            (Quantifier::ForAnyValue, _) | (Quantifier::None, false) => passes.any(|passed| passed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::ConditionValue;
    use crate::error::Position;
    use crate::template::Template;

    /// Whether `operator` with the values `wanted` of an Allow holds when the key has `values`.
    fn holds(operator: &str, wanted: &[&str], values: &[&str]) -> bool {
        let condition = Condition {
            operator: Operator::parse(operator).expect(operator),
            operator_name: operator.into(),
            key: Key::ConnectAttributes,
            values: wanted
                .iter()
                .map(|text| ConditionValue {
                    template: Template::parse(text).expect("closed"),
                    path: String::new(),
                    position: Position::default(),
                })
                .collect(),
        };
        let context = Context::new("us-east-1", "123456789012");
        let clause = Clause::new(
            &condition,
            Effect::Allow,
            &context,
            &Settings::default(),
            &mut Vec::new(),
        );
        clause.holds(values.iter().copied())
    }

    #[test]
    fn one_key_many_values_is_or() {
        // C-33
        assert!(holds("StringEquals", &["a", "b"], &["b"]));
        assert!(!holds("StringEquals", &["a", "b"], &["c"]));
        assert!(holds("StringNotEquals", &["a", "b"], &["c"]));
        assert!(!holds("StringNotEquals", &["a", "b"], &["b"]));
    }

    #[test]
    fn a_missing_key() {
        // C-33, C-34
        assert!(!holds("StringEquals", &["a"], &[]));
        assert!(holds("StringNotEquals", &["a"], &[]));
        assert!(holds("StringEqualsIfExists", &["a"], &[]));
        assert!(holds("ForAllValues:StringEquals", &["a"], &[]));
        assert!(!holds("ForAnyValue:StringEquals", &["a"], &[]));
        assert!(!holds("ForAnyValue:StringNotEquals", &["a"], &[]));
        assert!(holds("ForAnyValue:StringEqualsIfExists", &["a"], &[]));
        assert!(holds("Null", &["true"], &[]) && !holds("Null", &["false"], &[]));
        assert!(holds("Null", &["false"], &["a"]) && !holds("Null", &["true"], &["a"]));
        assert!(holds("Null", &["true", "false"], &["a"]));
    }

    #[test]
    fn sets() {
        // C-34
        assert!(holds("ForAllValues:StringEquals", &["a", "b"], &["a", "b"]));
        assert!(!holds("ForAllValues:StringEquals", &["a"], &["a", "b"]));
        assert!(holds("ForAnyValue:StringEquals", &["b"], &["a", "b"]));
        assert!(holds("ForAnyValue:StringNotEquals", &["b"], &["a", "b"]));
        assert!(!holds("ForAllValues:StringNotEquals", &["b"], &["a", "b"]));
        assert!(
            !holds("ForAllValues:StringEquals", &[], &["a"])
                && holds("ForAllValues:StringEquals", &[], &[])
        );
    }

    #[test]
    fn an_unresolved_value_equals_nothing_and_widens_nothing() {
        // C-45
        assert!(!holds(
            "StringEquals",
            &["${iot:ClientId}"],
            &["${iot:ClientId}"]
        ));
        assert!(!holds("StringNotEquals", &["${iot:ClientId}"], &["a"]));
        assert!(holds("StringEquals", &["${iot:ClientId}", "a"], &["a"]));
    }
}
