//! Local time for log lines: the calendar is asked once a day (and when the clocks change), everything between
//! is a subtraction. Reads no clock.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Tells local time, remembering the day it was last asked for.
#[derive(Clone, Debug)]
pub(super) struct LocalTime {
    zone: TimeZone,
    day: Day,
}

/// A local day, or the part of one that has the same offset from UTC.
#[derive(Clone, Copy, Debug)]
pub(super) struct Day {
    /// The seconds since the Unix epoch that belong to it.
    from: i64,
    until: i64,
    /// The Unix time at which a clock of this offset showed midnight: perhaps before `from`.
    midnight: i64,
    /// `14/Mar/2026`
    pub(super) date: [u8; 11],
    /// `+0100`
    pub(super) offset: [u8; 5],
    /// `2026-03-14`
    pub(super) iso: [u8; 10],
}

impl LocalTime {
    pub(super) fn new(zone: TimeZone) -> Self {
        Self { zone, day: Day::NEVER }
    }

    /// The time zone.
    pub(super) fn zone(&self) -> TimeZone {
        self.zone.clone()
    }

    /// The local day of a time in seconds since the Unix epoch.
    pub(super) fn day(&mut self, seconds: i64) -> &Day {
        if !(self.day.from..self.day.until).contains(&seconds) {
            self.day = Day::of(seconds, &self.zone);
        }
        &self.day
    }
}

impl Day {
    /// Holds no time at all.
    const NEVER: Self =
        Self { from: 0, until: 0, midnight: 0, date: [b'-'; 11], offset: [b'-'; 5], iso: [b'-'; 10] };

    fn of(seconds: i64, zone: &TimeZone) -> Self {
        // Beyond the year 9999 a clock is wrong anyway.
        let at = Timestamp::from_second(seconds).unwrap_or_default();
        let seconds = at.as_second();
        let local = zone.to_datetime(at);
        let offset = i64::from(zone.to_offset(at).seconds());
        let midnight = (seconds + offset).div_euclid(DAY) * DAY - offset;
        let change_before =
            Timestamp::from_second(seconds + 1).ok().and_then(|next| zone.preceding(next).next());
        let change_after = zone.following(at).next();
        let (year, month, day) =
            (local.year().unsigned_abs(), local.month() as usize, local.day().unsigned_abs());
        let (year, day) = (decimal::<4>(u64::from(year)), decimal::<2>(u64::from(day)));
        let minutes = offset.unsigned_abs() / 60;
        let mut this = Self {
            from: change_before.map_or(midnight, |change| midnight.max(change.timestamp().as_second())),
            until: change_after
                .map_or(midnight + DAY, |change| (midnight + DAY).min(change.timestamp().as_second())),
            midnight,
            ..Self::NEVER
        };
        put(&mut this.date, &[&day, b"/", MONTHS[month - 1], b"/", &year]);
        put(&mut this.iso, &[&year, b"-", &decimal::<2>(month as u64), b"-", &day]);
        let sign = if offset < 0 { b"-" } else { b"+" };
        put(&mut this.offset, &[sign, &decimal::<2>(minutes / 60), &decimal::<2>(minutes % 60)]);
        this
    }

    /// `13:37:00`, for a time of this day.
    pub(super) fn time(&self, seconds: i64) -> [u8; 8] {
        let second = seconds.saturating_sub(self.midnight).clamp(0, DAY - 1).unsigned_abs();
        let mut time = *b"00:00:00";
        let [hours, minutes, seconds] = [second / 3600, second / 60 % 60, second % 60].map(decimal::<2>);
        put(&mut time, &[&hours, b":", &minutes, b":", &seconds]);
        time
    }

    /// `2026-03-14`
    pub(super) fn iso_date(&self) -> &str {
        str::from_utf8(&self.iso).unwrap_or("-")
    }

    /// `2026`
    pub(super) fn year(&self) -> &str {
        self.iso_date().split('-').next().unwrap_or("-")
    }

