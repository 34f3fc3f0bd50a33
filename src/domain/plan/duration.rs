//! Durations as people write them: `"30m"`, `"1h30m"`, `"90"` (seconds).

use crate::domain::base::Invalid;
use std::time::Duration;

/// Units from the longest to the shortest, in milliseconds.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// Longer spans are refused, so that adding one to a clock can never overflow.
const LONGEST_MS: u64 = 10_000 * 86_400_000;

/// Reads a duration: a whole number of seconds, or numbers with the units `d`, `h`, `m`, `s`, `ms`, each at most
/// once and the longest first. Spaces between the parts are allowed. At most 10000 days.
///
/// # Errors
/// A fragment that says what is accepted.
pub fn parse_duration(text: &str) -> Result<Duration, Invalid> {
    let refuse = || Invalid(format!("`{text}` is not a duration; write it like \"30m\", \"1h30m\" or as seconds"));
    let mut rest = text.trim();
    let mut total: u64 = 0;
    let mut smallest = u64::MAX;
    if rest.is_empty() {
        return Err(refuse());
    }
    let whole = rest;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let amount: u64 = rest[..digits].parse().map_err(|_| refuse())?;
        rest = rest[digits..].trim_start();
        let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let (name, after) = rest.split_at(letters);
        let size = match UNITS.iter().find(|(unit, _)| *unit == name) {
            Some((_, size)) => *size,
            None if name.is_empty() && digits == whole.len() => 1000,
            None => return Err(refuse()),
        };
        if size >= smallest {
            return Err(refuse());
        }
        smallest = size;
        total = amount
            .checked_mul(size)
            .and_then(|part| total.checked_add(part))
            .filter(|sum| *sum <= LONGEST_MS)
            .ok_or_else(|| format!("`{text}` is longer than 10000 days"))?;
        rest = after.trim_start();
    }
    Ok(Duration::from_millis(total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_write_durations_in_these_forms() {
        for (text, seconds) in
            [("30m", 1800), ("1h30m", 5400), ("1h 30m", 5400), ("90", 90), (" 45s ", 45), ("2d", 172_800), ("0", 0)]
        {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(parse_duration("1s500ms"), Ok(Duration::from_millis(1500)));
    }

    #[test]
    fn everything_else_is_refused() {
        for text in [
            "",
            " ",
            "m",
            "30x",
            "30m30m",
            "30m1h",
            "-5",
            "1.5h",
            "30 40",
            "1h30",
            "99999999999999999999s",
            "20000d",
            "３m",
        ] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "[0-9dhms .é-]{0,30}") {
            let _ = parse_duration(&text);
        }
    }
}
