//! Values that condition operators compare: numbers, dates, addresses, bytes (`C-35`).

use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A decimal number. (What `f64` would also read, such as `inf` or `nan`, is none.)
pub(crate) fn number(text: &str) -> Option<f64> {
    let plain = text
        .bytes()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
    if plain {
        text.parse().ok().filter(|number: &f64| number.is_finite())
    } else {
        None
    }
}

/// `true` or `false`.
pub(crate) fn boolean(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

/// Milliseconds since 1970 of an ISO 8601 date (`2026-11-24`, `2026-11-24T06:00:00.5Z`, `…+01:00`) or of
/// seconds since 1970.
pub(crate) fn date(text: &str) -> Option<i64> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) && text.len() != 4 {
        return text.parse::<i64>().ok()?.checked_mul(1000);
    }
    let (day, time) = match text.split_once(['T', 't']) {
        Some((day, time)) => (day, Some(time)),
        None => (text, None),
    };
    let mut parts = day.split('-');
    let year = digits(parts.next()?, 4)?;
    let month = parts.next().map_or(Some(1), |text| digits(text, 2))?;
    let day = parts.next().map_or(Some(1), |text| digits(text, 2))?;
    if parts.next().is_some()
        || !(1..=12).contains(&month)
        || !(1..=days_in(year, month)).contains(&day)
    {
        return None;
    }
    let milliseconds = time.map_or(Some(0), time_of_day)?;
    days(year, month, day)?
        .checked_mul(86_400_000)?
        .checked_add(milliseconds)
}

fn digits(text: &str, count: usize) -> Option<i64> {
    (text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| text.parse().ok())?
}

/// Milliseconds of `06:00Z`, `06:00:00Z`, `06:00:00.123+01:00`, with the offset taken off.
fn time_of_day(text: &str) -> Option<i64> {
    let (clock, offset) = if let Some(clock) = text.strip_suffix(['Z', 'z']) {
        (clock, 0)
    } else {
        let (at, sign) = text.char_indices().find(|(_, c)| matches!(c, '+' | '-'))?;
        let (clock, offset) = text.split_at_checked(at)?;
        let (hours, minutes) = offset.get(1..)?.split_once(':')?;
        let minutes = minutes_of(hours, minutes)?;
        (
            clock,
            if sign == '+' {
                minutes
            } else {
                minutes.checked_neg()?
            },
        )
    };
    let (clock, fraction) = match clock.split_once('.') {
        Some((clock, fraction)) => (clock, fraction),
        None => (clock, "0"),
    };
    let mut parts = clock.split(':');
    let minutes = minutes_of(parts.next()?, parts.next()?)?.checked_sub(offset)?;
    let seconds = parts
        .next()
        .map_or(Some(0), |text| digits(text, 2))
        .filter(|seconds| *seconds < 60)?;
    if parts.next().is_some()
        || fraction.is_empty()
        || !fraction.bytes().all(|byte| byte.is_ascii_digit())
    {
        return None;
    }
    // Three digits are milliseconds; what is finer does not count.
    let mut thousandths = 0_i64;
    for digit in fraction.bytes().chain([b'0', b'0']).take(3) {
        thousandths = thousandths
            .checked_mul(10)?
            .checked_add(i64::from(digit.checked_sub(b'0')?))?;
    }
    minutes
        .checked_mul(60)?
        .checked_add(seconds)?
        .checked_mul(1000)?
        .checked_add(thousandths)
}

fn minutes_of(hours: &str, minutes: &str) -> Option<i64> {
    let hours = digits(hours, 2).filter(|hours| *hours < 24)?;
    let minutes = digits(minutes, 2).filter(|minutes| *minutes < 60)?;
    hours.checked_mul(60)?.checked_add(minutes)
}

const fn is_leap(year: i64) -> bool {
    year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0)
}

const fn days_in(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap(year) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days since 1970-01-01 of a date of the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    // Years counted from March, so that the leap day is the last of its year.
    let (year, month) = if month > 2 {
        (year, month.checked_sub(3)?)
    } else {
        (year.checked_sub(1)?, month.checked_add(9)?)
    };
    let before = month.checked_mul(153)?.checked_add(2)?.div_euclid(5);
    let leaps = year
        .div_euclid(4)
        .checked_sub(year.div_euclid(100))?
        .checked_add(year.div_euclid(400))?;
    year.checked_mul(365)?
        .checked_add(leaps)?
        .checked_add(before)?
        .checked_add(day)?
        .checked_sub(719_469)
}

/// The bytes of a base64 text (RFC 4648, section 4, padding as it must be).
pub(crate) fn base64(text: &str) -> Option<Vec<u8>> {
    let body = text.trim_end_matches('=');
    let padding = text.len().checked_sub(body.len())?;
    if text.len().checked_rem(4)? != 0 || padding > 2 {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len());
    let (mut bits, mut held) = (0_u32, 0_u32);
    for character in body.bytes() {
        let six = match character {
            b'A'..=b'Z' => character.checked_sub(b'A')?,
            b'a'..=b'z' => character.checked_sub(b'a')?.checked_add(26)?,
            b'0'..=b'9' => character.checked_sub(b'0')?.checked_add(52)?,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(six);
        held = held.checked_add(6)?;
        if held >= 8 {
            held = held.checked_sub(8)?;
            bytes.push(u8::try_from((bits >> held) & 0xff).ok()?);
        }
    }
    // What the padding cut off must be nothing.
    let cut_off = !u32::MAX.checked_shl(held).unwrap_or(0);
    (bits & cut_off == 0).then_some(bytes)
}

/// A range of addresses: `192.0.2.0/24`, `2001:db8::/32`, or one address. Host bits that are set do not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IpRange {
    network: IpAddr,
    mask: u128,
}

