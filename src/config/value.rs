//! Values of settings: what a key accepts, read from TOML or from the text of an environment variable or flag.

use super::{Problem, Source, duration};
use crate::domain::values::check_line;
use crate::domain::verify::model::number::Number;
use std::fmt;
use std::time::Duration;
use toml::de::DeValue;

/// What a key accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Any text; empty means not set.
    Text,
    /// A text that is given to a shell; empty means not set.
    Line,
    /// A whole number within these bounds.
    Count(u64, u64),
    /// A whole number of at most this, or the word `auto`.
    CountOrAuto(u64),
    /// A decimal number.
    Number,
    /// `true` or `false`.
    Flag,
    /// A list of texts.
    Texts,
    /// A list of texts that are given to a shell.
    Lines,
    /// A list of names of environment variables.
    Names,
    /// A duration above zero.
    Time,
    /// A duration, or zero to switch it off.
    TimeOrOff,
    /// Bytes, as `"50GB"`, `"512MiB"` or a number.
    Size,
    /// The same, or zero to switch it off.
    SizeOrOff,
    /// US dollars, as `5`, `2.50` or `"2.50"`.
    Money,
    /// One of the first words; the second ones are known but not built yet.
    Choice(&'static [&'static str], &'static [&'static str]),
}

/// A value of one [`Kind`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Of [`Kind::Text`], [`Kind::Line`], [`Kind::Choice`] and the word of [`Kind::CountOrAuto`].
    Text(String),
    /// Of [`Kind::Count`] and [`Kind::CountOrAuto`].
    Count(u64),
    /// Of [`Kind::Number`].
    Number(Number),
    /// Of [`Kind::Flag`].
    Flag(bool),
    /// Of [`Kind::Texts`], [`Kind::Lines`] and [`Kind::Names`].
    Texts(Vec<String>),
    /// Of [`Kind::Time`] and [`Kind::TimeOrOff`].
    Time(Duration),
    /// Of [`Kind::Size`] and [`Kind::SizeOrOff`], in bytes.
    Size(u64),
    /// Of [`Kind::Money`], in millionths of a US dollar.
    Money(u64),
}

/// Why a value was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It belongs to a feature that is not built yet.
    Later,
    /// It is wrong; a message that reads on after the key.
    Wrong(String),
}

impl Refusal {
    /// What is wrong with a key, and, as far as it is a text, the value it has there.
    pub(super) fn into_problem(self, place: Source, key: String, said: Option<&str>) -> Problem {
        match (self, said) {
            (Self::Later, Some(said)) => Problem::Unsupported { place, key: format!("{key} = {}", quote_toml(said)) },
            (Self::Later, None) => Problem::Unsupported { place, key },
            (Self::Wrong(message), _) => Problem::Value { place, key, message },
        }
    }
}

