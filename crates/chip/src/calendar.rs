//! A date in UTC from a count of seconds.

/// A moment of the proleptic Gregorian calendar, in UTC, without leap seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Calendar {
    /// Year, such as 2026.
    pub year: i32,
    /// Month, 1 to 12.
    pub month: u8,
    /// Day of the month, 1 to 31.
    pub day: u8,
    /// Hour, 0 to 23.
    pub hour: u8,
    /// Minute, 0 to 59.
    pub minute: u8,
    /// Second, 0 to 59.
    pub second: u8,
}

/// Days of four hundred years, after which the calendar repeats.
const DAYS_OF_400_YEARS: u32 = 146_097;

/// The years a certificate can name end with 9999 (RFC 5280, 4.1.2.5).
const END: u64 = 253_402_300_800;

impl Calendar {
    /// The date so many seconds after 1970-01-01T00:00:00Z, or `None` after the year 9999.
    ///
    /// Counted in years that begin on 1 March, so that the leap day is the last day of one.
    #[must_use]
    pub fn from_unix(seconds: u64) -> Option<Self> {
        if seconds >= END {
            return None;
        }
        // 719,468 days lie between 0000-03-01 and 1970-01-01. With `END` nothing below can overflow.
        let days = u32::try_from(seconds / 86_400).ok()?.checked_add(719_468)?;
        let of_day = u32::try_from(seconds % 86_400).ok()?;
        let era = days / DAYS_OF_400_YEARS;
        let day_of_era = days % DAYS_OF_400_YEARS;
        // The corrections for 29 February: every 4 years, not every 100, but every 400.
        let year_of_era = day_of_era
            .checked_sub(day_of_era / 1_460)?
            .checked_add(day_of_era / 36_524)?
            .checked_sub(day_of_era / 146_096)?
            / 365;
        let before_year = year_of_era
            .checked_mul(365)?
            .checked_add(year_of_era / 4)?
            .checked_sub(year_of_era / 100)?;
        let day_of_year = day_of_era.checked_sub(before_year)?;
        // From March on, five months always have 153 days.
        let month_from_march = day_of_year.checked_mul(5)?.checked_add(2)? / 153;
        let before_month = month_from_march.checked_mul(153)?.checked_add(2)? / 5;
        let day = day_of_year.checked_sub(before_month)?.checked_add(1)?;
        let month = if month_from_march < 10 {
            month_from_march.checked_add(3)?
        } else {
            month_from_march.checked_sub(9)?
        };
        let year = era
            .checked_mul(400)?
            .checked_add(year_of_era)?
            .checked_add(u32::from(month <= 2))?;
        Some(Self {
            year: i32::try_from(year).ok()?,
            month: u8::try_from(month).ok()?,
            day: u8::try_from(day).ok()?,
            hour: u8::try_from(of_day / 3_600).ok()?,
            minute: u8::try_from(of_day / 60 % 60).ok()?,
            second: u8::try_from(of_day % 60).ok()?,
        })
    }
}

impl core::fmt::Display for Calendar {
    /// As `2026-11-24T06:26:00Z`.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self {
            year,
            month,
            day,
            hour,
            minute,
            second,
        } = self;
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"
        )
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::string::ToString as _;

    use super::*;

    fn text(seconds: u64) -> std::string::String {
        Calendar::from_unix(seconds).unwrap().to_string()
    }

    /// Values of `date -u -d @…`.
    #[test]
    fn known_moments() {
        assert_eq!(text(0), "1970-01-01T00:00:00Z");
        assert_eq!(text(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(text(951_868_799), "2000-02-29T23:59:59Z");
        assert_eq!(text(951_868_800), "2000-03-01T00:00:00Z");
        assert_eq!(text(1_795_501_560), "2026-11-24T06:26:00Z");
        assert_eq!(text(4_107_542_399), "2100-02-28T23:59:59Z");
        assert_eq!(text(4_107_542_400), "2100-03-01T00:00:00Z");
        assert_eq!(text(END - 1), "9999-12-31T23:59:59Z");
    }

    #[test]
    fn there_is_no_year_10000() {
        assert_eq!(Calendar::from_unix(END), None);
        assert_eq!(Calendar::from_unix(u64::MAX), None);
    }

    /// Beside a twin that counts one day after the other.
    #[test]
    fn every_day_of_450_years() {
        let (mut year, mut month, mut day) = (1970, 1, 1);
        for count in 0..164_359_u64 {
            let date = Calendar::from_unix(count * 86_400 + 86_399).unwrap();
            assert_eq!((date.year, date.month, date.day), (year, month, day));
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let length = match month {
                2 if leap => 29,
                2 => 28,
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            day += 1;
            if day > length {
                (day, month) = (1, month + 1);
            }
            if month > 12 {
                (month, year) = (1, year + 1);
            }
        }
    }
}
