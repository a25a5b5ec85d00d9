//! The access keys that may sign requests to the data plane: a local list instead of IAM.
//!
//! The list is a file in the form of AWS's shared credentials file, so that the same file tells every AWS tool who it is. The data
//! folder has one with a key of its own, the operator's; `up --access-keys` adds another. Whoever has a key of the list may do
//! everything (`C-9`: IAM's policies, not IoT's, speak about such principals, and there is no IAM here).

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use crate::error::StartError;

/// The operator's, inside the data folder.
pub(crate) const FILE: &str = "operator-credentials";
/// No list that people keep by hand is longer.
const MAX_FILE: u64 = 1 << 20;

/// A key that signs. `Debug` does not show the secret.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct AccessKey {
    pub(crate) secret: String,
    /// The token that must come with it, for temporary credentials.
    pub(crate) session_token: Option<String>,
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("AccessKey").finish_non_exhaustive()
    }
}

/// Keys by their id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct AccessKeys(BTreeMap<String, AccessKey>);

/// What is wrong with a list, without a word of what is in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyListError {
    /// A line is neither a profile, a setting nor a comment.
    #[error("line {0} is neither `[profile]` nor `name = value`")]
    Line(usize),
    /// A profile has one half of a key.
    #[error("profile `{profile}` has no `{missing}`")]
    Half {
        /// Which one.
        profile: String,
        /// What is missing.
        missing: &'static str,
    },
    /// The id of a key cannot be one.
    #[error(
        "profile `{0}`: an access key id is 16 to 128 capital letters, digits and underscores, and begins with a letter"
    )]
    Id(String),
    /// Two profiles have one id and different secrets.
    #[error("profile `{0}` has the access key id of another one")]
    Twice(String),
    /// There is no key in it.
    #[error("there is no access key in it")]
    Empty,
    /// Others may read it.
    #[error("other users may read it; make it private: chmod 600")]
    Readable,
    /// It cannot be read at all.
    #[error("it cannot be read: {0}")]
    Io(String),
}

/// Whether this principal is an access key: certificate ids have no capital letters, ids of keys begin with one.
pub(crate) fn is_access_key(principal: &str) -> bool {
    principal.starts_with(|first: char| first.is_ascii_uppercase())
}

impl AccessKeys {
    /// The operator's list of this data folder, made if there is none, and the person's own.
    pub(crate) fn open(folder: &Path, own: Option<&Path>) -> Result<Self, StartError> {
        let path = folder.join(FILE);
        if !path.exists() {
            make(&path).map_err(|error| StartError::DataDir {
                path: path.clone(),
                error,
            })?;
        }
        let mut keys = Self::default();
        for path in [Some(path.as_path()), own].into_iter().flatten() {
            let read = read(path).and_then(|text| keys.add(&text));
            read.map_err(|error| StartError::AccessKeys {
                path: path.to_owned(),
                error,
            })?;
        }
        Ok(keys)
    }

    /// The key of this id.
    pub(crate) fn get(&self, id: &str) -> Option<&AccessKey> {
        self.0.get(id)
    }

    /// Understands a list and adds what is in it.
    pub(crate) fn add(&mut self, text: &str) -> Result<(), KeyListError> {
        let mut profiles: Vec<(String, BTreeMap<&str, &str>)> = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            let number = index.saturating_add(1);
            if let Some(name) = line
                .strip_prefix('[')
                .and_then(|rest| rest.strip_suffix(']'))
            {
                profiles.push((name.trim().to_owned(), BTreeMap::new()));
                continue;
            }
            let setting = line.split_once('=');
            let (Some((name, value)), Some((_, settings))) = (setting, profiles.last_mut()) else {
                return Err(KeyListError::Line(number));
            };
            settings.insert(name.trim(), value.trim());
        }
        let before = self.0.len();
        for (profile, settings) in profiles {
            let setting = |name| {
                settings
                    .get(name)
                    .copied()
                    .filter(|value| !value.is_empty())
            };
            let (id, secret) = (
                setting("aws_access_key_id"),
                setting("aws_secret_access_key"),
            );
            let half = |missing| KeyListError::Half {
                profile: profile.clone(),
                missing,
            };
            let (id, secret) = match (id, secret) {
                (None, None) => continue,
                (Some(_), None) => return Err(half("aws_secret_access_key")),
                (None, Some(_)) => return Err(half("aws_access_key_id")),
                (Some(id), Some(secret)) => (id, secret),
            };
            let letters =
                |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
            if !is_access_key(id) || !(16..=128).contains(&id.len()) || !id.bytes().all(letters) {
                return Err(KeyListError::Id(profile));
            }
            let key = AccessKey {
                secret: secret.to_owned(),
                session_token: setting("aws_session_token").map(str::to_owned),
            };
            if self.0.get(id).is_some_and(|known| *known != key) {
                return Err(KeyListError::Twice(profile));
            }
            self.0.insert(id.to_owned(), key);
        }
        if self.0.len() == before && before == 0 {
            return Err(KeyListError::Empty);
        }
        Ok(())
    }
}