impl Kind {
    /// Reads a value of the settings file.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn read_toml(self, value: &DeValue<'_>) -> Result<Value, Refusal> {
        match (self, value) {
            (Self::Flag, DeValue::Boolean(flag)) => Ok(Value::Flag(*flag)),
            (Self::Texts | Self::Lines | Self::Names, DeValue::Array(items)) => {
                let texts = items.iter().map(|item| match item.get_ref() {
                    DeValue::String(text) => Ok(text.to_string()),
                    _ => Err(self.type_error()),
                });
                self.check_list(texts.collect::<Result<_, _>>()?)
            }
            (Self::Flag | Self::Texts | Self::Lines | Self::Names, _) => Err(self.type_error()),
            (Self::Count(..) | Self::Number, DeValue::String(_)) => Err(self.type_error()),
            (Self::CountOrAuto(_), DeValue::String(text)) if text != AUTO => Err(self.type_error()),
            (_, DeValue::String(text)) => self.read_text(text),
            (Self::Money, DeValue::Integer(number)) => self.read_text(&number.to_string()),
            (Self::Number, DeValue::Integer(number)) if number.radix() == 10 => self.read_text(number.as_str()),
            (Self::Money | Self::Number, DeValue::Float(number)) => self.read_text(number.as_str()),
            (Self::Text | Self::Line | Self::Choice(..) | Self::Money | Self::Number, _) => Err(self.type_error()),
            (_, DeValue::Integer(number)) => {
                let text = u64::from_str_radix(number.as_str(), number.radix()).map(|n| n.to_string());
                self.read_text(&text.unwrap_or_else(|_| number.to_string()))
            }
            _ => Err(self.type_error()),
        }
    }

    /// Reads the text of an environment variable or flag; lists are separated by commas.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn read_text(self, text: &str) -> Result<Value, Refusal> {
        let time = || duration::parse(text).map_err(Refusal::Wrong);
        match self {
            Self::Text | Self::Line if text.contains('\0') => {
                Err(Refusal::Wrong("contains a NUL character".to_owned()))
            }
            Self::Line => check_line(text).map(|()| Value::Text(text.to_owned())).map_err(|e| Refusal::Wrong(e.0)),
            Self::Text => Ok(Value::Text(text.to_owned())),
            Self::Count(least, most) => {
                let number = text.trim().parse().ok().filter(|number| (least..=most).contains(number));
                number.map(Value::Count).ok_or_else(|| self.type_error())
            }
            Self::CountOrAuto(_) if text.trim() == AUTO => Ok(Value::Text(AUTO.to_owned())),
            Self::CountOrAuto(most) => {
                let number = text.trim().parse().ok().filter(|number| *number <= most);
                number.map(Value::Count).ok_or_else(|| self.type_error())
            }
            Self::Number => text.trim().replace('_', "").parse().map(Value::Number).map_err(|_| self.type_error()),
            Self::Flag => match text.trim() {
                "true" | "1" | "yes" => Ok(Value::Flag(true)),
                "false" | "0" | "no" => Ok(Value::Flag(false)),
                _ => Err(self.type_error()),
            },
            Self::Texts | Self::Lines | Self::Names => {
                self.check_list(text.split(',').map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned).collect())
            }
            Self::Time if time()?.is_zero() => Err(Refusal::Wrong("must be longer than zero".to_owned())),
            Self::Time | Self::TimeOrOff => Ok(Value::Time(time()?)),
            Self::SizeOrOff if text.trim() == "0" => Ok(Value::Size(0)),
            Self::Size | Self::SizeOrOff => parse_size(text).map(Value::Size).map_err(Refusal::Wrong),
            Self::Money => parse_money(text).map(Value::Money).ok_or_else(|| self.type_error()),
            Self::Choice(now, _) if now.contains(&text) => Ok(Value::Text(text.to_owned())),
            Self::Choice(_, later) if later.contains(&text) => Err(Refusal::Later),
            Self::Choice(..) => Err(self.type_error()),
        }
    }

    fn check_list(self, items: Vec<String>) -> Result<Value, Refusal> {
        if self == Self::Names
            && let Some(wrong) = items.iter().find(|name| !is_variable_name(name))
        {
            let shown = wrong.split('=').next().unwrap_or_default();
            return Err(Refusal::Wrong(format!(
                "holds names of environment variables, without values; `{shown}` … is not one"
            )));
        }
        if items.iter().any(|item| item.is_empty() || item.contains('\0')) {
            return Err(Refusal::Wrong("holds an empty text".to_owned()));
        }
        if self == Self::Lines {
            for item in &items {
                check_line(item).map_err(|problem| Refusal::Wrong(format!("holds a line that {problem}")))?;
            }
        }
        Ok(Value::Texts(items))
    }

    fn type_error(self) -> Refusal {
        Refusal::Wrong(match self {
            Self::Text | Self::Line => "must be a text in quotes".to_owned(),
            Self::Count(least, most) if most == u64::MAX => format!("must be a whole number of at least {least}"),
            Self::Count(least, most) => format!("must be a whole number from {least} to {most}"),
            Self::CountOrAuto(most) => format!("must be a whole number from 0 to {most}, or \"auto\""),
            Self::Number => "must be a decimal number, for example 80 or 12.5".to_owned(),
            Self::Flag => "must be true or false".to_owned(),
            Self::Texts | Self::Lines => "must be a list of texts, for example [\"a\", \"b\"]".to_owned(),
            Self::Names => "must be a list of names of environment variables, for example [\"CI\"]".to_owned(),
            Self::Time | Self::TimeOrOff => {
                "must be a duration, for example \"30m\", or a number of seconds".to_owned()
            }
            Self::Money => "must be an amount of US dollars above zero, for example 5 or 2.50".to_owned(),
            Self::SizeOrOff => "must be a size, for example \"4GB\", or 0 for no limit".to_owned(),
            Self::Size => "must be a size, for example \"50GB\", or a number of bytes".to_owned(),
            Self::Choice(now, _) => {
                let words: Vec<String> = now.iter().map(|word| format!("\"{word}\"")).collect();
                format!("must be {}", words.join(" or "))
            }
        })
    }
}

