//! What would have to change for a request to be allowed, checked by the engine before it is said.

use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::Serialize;
use thingwire_policy::{Context, Document, Explanation, Outcome, PolicySet};

use super::{Question, whole_arn};
use crate::generate;
use crate::policy::Policy;

/// What would have to change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "cure", rename_all = "camelCase")]
pub enum Cure {
    /// Nothing: it is allowed.
    None,
    /// This statement, added to a policy, allows it and nothing else of this connection.
    Add {
        /// The statement, as JSON.
        statement: String,
    },
    /// An explicit Deny decides; no Allow helps (`C-10`). These statements would have to be narrowed or removed.
    Narrow {
        /// Which, as ``policy `a` statement 2``.
        statements: Vec<String>,
    },
    /// No statement can allow it: the resource is not one of this cloud's.
    Elsewhere,
}

/// Finds the smallest change.
pub(super) fn find(
    policies: &[Policy],
    context: &Context,
    question: &Question,
    found: &Explanation,
) -> Cure {
    match found.outcome {
        Outcome::Allowed => return Cure::None,
        Outcome::ExplicitDeny => {
            return Cure::Narrow {
                statements: found.denied_by.iter().map(ToString::to_string).collect(),
            };
        }
        Outcome::ImplicitDeny => {}
    }
    if found.foreign {
        return Cure::Elsewhere;
    }
    let arn = whole_arn(context, &question.resource);
    let prefix = context.arn_prefix();
    let rest = arn.strip_prefix(&prefix).unwrap_or(&arn);
    let thing = context.variable(generate::THING_NAME).ok();
    let candidates = [
        format!("{prefix}{}", generate::resource(rest, thing.as_deref())),
        format!("{prefix}{}", generate::resource(rest, None)),
    ];
    for resource in candidates {
        let statement = generate::statement(&[question.action.name()], &[resource]);
        let text = format!("{{\"Version\":\"2012-10-17\",\"Statement\":[{statement}]}}");
        let Ok(document) = Document::parse(&text) else {
            continue;
        };
        let with = policies
            .iter()
            .map(|policy| (policy.name.as_str(), &policy.document))
            .chain([("added", &document)]);
        let decision = PolicySet::compile(with, context).decide(
            question.action,
            &question.resource,
            &question.request(),
        );
        if decision.outcome == Outcome::Allowed {
            return Cure::Add {
                statement: statement.to_owned(),
            };
        }
    }
    Cure::Elsewhere
}
