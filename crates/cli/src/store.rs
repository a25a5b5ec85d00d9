//! `thingwire store`: looks at the data of a local cloud that is not running, copies it as text, and makes a data folder of
//! such a text. What is in a data folder the cloud's crate knows; here are files, words and exit codes.

use std::fs::{self, OpenOptions};
use std::io::{self, BufReader, BufWriter};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Serialize;
use thingwire_cloud::storage::{self, ImportError, Report, Snapshot, StoreError};

use crate::exit::{Exit, Failure};
use crate::output::{BAD, Progress, Waiting};
use crate::{Context, output};

/// Arguments of `thingwire store`.
#[derive(Args, Debug)]
pub(crate) struct Store {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// Check a data folder: can everything be read, and does it agree?
    Check(Check),
    /// Write everything in a data folder as lines of JSON
    Export(Export),
    /// Make the data of a folder that has none from such lines
    Import(Import),
}

/// Arguments of `thingwire store check`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  thingwire store check
  thingwire store check --data-dir cloud --json

It changes nothing. Exit codes: 0 all is well, 5 `up` is running on it, 10 damaged, 11 no data that this
version can read.")]
struct Check;

/// Arguments of `thingwire store export`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  thingwire store export backup.jsonl
  thingwire store export --private-keys whole.jsonl     a copy that devices cannot tell apart
  thingwire store export | grep broker.retained

Without --private-keys the copy has no keys of the local certificate authorities: a cloud started on it makes
new ones, and devices need its new root-CA.pem. Messages and policies are in every copy.")]
struct Export {
    /// The file to make, for its owner's eyes only [default: stdout]
    file: Option<PathBuf>,
    /// Also the private keys of the local certificate authorities, of the server and of the operator
    #[arg(long, requires = "file")]
    private_keys: bool,
}

/// Arguments of `thingwire store import`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  thingwire store import backup.jsonl --data-dir restored
  thingwire up --data-dir restored

Every line is checked first, and whether all of them agree; if one does not, nothing is made.")]
struct Import {
    /// What `thingwire store export` wrote; - for stdin
    file: PathBuf,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Verdict<'a> {
    data_dir: &'a Path,
    clean: bool,
    #[serde(flatten)]
    report: &'a Report,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Copied<'a> {
    data_dir: &'a Path,
    file: &'a Path,
    records: usize,
    private_keys: bool,
}

impl Store {
    pub(crate) fn run(self, context: &Context) -> Result<(), Failure> {
        match self.verb {
            Verb::Check(Check) => check(context),
            Verb::Export(export) => export.run(context),
            Verb::Import(import) => import.run(context),
        }
    }
}

fn check(context: &Context) -> Result<(), Failure> {
    let folder = context.target.data_dir()?;
    let report = {
        let _waiting = Waiting::start("reading");
        let snapshot = open(&folder)?;
        storage::check(&snapshot).map_err(|error| unreadable(&folder, &error))?
    };
    let clean = report.problems.is_empty();
    if context.json {
        output::json(&Verdict {
            data_dir: &folder,
            clean,
            report: &report,
        })?;
    } else {
        for (table, rows) in &report.tables {
            output::data(format_args!("{table}  {rows}"))?;
        }
        for problem in &report.problems {
            output::talk(format_args!("{BAD}✗{BAD:#} {problem}"));
        }
    }
    if report.format < report.newest_format {
        output::talk(format_args!(
            "format {}; the next `thingwire up` makes it {}",
            report.format, report.newest_format
        ));
    }
    if clean {
        output::done(format_args!("`{}` is well", folder.display()));
        return Ok(());
    }
    let failure = Failure::new(
        Exit::Damaged,
        format!(
            "`{}` has {} that cannot be right",
            folder.display(),
            match report.problems.len() {
                1 => "1 row".to_owned(),
                count => format!("{count} rows"),
            }
        ),
    );
    Err(failure.advise("restore a copy, or choose another --data-dir"))
}

impl Export {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let folder = context.target.data_dir()?;
        let snapshot = {
            let _waiting = Waiting::start("reading");
            open(&folder)?
        };
        let mut progress = Progress::new("writing");
        let mut step = |done, all| progress.at(done, all);
        let Some(file) = self.file else {
            let mut out = BufWriter::new(io::stdout().lock());
            let written = storage::export(&snapshot, false, &mut out, &mut step);
            return written.map(drop).map_err(|error| match error.kind() {
                io::ErrorKind::BrokenPipe => Failure::nobody_reads(),
                _ => not_written(&folder, Path::new("stdout"), &error),
            });
        };
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let made = options.open(&file).map_err(|error| {
            let failure = Failure::new(
                Exit::Failed,
                format!("cannot make `{}`: {error}", file.display()),
            );
            failure.advise("an export replaces nothing; give the name of a new file")
        })?;
        let mut out = BufWriter::new(made);
        let written = storage::export(&snapshot, self.private_keys, &mut out, &mut step)
            .and_then(|written| out.get_ref().sync_all().map(|()| written));
        drop(progress);
        let written = written.map_err(|error| {
            // Half a copy is worse than none.
            drop(fs::remove_file(&file));
            not_written(&folder, &file, &error)
        })?;
        if context.json {
            return output::json(&Copied {
                data_dir: &folder,
                file: &file,
                records: written.records,
                private_keys: self.private_keys,
            });
        }
        output::done(format_args!(
            "{} records are in `{}`",
            written.records,
            file.display()
        ));
        if written.without_keys {
            output::talk("  without private keys: a cloud started on the copy makes new roots");
        }
        Ok(())
    }
}

