//! The text format of Prometheus, version 0.0.4: one family after the other, each with its help and its type.

use std::fmt::{Display, Write as _};

/// `Content-Type` of the format.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A page of metrics that is being written.
#[derive(Debug, Default)]
pub(super) struct Page(String);

/// What a family's numbers mean.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// Only grows, until a restart.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts of observations up to bounds, their sum and their number.
    Histogram,
}

impl Page {
    /// A family of samples, each with the labels that tell it from the others.
    pub(super) fn family<'a, V: Display>(
        &mut self,
        name: &str,
        kind: Kind,
        help: &str,
        samples: impl IntoIterator<Item = (&'a [(&'a str, &'a str)], V)>,
    ) {
        self.head(name, kind, help);
        for (labels, value) in samples {
            self.sample(name, "", labels, value);
        }
    }

    /// A family with one sample.
    pub(super) fn single(&mut self, name: &str, kind: Kind, help: &str, value: impl Display) {
        self.family(name, kind, help, [(&[][..], value)]);
    }

    /// One histogram: for each bound how many observations were at most that, then all of them and their sum.
    pub(super) fn histogram(
        &mut self,
        name: &str,
        help: &str,
        buckets: &[(f64, u64)],
        count: u64,
        sum: f64,
    ) {
        self.head(name, Kind::Histogram, help);
        for (bound, count) in buckets {
            self.sample(name, "_bucket", &[("le", &bound.to_string())], count);
        }
        self.sample(name, "_bucket", &[("le", "+Inf")], count);
        self.sample(name, "_sum", &[], sum);
        self.sample(name, "_count", &[], count);
    }

    /// The whole page.
    pub(super) fn into_text(self) -> String {
        self.0
    }

    fn head(&mut self, name: &str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        // Writing to a String cannot fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, suffix: &str, labels: &[(&str, &str)], value: impl Display) {
        let _ = write!(self.0, "{name}{suffix}");
        for (index, (label, text)) in labels.iter().enumerate() {
            let open = if index == 0 { '{' } else { ',' };
            let _ = write!(self.0, "{open}{label}=\"");
            for letter in text.chars() {
                match letter {
                    '\\' => self.0.push_str("\\\\"),
                    '"' => self.0.push_str("\\\""),
                    '\n' => self.0.push_str("\\n"),
                    _ => self.0.push(letter),
                }
            }
            self.0.push('"');
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        let _ = writeln!(self.0, " {value}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_what_the_format_says() {
        let mut page = Page::default();
        page.single("a", Kind::Gauge, "Things now.", 3);
        page.family(
            "b_total",
            Kind::Counter,
            "Things so far.",
            [
                (&[("qos", "0"), ("of", "a\"b\\c\nd")][..], 1_u64),
                (&[("qos", "1"), ("of", "")][..], 2),
            ],
        );
        page.histogram("c_seconds", "How long.", &[(0.5, 1), (1.0, 2)], 3, 4.25);
        assert_eq!(
            page.into_text(),
            "# HELP a Things now.\n# TYPE a gauge\na 3\n\
             # HELP b_total Things so far.\n# TYPE b_total counter\n\
             b_total{qos=\"0\",of=\"a\\\"b\\\\c\\nd\"} 1\nb_total{qos=\"1\",of=\"\"} 2\n\
             # HELP c_seconds How long.\n# TYPE c_seconds histogram\n\
             c_seconds_bucket{le=\"0.5\"} 1\nc_seconds_bucket{le=\"1\"} 2\nc_seconds_bucket{le=\"+Inf\"} 3\n\
             c_seconds_sum 4.25\nc_seconds_count 3\n"
        );
    }
}
