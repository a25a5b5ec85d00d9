//! `thingwire policy test`: expectations and vectors, run like unit tests.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use thingwire_policy::{Context as Connection, Request};
use thingwire_policy_tools::expectations::{Case, Device, Expected, Report, Suite};
use thingwire_policy_tools::explain::compile;
use thingwire_policy_tools::{Policy, junit, vectors};

use super::cloud::{Asked, action_type};
use super::files::{self, OwnCloud};
use crate::exit::{Exit, Failure};
use crate::target::Target;
use crate::{Context, output};

/// Arguments of `thingwire policy test`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  thingwire policy test kitchen.expect
  thingwire policy test --policy policy.json --junit report.xml kitchen.expect
  thingwire policy test --vectors policy-vectors.json
  thingwire policy test --cloud local kitchen.expect       (and ask TestAuthorization the same)

A file of expectations reads like this; docs/policy-expectations.md has all of it:
  policy policy.json
  device esp32-kitchen may connect
  device esp32-kitchen may publish esp32/pub
  device esp32-kitchen may not publish esp32/sub

With --cloud the same questions go to that cloud about the certificate of each device's thing;
where its answer differs, that is shown. Exit code: 0 all as expected, 1 something differs.")]
pub(super) struct Test {
    /// Files of expectations, in the line format or as JSON
    #[arg(value_name = "FILE", required_unless_present = "vectors")]
    files: Vec<PathBuf>,
    /// A policy for every device, beside those that the files name; may be repeated
    #[arg(long, value_name = "FILE")]
    policy: Vec<PathBuf>,
    /// A file of decision vectors, in the format of policy-vectors.json; may be repeated
    #[arg(long, value_name = "FILE")]
    vectors: Vec<PathBuf>,
    /// Write the results as JUnit XML as well
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// With --cloud: a policy of the cloud to add for the test; may be repeated
    #[arg(long, value_name = "NAME")]
    add_policy: Vec<String>,
    /// With --cloud: a policy of the cloud to leave out for the test; may be repeated
    #[arg(long, value_name = "NAME")]
    skip_policy: Vec<String>,
    #[command(flatten)]
    own: OwnCloud,
}

/// One file and what came of it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FileReport {
    file: String,
    cases: Vec<Case>,
    /// What the cloud answered otherwise, or could not be asked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cloud: Vec<CloudCase>,
    /// Members of vectors that are not known here, with their number.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    unknown: BTreeMap<String, usize>,
}

/// An expectation and what a cloud said to it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CloudCase {
    name: String,
    line: usize,
    /// The cloud's decision; `None` if it could not be asked.
    decision: Option<String>,
    /// Ours, if we have the policies.
    ours: Option<String>,
    /// Whether both say the same and it is what is expected.
    agrees: bool,
    reason: String,
}

