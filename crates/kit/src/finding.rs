//! What can be wrong with a kit, each with its name, its sentence and its remedy.

use std::fmt;

use serde::Serialize;

/// One thing about one file of a kit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The file's name inside the kit.
    pub file: String,
    /// What is wrong with it.
    pub problem: Problem,
}

/// How bad a [`Finding`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It works, but somebody should know.
    Warning,
    /// The kit can be read, but the cloud will refuse it or it is not safe.
    Problem,
    /// The kit cannot be read.
    Unusable,
}

/// What is wrong. Nothing in here ever holds a part of a private key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The file (or the folder) is not there.
    Missing,
    /// The system does not let us read it; its words.
    Unreadable(String),
    /// `kit.json` is not JSON, or a member is missing or of the wrong type; the parser's words with line and column.
    ManifestInvalid(String),
    /// `kit.json` was written by a newer Thingwire.
    ManifestNewer(u64),
    /// A member of `kit.json` has a value that cannot be right.
    ManifestValue {
        /// The member.
        member: &'static str,
        /// Why not.
        why: &'static str,
    },
    /// The file has no bytes, or only white space.
    Empty,
    /// There is no `-----BEGIN …-----` line in it.
    NotPem,
    /// It is UTF-16, as Windows editors write it.
    Utf16,
    /// The PEM text stands on one line.
    NoLineBreaks,
    /// The PEM text holds `\n` as two characters instead of line breaks.
    EscapedLineBreaks,
    /// A BEGIN line without its END line.
    Truncated(String),
    /// The text between BEGIN and END is not base64.
    NotBase64,
    /// The PEM text is of another kind than this file should hold.
    WrongType {
        /// What should be in the file.
        expected: &'static str,
        /// The label that is there.
        found: String,
    },
    /// The key is encrypted with a pass phrase.
    KeyEncrypted,
    /// The key is of a kind AWS IoT does not take (`A-22`), or damaged.
    KeyUnsupported,
    /// The bytes are not an X.509 certificate.
    NotCertificate,
    /// The private key does not belong to the certificate.
    KeyMismatch,
    /// The certificate was valid until then (RFC 3339).
    Expired(String),
    /// The certificate is valid from then on (RFC 3339).
    NotYetValid(String),
    /// Others on this computer may read the private key; its mode.
    TooOpen(u32),
    /// A certificate among the roots is not a certificate authority's.
    NotAuthority(String),
}

impl Problem {
    /// A name for scripts, stable across versions.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Unreadable(_) => "unreadable",
            Self::ManifestInvalid(_) => "manifest-invalid",
            Self::ManifestNewer(_) => "manifest-newer",
            Self::ManifestValue { .. } => "manifest-value",
            Self::Empty => "empty",
            Self::NotPem => "not-pem",
            Self::Utf16 => "utf-16",
            Self::NoLineBreaks => "no-line-breaks",
            Self::EscapedLineBreaks => "escaped-line-breaks",
            Self::Truncated(_) => "truncated",
            Self::NotBase64 => "not-base64",
            Self::WrongType { .. } => "wrong-type",
            Self::KeyEncrypted => "key-encrypted",
            Self::KeyUnsupported => "key-unsupported",
            Self::NotCertificate => "not-certificate",
            Self::KeyMismatch => "key-mismatch",
            Self::Expired(_) => "expired",
            Self::NotYetValid(_) => "not-yet-valid",
            Self::TooOpen(_) => "too-open",
            Self::NotAuthority(_) => "not-authority",
        }
    }

    /// How bad it is.
    #[must_use]
    pub const fn severity(&self) -> Severity {
        match self {
            Self::Expired(_) | Self::NotYetValid(_) | Self::TooOpen(_) => Severity::Problem,
            Self::NotAuthority(_) => Severity::Warning,
            _ => Severity::Unusable,
        }
    }
}

impl Finding {
    pub(crate) fn new(file: &str, problem: Problem) -> Self {
        Self {
            file: file.to_owned(),
            problem,
        }
    }

