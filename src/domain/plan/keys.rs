//! The keys a unit may have, the words people use for them, and the rules of their values.
//!
//! One table for `BACKLOG.md` and plan files, so that a key means the same in both.

use super::duration::parse_duration;
use crate::domain::base::{Invalid, nearest};
use crate::domain::unit::UnitSpec;
use crate::domain::values::check_line;
use strum::{EnumMessage, EnumString, IntoStaticStr, VariantArray};

/// A key of a unit, with every spelling of it; they are compared after [`fold`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, EnumMessage, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum Key {
    /// Explicit id.
    Id,
    /// Title (plan files only).
    Title,
    /// Body (plan files only).
    Description,
    /// 0 is the highest.
    Priority,
    /// What must be landed or no-op before.
    #[strum(to_string = "depends", serialize = "depends-on", serialize = "dependencies")]
    Depends,
    /// Globs expected to change.
    Files,
    /// Shell line instead of an agent.
    Run,
    /// Additional verification.
    #[strum(to_string = "verify", serialize = "verification")]
    Verify,
    /// Must fail before, pass after.
    Accept,
    /// Total time of one attempt.
    Timeout,
    /// Attempts at most.
    #[strum(to_string = "attempts", serialize = "max-attempts")]
    Attempts,
    /// Role named in the brief.
    Role,
    /// Agent preset.
    Agent,
    /// Words for filtering.
    Tags,
    /// Labels a host must have.
    Labels,
    /// Human gate.
    #[strum(to_string = "gate", serialize = "human-gate", serialize = "human-gates")]
    Gate,
    /// Checkpoint after the unit.
    Checkpoint,
    /// Estimate as written.
    #[strum(to_string = "estimate", serialize = "estimated-time")]
    Estimate,
    /// Tests may disappear.
    AllowRemovedTests,
    /// State of the item (`BACKLOG.md` only).
    Status,
}

/// A value before its rule is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Text as written.
    Text(String),
    /// An integer of a typed format.
    Number(i64),
    /// A boolean of a typed format.
    Flag(bool),
    /// Several texts.
    List(Vec<String>),
}

impl Key {
    /// The key a person meant by `word`: case, `_`, `-` and spaces make no difference.
    pub fn parse(word: &str) -> Option<Self> {
        fold(word).parse().ok()
    }

    /// The key's name as documented.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The name of the nearest key that `allowed` accepts.
    pub fn nearest_name(word: &str, allowed: impl Fn(Self) -> bool) -> Option<&'static str> {
        let spellings =
            Self::VARIANTS.iter().filter(|key| allowed(**key)).flat_map(EnumMessage::get_serializations).copied();
        nearest::find_nearest(&fold(word), spellings).and_then(Self::parse).map(Self::name)
    }
}

fn fold(word: &str) -> String {
    word.trim().chars().map(|c| if matches!(c, '_' | ' ') { '-' } else { c.to_ascii_lowercase() }).collect()
}

/// Reads a priority: a number (0 is the highest), `P0`, or critical 0, high 1, medium 2, low 3.
///
/// # Errors
/// A fragment that lists what is accepted.
pub fn parse_priority(text: &str) -> Result<u32, Invalid> {
    let word = text.trim().to_ascii_lowercase();
    if let Some((level, _)) = (0..).zip(["critical", "high", "medium", "low"]).find(|(_, known)| *known == word) {
        return Ok(level);
    }
    let digits = word.strip_prefix('p').unwrap_or(&word);
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    digits.parse().ok().filter(|_| plain).ok_or_else(|| {
        format!("`{text}` is not a priority; use a number (0 is the highest), critical, high, medium or low").into()
    })
}