impl Test {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let mut reports = Vec::new();
        for path in &self.vectors {
            reports.push(vectors_of(path)?);
        }
        let cloud = if context.cloud_named && !self.files.is_empty() {
            Some(context.target.connect().await?)
        } else {
            None
        };
        for path in &self.files {
            reports.push(self.suite(path, cloud.as_ref()).await?);
        }
        if let Some(path) = &self.junit {
            let cases: Vec<Case> = reports.iter().flat_map(FileReport::all).collect();
            let names: Vec<&str> = reports.iter().map(|report| report.file.as_str()).collect();
            files::write(path, &junit::write(&names.join(" "), &Report { cases }))?;
        }
        if context.json {
            output::json(&reports)?;
        } else {
            reports.iter().try_for_each(FileReport::print)?;
        }
        let cases: usize = reports.iter().map(|report| report.all().len()).sum();
        let failed: usize = reports
            .iter()
            .flat_map(FileReport::all)
            .filter(|case| !case.passed)
            .count();
        if failed == 0 {
            output::done(format_args!("{cases} as expected"));
            return Ok(());
        }
        Err(Failure::new(
            Exit::Failed,
            format!("{failed} of {cases} are not as expected"),
        ))
    }

    async fn suite(&self, path: &Path, cloud: Option<&Target>) -> Result<FileReport, Failure> {
        let text = files::text("file of expectations", path)?;
        let suite = Suite::parse(&text)
            .map_err(|error| Failure::new(Exit::Usage, format!("`{}`: {error}", path.display())))?;
        let (region, account) = self
            .own
            .or(suite.region.as_deref(), suite.account.as_deref());
        let given = self
            .policy
            .iter()
            .map(|path| files::policy(path, &region, &account))
            .collect::<Result<Vec<_>, _>>()?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let mut named = BTreeMap::new();
        for file in suite.policy_files() {
            let policy = files::policy(&folder.join(file), &region, &account)?;
            named.insert(file.to_owned(), policy);
        }
        let has_policies = !given.is_empty() || !named.is_empty();
        if !has_policies && cloud.is_none() {
            return Err(Failure::new(
                Exit::Usage,
                format!(
                    "`{}` names no policy, so nothing is allowed",
                    path.display()
                ),
            )
            .advise(
                "write `policy FILE` in it, give --policy FILE, or ask a cloud with --cloud local",
            ));
        }
        let mut report = FileReport {
            file: path.display().to_string(),
            cases: Vec::new(),
            cloud: Vec::new(),
            unknown: BTreeMap::new(),
        };
        if has_policies {
            report.cases = suite.run(&given, &named, &region, &account).cases;
        }
        if let Some(cloud) = cloud {
            report.cloud = self.ask(cloud, &suite, &report.cases).await?;
        }
        Ok(report)
    }

    /// The same questions to the cloud; compared with our decisions, or with those under the cloud's own policies.
    async fn ask(
        &self,
        cloud: &Target,
        suite: &Suite,
        ours: &[Case],
    ) -> Result<Vec<CloudCase>, Failure> {
        let mut cases: Vec<(usize, CloudCase)> = Vec::new();
        for (index, device) in suite.devices.iter().enumerate() {
            let expectations: Vec<_> = suite
                .expectations
                .iter()
                .enumerate()
                .filter(|(_, expectation)| expectation.device == index)
                .collect();
            if expectations.is_empty() {
                continue;
            }
            let thing = device
                .things
                .first()
                .map_or(device.name.as_str(), |thing| thing.name.as_str());
            let principal = cloud
                .principal(device.certificate_id.as_deref(), thing)
                .await
                .map_err(|failure| {
                    failure.advise(format!(
                        "device `{}` is asked about by its certificate: `certificate ID` in its description, or the first one of its thing `{thing}`",
                        device.name
                    ))
                })?;
            let client = device.client_id.as_deref();
            let connection = cloud
                .connection(client.unwrap_or_default(), &principal)
                .await?;
            let local = if ours.is_empty() {
                let policies = cloud.effective_policies(&principal, &connection).await?;
                Some((policies, described(device, &connection)))
            } else {
                None
            };
            let (askable, others): (Vec<_>, Vec<_>) = expectations
                .into_iter()
                .partition(|(_, expectation)| action_type(expectation.action).is_some());
            for (at, expectation) in others {
                cases.push((
                    at,
                    CloudCase {
                        name: expectation.text.clone(),
                        line: expectation.line,
                        decision: None,
                        ours: None,
                        agrees: true,
                        reason: format!(
                            "TestAuthorization has no question for {}",
                            expectation.action
                        ),
                    },
                ));
            }
            let asked: Vec<Asked> = askable
                .iter()
                .map(|(_, expectation)| Asked {
                    action: expectation.action,
                    resource: if expectation.resource.starts_with("arn:") {
                        expectation.resource.clone()
                    } else {
                        format!("{}{}", connection.arn_prefix(), expectation.resource)
                    },
                })
                .collect();
            let answers = cloud
                .test_authorization(
                    client,
                    &principal,
                    &asked,
                    &self.add_policy,
                    &self.skip_policy,
                )
                .await?;
            for ((at, expectation), answer) in askable.into_iter().zip(answers) {
                let own = match &local {
                    Some((policies, connection)) => own_decision(policies, connection, expectation),
                    None => ours.get(at).map(|case| case.decision.clone()),
                };
                let expected = met(expectation.expected, &answer.decision);
                let agrees = expected && own.as_ref().is_none_or(|own| *own == answer.decision);
                let mut reason = String::new();
                if let Some(own) = own.as_ref().filter(|own| **own != answer.decision) {
                    reason = format!("here it is {own}, the cloud says {}", answer.decision);
                } else if !expected {
                    reason = format!("the cloud says {}", answer.decision);
                }
                if !agrees && !answer.missing.is_empty() {
                    reason = format!(
                        "{reason}; it has no value for {}",
                        answer.missing.join(", ")
                    );
                }
                cases.push((
                    at,
                    CloudCase {
                        name: expectation.text.clone(),
                        line: expectation.line,
                        decision: Some(answer.decision),
                        ours: own,
                        agrees,
                        reason,
                    },
                ));
            }
        }
        cases.sort_by_key(|(at, _)| *at);
        Ok(cases.into_iter().map(|(_, case)| case).collect())
    }
}

