//! Gathering findings: what the readers of linters, type checkers and audits share.
//!
//! Promises: a finding is identified by its file and rule, without positions; what the tool's own summary counts differently
//! from what was read is a problem; hostile lists are read in bounded memory.

use super::{RESULTS_LIMIT, shorten_name};
use crate::domain::verify::model::results::Findings;
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, IgnoredAny, SeqAccess, Visitor};
use std::fmt;
use std::marker::PhantomData;

/// The problem of JSON that ends early or has another shape.
pub(super) const BROKEN_JSON: &str = "its JSON is not whole";

/// Findings while they are read.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    findings: Findings,
    pub(super) total: u64,
    /// What the summaries say together; absent while none was met.
    announced: Option<u64>,
    /// Whether the structure of the output is that of the tool beyond doubt.
    pub(super) sure: bool,
}

impl Gathered {
    /// One finding. `error` says whether the tool says no because of it.
    pub(super) fn add(&mut self, file: &str, rule: &str, error: bool) {
        if self.total >= RESULTS_LIMIT as u64 {
            self.problem(format!("more than {RESULTS_LIMIT} findings in one output"));
            return;
        }
        self.total += 1;
        self.findings.errors += u64::from(error);
        let file = file.strip_prefix("./").unwrap_or(file);
        *self.findings.counts.entry(shorten_name(&format!("{file}: {rule}"))).or_default() += 1;
    }

    /// Keeps the first problem.
    pub(super) fn problem(&mut self, why: impl Into<String>) {
        self.findings.problem.get_or_insert_with(|| shorten_name(&why.into()));
    }

    /// A summary of the tool counts this many findings; several runs in one output add up.
    pub(super) fn add_announced(&mut self, count: u64) {
        self.announced = Some(self.announced.unwrap_or(0).saturating_add(count));
    }

    /// Whether findings were read and a summary that counts them.
    pub(super) const fn is_summed_up(&self) -> bool {
        self.total > 0 && self.announced.is_some()
    }

    /// The tool says no because of every one of them.
    pub(super) fn blame_all(&mut self) {
        self.findings.errors = self.findings.total();
    }

    /// What the JSON documents of an output say, with the problem `broken` where one is not whole; `None` where it has none.
    pub(super) fn from_documents<T: DeserializeOwned>(
        output: &str,
        broken: &str,
        mut each: impl FnMut(&mut Self, T),
    ) -> Option<Self> {
        let (mut gathered, mut any) = (Self::default(), false);
        gathered.sure = read_documents(output, |document| {
            any = true;
            each(&mut gathered, document);
        });
        if !gathered.sure {
            gathered.problem(broken);
        }
        (any || !gathered.sure).then_some(gathered)
    }

    /// Checks the summaries against what was read.
    pub(super) fn finish(mut self) -> Findings {
        if let Some(announced) = self.announced.filter(|announced| *announced != self.total) {
            let read = self.total;
            self.problem(format!("its summary counts {announced}, {read} could be read"));
        }
        self.findings
    }
}

/// A message as part of an identity, where a tool names no rule: numbers that stand alone (lines, sizes) differ from
/// run to run and become `N`.
pub(super) fn message(text: &str) -> String {
    let mut out = String::new();
    let (mut word, mut number) = (false, false);
    for c in text.trim().chars() {
        if c.is_ascii_digit() && !word {
            if !number {
                out.push('N');
            }
            number = true;
        } else {
            out.push(if c.is_control() { ' ' } else { c });
            (word, number) = (c.is_alphanumeric() || c == '_', false);
        }
    }
    out
}

/// Splits `path:line[:column[:line:column]]: rest` into path and rest.
pub(super) fn split_location(line: &str) -> Option<(&str, &str)> {
    line.match_indices(':').find_map(|(at, _)| {
        let (groups, rest) = positions(&line[at..]);
        let rest = rest.strip_prefix(": ")?;
        (groups > 0 && at > 0).then(|| (&line[..at], rest.trim_start()))
    })
}

/// The path of an arrow line of the compiler's style: `  --> path:line:column`.
pub(super) fn parse_arrow(line: &str) -> Option<&str> {
    let place = line.trim_start_matches(' ').strip_prefix("--> ")?.trim_end();
    let (path, column) = place.rsplit_once(':')?;
    let (path, row) = path.rsplit_once(':')?;
    let number = |text: &str| text.len() < 10 && digits(text);
    (number(column) && number(row) && !path.is_empty()).then_some(path)
}

