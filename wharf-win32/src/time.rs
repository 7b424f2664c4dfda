//! Time: ticks, the counter, the calendar in Windows' shapes.
//!
//! A `FILETIME` counts steps of 100 ns since 1601, UTC; a `SYSTEMTIME` has a member for each part of date and time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::{TRUE, error, last_error};

/// Steps of a [`FileTime`] in a second, and of the counter: as on Windows 10.
const STEPS_PER_SECOND: u64 = 10_000_000;
const STEPS_PER_DAY: u64 = 86_400 * STEPS_PER_SECOND;
/// From 1601 to 1970.
const UNIX_EPOCH_STEPS: u64 = 134_774 * STEPS_PER_DAY;
/// What Windows takes for a date: up to the year 30827.
const YEARS: std::ops::RangeInclusive<i64> = 1601..=30827;

/// `FILETIME`: two halves of 32 bits, so it may be aligned to 4.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileTimeParts {
    low: u32,
    high: u32,
}

/// Steps of 100 ns since 1601.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileTime(pub(crate) u64);

impl FileTime {
    pub(crate) fn now() -> FileTime {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let steps = since.as_secs() * STEPS_PER_SECOND + u64::from(since.subsec_nanos()) / 100;
        FileTime(UNIX_EPOCH_STEPS + steps)
    }

    /// The lower half and the upper.
    pub(crate) fn parts(self) -> [u32; 2] {
        [self.0 as u32, (self.0 >> 32) as u32]
    }
}

impl From<FileTimeParts> for FileTime {
    fn from(parts: FileTimeParts) -> FileTime {
        FileTime(u64::from(parts.high) << 32 | u64::from(parts.low))
    }
}

impl From<FileTime> for FileTimeParts {
    fn from(time: FileTime) -> FileTimeParts {
        let [low, high] = time.parts();
        FileTimeParts { low, high }
    }
}

/// `SYSTEMTIME`, of 16 bytes.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CalendarTime {
    year: u16,
    month: u16,
    /// 0 is Sunday.
    weekday: u16,
    day: u16,
    hour: u16,
    minute: u16,
    second: u16,
    millisecond: u16,
}

const _: () = assert!(size_of::<FileTimeParts>() == 8 && size_of::<CalendarTime>() == 16);

/// Days from 1601-01-01 to a date of the Gregorian calendar, in which the month may be counted on past December.
fn days_to(year: i64, month: i64, day: i64) -> i64 {
    // Years that begin in March have the odd day at their end.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    const TO_1601: i64 = 365 * 1600 + 388 + 306;
    365 * year + leap_days + (153 * month + 2) / 5 + day - 1 - TO_1601
}

/// The date that is so many days after 1601-01-01: year, month, day.
fn date_of(days: i64) -> (i64, i64, i64) {
    // No year is shorter than 365 days, so this is not too early.
    let mut year = 1601 + days / 365;
    while days_to(year, 1, 1) > days {
        year -= 1;
    }
    let month = (1..=12)
        .rev()
        .find(|month| days_to(year, *month, 1) <= days)
        .unwrap_or(1);
    (year, month, days - days_to(year, month, 1) + 1)
}

impl CalendarTime {
    /// None if Windows takes no such time for a date: its upper bit is set.
    fn from_file_time(time: FileTime) -> Option<CalendarTime> {
        if time.0 > i64::MAX as u64 {
            return None;
        }
        let days = i64::try_from(time.0 / STEPS_PER_DAY).ok()?;
        let milliseconds = time.0 % STEPS_PER_DAY / (STEPS_PER_SECOND / 1000);
        let (year, month, day) = date_of(days);
        let part = |value: u64| u16::try_from(value).unwrap_or(u16::MAX);
        Some(CalendarTime {
            year: u16::try_from(year).ok()?,
            month: u16::try_from(month).ok()?,
            // 1601 began on a Monday.
            weekday: u16::try_from((days + 1) % 7).ok()?,
            day: u16::try_from(day).ok()?,
            hour: part(milliseconds / 3_600_000),
            minute: part(milliseconds / 60_000 % 60),
            second: part(milliseconds / 1000 % 60),
            millisecond: part(milliseconds % 1000),
        })
    }

    /// None if it is no date. The weekday does not matter.
    fn to_file_time(self) -> Option<FileTime> {
        let (year, month, day) = (self.year.into(), self.month.into(), self.day.into());
        let is_time =
            self.hour < 24 && self.minute < 60 && self.second < 60 && self.millisecond < 1000;
        if !is_time || !YEARS.contains(&year) || !(1..=12).contains(&month) || day < 1 {
            return None;
        }
        if day > days_to(year, month + 1, 1) - days_to(year, month, 1) {
            return None;
        }
        let seconds =
            (u64::from(self.hour) * 60 + u64::from(self.minute)) * 60 + u64::from(self.second);
        let of_day = (seconds * 1000 + u64::from(self.millisecond)) * (STEPS_PER_SECOND / 1000);
        let days = u64::try_from(days_to(year, month, day)).ok()?;
        Some(FileTime(days * STEPS_PER_DAY + of_day))
    }
}

