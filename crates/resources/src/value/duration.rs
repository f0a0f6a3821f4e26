//! Durations, as Go writes them: `10s`, `1m0s`, `1.5h`.

use std::time::Duration;

use thiserror::Error;

/// Why a text is no duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DurationError {
    /// No numbers with units.
    #[error("no duration; write numbers with units, such as 10s, 1m30s or 2h")]
    Syntax,
    /// Below zero.
    #[error("must not be negative")]
    Negative,
    /// Above what Go can hold, about 292 years.
    #[error("too long")]
    TooLong,
}

/// Reads a duration in Go's notation: a sequence of decimal numbers with units (`ns`, `us`, `µs`, `ms`, `s`, `m`, `h`),
/// such as `1m30s` or `1.5h`; or `0`.
///
/// # Errors
///
/// If the text is none, or is below zero.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let negative = text.starts_with('-');
    let mut rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    if rest.is_empty() {
        return Err(DurationError::Syntax);
    }
    let mut nanos: u128 = 0;
    while !rest.is_empty() {
        let whole = split_digits(&mut rest);
        let fraction = match rest.strip_prefix('.') {
            Some(after) => {
                rest = after;
                split_digits(&mut rest)
            }
            None => "",
        };
        if whole.is_empty() && fraction.is_empty() {
            return Err(DurationError::Syntax);
        }
        let end = rest.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(rest.len());
        let (unit, after) = rest.split_at(end);
        rest = after;
        let unit: u128 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return Err(DurationError::Syntax),
        };
        // Nineteen digits are more than any duration needs; the rest of a fraction is below a nanosecond.
        let whole: u128 = if whole.len() > 19 { u128::from(u64::MAX) } else { whole.parse().unwrap_or(0) };
        nanos = nanos.saturating_add(whole.saturating_mul(unit));
        let mut scale = unit;
        for digit in fraction.bytes() {
            scale /= 10;
            nanos = nanos.saturating_add(u128::from(digit - b'0') * scale);
        }
    }
    if negative && nanos > 0 {
        return Err(DurationError::Negative);
    }
    // Go's durations are signed 64-bit numbers of nanoseconds.
    match u64::try_from(nanos) {
        Ok(nanos) if i64::try_from(nanos).is_ok() => Ok(Duration::from_nanos(nanos)),
        Ok(_) | Err(_) => Err(DurationError::TooLong),
    }
}

fn split_digits<'a>(rest: &mut &'a str) -> &'a str {
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (digits, after) = rest.split_at(end);
    *rest = after;
    digits
}