/// Puts `value` into the field of `key`. `id`, `depends` and `status` are left to the reader of the format, because
/// they need the whole file; for them this does nothing.
///
/// # Errors
/// A fragment that says what the key takes; the field is then unchanged.
pub fn set(unit: &mut UnitSpec, key: Key, value: Value) -> Result<(), Invalid> {
    match key {
        Key::Id | Key::Depends | Key::Status => {}
        Key::Title => unit.title = parse_text(value)?,
        Key::Description => match value {
            Value::Text(words) if words.trim().is_empty() => unit.description = String::new(),
            other => unit.description = parse_text(other)?,
        },
        Key::Priority => unit.priority = parse_priority(&parse_scalar(value)?)?,
        Key::Files => unit.files = parse_list(value)?.into_iter().map(parse_glob).collect::<Result<_, _>>()?,
        Key::Run => unit.run = Some(parse_line(value)?),
        Key::Verify => unit.verify = Some(parse_line(value)?),
        Key::Accept => unit.accept = Some(parse_line(value)?),
        Key::Timeout => {
            let span = parse_duration(&parse_scalar(value)?)?;
            if span.as_secs() == 0 {
                return Err("it must be at least one second".into());
            }
            unit.timeout = Some(span.as_secs());
        }
        Key::Attempts => {
            let words = parse_scalar(value)?;
            let attempts = words.trim().parse().ok().filter(|n: &u32| *n > 0);
            unit.attempts = Some(attempts.ok_or_else(|| format!("`{words}` is not a number of attempts (1 or more)"))?);
        }
        Key::Role => unit.role = Some(parse_text(value)?),
        Key::Agent => unit.agent = Some(parse_text(value)?),
        Key::Tags => unit.tags = parse_list(value)?,
        Key::Labels => unit.labels = parse_list(value)?,
        Key::Gate => unit.gate = Some(parse_text(value)?),
        Key::Checkpoint => unit.checkpoint = parse_flag(value)?,
        Key::Estimate => unit.estimate = Some(parse_scalar(value)?),
        Key::AllowRemovedTests => unit.allow_removed_tests = parse_flag(value)?,
    }
    Ok(())
}

/// A text that is not empty and could be passed to a program.
///
/// # Errors
/// A fragment that says what is wrong with it.
pub fn parse_text(value: Value) -> Result<String, Invalid> {
    match value {
        Value::Text(words) if words.contains('\0') => Err("a NUL character is not allowed".into()),
        Value::Text(words) if words.trim().is_empty() => Err("it has no value".into()),
        Value::Text(words) => Ok(words),
        _ => Err("it takes a text".into()),
    }
}

/// A text that a shell can be given.
fn parse_line(value: Value) -> Result<String, Invalid> {
    let line = parse_text(value)?;
    check_line(&line).map_err(|problem| format!("it {problem}"))?;
    Ok(line)
}

/// A list of texts; one text stands for a list of one.
///
/// # Errors
/// A fragment that says what is wrong with it.
pub fn parse_list(value: Value) -> Result<Vec<String>, Invalid> {
    match value {
        Value::List(items) => items.into_iter().map(|item| parse_text(Value::Text(item))).collect(),
        Value::Text(item) => Ok(vec![parse_text(Value::Text(item))?]),
        _ => Err("it takes a list of texts".into()),
    }
}

fn parse_scalar(value: Value) -> Result<String, Invalid> {
    match value {
        Value::Number(number) => Ok(number.to_string()),
        Value::Text(_) => parse_text(value),
        _ => Err("it takes a number or a text".into()),
    }
}

fn parse_flag(value: Value) -> Result<bool, Invalid> {
    match value {
        Value::Flag(flag) => Ok(flag),
        Value::Text(word) => match word.trim().to_ascii_lowercase().as_str() {
            "true" | "yes" => Ok(true),
            "false" | "no" => Ok(false),
            _ => Err(format!("`{word}` is neither true nor false").into()),
        },
        _ => Err("it takes true or false".into()),
    }
}

fn parse_glob(text: String) -> Result<String, Invalid> {
    if text.starts_with('/') {
        return Err(format!("`{text}` is absolute; globs start at the root of the repository").into());
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_lead_to_one_key_with_one_name() {
        assert_eq!(Key::parse("Estimated Time"), Some(Key::Estimate));
        assert_eq!(Key::parse("max_attempts"), Some(Key::Attempts));
        assert_eq!(Key::parse("allow_removed_tests").map(Key::name), Some("allow-removed-tests"));
        assert_eq!(Key::parse("owner"), None);
        assert_eq!(Key::nearest_name("dependz", |_| true), Some("depends"));
        assert_eq!(Key::nearest_name("titel", |key| key != Key::Title), None);
    }

    #[test]
    fn priorities_are_numbers_or_words() {
        for (text, wanted) in
            [("critical", 0), ("High", 1), ("medium", 2), ("LOW", 3), ("7", 7), ("P0", 0), ("p12", 12)]
        {
            assert_eq!(parse_priority(text), Ok(wanted));
        }
        for text in ["", "p", "+1", "-1", "urgent", "1.5", "99999999999"] {
            assert!(parse_priority(text).is_err(), "{text}");
        }
    }
}