impl IpRange {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let network: IpAddr = address.parse().ok()?;
        let width = if network.is_ipv4() { 32_u32 } else { 128 };
        let length = match length {
            None => width,
            Some(text) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => {
                text.parse().ok()?
            }
            Some(_) => return None,
        };
        let host_bits = width.checked_sub(length)?;
        Some(Self {
            network,
            mask: u128::MAX.checked_shl(host_bits).unwrap_or(0),
        })
    }

    /// The range as it should have been written, if it has bits set that do not count.
    pub(crate) fn without_host_bits(&self) -> Option<String> {
        let network = bits(self.network) & self.mask;
        let address: IpAddr = match self.network {
            IpAddr::V4(_) => Ipv4Addr::from_bits(u32::try_from(network).ok()?).into(),
            IpAddr::V6(_) => Ipv6Addr::from_bits(network).into(),
        };
        let width = if self.network.is_ipv4() { 32_u32 } else { 128 };
        let length = width.saturating_sub(self.mask.trailing_zeros());
        (address != self.network).then(|| alloc::format!("{address}/{length}"))
    }

    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.network.is_ipv4()
            && bits(address) & self.mask == bits(self.network) & self.mask
    }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_bits_are_taken_off() {
        let network = |text: &str| IpRange::parse(text).expect(text).without_host_bits();
        for (range, expected) in [
            ("192.0.2.7/24", Some("192.0.2.0/24")),
            ("192.0.2.255/25", Some("192.0.2.128/25")),
            ("10.1.2.3/0", Some("0.0.0.0/0")),
            ("2001:db8::1/32", Some("2001:db8::/32")),
            ("::1/0", Some("::/0")),
            ("192.0.2.0/24", None),
            ("192.0.2.7", None),
            ("192.0.2.7/32", None),
            ("2001:db8::1/128", None),
        ] {
            assert_eq!(network(range).as_deref(), expected, "{range}");
        }
    }

    #[test]
    fn dates() {
        assert_eq!(date("1970-01-01"), Some(0));
        assert_eq!(date("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(date("2000-03-01T00:00:00Z"), Some(951_868_800_000));
        assert_eq!(date("2026-11-24T05:38:49Z"), Some(1_795_498_729_000));
        assert_eq!(
            date("2026-11-24T06:38:49.250+01:00"),
            Some(1_795_498_729_250)
        );
        assert_eq!(date("2026-11-24T05:38Z"), Some(1_795_498_680_000));
        assert_eq!(
            date("1795498729"),
            Some(1_795_498_729_000),
            "seconds since 1970"
        );
        assert_eq!(date("2024"), date("2024-01-01"));
        assert_eq!(date("1969-12-31T23:59:59Z"), Some(-1000));
        for wrong in [
            "",
            "today",
            "2026-13-01",
            "2026-02-29",
            "2026-00-10",
            "2026-1-1",
            "2026-11-24T",
            "2026-11-24T05:38:49",
            "2026-11-24T24:00:00Z",
            "2026-11-24T05:38:60Z",
            "2026-11-24T05:60:00Z",
            "2026-11-24T05:38:49+01:60",
            "2026-04-31",
            "2026-06-31",
            "2026-09-31",
            "2026-11-31",
            "2026-01-32",
            "1900-02-29",
            "2026-11-24T05:38:49.Z",
            "2026-11-24T05Z",
            "T05:38Z",
            "2026-11-24-01",
            "99999999999999999999",
        ] {
            assert_eq!(date(wrong), None, "{wrong}");
        }
        for leap in ["2024-02-29", "2000-02-29"] {
            assert!(date(leap).is_some(), "{leap}");
        }
    }

    #[test]
    fn numbers_and_booleans() {
        assert_eq!(number("-1.5e3"), Some(-1500.0));
        for wrong in ["", "nan", "inf", "1x", "1e999", "0x1f", " 1"] {
            assert_eq!(number(wrong), None, "{wrong}");
        }
        assert_eq!(
            (boolean("True"), boolean("false"), boolean("1")),
            (Some(true), Some(false), None)
        );
    }

    #[test]
    fn bytes() {
        assert_eq!(base64("").as_deref(), Some(b"".as_slice()));
        assert_eq!(base64("Zm9vYmFy").as_deref(), Some(b"foobar".as_slice()));
        assert_eq!(base64("Zm9vYg==").as_deref(), Some(b"foob".as_slice()));
        assert_eq!(base64("+/8=").as_deref(), Some([0xfb, 0xff].as_slice()));
        for wrong in ["Zg", "Zg=", "Zg===", "Zh==", "Z!==", "====", "Zm9v=m9v"] {
            assert_eq!(base64(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn address_ranges() {
        let contains = |range, address: &str| {
            IpRange::parse(range)
                .expect(range)
                .contains(address.parse().expect(address))
        };
        assert!(contains("192.0.2.0/24", "192.0.2.255"));
        assert!(!contains("192.0.2.0/24", "192.0.3.0"));
        assert!(
            contains("192.0.2.77/24", "192.0.2.1"),
            "host bits do not count"
        );
        assert!(contains("192.0.2.7", "192.0.2.7") && !contains("192.0.2.7", "192.0.2.8"));
        assert!(contains("0.0.0.0/0", "255.255.255.255"));
        assert!(!contains("0.0.0.0/0", "::1"), "families do not mix");
        assert!(contains("2001:db8::/32", "2001:db8:ffff::1") && contains("::/0", "::1"));
        for wrong in [
            "",
            "192.0.2",
            "192.0.2.0/33",
            "::/129",
            "192.0.2.0/",
            "192.0.2.0/+8",
            "192.0.2.0/8/8",
            "a/8",
        ] {
            assert_eq!(IpRange::parse(wrong), None, "{wrong}");
        }
    }
}
