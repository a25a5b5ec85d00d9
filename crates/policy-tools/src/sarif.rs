//! Findings as SARIF 2.1.0, as code scanners read them.

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use serde_json::{Value, json};

use crate::lint::{Finding, RULES};

/// Writes one run over these files, each with its findings. `version` is the tool's.
#[must_use]
pub fn write(files: &[(String, Vec<Finding>)], version: &str) -> String {
    let rules: Vec<Value> = RULES
        .iter()
        .map(|rule| {
            json!({
                "id": rule.id,
                "name": rule.name,
                "shortDescription": {"text": rule.name.replace('-', " ")},
                "fullDescription": {"text": rule.reason},
                "defaultConfiguration": {"level": rule.severity.name()},
            })
        })
        .collect();
    let results: Vec<Value> = files
        .iter()
        .flat_map(|(file, findings)| findings.iter().map(|finding| result(file, finding)))
        .collect();
    let sarif = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {"name": "thingwire policy lint", "version": version, "rules": rules}},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    format!("{sarif:#}\n")
}

fn result(file: &str, finding: &Finding) -> Value {
    let index = RULES.iter().position(|rule| rule.id == finding.rule.id);
    let mut result = json!({
        "ruleId": finding.rule.id,
        "ruleIndex": index.unwrap_or_default(),
        "level": finding.rule.severity.name(),
        "message": {"text": format!("{}: {}; {}", finding.message, finding.rule.reason, finding.cure)},
        "locations": [{
            "physicalLocation": {
                "artifactLocation": {"uri": uri(file)},
                "region": region(finding),
            },
            "logicalLocations": [{"fullyQualifiedName": finding.path}],
        }],
    });
    if let (Some(edit), Value::Object(members)) = (&finding.edit, &mut result) {
        members.insert(
            "fixes".to_string(),
            json!([{
                "description": {"text": finding.cure},
                "artifactChanges": [{
                    "artifactLocation": {"uri": uri(file)},
                    "replacements": [{
                        "deletedRegion": {
                            "byteOffset": edit.range.start,
                            "byteLength": edit.range.len(),
                        },
                        "insertedContent": {"text": edit.replacement},
                    }],
                }],
            }]),
        );
    }
    result
}

fn region(finding: &Finding) -> Value {
    json!({
        "startLine": finding.position.line,
        "startColumn": finding.position.column,
        "endLine": finding.end.line,
        "endColumn": finding.end.column,
    })
}

/// A file name as a relative URI reference.
fn uri(file: &str) -> String {
    let mut uri = String::new();
    for byte in file.replace('\\', "/").bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => {
                uri.push(char::from(byte))
            }
            byte => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}
