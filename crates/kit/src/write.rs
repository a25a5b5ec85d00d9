//! Writes a kit: every file whole or not at all, the private key for its owner's eyes only.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use crate::{KitError, MANIFEST_FILE, Manifest, PrivateKeyPem, self_test};

/// What to do when the folder holds a kit already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Refuse: its private key may be the only copy.
    Keep,
    /// Replace it.
    Replace,
}

/// The content of a kit to be.
#[derive(Clone, Debug)]
pub struct KitFiles {
    /// What goes into `kit.json`.
    pub manifest: Manifest,
    /// PEM of the roots (all of them, `A-2`: the endpoint may show an RSA or an EC chain).
    pub root_ca_pem: String,
    /// PEM of the device's certificate.
    pub certificate_pem: String,
    /// PEM of the device's private key.
    pub private_key_pem: PrivateKeyPem,
}

/// Makes the folder of a kit to be and makes sure that a kit can be written there, before anything is made that
/// only the kit would remember.
///
/// # Errors
/// [`KitError::Exists`] if a kit or its key is there; [`KitError::Write`] if we may not write there.
pub fn prepare(dir: impl AsRef<Path>) -> Result<(), KitError> {
    let dir = dir.as_ref();
    let failed = |source| KitError::Write {
        path: dir.to_owned(),
        source,
    };
    fs::create_dir_all(dir).map_err(failed)?;
    if [MANIFEST_FILE, "private.key"]
        .iter()
        .any(|name| dir.join(name).exists())
    {
        return Err(KitError::Exists {
            dir: dir.to_owned(),
        });
    }
    let probe = dir.join(".thingwire-probe");
    write_whole(&probe, b"", Mode::Plain)
        .and_then(|()| fs::remove_file(&probe))
        .map_err(failed)
}

impl KitFiles {
    /// Writes the kit into `dir`, making the folder if need be. `kit.json` comes last: a folder with it is complete.
    ///
    /// The key file is created with mode 0600 on Unix before a byte is in it. On Windows it inherits
    /// the folder's access list, which inside a user's profile admits that user only.
    ///
    /// # Errors
    /// [`KitError::Exists`] if a key or a kit is there and `existing` says to keep it; [`KitError::Write`] otherwise.
    pub fn write(&self, dir: impl AsRef<Path>, existing: Existing) -> Result<(), KitError> {
        let dir = dir.as_ref();
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| KitError::Write { path, source }
        };
        fs::create_dir_all(dir).map_err(failed(dir))?;
        let manifest = &self.manifest;
        let occupied = [MANIFEST_FILE, &manifest.private_key]
            .iter()
            .any(|name| dir.join(name).exists());
        if occupied && existing == Existing::Keep {
            return Err(KitError::Exists {
                dir: dir.to_owned(),
            });
        }

        let mut description = serde_json::to_vec_pretty(manifest)
            .map_err(|error| failed(&dir.join(MANIFEST_FILE))(io::Error::other(error)))?;
        description.push(b'\n');
        let readme = self_test::readme(manifest);
        let script = self_test::script(manifest);
        let files: [(&str, &[u8], Mode); 6] = [
            (
                &manifest.private_key,
                self.private_key_pem.as_bytes(),
                Mode::Secret,
            ),
            (
                &manifest.certificate,
                self.certificate_pem.as_bytes(),
                Mode::Plain,
            ),
            (&manifest.root_ca, self.root_ca_pem.as_bytes(), Mode::Plain),
            ("README.md", readme.as_bytes(), Mode::Plain),
            ("test.sh", script.as_bytes(), Mode::Program),
            (MANIFEST_FILE, &description, Mode::Plain),
        ];
        for (name, content, mode) in files {
            let path = dir.join(name);
            write_whole(&path, content, mode).map_err(failed(&path))?;
        }
        Ok(())
    }
}

#[derive(Clone, Copy)]
enum Mode {
    Plain,
    Program,
    Secret,
}

/// Writes beside the file, brings it to disk, then moves it into place.
fn write_whole(path: &Path, content: &[u8], mode: Mode) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = Path::new(&beside);
    match fs::remove_file(beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    // `create_new` never opens what somebody else put there, so the mode is ours from the start.
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(match mode {
            Mode::Plain => 0o644,
            Mode::Program => 0o755,
            Mode::Secret => 0o600,
        });
    }
    #[cfg(not(unix))]
    let _ = mode;
    let mut file = options.open(beside)?;
    let written = file.write_all(content).and_then(|()| file.sync_all());
    drop(file);
    written
        .and_then(|()| fs::rename(beside, path))
        .inspect_err(|_| {
            let _ = fs::remove_file(beside);
        })
}
