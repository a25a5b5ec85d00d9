//! Conditions as the rules describe them (`C-33` to `C-38`), each time from the text.

use std::cmp::Ordering;
use std::net::IpAddr;

use serde_json::Value;
use thingwire_policy::Settings;

use crate::pattern::{self, Piece};
use crate::situation::{Situation, Values};

/// Whether one operator holds for one key.
pub(crate) fn holds(
    operator: &str,
    present: Values,
    values: &[Value],
    deny: bool,
    situation: &Situation,
    settings: &Settings,
) -> bool {
    let present = match present {
        Values::Absent => Vec::new(),
        Values::One(value) => vec![value],
        Values::Many(values) => values,
    };
    if operator == "Null" {
        // C-33: Null tests presence.
        return values
            .iter()
            .any(|value| words(value) == present.is_empty().to_string());
    }
    let (every, operator) = match operator.strip_prefix("ForAllValues:") {
        Some(operator) => (true, operator),
        None => (false, operator),
    };
    let (some, operator) = match operator.strip_prefix("ForAnyValue:") {
        Some(operator) => (true, operator),
        None => (false, operator),
    };
    let (if_exists, operator) = match operator.strip_suffix("IfExists") {
        Some(operator) => (true, operator),
        None => (false, operator),
    };
    let (negated, operator) = positive(operator);
    if present.is_empty() {
        // C-33, C-34.
        return if_exists || every || (negated && !some);
    }
    let values: Vec<Option<Vec<Piece>>> = values
        .iter()
        .map(|value| pattern::substituted(&words(value), situation, settings))
        .collect();
    if negated && !deny && values.iter().any(Option::is_none) {
        // The engine's settings name this choice: "matches nothing" must not widen an Allow.
        return false;
    }
    // C-33: several values for one key are alternatives; C-45: one without a value matches nothing.
    let one = |actual: &String| {
        values
            .iter()
            .flatten()
            .any(|wanted| compares(operator, actual, wanted))
            != negated
    };
    if every {
        present.iter().all(one)
    } else if some {
        present.iter().any(one)
    } else if negated {
        present.iter().all(one)
    } else {
        present.iter().any(one)
    }
}

/// Whether an operator is a negation, and of what.
fn positive(operator: &str) -> (bool, &str) {
    match operator {
        "StringNotEquals" => (true, "StringEquals"),
        "StringNotEqualsIgnoreCase" => (true, "StringEqualsIgnoreCase"),
        "StringNotLike" => (true, "StringLike"),
        "NumericNotEquals" => (true, "NumericEquals"),
        "DateNotEquals" => (true, "DateEquals"),
        "NotIpAddress" => (true, "IpAddress"),
        "ArnNotEquals" | "ArnNotLike" => (true, "ArnLike"),
        "ArnEquals" => (false, "ArnLike"),
        other => (false, other),
    }
}

fn compares(operator: &str, actual: &str, wanted: &[Piece]) -> bool {
    let text: String = wanted
        .iter()
        .map(|piece| match piece {
            Piece::Is(character) => *character,
            Piece::One => '?',
            Piece::Any => '*',
        })
        .collect();
    match operator {
        "StringEquals" => actual == text,
        "StringEqualsIgnoreCase" => actual.to_lowercase() == text.to_lowercase(),
        "StringLike" => pattern::matches(wanted, actual),
        "Bool" => ["true", "false"]
            .iter()
            .any(|truth| truth.eq_ignore_ascii_case(actual) && truth.eq_ignore_ascii_case(&text)),
        "BinaryEquals" => base64(&text).is_some_and(|bytes| bytes == actual.as_bytes()),
        "ArnLike" => arn_like(actual, wanted),
        "IpAddress" => in_range(actual, &text),
        _ => {
            let (family, relation) = match operator.strip_prefix("Numeric") {
                Some(relation) => (number as fn(&str) -> Option<f64>, relation),
                None => (
                    moment as fn(&str) -> Option<f64>,
                    operator.strip_prefix("Date").unwrap_or(""),
                ),
            };
            let (Some(actual), Some(wanted)) = (family(actual), family(&text)) else {
                return false;
            };
            let order = actual.total_cmp(&wanted);
            match relation {
                "Equals" => order == Ordering::Equal,
                "LessThan" => order == Ordering::Less,
                "LessThanEquals" => order != Ordering::Greater,
                "GreaterThan" => order == Ordering::Greater,
                "GreaterThanEquals" => order != Ordering::Less,
                _ => false,
            }
        }
    }
}

