//! Durations as people write them: `"30m"`, `"1h30m"`, `"90s"`, `"2d"`, or a number of seconds.

use crate::domain::plan::duration::parse_duration;
use std::time::Duration;

const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

/// Reads a duration of whole seconds, in the form plans use too.
///
/// # Errors
/// A message that says how to write one.
pub fn parse(text: &str) -> Result<Duration, String> {
    match parse_duration(text) {
        Ok(duration) if duration.subsec_nanos() == 0 => Ok(duration),
        Ok(_) => Err(format!("is `{text}`, which is no whole number of seconds")),
        Err(_) => {
            Err(format!("is not a duration: `{text}`; write for example \"30m\", \"1h30m\" or a number of seconds"))
        }
    }
}

/// Writes a duration the way [`parse`] reads it, in whole seconds.
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
