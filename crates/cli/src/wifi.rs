//! Wi-Fi networks on the command line: names as flags, passwords never.
//!
//! A command line can be read by everybody on the computer and ends up in the shell's history. So a password comes from
//! a file, an environment variable, the terminal or stdin; its flag belongs to the network named last before it.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, Error, FromArgMatches, value_parser};
use thingwire_chip::{Few, WifiNetwork};

use crate::exit::{Exit, Failure};
use crate::output;

const SSID: &str = "wifi";
const OPEN: &str = "wifi-open";
const FILE: &str = "wifi-password-file";
const VARIABLE: &str = "wifi-password-env";

/// Far more than a password has.
const FILE_BYTES: u64 = 1024;

/// The networks of `--wifi` and its companions, in their order.
#[derive(Clone, Debug, Default)]
pub(crate) struct WifiArgs(Vec<Network>);

#[derive(Clone, Debug)]
struct Network {
    ssid: String,
    password: Source,
}

/// Where a password comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Source {
    Terminal,
    None,
    Variable(String),
    File(PathBuf),
}

/// Networks with their passwords, in memory only; no `Debug`.
pub(crate) struct Networks(Vec<(String, Option<String>)>);

impl WifiArgs {
    /// Reads the passwords.
    ///
    /// # Errors
    /// [`Exit::Usage`]: a name or password that no network can have, or one that cannot be had.
    pub(crate) fn read(self) -> Result<Networks, Failure> {
        let mut networks = Vec::new();
        for Network { ssid, password } in self.0 {
            // The name first: nobody shall type a password for nothing.
            WifiNetwork::new(&ssid, None).map_err(|limit| refused(&ssid, &limit, None))?;
            let password = password.read(&ssid)?;
            let checked = WifiNetwork::new(&ssid, password.as_deref());
            checked.map_err(|limit| refused(&ssid, &limit, password.as_deref()))?;
            networks.push((ssid, password));
        }
        let most = Few::<WifiNetwork<'_>>::MAX;
        if networks.len() > most {
            let text = format!(
                "{} Wi-Fi networks: a board takes {most} at most",
                networks.len()
            );
            return Err(Failure::new(Exit::Usage, text));
        }
        Ok(Networks(networks))
    }
}

impl Networks {
    /// As an image takes them.
    pub(crate) fn for_image(&self) -> Few<WifiNetwork<'_>> {
        let mut few = Few::new();
        for (ssid, password) in &self.0 {
            // Both were looked at when they were read.
            if let Ok(network) = WifiNetwork::new(ssid, password.as_deref()) {
                let _ = few.push(network);
            }
        }
        few
    }
}

/// The limit, and how many bytes there are instead.
fn refused(ssid: &str, limit: &thingwire_chip::Limit, password: Option<&str>) -> Failure {
    let bytes = password.unwrap_or(ssid).len();
    let what = if password.is_some() {
        "the password"
    } else {
        "the name"
    };
    let text = format!("Wi-Fi network `{}`: {limit}", ssid.escape_debug());
    Failure::new(Exit::Usage, text).because(format!("{what} given has {bytes} bytes"))
}

impl Source {
    fn read(self, ssid: &str) -> Result<Option<String>, Failure> {
        let usage = |text: String| Failure::new(Exit::Usage, text);
        match self {
            Self::None => Ok(None),
            Self::Variable(name) => match std::env::var(&name) {
                Ok(password) => Ok(Some(password)),
                Err(std::env::VarError::NotPresent) => Err(usage(format!(
                    "the environment variable `{name}` is not set"
                ))),
                Err(std::env::VarError::NotUnicode(_)) => Err(usage(format!(
                    "the environment variable `{name}` is not UTF-8"
                ))),
            },
            Self::File(path) => of_file(&path).map(Some),
            Self::Terminal => of_terminal(ssid),
        }
    }
}

/// The file's first line.
fn of_file(path: &Path) -> Result<String, Failure> {
    let failed = |why: String| {
        let text = format!(
            "the password file `{}` cannot be used: {why}",
            path.display()
        );
        Failure::new(Exit::Usage, text)
    };
    let metadata = std::fs::metadata(path).map_err(|error| failed(error.to_string()))?;
    if !metadata.is_file() || metadata.len() > FILE_BYTES {
        return Err(failed(format!(
            "expected a file of at most {FILE_BYTES} bytes"
        )));
    }
    let content = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
    let text = String::from_utf8(content).map_err(|_| failed("it is not UTF-8".to_owned()))?;
    let mut lines = text.lines();
    let password = lines.next().unwrap_or_default();
    if lines.any(|line| !line.is_empty()) {
        return Err(failed(
            "expected the password on one line and nothing else".to_owned(),
        ));
    }
    Ok(password.to_owned())
}