    /// What to do about it, in one line.
    #[must_use]
    pub fn advice(&self) -> String {
        let file = &self.file;
        match &self.problem {
            Problem::Missing => "make the kit again, or copy the file into the folder".into(),
            Problem::Unreadable(_) => format!("let your user read `{file}`"),
            Problem::ManifestInvalid(_) | Problem::ManifestValue { .. } => {
                format!("mend `{file}`, or make the kit again")
            }
            Problem::ManifestNewer(_) => "use the version of thingwire that made it, or a newer one".into(),
            Problem::Empty | Problem::NotPem | Problem::NotCertificate | Problem::NotBase64 => {
                format!("copy `{file}` again from where it came from")
            }
            Problem::Utf16 => format!("save `{file}` as UTF-8 or ASCII"),
            Problem::NoLineBreaks => {
                "put the BEGIN line, the text, and the END line on lines of their own".into()
            }
            Problem::EscapedLineBreaks => "replace every `\\n` by a real line break".into(),
            Problem::Truncated(label) => format!("copy all of it, down to `-----END {label}-----`"),
            Problem::WrongType { expected, .. } => format!("put {expected} into `{file}`"),
            Problem::KeyEncrypted => {
                format!("decrypt it: openssl pkey -in {file} -out decrypted.key; a device cannot type a pass phrase")
            }
            Problem::KeyUnsupported => "use an EC key (P-256, P-384, P-521) or RSA of at least 2048 bits (A-22)".into(),
            Problem::KeyMismatch => {
                "use the key that was made with this certificate, or make a new kit; AWS cannot give the key out again".into()
            }
            Problem::Expired(_) => "make a new certificate and a new kit".into(),
            Problem::NotYetValid(_) => "check this computer's clock; else wait, or make a new certificate".into(),
            Problem::TooOpen(_) => format!("chmod 600 {file}"),
            Problem::NotAuthority(_) => "check that these are root certificates and not the server's own".into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = &self.file;
        match &self.problem {
            Problem::Missing => write!(formatter, "`{file}` is missing"),
            Problem::Unreadable(why) => write!(formatter, "`{file}` cannot be read: {why}"),
            Problem::ManifestInvalid(why) => {
                write!(formatter, "`{file}` is not a kit description: {why}")
            }
            Problem::ManifestNewer(version) => {
                write!(
                    formatter,
                    "`{file}` has version {version}, which is newer than this program knows"
                )
            }
            Problem::ManifestValue { member, why } => {
                write!(formatter, "`{member}` in `{file}` {why}")
            }
            Problem::Empty => write!(formatter, "`{file}` is empty"),
            Problem::NotPem => write!(
                formatter,
                "`{file}` is not PEM: there is no `-----BEGIN …-----` line in it"
            ),
            Problem::Utf16 => write!(formatter, "`{file}` is UTF-16 text, PEM is ASCII"),
            Problem::NoLineBreaks => {
                write!(
                    formatter,
                    "the PEM text in `{file}` was pasted without its line breaks"
                )
            }
            Problem::EscapedLineBreaks => {
                write!(
                    formatter,
                    "the PEM text in `{file}` holds `\\n` as two characters instead of line breaks"
                )
            }
            Problem::Truncated(label) => {
                write!(
                    formatter,
                    "`{file}` ends before its `-----END {label}-----` line"
                )
            }
            Problem::NotBase64 => write!(
                formatter,
                "the text between BEGIN and END in `{file}` is not base64"
            ),
            Problem::WrongType { expected, found } => {
                write!(
                    formatter,
                    "`{file}` holds a `{found}` where {expected} is expected"
                )
            }
            Problem::KeyEncrypted => write!(
                formatter,
                "the key in `{file}` is encrypted with a pass phrase"
            ),
            Problem::KeyUnsupported => {
                write!(
                    formatter,
                    "the key in `{file}` is damaged or of a kind that AWS IoT does not take"
                )
            }
            Problem::NotCertificate => write!(
                formatter,
                "`{file}` holds something that is not an X.509 certificate"
            ),
            Problem::KeyMismatch => {
                write!(formatter, "the key in `{file}` is not the certificate's")
            }
            Problem::Expired(until) => {
                write!(formatter, "the certificate in `{file}` expired at {until}")
            }
            Problem::NotYetValid(from) => write!(
                formatter,
                "the certificate in `{file}` is not valid before {from}"
            ),
            Problem::TooOpen(mode) => {
                write!(
                    formatter,
                    "`{file}` can be read by others on this computer (mode {mode:04o})"
                )
            }
            Problem::NotAuthority(subject) => {
                write!(
                    formatter,
                    "`{file}` holds `{subject}`, which is not a certificate authority"
                )
            }
        }
    }
}
