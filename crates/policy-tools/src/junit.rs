//! A report as JUnit XML, as build servers read it.

use alloc::format;
use alloc::string::String;

use crate::expectations::Report;

/// Writes one `testsuite`. `name` is the file's; `file` is put on each case where its line is known.
#[must_use]
pub fn write(name: &str, report: &Report) -> String {
    let count = report.cases.len();
    let failed = report.failed();
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    xml.push_str(&format!(
        "<testsuites tests=\"{count}\" failures=\"{failed}\">\n"
    ));
    let name = escaped(name);
    xml.push_str(&format!(
        "  <testsuite name=\"{name}\" tests=\"{count}\" failures=\"{failed}\" errors=\"0\" skipped=\"0\">\n"
    ));
    for case in &report.cases {
        xml.push_str(&format!(
            "    <testcase name=\"{}\" classname=\"{}\"",
            escaped(&case.name),
            escaped(&case.group)
        ));
        if case.line > 0 {
            xml.push_str(&format!(" file=\"{name}\" line=\"{}\"", case.line));
        }
        if case.passed {
            xml.push_str("/>\n");
            continue;
        }
        xml.push_str(&format!(
            ">\n      <failure message=\"expected {}, decided {}\" type=\"decision\">{}</failure>\n    </testcase>\n",
            escaped(&case.expected),
            escaped(&case.decision),
            escaped(&case.reason)
        ));
    }
    xml.push_str("  </testsuite>\n</testsuites>\n");
    xml
}

/// Text for XML 1.0: marks escaped, characters that it does not have replaced.
fn escaped(text: &str) -> String {
    let mut xml = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            '"' => xml.push_str("&quot;"),
            '\t' | '\n' | '\r' => xml.push_str(&format!("&#{};", u32::from(character))),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => xml.push('\u{fffd}'),
            character => xml.push(character),
        }
    }
    xml
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::expectations::Case;

    #[test]
    fn a_report_as_build_servers_read_it() {
        let case = |name: &str, passed| Case {
            name: name.into(),
            group: "lamp".into(),
            line: 3,
            passed,
            expected: "may".into(),
            decision: "IMPLICIT_DENY".into(),
            reason: "no statement of [`a&b`]\u{1} allows it".into(),
        };
        let report = Report {
            cases: Vec::from([
                case("device lamp may connect", true),
                case("a<b>\"c\"", false),
            ]),
        };
        assert_eq!(
            write("p.expect", &report),
            r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites tests="2" failures="1">
  <testsuite name="p.expect" tests="2" failures="1" errors="0" skipped="0">
    <testcase name="device lamp may connect" classname="lamp" file="p.expect" line="3"/>
    <testcase name="a&lt;b&gt;&quot;c&quot;" classname="lamp" file="p.expect" line="3">
      <failure message="expected may, decided IMPLICIT_DENY" type="decision">no statement of [`a&amp;b`]"#
                .to_owned()
                + "\u{fffd} allows it</failure>\n    </testcase>\n  </testsuite>\n</testsuites>\n"
        );
    }

    use alloc::borrow::ToOwned as _;
}