    /// `03`
    pub(super) fn month(&self) -> &str {
        self.iso_date().split('-').nth(1).unwrap_or("-")
    }
}

fn decimal<const N: usize>(mut number: u64) -> [u8; N] {
    let mut digits = [b'0'; N];
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
    digits
}

/// Lays `parts` end to end; what does not fit is left out.
fn put(text: &mut [u8], parts: &[&[u8]]) {
    let bytes = parts.iter().flat_map(|part| part.iter());
    text.iter_mut().zip(bytes).for_each(|(place, byte)| *place = *byte);
}

const DAY: i64 = 86_400;

const MONTHS: [&[u8; 3]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::tz::Offset;
    use proptest::prelude::*;

    /// Central European time by its rule, so that no file of the machine is needed.
    fn paris() -> TimeZone {
        TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap()
    }

    fn shown(time: &mut LocalTime, seconds: i64) -> String {
        let day = time.day(seconds);
        let clock = day.time(seconds);
        [day.date.as_slice(), b":", &clock, b" ", &day.offset].concat().escape_ascii().to_string()
    }

    fn by_calendar(zone: &TimeZone, seconds: i64) -> String {
        let zoned = Timestamp::from_second(seconds).unwrap().to_zoned(zone.clone());
        zoned.strftime("%d/%b/%Y:%H:%M:%S %z").to_string()
    }

    #[test]
    fn the_clocks_change_in_the_middle_of_a_day() {
        let mut time = LocalTime::new(paris());
        let spring = 1_774_746_000; // 2026-03-29 01:00 UTC
        assert_eq!(shown(&mut time, spring - 1), "29/Mar/2026:01:59:59 +0100");
        assert_eq!(shown(&mut time, spring), "29/Mar/2026:03:00:00 +0200");
        let autumn = 1_792_890_000; // 2026-10-25 01:00 UTC
        assert_eq!(shown(&mut time, autumn - 1), "25/Oct/2026:02:59:59 +0200");
        assert_eq!(shown(&mut time, autumn), "25/Oct/2026:02:00:00 +0100");
        assert_eq!(shown(&mut time, autumn - 1), "25/Oct/2026:02:59:59 +0200");
    }

    #[test]
    fn the_date_changes_at_local_midnight() {
        let mut time = LocalTime::new(paris());
        let midnight = 1_767_222_000; // 2026-01-01 00:00 in Paris
        assert_eq!(time.day(midnight - 1).iso, *b"2025-12-31");
        assert_eq!(time.day(midnight).iso, *b"2026-01-01");
        let day = time.day(midnight);
        assert_eq!((day.year(), day.month(), day.iso_date()), ("2026", "01", "2026-01-01"));
        let mut time = LocalTime::new(TimeZone::fixed(Offset::from_seconds(-12_600).unwrap()));
        assert_eq!(shown(&mut time, midnight), "31/Dec/2025:19:30:00 -0330");
    }

    #[test]
    fn a_clock_that_cannot_be_right_breaks_nothing() {
        let mut time = LocalTime::new(TimeZone::UTC);
        for seconds in [i64::MIN, -1, i64::MAX] {
            assert_eq!(shown(&mut time, seconds).len(), "29/Mar/2026:01:59:59 +0100".len());
        }
    }

    proptest! {
        #[test]
        fn it_agrees_with_the_calendar(times in proptest::collection::vec(0_i64..4_000_000_000, 1..20), steps in 0_i64..7200) {
            for zone in [paris(), TimeZone::UTC, TimeZone::posix("NST3:30NDT,M3.2.0,M11.1.0").unwrap()] {
                let mut time = LocalTime::new(zone.clone());
                for seconds in times.iter().flat_map(|&at| [at, at + steps, at + 1]) {
                    prop_assert_eq!(shown(&mut time, seconds), by_calendar(&zone, seconds));
                }
            }
        }
    }
}