/// How far local time is ahead of UTC at a time, in steps.
fn local_offset(time: FileTime) -> i64 {
    let unix = time.0 as i64 - UNIX_EPOCH_STEPS as i64;
    let seconds = unix.div_euclid(STEPS_PER_SECOND as i64);
    let mut parts = std::mem::MaybeUninit::<libc::tm>::uninit();
    // SAFETY: both are there; the result is written if there is one.
    let offset = unsafe {
        if libc::localtime_r(&seconds, parts.as_mut_ptr()).is_null() {
            return 0;
        }
        (*parts.as_ptr()).tm_gmtoff
    };
    offset * STEPS_PER_SECOND as i64
}

fn to_local(time: FileTime) -> FileTime {
    FileTime(time.0.saturating_add_signed(local_offset(time)))
}

/// The time of a clock of the system's. By the C library: rustix looks for the kernel's own code for it where valgrind has none.
fn clock(which: libc::clockid_t) -> Duration {
    let mut time = std::mem::MaybeUninit::<libc::timespec>::zeroed();
    // SAFETY: it is written; zeros are a time as well.
    let time = unsafe {
        libc::clock_gettime(which, time.as_mut_ptr());
        time.assume_init()
    };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Seconds of a clock that does not go back, of which only differences mean something. The cheapest to ask.
pub(crate) fn coarse_seconds() -> u32 {
    clock(libc::CLOCK_MONOTONIC_COARSE).as_secs() as u32
}

/// How long the machine runs, sleep included.
fn since_start() -> Duration {
    clock(libc::CLOCK_BOOTTIME)
}

/// Milliseconds since the machine started.
#[unsafe(no_mangle)]
pub extern "C" fn GetTickCount64() -> u64 {
    since_start().as_millis() as u64
}

/// The lower half of [`GetTickCount64`]: it begins anew after 49.7 days.
#[unsafe(no_mangle)]
pub extern "C" fn GetTickCount() -> u32 {
    GetTickCount64() as u32
}

/// The same as [`GetTickCount`].
#[unsafe(no_mangle)]
pub extern "C" fn timeGetTime() -> u32 {
    GetTickCount()
}

/// Takes any period: time is always exact here. Returns 0.
#[unsafe(no_mangle)]
pub extern "C" fn timeBeginPeriod(_milliseconds: u32) -> u32 {
    0
}

/// Takes any period. Returns 0.
#[unsafe(no_mangle)]
pub extern "C" fn timeEndPeriod(_milliseconds: u32) -> u32 {
    0
}

/// Tells a counter that goes on by [`QueryPerformanceFrequency`] in a second. Always TRUE.
///
/// # Safety
/// `count` can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn QueryPerformanceCounter(count: *mut i64) -> i32 {
    let steps = clock(libc::CLOCK_MONOTONIC).as_nanos() / 100;
    // SAFETY: of the caller.
    unsafe { count.write_unaligned(steps as i64) };
    TRUE
}

/// Tells how many steps of the counter are a second: 10 million. Always TRUE.
///
/// # Safety
/// `frequency` can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn QueryPerformanceFrequency(frequency: *mut i64) -> i32 {
    // SAFETY: of the caller.
    unsafe { frequency.write_unaligned(STEPS_PER_SECOND as i64) };
    TRUE
}

/// Tells the time, UTC.
///
/// # Safety
/// `time` can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn GetSystemTimeAsFileTime(time: *mut FileTimeParts) {
    // SAFETY: of the caller.
    unsafe { time.write(FileTime::now().into()) };
}

/// The same as [`GetSystemTimeAsFileTime`], which is exact.
///
/// # Safety
/// `time` can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn GetSystemTimePreciseAsFileTime(time: *mut FileTimeParts) {
    // SAFETY: passed on to the caller.
    unsafe { GetSystemTimeAsFileTime(time) };
}

/// Tells the time and date, UTC.
///
/// # Safety
/// `time` can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn GetSystemTime(time: *mut CalendarTime) {
    // SAFETY: of the caller.
    unsafe { time.write(CalendarTime::from_file_time(FileTime::now()).unwrap_or_default()) };
}

/// Tells the time and date, in the local time zone.
///
/// # Safety
/// `time` can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn GetLocalTime(time: *mut CalendarTime) {
    let local = to_local(FileTime::now());
    // SAFETY: of the caller.
    unsafe { time.write(CalendarTime::from_file_time(local).unwrap_or_default()) };
}