/// Takes `:digits` off the front, four times at most: how often, and what is left.
fn positions(text: &str) -> (usize, &str) {
    let (mut rest, mut groups) = (text, 0);
    while groups < 4 {
        let Some(after) = rest.strip_prefix(':') else { break };
        let digits = after.bytes().take(10).take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            break;
        }
        rest = &after[digits..];
        groups += 1;
    }
    (groups, rest)
}

/// Whether a text is digits and nothing else.
pub(super) fn digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// The number at the front of a text and what follows it.
pub(super) fn number(text: &str) -> Option<(u64, &str)> {
    let digits = text.bytes().take(20).take_while(u8::is_ascii_digit).count();
    Some((text[..digits].parse().ok()?, &text[digits..]))
}

/// The JSON documents of an output, each beginning at a line that can begin one, whatever stands between them; `false`
/// when one is not whole or not of the shape of `T`.
fn read_documents<T: DeserializeOwned>(output: &str, mut each: impl FnMut(T)) -> bool {
    let mut rest = output;
    while let Some(at) = find_opening(rest) {
        let text = &rest[at..];
        let mut documents = serde_json::Deserializer::from_str(text).into_iter();
        match documents.next() {
            Some(Ok(document)) => each(document),
            _ => return false,
        }
        rest = &text[documents.byte_offset().max(1).min(text.len())..];
    }
    true
}

/// Where the first line begins that can begin a document.
fn find_opening(text: &str) -> Option<usize> {
    let mut at = 0;
    text.split_inclusive('\n').find_map(|line| {
        let here = at;
        at += line.len();
        let line = line.trim();
        let opens = matches!(line, "[" | "{" | "[]") || line.starts_with("[{") || line.starts_with("{\"");
        opens.then_some(here)
    })
}

/// The first items of a list, and whether there were more than may be.
#[derive(Debug, Default)]
pub(super) struct Bounded<T> {
    pub(super) items: Vec<T>,
    pub(super) more: bool,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Bounded<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct List<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for List<T> {
            type Value = Bounded<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut bounded = Bounded { items: Vec::new(), more: false };
                while bounded.items.len() < RESULTS_LIMIT {
                    match list.next_element()? {
                        Some(item) => bounded.items.push(item),
                        None => return Ok(bounded),
                    }
                }
                while list.next_element::<IgnoredAny>()?.is_some() {
                    bounded.more = true;
                }
                Ok(bounded)
            }
        }
        from.deserialize_seq(List(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_no_part_of_an_identity() {
        assert_eq!(split_location("a b.py:3:14:3:20: error: x"), Some(("a b.py", "error: x")));
        assert_eq!(split_location("größe/日本 語.py:3: error: x"), Some(("größe/日本 語.py", "error: x")));
        for none in ["a.py:x: y", ":3: x", "a.py:3:x", "note: a", "", "a:99999999999: x"] {
            assert_eq!(split_location(none), None, "{none}");
        }
        assert_eq!(parse_arrow("  --> src/a b.rs:1:20"), Some("src/a b.rs"));
        assert_eq!(
            (parse_arrow("--> src/a.rs"), parse_arrow(" ::: a.rs:1:2"), parse_arrow("--> :1:2")),
            (None, None, None)
        );
    }

    #[test]
    fn numbers_that_stand_alone_are_no_part_of_a_message() {
        assert_eq!(message("Name \"x1\" of 12N on line 340"), "Name \"x1\" of NN on line N");
        assert_eq!(message("N7 (9/10) é3\t"), "N7 (N/N) é3");
    }

    #[test]
    fn documents_are_found_between_other_lines() {
        let mut seen = Vec::new();
        let text = "> lint\n[main]\tINFO\n[]\n\n[{\"a\": 1}]noise\n[\n  {}\n]\n";
        assert!(read_documents(text, |value: serde_json::Value| seen.push(value.to_string())));
        assert_eq!(seen, ["[]", "[{\"a\":1}]", "[{}]"]);
        assert!(!read_documents("[{\"a\": ", |_: serde_json::Value| ()));
        assert!(read_documents("nothing", |_: serde_json::Value| ()));
    }

    #[test]
    fn lists_are_bounded() {
        let long = format!("[{}1]", "1,".repeat(RESULTS_LIMIT + 5));
        let read: Bounded<u8> = serde_json::from_str(&long).unwrap();
        assert_eq!((read.items.len(), read.more), (RESULTS_LIMIT, true));
        assert!(!serde_json::from_str::<Bounded<u8>>("[1, 2]").unwrap().more);
    }
}
