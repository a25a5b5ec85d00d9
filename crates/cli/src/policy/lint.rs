//! `thingwire policy lint`: mistakes in policy documents, for people, programs and code scanners.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Serialize;
use thingwire_policy_tools::lint::{self, Finding, FindingRecord, LintSettings, RULES, Severity};
use thingwire_policy_tools::sarif;

use super::files::{self, OwnCloud};
use crate::exit::{Exit, Failure};
use crate::{Context, output};

/// Arguments of `thingwire policy lint`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  thingwire policy lint policy.json
  thingwire policy lint --fix --region eu-west-1 --account 111122223333 policy.json
  thingwire policy lint --format sarif policies/*.json > policies.sarif
  thingwire policy lint --rules                                 every rule with its reason

--fix makes the changes that are safe and leaves the rest of the file as it is, byte for byte.
Exit code: 0 nothing found, 1 something found that is as grave as --fail-on.")]
pub(super) struct Lint {
    /// Policy files; `-` is stdin
    #[arg(value_name = "FILE", required_unless_present = "rules")]
    files: Vec<PathBuf>,
    /// Make the changes that are safe, in the files
    #[arg(long)]
    fix: bool,
    /// How to say it; --json is the same as `--format json`
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// From which severity on the exit code is 1
    #[arg(long, value_enum, default_value = "warning")]
    fail_on: FailOn,
    /// List the rules
    #[arg(long, conflicts_with_all = ["files", "fix"])]
    rules: bool,
    #[command(flatten)]
    own: OwnCloud,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
    Sarif,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FailOn {
    Note,
    Warning,
    Error,
}

#[derive(Serialize)]
struct FileReport<'a> {
    file: &'a str,
    /// How many findings `--fix` mended.
    fixed: usize,
    findings: Vec<FindingRecord<'a>>,
}

#[derive(Serialize)]
struct RuleRecord {
    id: &'static str,
    name: &'static str,
    severity: Severity,
    reason: &'static str,
}

impl Lint {
    pub(super) fn run(self, context: &Context) -> Result<(), Failure> {
        if self.rules {
            return rules(context);
        }
        let settings = LintSettings {
            region: self.own.region.clone(),
            account: self.own.account.clone(),
        };
        let mut reports: Vec<(String, Vec<Finding>, usize)> = Vec::new();
        for path in &self.files {
            let mut text = files::text("policy", path)?;
            let mut fixed = 0;
            if self.fix {
                let (mended, done) = lint::fix(&text, &settings);
                fixed = done.len();
                if path.as_os_str() == "-" {
                    // The mended text is the output; what is left is talk.
                    output::bytes(mended.as_bytes(), false)?;
                } else if mended != text {
                    files::write(path, &mended)?;
                }
                text = mended;
            }
            reports.push((
                path.display().to_string(),
                lint::lint(&text, &settings),
                fixed,
            ));
        }
        let format = if context.json {
            Format::Json
        } else {
            self.format
        };
        match format {
            Format::Text => self.text(&reports)?,
            Format::Json => {
                let files: Vec<FileReport<'_>> = reports
                    .iter()
                    .map(|(file, findings, fixed)| FileReport {
                        file,
                        fixed: *fixed,
                        findings: findings.iter().map(Finding::record).collect(),
                    })
                    .collect();
                output::json(&files)?;
            }
            Format::Sarif => {
                let files: Vec<(String, Vec<Finding>)> = reports
                    .iter()
                    .map(|(file, findings, _)| (file.clone(), findings.clone()))
                    .collect();
                output::bytes(
                    sarif::write(&files, env!("CARGO_PKG_VERSION")).as_bytes(),
                    false,
                )?;
            }
        }
        let threshold = match self.fail_on {
            FailOn::Note => Severity::Note,
            FailOn::Warning => Severity::Warning,
            FailOn::Error => Severity::Error,
        };
        let grave = reports
            .iter()
            .flat_map(|(_, findings, _)| findings)
            .filter(|finding| finding.rule.severity >= threshold)
            .count();
        match grave {
            0 => Ok(()),
            1 => Err(Failure::new(Exit::Failed, "1 finding")),
            many => Err(Failure::new(Exit::Failed, format!("{many} findings"))),
        }
    }

    fn text(&self, reports: &[(String, Vec<Finding>, usize)]) -> Result<(), Failure> {
        for (file, findings, fixed) in reports {
            if *fixed > 0 {
                output::done(format_args!("`{file}`: {fixed} mended"));
            }
            for finding in findings {
                let style = match finding.rule.severity {
                    Severity::Error => output::BAD,
                    Severity::Warning => output::LOOK,
                    Severity::Note => output::FAINT,
                };
                let path = if finding.path.is_empty() {
                    String::new()
                } else {
                    format!(" {}{}{:#}", output::FAINT, finding.path, output::FAINT)
                };
                let fixable = if finding.edit.is_some() && !self.fix {
                    " (--fix does it)"
                } else {
                    ""
                };
                let text = format!(
                    "{file}:{}:{}: {style}{}{style:#} {}{path}\n  {}\n  why: {}\n  fix: {}{fixable}",
                    finding.position.line,
                    finding.position.column,
                    finding.rule.severity.name(),
                    finding.rule.id,
                    finding.message,
                    finding.rule.reason,
                    finding.cure
                );
                // The mended text of stdin is on stdout already.
                if self.fix && file == "-" {
                    output::talk(text);
                } else {
                    output::data(text)?;
                }
            }
            if findings.is_empty() {
                output::done(format_args!("`{file}`: nothing found"));
            }
        }
        Ok(())
    }
}

fn rules(context: &Context) -> Result<(), Failure> {
    if context.json {
        let records: Vec<RuleRecord> = RULES
            .iter()
            .map(|rule| RuleRecord {
                id: rule.id,
                name: rule.name,
                severity: rule.severity,
                reason: rule.reason,
            })
            .collect();
        return output::json(&records);
    }
    RULES.iter().try_for_each(|rule| {
        output::data(format_args!(
            "{} {:<7} {}\n        {}",
            rule.id,
            rule.severity.name(),
            rule.name,
            rule.reason
        ))
    })
}