/// Asks, without showing what is typed; where there is no terminal, reads a line of stdin. An empty line means that there
/// is none.
fn of_terminal(ssid: &str) -> Result<Option<String>, Failure> {
    let nobody = || {
        let text = format!("there is nobody to ask for the password of `{ssid}`");
        Failure::new(Exit::Usage, text)
            .advise("give it with --wifi-password-file FILE or --wifi-password-env VAR, or as a line on stdin")
            .advise("a network without a password: --wifi-open SSID")
    };
    let password = if std::io::stdin().is_terminal() {
        let terminal = console::Term::stderr();
        let question = format!("Password of `{ssid}` (not shown; nothing for an open network): ");
        let asked = terminal.write_str(&question);
        asked
            .and_then(|()| terminal.read_secure_line())
            .map_err(|_| nobody())?
    } else {
        let mut line = String::new();
        match std::io::stdin().read_line(&mut line) {
            Ok(1..) => line.trim_end_matches(['\r', '\n']).to_owned(),
            Ok(0) | Err(_) => return Err(nobody()),
        }
    };
    if password.is_empty() {
        output::warn(format_args!("`{ssid}` is taken for an open network"));
        return Ok(None);
    }
    Ok(Some(password))
}

impl Args for WifiArgs {
    fn augment_args(command: Command) -> Command {
        let arg = |id: &'static str, name: &'static str, help: &'static str| {
            Arg::new(id)
                .long(id)
                .value_name(name)
                .help(help)
                .action(ArgAction::Append)
        };
        command
            .arg(arg(SSID, "SSID", "A Wi-Fi network to join; may be given several times, the first choice first. Its password is asked for"))
            .arg(arg(OPEN, "SSID", "A Wi-Fi network without a password"))
            .arg(
                arg(FILE, "FILE", "The password of the --wifi before it, or its key of 64 hexadecimal digits, stands in this file")
                    .value_parser(value_parser!(PathBuf)),
            )
            .arg(arg(VARIABLE, "VAR", "The password of the --wifi before it stands in this environment variable"))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for WifiArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let mut given = Vec::new();
        let networks = [(SSID, Source::Terminal), (OPEN, Source::None)];
        for (id, password) in networks {
            for (index, ssid) in ordered::<String>(matches, id) {
                let network = Network {
                    ssid,
                    password: password.clone(),
                };
                given.push((index, network));
            }
        }
        given.sort_by_key(|(index, _)| *index);
        let files = ordered(matches, FILE).into_iter();
        let variables = ordered(matches, VARIABLE).into_iter();
        let sources = files
            .map(|(index, file)| (index, FILE, Source::File(file)))
            .chain(variables.map(|(index, name)| (index, VARIABLE, Source::Variable(name))));
        for (index, flag, source) in sources {
            let before = given.iter_mut().rev().find(|(at, _)| *at < index);
            match before {
                Some((_, network)) if network.password == Source::Terminal => {
                    network.password = source;
                }
                _ => {
                    let text = format!(
                        "--{flag} belongs to a --wifi before it that has no password yet\n"
                    );
                    return Err(Error::raw(ErrorKind::ArgumentConflict, text));
                }
            }
        }
        Ok(Self(
            given.into_iter().map(|(_, network)| network).collect(),
        ))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// The values of a flag with their places on the command line.
fn ordered<T: Clone + Send + Sync + 'static>(matches: &ArgMatches, id: &str) -> Vec<(usize, T)> {
    let indices = matches.indices_of(id).into_iter().flatten();
    let values = matches.get_many::<T>(id).into_iter().flatten();
    indices.zip(values.cloned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Vec<(String, Source)>, String> {
        let command = WifiArgs::augment_args(Command::new("kit").no_binary_name(true));
        let matches = command
            .try_get_matches_from(args)
            .map_err(|error| error.to_string())?;
        let parsed = WifiArgs::from_arg_matches(&matches).map_err(|error| error.to_string())?;
        let of = |network: Network| (network.ssid, network.password);
        Ok(parsed.0.into_iter().map(of).collect())
    }

    #[test]
    fn a_password_belongs_to_the_network_before_it() {
        let parsed = parse(&[
            "--wifi",
            "a",
            "--wifi-open",
            "b",
            "--wifi",
            "c",
            "--wifi-password-env",
            "C",
            "--wifi",
            "d",
            "--wifi-password-file",
            "e",
        ]);
        let of = |ssid: &str, password| (ssid.to_owned(), password);
        assert_eq!(
            parsed.unwrap(),
            [
                of("a", Source::Terminal),
                of("b", Source::None),
                of("c", Source::Variable("C".to_owned())),
                of("d", Source::File("e".into())),
            ]
        );
    }

    #[test]
    fn a_password_without_a_network_or_a_second_one_is_refused() {
        for args in [
            &["--wifi-password-env", "V", "--wifi", "a"][..],
            &[
                "--wifi",
                "a",
                "--wifi-password-env",
                "V",
                "--wifi-password-file",
                "f",
            ],
            &["--wifi-open", "a", "--wifi-password-env", "V"],
        ] {
            let refused = parse(args).unwrap_err();
            assert!(
                refused.contains("belongs to a --wifi before it"),
                "{refused}"
            );
        }
    }
}
