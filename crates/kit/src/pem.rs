//! PEM text as people hand it around: read when it can be read, and otherwise told what happened to it.
//!
//! Windows line ends, a byte order mark, text before and after the sections are fine. What breaks in practice
//! is a paste that lost its line breaks, or brought them as `\n`, or the wrong file. Each of these has its
//! own [`Problem`]. Cannot panic on any input.

use rustls::pki_types::pem::{Error, PemObject, SectionKind};

use crate::Problem;

/// One section, decoded.
pub(crate) struct Section {
    pub(crate) kind: SectionKind,
    pub(crate) der: Vec<u8>,
}

/// All sections whose kind rustls knows, in order; at least one section of some kind is there.
pub(crate) fn sections(bytes: &[u8]) -> Result<Vec<Section>, Problem> {
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Err(Problem::Utf16);
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if bytes.trim_ascii().is_empty() {
        return Err(Problem::Empty);
    }
    mangled(&String::from_utf8_lossy(bytes))?;

    let mut found = Vec::new();
    for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(bytes) {
        match section {
            Ok((kind, der)) => found.push(Section { kind, der }),
            Err(Error::MissingSectionEnd { end_marker }) => {
                return Err(Problem::Truncated(
                    String::from_utf8_lossy(&end_marker).into_owned(),
                ));
            }
            Err(Error::IllegalSectionStart { .. }) => return Err(Problem::NotPem),
            Err(_) => return Err(Problem::NotBase64),
        }
    }
    Ok(found)
}

/// The label of the first section, for saying what was found instead.
pub(crate) fn first_label(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    let (_, rest) = text.split_once("-----BEGIN ")?;
    let (label, _) = rest.split_once("-----")?;
    Some(
        label
            .chars()
            .filter(|letter| !letter.is_control())
            .take(40)
            .collect(),
    )
}

/// Finds what pasting does to PEM before the parser answers something less helpful.
fn mangled(text: &str) -> Result<(), Problem> {
    const BEGIN: &str = "-----BEGIN ";
    if !text.contains(BEGIN) {
        return Err(Problem::NotPem);
    }
    for (at, _) in text.match_indices(BEGIN) {
        let Some(after) = text.get(at + BEGIN.len()..) else {
            continue;
        };
        let Some((label, body)) = after.split_once("-----") else {
            return Err(Problem::NotPem);
        };
        if label.contains(['\n', '\r']) {
            return Err(Problem::NotPem);
        }
        if body.starts_with("\\n") || body.starts_with("\\r") {
            return Err(Problem::EscapedLineBreaks);
        }
        let same_line = body.split(['\n', '\r']).next().unwrap_or_default();
        if !same_line.trim().is_empty() {
            return Err(Problem::NoLineBreaks);
        }
        // BEGIN on its own line, but base64 and END share one.
        let section = body.split_once(BEGIN).map_or(body, |(section, _)| section);
        for line in section.split(['\n', '\r']) {
            if let Some((before, _)) = line.split_once("-----END ")
                && !before.trim().is_empty()
            {
                return Err(if before.contains("\\n") {
                    Problem::EscapedLineBreaks
                } else {
                    Problem::NoLineBreaks
                });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "-----BEGIN CERTIFICATE-----\nAAAA\nBBBB\n-----END CERTIFICATE-----\n";

    fn count(text: &str) -> Result<usize, Problem> {
        sections(text.as_bytes()).map(|sections| sections.len())
    }

    #[test]
    fn unusual_but_readable() {
        assert_eq!(count(GOOD), Ok(1));
        assert_eq!(
            count(&GOOD.replace('\n', "\r\n")),
            Ok(1),
            "Windows line ends"
        );
        assert_eq!(count(&GOOD.replace('\n', "\r")), Ok(1), "old Mac line ends");
        assert_eq!(count(&format!("\u{feff}{GOOD}")), Ok(1), "byte order mark");
        assert_eq!(
            count(&format!("Subject: somebody\n{GOOD}\n# and more\n{GOOD}")),
            Ok(2)
        );
        assert_eq!(count(GOOD.trim_end()), Ok(1), "no line break at the end");
    }

    #[test]
    fn what_pasting_does_is_named() {
        assert_eq!(count(&GOOD.replace('\n', "")), Err(Problem::NoLineBreaks));
        assert_eq!(count(&GOOD.replace('\n', " ")), Err(Problem::NoLineBreaks));
        assert_eq!(
            count(&GOOD.replace("BBBB\n", "BBBB")),
            Err(Problem::NoLineBreaks)
        );
        assert_eq!(
            count(&GOOD.replace('\n', "\\n")),
            Err(Problem::EscapedLineBreaks)
        );
        assert_eq!(
            count(&GOOD.replace('\n', "\\r\\n")),
            Err(Problem::EscapedLineBreaks)
        );
        assert_eq!(count(""), Err(Problem::Empty));
        assert_eq!(count(" \r\n"), Err(Problem::Empty));
        assert_eq!(count("AAAA"), Err(Problem::NotPem));
        assert_eq!(count("-----BEGIN CERTIFICATE"), Err(Problem::NotPem));
        assert_eq!(
            count(&GOOD.replace("-----END CERTIFICATE-----\n", "")),
            Err(Problem::Truncated("CERTIFICATE".into()))
        );
        assert_eq!(count(&GOOD.replace("AAAA", "ä!")), Err(Problem::NotBase64));
        assert!(matches!(sections(b"\xff\xfe-\0-\0"), Err(Problem::Utf16)));
    }

    #[test]
    fn no_cut_or_flipped_byte_panics() {
        let bytes = GOOD.as_bytes();
        for at in 0..bytes.len() {
            let _ = sections(&bytes[..at]);
            for bit in 0..8 {
                let mut flipped = bytes.to_vec();
                flipped[at] ^= 1 << bit;
                let _ = sections(&flipped);
                let _ = first_label(&flipped);
            }
        }
    }
}
