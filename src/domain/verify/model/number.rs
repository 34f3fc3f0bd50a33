//! A decimal number that is the same on every machine: what a metric stage prints and what its limits are.
//!
//! Promises: nine digits after the point and eighteen before it are kept exactly, further ones after the point are
//! dropped; equal numbers have one text and one stored form.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

const DIGITS: usize = 9;
const ONE: i128 = 1_000_000_000;

/// A decimal number, counted in billionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Number(i128);

/// The text is no plain decimal number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no plain decimal number of at most 18 digits before the point, such as 12 or 80.5")]
pub struct NoNumber;

impl FromStr for Number {
    type Err = NoNumber;

    /// Reads `12`, `-0.5`, `+3.25` or `.5`; no exponent, no separators between digits, no unit.
    fn from_str(text: &str) -> Result<Self, NoNumber> {
        let (negative, digits) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        let (whole, fraction) = match digits.split_once('.') {
            Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
            Some(_) => return Err(NoNumber),
            None => (digits, ""),
        };
        let plain = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        if !plain(whole) || !plain(fraction) || (whole.is_empty() && fraction.is_empty()) {
            return Err(NoNumber);
        }
        let whole = whole.trim_start_matches('0');
        if whole.len() > 18 {
            return Err(NoNumber);
        }
        let digits = |text: &str| text.bytes().fold(0_i128, |sum, b| sum * 10 + i128::from(b - b'0'));
        let kept = &fraction[..fraction.len().min(DIGITS)];
        let billionths = digits(&format!("{kept:0<DIGITS$}"));
        let size = digits(whole) * ONE + billionths;
        Ok(Self(if negative { -size } else { size }))
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = self.0.unsigned_abs();
        let (whole, fraction) = (size / ONE.unsigned_abs(), size % ONE.unsigned_abs());
        let sign = if self.0 < 0 { "-" } else { "" };
        if fraction == 0 {
            return write!(f, "{sign}{whole}");
        }
        let fraction = format!("{fraction:0>DIGITS$}");
        write!(f, "{sign}{whole}.{}", fraction.trim_end_matches('0'))
    }
}

impl TryFrom<String> for Number {
    type Error = NoNumber;

    fn try_from(text: String) -> Result<Self, NoNumber> {
        text.parse()
    }
}

impl From<Number> for String {
    fn from(number: Number) -> Self {
        number.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn equal_numbers_have_one_text() {
        for (text, wanted) in [
            ("80.10", "80.1"),
            ("+007", "7"),
            ("-0.0", "0"),
            (".5", "0.5"),
            ("-.250", "-0.25"),
            ("0.1234567899", "0.123456789"),
            ("000000000000000000000000123456789012345678.000000001", "123456789012345678.000000001"),
        ] {
            assert_eq!(text.parse::<Number>().unwrap().to_string(), wanted);
        }
        assert!("80.1".parse::<Number>().unwrap() > "79.2".parse().unwrap());
        assert!("-3".parse::<Number>().unwrap() < "-2.999999999".parse().unwrap());
        let number: Number = "12.5".parse().unwrap();
        assert_eq!(serde_json::to_string(&number).unwrap(), "\"12.5\"");
        assert_eq!(serde_json::from_str::<Number>("\"12.50\"").unwrap(), number);
    }

    #[test]
    fn anything_else_is_no_number() {
        for text in ["", "-", ".", "5.", "1e3", "1,000", "1_000", "12 ms", "NaN", "--1", "1.2.3", "1234567890123456789"]
        {
            assert_eq!(text.parse::<Number>(), Err(NoNumber), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_and_numbers_keep_their_order(a in -1_000_000_i64..1_000_000, b in -1_000_000_i64..1_000_000, text: String) {
            let _ = text.parse::<Number>();
            let number = |thousandths: i64| {
                let sign = if thousandths < 0 { "-" } else { "" };
                let size = thousandths.unsigned_abs();
                format!("{sign}{}.{:03}", size / 1000, size % 1000).parse::<Number>().unwrap()
            };
            prop_assert_eq!(number(a).cmp(&number(b)), a.cmp(&b));
            prop_assert_eq!(number(a).to_string().parse::<Number>(), Ok(number(a)));
        }
    }
}
