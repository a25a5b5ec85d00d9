//! What stands after `--policy`: a file with a document, or the name of a policy that exists.
//!
//! A file is read and parsed here first, so that a mistake in it is named with its place before
//! anything is made in the cloud. REGION and ACCOUNT_ID (`C-50`) are replaced by the cloud's own, and we say so.

use std::path::{Path, PathBuf};

use aws_sdk_iot::error::ProvideErrorMetadata;
use thingwire_policy::{Document, replace_placeholders};

use crate::exit::{Exit, Failure};
use crate::target::Target;
use crate::{api, names, output};

/// A policy document is at most 2048 characters without white space (`C-3`); a file far beyond that is something else.
const FILE_LIMIT: u64 = 1 << 20;

/// Where a policy comes from.
#[derive(Clone, Debug)]
pub(crate) enum PolicySource {
    /// A document, and the name to give it.
    Document {
        /// The policy's name.
        name: String,
        /// The file it stands in.
        file: PathBuf,
        /// The text of the file.
        text: String,
    },
    /// A policy that is in the cloud already.
    Existing(String),
}

/// What happened to a policy.
#[derive(Clone, Debug)]
pub(crate) struct InPlace {
    /// Its name.
    pub(crate) name: String,
    /// Whether it was created now.
    pub(crate) created: bool,
}

impl PolicySource {
    /// Reads the argument: a file that exists, or a name.
    ///
    /// # Errors
    /// If the file cannot be read or holds no policy document, or the name cannot be one.
    pub(crate) fn read(argument: &str, name: Option<&str>) -> Result<Self, Failure> {
        let path = Path::new(argument);
        if !path.is_file() {
            let looks_like_a_file = argument.contains(['/', '\\']) || argument.ends_with(".json");
            if looks_like_a_file {
                return Err(Failure::new(
                    Exit::Usage,
                    format!("there is no policy file `{argument}`"),
                )
                .advise("give the path of a policy document, or the name of a policy that exists")
                .advise("for a document to begin with: thingwire policy example > policy.json"));
            }
            return names::policy(argument)
                .map(Self::Existing)
                .map_err(|error| Failure::new(Exit::Usage, error));
        }
        let text = read_text(path)?;
        let stem = path
            .file_stem()
            .map(|stem| stem.to_string_lossy().into_owned())
            .unwrap_or_default();
        let name = names::policy(name.unwrap_or(&stem)).map_err(|error| {
            Failure::new(Exit::Usage, error).advise("name the policy with --policy-name NAME")
        })?;
        Document::parse(&text).map_err(|error| {
            Failure::new(
                Exit::Usage,
                format!("`{argument}` is not a policy: {error}"),
            )
        })?;
        Ok(Self::Document {
            name,
            file: path.to_owned(),
            text,
        })
    }

    /// Makes sure that the policy is in the cloud, and answers its name.
    ///
    /// # Errors
    /// If the cloud refuses it, or has another document under this name.
    pub(crate) async fn ensure(&self, cloud: &Target, account: &str) -> Result<InPlace, Failure> {
        match self {
            Self::Existing(name) => {
                let found = cloud.iot.get_policy().policy_name(name).send().await;
                found
                    .map_err(api::failed("GetPolicy"))
                    .map_err(|error| error.advise(format!("`{name}` is not a file either")))?;
                Ok(InPlace {
                    name: name.clone(),
                    created: false,
                })
            }
            Self::Document { name, file, text } => {
                let (document, replaced) = replace_placeholders(text, &cloud.region, account);
                if replaced > 0 {
                    output::talk(format_args!(
                        "  replaced REGION and ACCOUNT_ID in `{}` by {} and {account} ({replaced} places)",
                        file.display(),
                        cloud.region,
                    ));
                }
                create(cloud, name, &document).await
            }
        }
    }
}

