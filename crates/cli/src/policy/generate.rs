//! `thingwire policy generate`: the least policy that allows what a device did.

use std::path::{Path, PathBuf};

use clap::Args;
use thingwire_contract::limit;
use thingwire_policy_tools::generate::{Event, generate, read};

use super::files::{self, OwnCloud};
use crate::exit::{Exit, Failure};
use crate::{Context, names, output};

/// Arguments of `thingwire policy generate`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  thingwire up --record run.jsonl                      run the device, with a wide policy
  thingwire policy generate run.jsonl > policy.json
  thingwire policy generate run.jsonl --client lamp --out lamp.json
  thingwire policy generate run.jsonl --placeholders   with REGION and ACCOUNT_ID, for every cloud

It allows exactly what was allowed in the record. Where the thing's name is a level of a topic,
the policy has ${iot:Connection.Thing.ThingName}, so that it serves every thing of the kind.
The same record gives the same text.")]
pub(super) struct Generate {
    /// The record of a run, as `thingwire up --record FILE` writes it; `-` is stdin
    record: PathBuf,
    /// Write the policy into this file; further ones into FILE-2, FILE-3, if one document cannot hold it
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Only what this client did; may be repeated
    #[arg(long, value_name = "ID", value_parser = names::client)]
    client: Vec<String>,
    /// Allow what was denied in the record as well
    #[arg(long)]
    with_denied: bool,
    /// Leave REGION and ACCOUNT_ID for `thing create` to replace
    #[arg(long, conflicts_with_all = ["region", "account"])]
    placeholders: bool,
    #[command(flatten)]
    own: OwnCloud,
}

impl Generate {
    pub(super) fn run(self, context: &Context) -> Result<(), Failure> {
        let text = files::text("record", &self.record)?;
        let mut events = read(&text).map_err(|error| {
            Failure::new(Exit::Usage, format!("`{}`: {error}", self.record.display()))
                .advise("a record is what `thingwire up --record FILE` writes")
        })?;
        if !self.client.is_empty() {
            events.retain(|event| self.client.contains(&event.client_id));
        }
        let (region, account) = self.own.or(None, None);
        let made = generate(&events, &region, &account, self.with_denied);
        for event in &made.left_out {
            output::warn(format_args!(
                "denied in the record, left out: {}",
                words(event)
            ));
        }
        if let Some(event) = made.not_covered.first() {
            return Err(Failure::new(
                Exit::Failed,
                format!("no policy can allow {}", words(event)),
            ));
        }
        if made.documents.is_empty() {
            return Err(Failure::new(
                Exit::Failed,
                format!("`{}` has nothing that was allowed", self.record.display()),
            ));
        }
        if made.documents.len() > limit::POLICIES_PER_PRINCIPAL {
            output::warn(format_args!(
                "{} documents are needed, and {} can be attached to a certificate (C-5); wildcards of your own would make it shorter",
                made.documents.len(),
                limit::POLICIES_PER_PRINCIPAL
            ));
        }
        let documents: Vec<String> = made
            .documents
            .into_iter()
            .map(|text| {
                if self.placeholders {
                    text.replace(&format!(":{region}:{account}:"), ":REGION:ACCOUNT_ID:")
                } else {
                    text
                }
            })
            .collect();
        self.write(&documents, context)?;
        output::done(format_args!(
            "{} events of the record are allowed",
            made.allowed
        ));
        Ok(())
    }

    fn write(&self, documents: &[String], context: &Context) -> Result<(), Failure> {
        if let Some(out) = &self.out {
            for (index, document) in documents.iter().enumerate() {
                let path = numbered(out, index);
                files::write(&path, document)?;
                output::done(format_args!("`{}`", path.display()));
            }
            return Ok(());
        }
        if let (true, Ok(values)) = (
            context.json,
            documents
                .iter()
                .map(|text| serde_json::from_str::<serde_json::Value>(text))
                .collect::<Result<Vec<_>, _>>(),
        ) {
            return output::json(&values);
        }
        match documents {
            [one] => output::bytes(one.as_bytes(), false),
            several => Err(Failure::new(
                Exit::Failed,
                format!(
                    "{} documents are needed, because one has at most 2048 characters",
                    several.len()
                ),
            )
            .advise("--out FILE writes them into FILE, FILE-2, …")),
        }
    }
}

/// `policy.json`, `policy-2.json`, …
fn numbered(path: &Path, index: usize) -> PathBuf {
    if index == 0 {
        return path.to_owned();
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let number = index + 1;
    let name = match path.extension() {
        Some(extension) => format!("{stem}-{number}.{}", extension.to_string_lossy()),
        None => format!("{stem}-{number}"),
    };
    path.with_file_name(name)
}

fn words(event: &Event) -> String {
    format!(
        "{} on `{}` by `{}`",
        event.action, event.resource, event.client_id
    )
}
