//! What is allowed in a policy document but is a mistake: each finding with an id, a place, a reason and a cure.
//!
//! The ids are a promise ([`RULES`]); they never change their meaning. A finding may bring an [`Edit`]: that one is
//! safe, because what it changes could never have matched anything, or because it leaves every decision the same.

mod access;
mod conditions;
mod messages;
mod model;
mod resources;
mod rules;
mod variables;

use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use serde::Serialize;
use thingwire_contract::limit;
use thingwire_policy::{Document, Position, Problem, json};

use crate::place::{self, Edit};
use crate::policy::{self, Part, StatementPart};

pub use rules::{RULES, Rule, Severity};

/// What is known of the cloud that the policy is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LintSettings {
    /// Its region; without it, resources of other regions are not found.
    pub region: Option<String>,
    /// Its account.
    pub account: Option<String>,
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which rule.
    pub rule: &'static Rule,
    /// Where it begins.
    pub position: Position,
    /// Where it ends.
    pub end: Position,
    /// Where in the document, such as `Statement[1].Resource[0]`; empty for the document itself.
    pub path: String,
    /// What is wrong here, in one line.
    pub message: String,
    /// What to do about it, in one line.
    pub cure: String,
    /// The change that does it, if it is safe.
    pub edit: Option<Edit>,
}

/// As programs read it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FindingRecord<'a> {
    id: &'static str,
    severity: Severity,
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
    path: &'a str,
    message: &'a str,
    reason: &'static str,
    fix: &'a str,
    fixable: bool,
}

impl Finding {
    /// As programs read it.
    #[must_use]
    pub fn record(&self) -> FindingRecord<'_> {
        FindingRecord {
            id: self.rule.id,
            severity: self.rule.severity,
            line: self.position.line,
            column: self.position.column,
            end_line: self.end.line,
            end_column: self.end.column,
            path: &self.path,
            message: &self.message,
            reason: self.rule.reason,
            fix: &self.cure,
            fixable: self.edit.is_some(),
        }
    }
}

/// Looks for mistakes; in the order of the text.
#[must_use]
pub fn lint(text: &str, settings: &LintSettings) -> Vec<Finding> {
    let mut findings = Vec::new();
    let parsed = match json::parse(text) {
        Ok(node) => policy::statements(&node),
        Err(_) => Vec::new(),
    };
    let mut linter = Linter {
        text,
        settings,
        statements: &parsed,
        findings: &mut findings,
    };
    if linter.document() {
        linter.resources();
        linter.variables();
        linter.conditions();
        linter.messages();
        linter.access();
    }
    findings.sort_by(|one, other| {
        (one.position.offset, one.rule.id, &one.path).cmp(&(
            other.position.offset,
            other.rule.id,
            &other.path,
        ))
    });
    findings
}

/// Applies the safe changes until none is left; the rest of the text stays as it is, byte for byte.
///
/// Answers the new text and the findings that were mended.
#[must_use]
pub fn fix(text: &str, settings: &LintSettings) -> (String, Vec<Finding>) {
    /// One change may bring another to light, but not often.
    const ROUNDS: usize = 8;
    let mut text = text.to_owned();
    let mut mended = Vec::new();
    for _ in 0..ROUNDS {
        let found: Vec<Finding> = lint(&text, settings)
            .into_iter()
            .filter(|finding| finding.edit.is_some())
            .collect();
        let edits = found.iter().filter_map(|finding| finding.edit.clone());
        let (changed, count) = place::apply(&text, edits);
        if count == 0 || changed == text {
            break;
        }
        text = changed;
        mended.extend(found);
    }
    (text, mended)
}

/// One document under the eye.
struct Linter<'a> {
    text: &'a str,
    settings: &'a LintSettings,
    statements: &'a [StatementPart],
    findings: &'a mut Vec<Finding>,
}

impl Linter<'_> {
    /// The document as a whole: `TW-P001`, `TW-P002`. `false` if nothing else can be said of it.
    fn document(&mut self) -> bool {
        let characters = self.text.chars().filter(|c| !c.is_whitespace()).count();
        if characters > limit::POLICY_CHARACTERS {
            self.add(
                &rules::TOO_LONG,
                0..0,
                "",
                format!(
                    "{characters} characters without white space, {} are allowed",
                    limit::POLICY_CHARACTERS
                ),
                "split it into several policies; ten can be attached to a certificate (C-5)"
                    .to_owned(),
                None,
            );
        }
        if self.text.starts_with('\u{feff}') {
            self.add(
                &rules::NOT_A_POLICY,
                0..0,
                "",
                "the file begins with a byte order mark, which JSON does not have".to_owned(),
                "save it as UTF-8 without one".to_owned(),
                Some(Edit {
                    range: 0..'\u{feff}'.len_utf8(),
                    replacement: String::new(),
                }),
            );
            return false;
        }
        let Err(error) = Document::parse(self.text) else {
            return true;
        };
        if matches!(
            error.problem,
            Problem::TooLong { .. } | Problem::TooManyBytes { .. }
        ) {
            // Its parts can still be looked at, if it is JSON at all.
            return match json::parse(self.text) {
                Ok(_) => true,
                Err((offset, problem)) => self.refused(offset, "", &problem),
            };
        }
        self.refused(error.position.offset, &error.path, &error.problem)
    }

    fn refused(&mut self, offset: usize, path: &str, problem: &Problem) -> bool {
        self.add(
            &rules::NOT_A_POLICY,
            offset..offset,
            path,
            problem.to_string(),
            "AWS IoT refuses the document with MalformedPolicyException (C-2)".to_owned(),
            None,
        );
        false
    }

    fn add(
        &mut self,
        rule: &'static Rule,
        range: core::ops::Range<usize>,
        path: &str,
        message: String,
        cure: String,
        edit: Option<Edit>,
    ) {
        self.findings.push(Finding {
            rule,
            position: Position::of(self.text, range.start),
            end: Position::of(self.text, range.end),
            path: path.to_owned(),
            message,
            cure,
            edit,
        });
    }

    /// A finding about one string of the document.
    fn add_at(
        &mut self,
        rule: &'static Rule,
        part: &Part,
        message: String,
        cure: String,
        edit: Option<Edit>,
    ) {
        self.add(rule, part.range.clone(), &part.path, message, cure, edit);
    }

    /// A finding about a statement.
    fn add_on(
        &mut self,
        rule: &'static Rule,
        statement: &StatementPart,
        message: String,
        cure: String,
    ) {
        self.add(
            rule,
            statement.range.clone(),
            &statement.path,
            message,
            cure,
            None,
        );
    }

    /// The change of some bytes of a part's text; `None` if the text has escapes, so that its bytes are elsewhere.
    fn edit(&self, part: &Part, bytes: core::ops::Range<usize>, replacement: &str) -> Option<Edit> {
        let start = part.range.start.checked_add(1)?;
        let inner = self.text.get(start..part.range.end.checked_sub(1)?)?;
        (inner == part.text).then_some(())?;
        Some(Edit {
            range: start.checked_add(bytes.start)?..start.checked_add(bytes.end)?,
            replacement: replacement.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests;
