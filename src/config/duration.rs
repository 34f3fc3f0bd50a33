//! Durations as people write them: `"30m"`, `"1h30m"`, `"90s"`, `"2d"`, or a number of seconds.

use std::time::Duration;

const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

/// Reads a duration.
///
/// # Errors
/// A message that says how to write one.
pub fn parse(text: &str) -> Result<Duration, String> {
    let wrong = || format!("is not a duration: `{text}`; write for example \"30m\", \"1h30m\" or a number of seconds");
    let mut rest = text.trim();
    if let Ok(seconds) = rest.parse::<u64>() {
        return Ok(Duration::from_secs(seconds));
    }
    if rest.is_empty() {
        return Err(wrong());
    }
    let mut total: u64 = 0;
    let mut units = UNITS.iter();
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = rest.split_at(digits);
        let letter = unit.chars().next().ok_or_else(wrong)?;
        let (_, seconds) = units.find(|(known, _)| *known == letter).ok_or_else(wrong)?;
        let number: u64 = number.parse().map_err(|_| wrong())?;
        total = number.checked_mul(*seconds).and_then(|part| total.checked_add(part)).ok_or_else(wrong)?;
        rest = unit[letter.len_utf8()..].trim_start();
    }
    Ok(Duration::from_secs(total))
}

/// Writes a duration the way [`parse`] reads it, in whole seconds.
#[must_use]
pub fn render(duration: Duration) -> String {
    let mut rest = duration.as_secs();
    if rest == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    for (letter, seconds) in UNITS {
        if rest >= seconds {
            text.push_str(&format!("{}{letter}", rest / seconds));
            rest %= seconds;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_people_write() {
        for (text, seconds) in
            [("30m", 1800), ("1h30m", 5400), ("90", 90), ("90s", 90), ("2d", 172_800), ("1h 5s", 3605)]
        {
            assert_eq!(parse(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "m", "1m1h", "5 parsecs", "-1s", "1.5h", "99999999999999999999d", "1h30"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_rendered_reads_back(seconds in 0u64..10_000_000) {
            let duration = Duration::from_secs(seconds);
            prop_assert_eq!(parse(&render(duration)), Ok(duration));
        }
    }
}