/// The word of [`Kind::CountOrAuto`].
const AUTO: &str = "auto";

pub(super) fn is_variable_name(name: &str) -> bool {
    let starts = |b: &u8| b.is_ascii_alphabetic() || *b == b'_';
    name.as_bytes().first().is_some_and(starts) && name.bytes().all(|b| starts(&b) || b.is_ascii_digit())
}

const SIZES: [(&str, u64); 9] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("B", 1),
];

fn parse_size(text: &str) -> Result<u64, String> {
    let wrong = || format!("is not a size: `{text}`; write for example \"50GB\", \"512MiB\" or a number of bytes");
    let text = text.trim();
    let found = SIZES.iter().find_map(|(unit, bytes)| text.strip_suffix(unit).map(|number| (number, *bytes)));
    let (number, bytes) = found.unwrap_or((text, 1));
    number.trim().parse::<u64>().ok().and_then(|n| n.checked_mul(bytes)).filter(|n| *n > 0).ok_or_else(wrong)
}

/// Reads an amount in dollars with at most six decimals, above zero.
fn parse_money(text: &str) -> Option<u64> {
    let text = text.trim().trim_start_matches('$');
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(decimals) || decimals.len() > 6 {
        return None;
    }
    let millionths: u64 = format!("{decimals:0<6}").parse().ok()?;
    let all = whole.parse::<u64>().ok()?.checked_mul(1_000_000)?.checked_add(millionths)?;
    (all > 0 && all <= 1_000_000_000_000).then_some(all)
}

/// As it would be written in the settings file.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(&quote_toml(text)),
            Self::Count(number) => write!(f, "{number}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Texts(texts) => f.write_str(&quoted_list(texts)),
            Self::Time(time) => write!(f, "\"{}\"", duration::render(*time)),
            Self::Money(millionths) => {
                let decimals = format!("{:06}", millionths % 1_000_000);
                match decimals.trim_end_matches('0') {
                    "" => write!(f, "{}", millionths / 1_000_000),
                    decimals => write!(f, "{}.{decimals:0<2}", millionths / 1_000_000),
                }
            }
            Self::Size(0) => f.write_str("0"),
            Self::Size(bytes) => {
                let unit = SIZES.iter().rev().find(|(unit, size)| *unit != "B" && bytes % size == 0);
                match unit {
                    Some((unit, size)) => write!(f, "\"{}{unit}\"", bytes / size),
                    None => write!(f, "{bytes}"),
                }
            }
        }
    }
}

/// Texts as a TOML list on one line.
pub(super) fn quoted_list(texts: &[String]) -> String {
    format!("[{}]", texts.iter().map(|text| quote_toml(text)).collect::<Vec<_>>().join(", "))
}

/// A text as a TOML string on one line.
pub fn quote_toml(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
