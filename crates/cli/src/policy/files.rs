//! Files of the policy tools: read with a limit, policies with their placeholders replaced, results written whole.

use std::io::{Read, Write};
use std::path::Path;

use clap::Args;
use thingwire_policy::replace_placeholders;
use thingwire_policy_tools::Policy;

use crate::exit::{Exit, Failure};
use crate::{names, output};

/// The largest file that any of the tools reads; a policy has 2048 characters, a record some thousand lines.
const FILE_LIMIT: u64 = 64 << 20;

/// The cloud that policies are read for, where none is asked.
#[derive(Args, Clone, Debug)]
pub(super) struct OwnCloud {
    /// Region of the policies; REGION in a document stands for it [default: us-east-1]
    #[arg(long, value_parser = names::region)]
    pub(super) region: Option<String>,
    /// Account of the policies; ACCOUNT_ID in a document stands for it [default: 123456789012]
    #[arg(long, value_name = "ID", value_parser = names::account)]
    pub(super) account: Option<String>,
}

impl OwnCloud {
    /// Region and account: the flags', else what a file says, else the local cloud's usual ones.
    pub(super) fn or(&self, region: Option<&str>, account: Option<&str>) -> (String, String) {
        let or = |flag: &Option<String>, given: Option<&str>, usual: &str| {
            flag.as_deref().or(given).unwrap_or(usual).to_owned()
        };
        (
            or(&self.region, region, "us-east-1"),
            or(&self.account, account, "123456789012"),
        )
    }
}

/// The text of a file; `-` is stdin.
///
/// # Errors
/// If it cannot be read, is far too large, or is not UTF-8.
pub(super) fn text(what: &str, path: &Path) -> Result<String, Failure> {
    let failed = |why: &str| {
        Failure::new(
            Exit::Usage,
            format!("cannot read the {what} `{}`: {why}", path.display()),
        )
    };
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        std::io::stdin()
            .lock()
            .take(FILE_LIMIT + 1)
            .read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(FILE_LIMIT + 1).read_to_end(&mut bytes))
    };
    read.map_err(|error| failed(&error.to_string()))?;
    if bytes.len() as u64 > FILE_LIMIT {
        return Err(failed("it is larger than 64 MiB"));
    }
    String::from_utf8(bytes).map_err(|_| failed("it is not UTF-8 text"))
}

/// A policy file for this region and account.
///
/// # Errors
/// As [`text`], or with the place of what is wrong in the document.
pub(super) fn policy(path: &Path, region: &str, account: &str) -> Result<Policy, Failure> {
    let text = text("policy", path)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let (text, replaced) = replace_placeholders(text, region, account);
    if replaced > 0 {
        output::talk(format_args!(
            "  REGION and ACCOUNT_ID in `{}` are taken as {region} and {account}",
            path.display()
        ));
    }
    let name = path
        .file_stem()
        .map(|stem| stem.to_string_lossy().into_owned())
        .unwrap_or_default();
    Policy::parse(&name, &text).map_err(|error| {
        Failure::new(
            Exit::Usage,
            format!("`{}` is not a policy: {error}", path.display()),
        )
        .advise(format!(
            "thingwire policy lint {} says more",
            path.display()
        ))
    })
}

/// Writes a file so that it is there whole or not at all; what stood there keeps its permissions.
///
/// # Errors
/// If it cannot be written.
pub(super) fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        Failure::new(
            Exit::Failed,
            format!("cannot write `{}`: {error}", path.display()),
        )
    };
    // A link stays a link.
    let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = match target.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if !target.is_file() && target.exists() {
        // A pipe or a device is written to, not replaced.
        return std::fs::write(&target, text).map_err(failed);
    }
    let mut builder = tempfile::Builder::new();
    builder.prefix(".thingwire-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // A new file gets the usual permissions of the person, not a temporary file's.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(folder).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    if let Ok(metadata) = std::fs::metadata(&target) {
        file.as_file()
            .set_permissions(metadata.permissions())
            .map_err(failed)?;
    }
    file.as_file().sync_all().map_err(failed)?;
    file.persist(&target).map_err(|error| failed(error.error))?;
    Ok(())
}