/// The connection as the cloud sees it, with what the file says of the request.
fn described(device: &Device, of_cloud: &Connection) -> Connection {
    let mut connection = of_cloud.clone();
    connection.client_id.clone_from(&device.client_id);
    // TestAuthorization knows neither address nor Will, so these are left out on both sides.
    connection.mqtt = true;
    connection
}

fn own_decision(
    policies: &[Policy],
    connection: &Connection,
    expectation: &thingwire_policy_tools::expectations::Expectation,
) -> Option<String> {
    let request = Request {
        topic: expectation.topic.as_deref(),
        include_socket_information: None,
    };
    let decision =
        compile(policies, connection).decide(expectation.action, &expectation.resource, &request);
    Some(decision.outcome.name().to_owned())
}

/// Whether the word of the API is what is expected.
fn met(expected: Expected, decision: &str) -> bool {
    match expected {
        Expected::May => decision == "ALLOWED",
        Expected::MayNot => decision != "ALLOWED",
        Expected::Never => decision == "EXPLICIT_DENY",
    }
}

fn vectors_of(path: &Path) -> Result<FileReport, Failure> {
    let text = files::text("file of vectors", path)?;
    let found = vectors::run(&text)
        .map_err(|error| Failure::new(Exit::Usage, format!("`{}`: {error}", path.display())))?;
    for (member, count) in &found.unknown {
        let say = if *count == 1 {
            "vector says"
        } else {
            "vectors say"
        };
        output::warn(format_args!(
            "`{}`: {count} {say} `{member}`, which is not known here and was left out",
            path.display()
        ));
    }
    Ok(FileReport {
        file: path.display().to_string(),
        cases: found.report.cases,
        cloud: Vec::new(),
        unknown: found.unknown,
    })
}

impl FileReport {
    /// Our cases, and the cloud's as cases of their own.
    fn all(&self) -> Vec<Case> {
        let of_cloud = self.cloud.iter().map(|case| Case {
            name: format!("{} (asked the cloud)", case.name),
            group: "cloud".to_owned(),
            line: case.line,
            passed: case.agrees,
            expected: case.ours.clone().unwrap_or_default(),
            decision: case.decision.clone().unwrap_or_default(),
            reason: case.reason.clone(),
        });
        self.cases.iter().cloned().chain(of_cloud).collect()
    }

    /// One line a case: mark, name; and why, if it is not as expected.
    fn print(&self) -> Result<(), Failure> {
        for case in &self.cases {
            if case.passed {
                output::data(format_args!("{0}ok{0:#}      {1}", output::GOOD, case.name))?;
            } else {
                output::data(format_args!(
                    "{0}DIFFERS{0:#} {1}{2}\n        expected {3}, decided {4}\n        {5}",
                    output::BAD,
                    case.name,
                    self.place(case.line),
                    case.expected,
                    case.decision,
                    case.reason
                ))?;
            }
        }
        for case in &self.cloud {
            match (&case.decision, case.agrees) {
                (None, _) => output::data(format_args!(
                    "{0}-{0:#}       cloud: {1}: {2}",
                    output::FAINT,
                    case.name,
                    case.reason
                ))?,
                (Some(_), true) => {
                    output::data(format_args!(
                        "{0}ok{0:#}      cloud: {1}",
                        output::GOOD,
                        case.name
                    ))?;
                }
                (Some(_), false) => output::data(format_args!(
                    "{0}DIFFERS{0:#} cloud: {1}{2}\n        {3}",
                    output::BAD,
                    case.name,
                    self.place(case.line),
                    case.reason
                ))?,
            }
        }
        Ok(())
    }

    fn place(&self, line: usize) -> String {
        if line == 0 {
            String::new()
        } else {
            format!(" ({}:{line})", self.file)
        }
    }
}
