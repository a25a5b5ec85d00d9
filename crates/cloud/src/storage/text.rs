//! One row, one line of JSON, and back.
//!
//! The first line says what the text is, the last how many records it has, so that a text that was cut short is noticed. Rows that
//! are JSON stand in it byte for byte; those of the broker are spelled out.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use thingwire_broker::core::stored;
use thingwire_store::Table;

use super::broker_text::BrokerLine;
use super::{Entry, FORMAT, tables};

/// Version of the text.
const TEXT: u32 = 1;

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Header {
    /// Always `export`.
    thingwire: String,
    text: u32,
    format: u32,
    pub(super) private_keys: bool,
}

impl Header {
    pub(super) fn new(private_keys: bool) -> Self {
        Self {
            thingwire: "export".to_owned(),
            text: TEXT,
            format: FORMAT.newest,
            private_keys,
        }
    }

    pub(super) fn read(line: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Versions {
            thingwire: String,
            text: u32,
            format: u32,
        }
        let wrong = || "this is not a text that `thingwire store export` wrote".to_owned();
        let versions: Versions = serde_json::from_str(line).map_err(|_| wrong())?;
        if versions.thingwire != "export" {
            return Err(wrong());
        }
        for (what, found, known) in [
            ("text", versions.text, TEXT),
            ("format", versions.format, FORMAT.newest),
        ] {
            if found > known {
                return Err(format!(
                    "it has {what} {found}, this program knows up to {known}; use the newer thingwire"
                ));
            }
            if found < known {
                return Err(format!(
                    "it has {what} {found}, which is too old; import it with the thingwire that wrote it"
                ));
            }
        }
        serde_json::from_str(line).map_err(|_| wrong())
    }
}

/// The last line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct End {
    /// How many lines stand between it and the first.
    pub(super) records: usize,
}

/// A row whose value is JSON itself.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonLine<'a> {
    table: &'a str,
    key: String,
    #[serde(borrow)]
    value: &'a RawValue,
}

/// The line of a row; without private keys those in `value` were left out before.
pub(super) fn line(entry: &Entry) -> Result<String, String> {
    let (key, value) = &entry.row;
    let failed = |error: serde_json::Error| error.to_string();
    if stored::TABLES.contains(&entry.table) {
        let record = stored::Record::read(entry.table, &entry.row)?;
        return serde_json::to_string(&BrokerLine::of(record)).map_err(failed);
    }
    let key = String::from_utf8(key.clone()).map_err(|_| "the key is not text")?;
    let value = std::str::from_utf8(value).map_err(|_| "the value is not text")?;
    if value.contains(['\n', '\r']) {
        return Err("the value has several lines".to_owned());
    }
    let value: &RawValue = serde_json::from_str(value).map_err(|_| "the value is not JSON")?;
    let table = entry.table;
    serde_json::to_string(&JsonLine { table, key, value }).map_err(failed)
}

/// The row of a line.
pub(super) fn entry(line: &str) -> Result<Entry, String> {
    #[derive(Deserialize)]
    struct Which<'a> {
        #[serde(borrow)]
        table: std::borrow::Cow<'a, str>,
    }
    let Which { table: name } = serde_json::from_str(line).map_err(place)?;
    let table: Table = tables()
        .find(|table| *table == name)
        .ok_or_else(|| format!("there is no table `{name}` in this format"))?;
    if stored::TABLES.contains(&table) {
        let line: BrokerLine = serde_json::from_str(line).map_err(place)?;
        let (table, row) = line.record()?.row();
        let entry = Entry { table, row };
        // What no broker writes is refused here, by its line.
        stored::Record::read(entry.table, &entry.row)?;
        return Ok(entry);
    }
    let JsonLine { key, value, .. } = serde_json::from_str(line).map_err(place)?;
    let row = (key.into_bytes(), value.get().as_bytes().to_vec());
    Ok(Entry { table, row })
}

/// serde's text without what it quotes: that may be a key.
fn place(error: serde_json::Error) -> String {
    let what = match error.classify() {
        serde_json::error::Category::Data => "a member is missing, unknown or of the wrong kind",
        serde_json::error::Category::Eof => "it ends too early",
        serde_json::error::Category::Syntax | serde_json::error::Category::Io => "it is not JSON",
    };
    format!("{what} (column {})", error.column())
}

/// The bytes of such digits, in lower case only.
pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte.wrapping_sub(b'0')),
        b'a'..=b'f' => Some(byte.wrapping_sub(b'a').wrapping_add(10)),
        _ => None,
    };
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| match *pair {
            [high, low] => Some(digit(high)? << 4 | digit(low)?),
            _ => None,
        })
        .collect()
}
