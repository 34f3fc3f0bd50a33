//! What a dependency may be called: id, title, phase path or group, resolved to units of one file.

use crate::domain::base::nearest::find_nearest;
use crate::domain::base::text::one_line;
use std::collections::BTreeMap;

/// How sure a name is; the first kind that knows a name decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameKind {
    /// The unit's id or a group's explicit id.
    Id,
    /// The title of a unit or a group.
    Title,
    /// A title without its number: `Build` of `Phase 2: Build`.
    Words,
    /// A phase path such as `2.1.3`.
    Path,
}

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// These units (indices): one, or all of a group.
    Units(Vec<usize>),
    /// A heading that is not work.
    Note,
}

/// Outcome of a look-up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// The units that are meant.
    Units(Vec<usize>),
    /// The name belongs to a note at this line.
    Note(u32),
    /// Several things have this name, at these lines.
    Ambiguous(Vec<u32>),
    /// Nothing has this name; with the nearest one that exists.
    Unknown(Option<String>),
}

/// Words that may stand before a number, in titles and in dependencies.
const NUMBERED: [&str; 10] =
    ["phase", "task", "step", "stage", "milestone", "part", "epic", "unit", "group", "section"];

/// Suggestions compare with every name; a file full of unknown names must not cost minutes.
const SUGGESTIONS: u32 = 50;

/// Every name of one file.
#[derive(Debug, Default)]
pub struct Names {
    known: [BTreeMap<String, Vec<(u32, Target)>>; 4],
    labels: Vec<String>,
    /// How many were looked for so far.
    suggestions: u32,
}

impl Names {
    /// Adds a name for `target`, whose heading or table is at `line`. The same thing may be named twice.
    pub fn add(&mut self, kind: NameKind, name: &str, line: u32, target: Target) {
        let folded = fold(name);
        if folded.is_empty() {
            return;
        }
        let entries = self.known[kind as usize].entry(folded).or_default();
        if !entries.iter().any(|(known, _)| *known == line) {
            entries.push((line, target));
            if kind != NameKind::Path {
                self.labels.push(name.trim().to_owned());
            }
        }
    }

    /// What `name` stands for. `Task 1.2`, `#1.2` and `Title (remark)` are understood as well.
    pub fn resolve(&mut self, name: &str) -> Found {
        let without_remark = name.trim().strip_suffix(')').and_then(|head| head.rsplit_once('(')).map(|(head, _)| head);
        let entries = [Some(name), without_remark]
            .into_iter()
            .flatten()
            .find_map(|text| self.entries(text).or_else(|| number_of(text).and_then(|path| self.entries(&path))));
        match entries {
            Some([(_, Target::Units(units))]) => Found::Units(units.clone()),
            Some([(line, Target::Note)]) => Found::Note(*line),
            Some(several) => Found::Ambiguous(several.iter().map(|(line, _)| *line).collect()),
            None if self.suggestions == SUGGESTIONS => Found::Unknown(None),
            None => {
                self.suggestions += 1;
                Found::Unknown(find_nearest(&fold(name), self.labels.iter().map(String::as_str)).map(str::to_owned))
            }
        }
    }

    /// Splits a list written in one line at its commas, keeping names together that contain a comma themselves.
    pub fn split(&self, text: &str) -> Vec<String> {
        let parts: Vec<&str> = text.split([',', ';']).map(str::trim).filter(|part| !part.is_empty()).collect();
        let mut names = Vec::new();
        let mut at = 0;
        while at < parts.len() {
            let longest = (at + 4).min(parts.len());
            let known = |end: &usize| self.entries(&parts[at..*end].join(", ")).is_some();
            let end = (at + 2..=longest).rev().find(known).unwrap_or(at + 1);
            names.push(parts[at..end].join(", "));
            at = end;
        }
        names
    }

    fn entries(&self, name: &str) -> Option<&[(u32, Target)]> {
        let folded = fold(name);
        self.known.iter().find_map(|kind| kind.get(&folded)).map(Vec::as_slice)
    }
}

/// The number a title begins with and what follows it: `Phase 2: Build` gives `2` and `Build`, `1.2 Setup` gives `1.2`
/// and `Setup`. A bare number without a dot or a colon (`3 small fixes`) is part of the title.
pub fn numbered_title(title: &str) -> Option<(String, &str)> {
    let word = behind_word(title);
    let rest = word.unwrap_or(title);
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
    let number = rest[..end].trim_end_matches('.');
    let after = &rest[end..];
    let mark = after.starts_with([':', ')']) || rest[..end].ends_with('.');
    let bounded = after.is_empty() || after.starts_with([':', ')', ' ']);
    let fine = !number.is_empty() && number.split('.').all(|part| (1..=4).contains(&part.len())) && bounded;
    let meant = word.is_some() || mark || number.contains('.');
    (fine && meant).then(|| (number.to_owned(), after.trim_start_matches([':', ')', ' ', '-', '–', '—'])))
}

/// What stands behind a word such as `Phase`.
fn behind_word(title: &str) -> Option<&str> {
    let (word, rest) = title.split_once(' ')?;
    NUMBERED.contains(&word.to_ascii_lowercase().as_str()).then(|| rest.trim_start())
}

/// `Task 1.2` or `#1.2` in a dependency: only the number.
fn number_of(name: &str) -> Option<String> {
    let name = name.trim().trim_start_matches('#');
    let number = behind_word(name).unwrap_or(name);
    let plain = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    plain.then(|| number.trim_matches('.').to_owned())
}

fn fold(name: &str) -> String {
    let bare = name.trim().trim_matches(['`', '"', '\'', '*']);
    one_line(bare).to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_titles_are_told_from_numbers_in_titles() {
        assert_eq!(numbered_title("Phase 2: Build"), Some(("2".to_owned(), "Build")));
        assert_eq!(numbered_title("1.2 Setup"), Some(("1.2".to_owned(), "Setup")));
        assert_eq!(numbered_title("3. Ship"), Some(("3".to_owned(), "Ship")));
        assert_eq!(numbered_title("Task 1.1 — Go"), Some(("1.1".to_owned(), "Go")));
        assert_eq!(numbered_title("3 small fixes"), None);
        assert_eq!(numbered_title("1.x support"), None);
        assert_eq!(numbered_title("Phase out the cache"), None);
    }

    #[test]
    fn names_with_commas_stay_together() {
        let mut names = Names::default();
        names.add(NameKind::Title, "Parse, then print", 3, Target::Units(vec![0]));
        assert_eq!(names.split("a, parse, then print, b"), ["a", "parse, then print", "b"]);
        assert_eq!(names.resolve("`Parse,  then print` "), Found::Units(vec![0]));
        assert_eq!(names.resolve("parse, then prin"), Found::Unknown(Some("Parse, then print".to_owned())));
    }
}