async fn create(cloud: &Target, name: &str, document: &str) -> Result<InPlace, Failure> {
    let created = cloud
        .iot
        .create_policy()
        .policy_name(name)
        .policy_document(document)
        .send()
        .await;
    let Err(error) = created else {
        return Ok(InPlace {
            name: name.to_owned(),
            created: true,
        });
    };
    if error.code() != Some("ResourceAlreadyExistsException") {
        return Err(api::failed("CreatePolicy")(error));
    }
    let existing = cloud
        .iot
        .get_policy()
        .policy_name(name)
        .send()
        .await
        .map_err(api::failed("GetPolicy"))?;
    if same_json(existing.policy_document().unwrap_or_default(), document) {
        return Ok(InPlace {
            name: name.to_owned(),
            created: false,
        });
    }
    Err(Failure::new(
        Exit::Api,
        format!("the cloud has a policy `{name}` with another document"),
    )
    .advise(format!("to use the one it has: --policy {name}"))
    .advise("to make a new one: --policy-name OTHER"))
}

/// Whether two documents say the same, white space and order of members aside.
fn same_json(one: &str, other: &str) -> bool {
    let parse = |text| serde_json::from_str::<serde_json::Value>(text).ok();
    matches!((parse(one), parse(other)), (Some(one), Some(other)) if one == other)
}

fn read_text(path: &Path) -> Result<String, Failure> {
    let failed = |why: String| {
        Failure::new(
            Exit::Usage,
            format!("cannot read the policy file `{}`: {why}", path.display()),
        )
    };
    let metadata = std::fs::metadata(path).map_err(|error| failed(error.to_string()))?;
    if metadata.len() > FILE_LIMIT {
        return Err(failed("it is larger than 1 MiB".into()));
    }
    let bytes = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
    let text = String::from_utf8(bytes).map_err(|_| failed("it is not UTF-8 text".into()))?;
    // Windows editors put a byte order mark first; JSON has none.
    Ok(text
        .strip_prefix('\u{feff}')
        .map(ToOwned::to_owned)
        .unwrap_or(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content: &str) -> Result<PolicySource, Failure> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("policy.json");
        std::fs::write(&path, content).unwrap();
        PolicySource::read(path.to_str().unwrap(), None)
    }

    const SMALLEST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:Connect","Resource":"*"}]}"#;

    #[test]
    fn the_files_name_is_the_policys() {
        let source = read(SMALLEST).unwrap();
        assert!(matches!(source, PolicySource::Document { name, .. } if name == "policy"));
        assert!(
            read(&format!("\u{feff}{SMALLEST}")).is_ok(),
            "byte order mark"
        );
    }

    #[test]
    fn what_cannot_be_a_policy_is_a_usage_error_with_its_place() {
        for (content, word) in [
            ("not json", "policy"),
            (&SMALLEST.replace("iot:Connect", "iot:Conect"), "iot:Conect"),
            (&SMALLEST.replace("Allow", "Permit"), "Permit"),
        ] {
            let failure = read(content).unwrap_err();
            assert_eq!(failure.exit(), Exit::Usage);
            assert!(failure.message().contains(word), "{}", failure.message());
        }
    }

    #[test]
    fn a_name_is_a_name_and_a_path_is_a_path() {
        assert!(matches!(
            PolicySource::read("my-policy", None),
            Ok(PolicySource::Existing(_))
        ));
        let failure = PolicySource::read("nowhere/policy.json", None).unwrap_err();
        assert!(
            failure.message().contains("there is no policy file"),
            "{}",
            failure.message()
        );
        assert!(PolicySource::read("two words", None).is_err());
    }

    #[test]
    fn documents_are_compared_by_meaning() {
        assert!(same_json("{\"a\": 1, \"b\": 2}", "{\"b\":2,\"a\":1}"));
        assert!(!same_json("{\"a\": 1}", "{\"a\": 2}"));
        assert!(!same_json("", ""));
    }
}