fn read(path: &Path) -> Result<String, KeyListError> {
    let failed = |error: io::Error| KeyListError::Io(error.to_string());
    let found = fs::metadata(path).map_err(failed)?;
    #[cfg(unix)]
    if std::os::unix::fs::PermissionsExt::mode(&found.permissions()) & 0o077 != 0 {
        return Err(KeyListError::Readable);
    }
    if found.len() > MAX_FILE {
        return Err(KeyListError::Io("it is far too long".to_owned()));
    }
    fs::read_to_string(path).map_err(failed)
}

/// Makes the operator's list with one new key.
fn make(path: &Path) -> io::Result<()> {
    const ID: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    const SECRET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut random = [0; 56];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    // Both alphabets divide 256, so no letter is likelier than another.
    let letter = |alphabet: &[u8], byte: u8| {
        let index = usize::from(byte).checked_rem(alphabet.len());
        char::from(
            index
                .and_then(|index| alphabet.get(index))
                .copied()
                .unwrap_or(b'A'),
        )
    };
    let (id, secret) = random.split_at(16);
    let id: String = id.iter().map(|byte| letter(ID, *byte)).collect();
    let secret: String = secret.iter().map(|byte| letter(SECRET, *byte)).collect();
    let text = format!(
        "# The operator of this local cloud. For AWS tools: AWS_SHARED_CREDENTIALS_FILE=<this file>\n\
         [default]\naws_access_key_id = AKIA{id}\naws_secret_access_key = {secret}\n"
    );
    // Whole or not at all, and nobody else's from its first byte on.
    let beside = path.with_extension("new");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options
        .open(&beside)
        .and_then(|mut file| {
            file.write_all(text.as_bytes())
                .and_then(|()| file.sync_all())
        })
        .and_then(|()| fs::rename(&beside, path));
    written.inspect_err(|_| drop(fs::remove_file(&beside)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operators_list_is_made_once_and_kept_private() {
        let folder = tempfile::tempdir().unwrap();
        let first = AccessKeys::open(folder.path(), None).unwrap();
        assert_eq!(first.0.len(), 1);
        let (id, key) = first.0.iter().next().unwrap();
        assert!(id.starts_with("AKIA") && id.len() == 20, "{id}");
        assert_eq!(key.secret.len(), 40);
        assert!(is_access_key(id));
        assert_eq!(AccessKeys::open(folder.path(), None).unwrap(), first);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let path = folder.path().join(FILE);
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
            let error = AccessKeys::open(folder.path(), None).unwrap_err();
            assert!(error.to_string().contains("chmod 600"), "{error}");
        }
        assert!(!format!("{first:?}").contains(&key.secret));
    }

    #[test]
    fn a_list_is_a_shared_credentials_file() {
        let mut keys = AccessKeys::default();
        keys.add(
            "# comment\n[default]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\n\
             aws_secret_access_key=a=b\nregion = x\n\n[temporary]\naws_access_key_id=ASIAIOSFODNN7EXAMPLE\n\
             aws_secret_access_key = s\naws_session_token = t==\n[empty]\n",
        )
        .unwrap();
        assert_eq!(keys.get("AKIAIOSFODNN7EXAMPLE").unwrap().secret, "a=b");
        let temporary = keys.get("ASIAIOSFODNN7EXAMPLE").unwrap();
        assert_eq!(temporary.session_token.as_deref(), Some("t=="));
        assert_eq!(keys.get("AKIA"), None);
    }

    #[test]
    fn what_cannot_be_a_list_is_told_without_repeating_it() {
        let profile = |settings: &str| format!("[p]\n{settings}\n");
        for (text, expected) in [
            (String::new(), "no access key"),
            ("aws_access_key_id = A".to_owned(), "line 1"),
            (profile("secretsecret"), "line 2"),
            (
                profile("aws_secret_access_key = s"),
                "`p` has no `aws_access_key_id`",
            ),
            (
                profile("aws_access_key_id = AKIAIOSFODNN7EXAMPLE"),
                "has no `aws_secret_access_key`",
            ),
            (
                profile("aws_access_key_id = akia\naws_secret_access_key = s"),
                "begins with a letter",
            ),
            (
                profile("aws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = s")
                    + &profile(
                        "aws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = other",
                    ),
                "of another one",
            ),
        ] {
            let error = AccessKeys::default().add(&text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
            assert!(!error.contains("secretsecret"));
        }
    }
}