/// IAM: each of the six parts of an ARN is looked at by itself.
fn arn_like(actual: &str, wanted: &[Piece]) -> bool {
    let actual: Vec<&str> = actual.splitn(6, ':').collect();
    let wanted: Vec<&[Piece]> = wanted.splitn(6, |piece| *piece == Piece::Is(':')).collect();
    actual.len() == 6
        && wanted.len() == 6
        && actual
            .iter()
            .zip(&wanted)
            .all(|(actual, wanted)| pattern::matches(wanted, actual))
}

fn in_range(actual: &str, range: &str) -> bool {
    let (network, length) = match range.split_once('/') {
        Some((network, length)) => (network, length.parse::<u32>().ok()),
        None => (range, Some(128)),
    };
    let (Ok(actual), Ok(network), Some(length)) =
        (actual.parse::<IpAddr>(), network.parse::<IpAddr>(), length)
    else {
        return false;
    };
    let bits = |address: IpAddr| -> Vec<bool> {
        let bytes = match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        bytes
            .iter()
            .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1 == 1))
            .collect()
    };
    let (actual, network) = (bits(actual), bits(network));
    actual.len() == network.len()
        && actual
            .iter()
            .zip(&network)
            .take(length as usize)
            .all(|(actual, network)| actual == network)
}

fn number(text: &str) -> Option<f64> {
    let plain = text
        .chars()
        .all(|character| character.is_ascii_digit() || "+-.eE".contains(character));
    let value = text.parse::<f64>().ok().filter(|_| plain)?;
    Some(value + 0.0)
}

/// Seconds since 1970: a number, or a date of ISO 8601.
fn moment(text: &str) -> Option<f64> {
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(seconds as f64);
    }
    let (day, time) = match text.split_once('T') {
        Some((day, time)) => (day, Some(time)),
        None => (text, None),
    };
    let fields: Vec<&str> = day.split('-').collect();
    let [year, month, date] = fields[..] else {
        return None;
    };
    let days = days_since_1970(year.parse().ok()?, month.parse().ok()?, date.parse().ok()?)?;
    let seconds = match time {
        None => 0.0,
        Some(time) => {
            let time = time.strip_suffix('Z')?;
            let fields: Vec<&str> = time.split(':').collect();
            let (hour, minute, second) = match fields[..] {
                [hour, minute] => (hour, minute, "0"),
                [hour, minute, second] => (hour, minute, second),
                _ => return None,
            };
            hour.parse::<f64>().ok()? * 3600.0
                + minute.parse::<f64>().ok()? * 60.0
                + second.parse::<f64>().ok()?
        }
    };
    Some(days as f64 * 86_400.0 + seconds)
}

/// Counts year by year and month by month.
fn days_since_1970(year: i64, month: i64, date: i64) -> Option<i64> {
    let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = |year: i64, month: i64| match month {
        2 if leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    if !(1970..=2200).contains(&year)
        || !(1..=12).contains(&month)
        || !(1..=length(year, month)).contains(&date)
    {
        return None;
    }
    let years: i64 = (1970..year)
        .map(|year| if leap(year) { 366 } else { 365 })
        .sum();
    let months: i64 = (1..month).map(|month| length(year, month)).sum();
    Some(years + months + date - 1)
}

fn base64(text: &str) -> Option<Vec<u8>> {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    if !text.len().is_multiple_of(4) {
        return None;
    }
    let digits = text.trim_end_matches('=');
    let mut bits = 0_u32;
    let mut count = 0;
    let mut bytes = Vec::new();
    for character in digits.chars() {
        bits = bits << 6 | u32::try_from(ALPHABET.find(character)?).ok()?;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count & 0xff) as u8);
        }
    }
    Some(bytes)
}

/// A value of a condition, which JSON may hold as a string, a number or a truth value.
fn words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