impl Import {
    fn run(self, context: &Context) -> Result<(), Failure> {
        let folder = context.target.data_dir()?;
        let mut progress = Progress::new("reading line");
        let mut step = |done, all| progress.at(done, all);
        let result = if self.file.as_os_str() == "-" {
            storage::import(&folder, io::stdin().lock(), &mut step)
        } else {
            let text = fs::File::open(&self.file).map_err(|error| {
                Failure::new(
                    Exit::Usage,
                    format!("cannot read `{}`: {error}", self.file.display()),
                )
            })?;
            storage::import(&folder, BufReader::new(text), &mut step)
        };
        drop(progress);
        let records = result.map_err(|error| match &error {
            ImportError::Line { .. } => {
                Failure::new(Exit::Damaged, format!("`{}`, {error}", self.file.display()))
                    .advise("nothing was imported")
            }
            ImportError::Exists(_) => Failure::new(Exit::Usage, error.to_string())
                .advise("an import replaces nothing; give an empty folder with --data-dir"),
            ImportError::Read(_) | ImportError::Write { .. } => {
                Failure::new(Exit::Failed, error.to_string()).advise("nothing was imported")
            }
        })?;
        if context.json {
            return output::json(&serde_json::json!({ "dataDir": folder, "records": records }));
        }
        output::done(format_args!(
            "{records} records are in `{}`",
            folder.display()
        ));
        output::talk(format_args!(
            "  next: thingwire up --data-dir {}",
            folder.display()
        ));
        Ok(())
    }
}

fn open(folder: &Path) -> Result<Snapshot, Failure> {
    storage::open(folder).map_err(|error| unreadable(folder, &error))
}

/// Why the data cannot be read, and what to do.
fn unreadable(folder: &Path, error: &StoreError) -> Failure {
    let folder = folder.display();
    let failure = |exit, message: String, advice: &str| Failure::new(exit, message).advise(advice);
    match error {
        StoreError::InUse => failure(
            Exit::DataFolderInUse,
            format!("a running `thingwire up` has `{folder}`"),
            "stop it first",
        ),
        StoreError::Damaged(what) => failure(
            Exit::Damaged,
            format!("the data in `{folder}` is damaged: {what}"),
            "restore a copy, or choose another --data-dir",
        ),
        StoreError::NotAStore(what) => failure(
            Exit::NotAStore,
            format!("`{folder}` holds no data of thingwire: {what}"),
            "give the folder of a `thingwire up` with --data-dir",
        ),
        StoreError::Newer { .. } => failure(
            Exit::NotAStore,
            format!("`{folder}`: {error}"),
            "use the newer thingwire",
        ),
        StoreError::Older { .. } => failure(
            Exit::NotAStore,
            format!("`{folder}`: {error}"),
            "use an older thingwire",
        ),
        StoreError::Io(error) => failure(
            Exit::Failed,
            format!("cannot read the data in `{folder}`: {error}"),
            "make it readable, or choose another --data-dir",
        ),
    }
}

fn not_written(folder: &Path, file: &Path, error: &io::Error) -> Failure {
    if error.kind() == io::ErrorKind::InvalidData {
        let failure = Failure::new(
            Exit::Damaged,
            format!("the data in `{}` is damaged: {error}", folder.display()),
        );
        return failure.advise("`thingwire store check` names everything that is wrong");
    }
    Failure::new(
        Exit::Failed,
        format!("cannot write `{}`: {error}", file.display()),
    )
}