/// Writes what there is; FALSE, with error 87, if there is nothing.
///
/// # Safety
/// `to` can be written.
unsafe fn answer<T>(to: *mut T, value: Option<T>) -> i32 {
    match value {
        None => last_error::fail(error::INVALID_PARAMETER),
        Some(value) => {
            // SAFETY: of the caller.
            unsafe { to.write(value) };
            TRUE
        }
    }
}

/// Turns a `FILETIME` into a date. FALSE, with error 87, if its upper bit is set.
///
/// # Safety
/// `from` can be read, `to` can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn FileTimeToSystemTime(
    from: *const FileTimeParts,
    to: *mut CalendarTime,
) -> i32 {
    // SAFETY: of the caller.
    unsafe { answer(to, CalendarTime::from_file_time(from.read().into())) }
}

/// Turns a date into a `FILETIME`. FALSE, with error 87, if it is no date.
///
/// # Safety
/// `from` can be read, `to` can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn SystemTimeToFileTime(
    from: *const CalendarTime,
    to: *mut FileTimeParts,
) -> i32 {
    // SAFETY: of the caller.
    unsafe { answer(to, from.read().to_file_time().map(FileTimeParts::from)) }
}

/// Turns UTC into local time, by the offset of that day.
///
/// # Safety
/// `from` can be read, `to` can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn FileTimeToLocalFileTime(
    from: *const FileTimeParts,
    to: *mut FileTimeParts,
) -> i32 {
    // SAFETY: of the caller.
    unsafe { answer(to, Some(to_local(from.read().into()).into())) }
}

/// Turns local time into UTC, by the offset of that day.
///
/// # Safety
/// `from` can be read, `to` can be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn LocalFileTimeToFileTime(
    from: *const FileTimeParts,
    to: *mut FileTimeParts,
) -> i32 {
    // SAFETY: of the caller.
    let local = FileTime::from(unsafe { from.read() });
    let less = |offset: i64| FileTime(local.0.saturating_add_signed(-offset));
    // The offset is that of the time itself, not of the local time's number.
    let about = less(local_offset(local));
    // SAFETY: of the caller.
    unsafe { answer(to, Some(less(local_offset(about)).into())) }
}

/// Compares two times: -1, 0 or 1.
///
/// # Safety
/// Both can be read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn CompareFileTime(
    first: *const FileTimeParts,
    second: *const FileTimeParts,
) -> i32 {
    // SAFETY: of the caller.
    let [first, second] = unsafe { [FileTime::from(first.read()), second.read().into()] };
    first.0.cmp(&second.0) as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(year: u16, month: u16, day: u16, weekday: u16) -> CalendarTime {
        CalendarTime {
            year,
            month,
            weekday,
            day,
            ..CalendarTime::default()
        }
    }

    #[test]
    fn dates_are_numbers_and_back() {
        let known = [
            (at(1601, 1, 1, 1), 0),
            (at(1970, 1, 1, 4), UNIX_EPOCH_STEPS),
            (at(2000, 2, 29, 2), 125_962_560_000_000_000),
            (at(2026, 11, 29, 0), 134_403_840_000_000_000),
        ];
        for (date, steps) in &known {
            assert_eq!(date.to_file_time(), Some(FileTime(*steps)), "{date:?}");
            assert_eq!(CalendarTime::from_file_time(FileTime(*steps)), Some(*date));
        }
        let mut days = 0;
        while days < 400 * 366 * 20 {
            let time = FileTime(days * STEPS_PER_DAY + 123 * 10_000);
            let date = CalendarTime::from_file_time(time).unwrap();
            assert_eq!(date.to_file_time(), Some(time), "{date:?}");
            days += 97;
        }
    }

    #[test]
    fn what_is_no_date_is_refused() {
        assert!(at(1900, 2, 29, 0).to_file_time().is_none());
        assert!(at(2000, 13, 1, 0).to_file_time().is_none());
        assert!(at(2000, 4, 31, 0).to_file_time().is_none());
        assert!(at(1600, 1, 1, 0).to_file_time().is_none());
        assert!(CalendarTime::from_file_time(FileTime(1 << 63)).is_none());
        assert!(
            CalendarTime {
                hour: 24,
                ..at(2000, 1, 1, 0)
            }
            .to_file_time()
            .is_none()
        );
    }

    #[test]
    fn local_time_is_utc_and_an_offset() {
        let (now, mut local, mut back) = (FileTime::now(), FileTime(0).into(), FileTime(0).into());
        // SAFETY: they are variables.
        unsafe {
            FileTimeToLocalFileTime(&FileTimeParts::from(now), &mut local);
            LocalFileTimeToFileTime(&local, &mut back);
            assert_eq!(CompareFileTime(&back, &now.into()), 0);
        }
    }
}
