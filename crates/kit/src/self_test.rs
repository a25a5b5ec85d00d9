//! The two files of a kit that are for people: `README.md` and `test.sh`, with this kit's values filled in.
//!
//! Both work with nothing of ours installed. They hold no secret: the key is named, never quoted.

use crate::Manifest;

const README: &str = include_str!("templates/README.md");
const SCRIPT: &str = include_str!("templates/test.sh");

/// The kit's `README.md`.
pub(crate) fn readme(manifest: &Manifest) -> String {
    fill(README, manifest, |text| {
        text.replace(['`', '\n', '\r'], " ")
    })
}

/// The kit's `test.sh`, for any POSIX shell.
pub(crate) fn script(manifest: &Manifest) -> String {
    fill(SCRIPT, manifest, shell_word)
}

fn fill(template: &str, manifest: &Manifest, quote: impl Fn(&str) -> String) -> String {
    let thing = manifest.thing_name.as_deref().unwrap_or("(no thing)");
    let port = manifest.mqtt_port.to_string();
    let values = [
        ("@ENDPOINT@", manifest.endpoint.as_str()),
        ("@MQTT_PORT@", &port),
        ("@CLIENT_ID@", &manifest.client_id),
        ("@THING_NAME@", thing),
        ("@REGION@", &manifest.region),
        ("@ACCOUNT_ID@", &manifest.account_id),
        ("@ROOT_CA@", &manifest.root_ca),
        ("@CERTIFICATE@", &manifest.certificate),
        ("@PRIVATE_KEY@", &manifest.private_key),
    ];
    // One pass, so that a value which looks like a placeholder stays a value.
    let mut text = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, from)) = rest.split_once('@') {
        text.push_str(before);
        let placeholder = values.iter().find_map(|(name, value)| {
            let name = name.strip_prefix('@').unwrap_or(name);
            from.strip_prefix(name).map(|after| (*value, after))
        });
        match placeholder {
            Some((value, after)) => {
                text.push_str(&quote(value));
                rest = after;
            }
            None => {
                text.push('@');
                rest = from;
            }
        }
    }
    text.push_str(rest);
    text
}

/// One word for a POSIX shell, whatever is in it.
fn shell_word(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        Manifest::new(
            "localhost",
            8883,
            "it's $(rm -rf /) @ENDPOINT@",
            "us-east-1",
            "123456789012",
        )
    }

    #[test]
    fn no_placeholder_is_left_and_no_value_is_run() {
        let script = script(&manifest());
        assert!(
            script.contains(r"'it'\''s $(rm -rf /) @ENDPOINT@'"),
            "{script}"
        );
        let own = script.replace("\"$@\"", "").matches('@').count();
        assert_eq!(own, 2, "only the client id's own: {script}");
        assert!(!readme(&manifest()).contains("@MQTT_PORT@"));
    }

    #[cfg(unix)]
    #[test]
    fn the_script_is_a_shell_script() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("test.sh");
        std::fs::write(&path, script(&manifest())).unwrap();
        let output = std::process::Command::new("sh")
            .arg("-n")
            .arg(&path)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
