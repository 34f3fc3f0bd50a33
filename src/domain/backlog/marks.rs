//! Writing marks into a backlog, byte by byte, and merging two texts of it item by item.
//!
//! Promises: nothing but the status of the named items changes, neither line ends nor white space nor a missing last line
//! end; a status that a person wrote stays; the result is read again before it is given back, so that no mark ever changes
//! what the file means for another item.

use super::parse::{Place, parse, unit_places};
use super::status::{ItemState, ItemStatus};
use super::{Backlog, Heading};
use crate::domain::base::Invalid;
use crate::domain::markdown::{bullet, indent};
use crate::domain::plan::keys::Key;
use crate::domain::unit::UnitSpec;
use crate::domain::values::UnitId;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The status one item is to have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The item.
    pub unit: UnitId,
    /// Its new status, as [`ItemStatus`](super::ItemStatus) writes it.
    pub status: String,
    /// The status the writer gave it before, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was: Option<String>,
}

/// A text with marks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marked {
    /// The whole text.
    pub text: String,
    /// Items that kept the status a person gave them, with that status. Untrusted.
    pub kept: Vec<(UnitId, String)>,
}

/// Puts marks into a text. Items that are not there any more are passed over.
///
/// # Errors
/// The text is no backlog: its first fault.
pub fn mark(text: &str, marks: &[Mark]) -> Result<Marked, Invalid> {
    let backlog = read(text)?;
    let mut kept = Vec::new();
    let mut wanted: Vec<(&UnitId, &str)> = Vec::new();
    for Mark { unit, status, was } in marks {
        let Some(now) = backlog.statuses.get(unit) else { continue };
        // What waits for another unit says so of an earlier mission, and was taken up all the same.
        let open = now.state == ItemState::Todo || (now.state == ItemState::Blocked && now.waits_for().is_some());
        let now = now.to_string();
        if now == *status {
            continue;
        }
        // What a person set back to be done again is not called failed a second time; that it landed is still true.
        if open && (was.is_none() || is_settled(status)) || was.as_ref() == Some(&now) {
            wanted.push((unit, status));
        } else {
            kept.push((unit.clone(), now));
        }
    }
    let (text, refused) = write_marks(text, &wanted);
    kept.extend(refused.into_iter().filter_map(|unit| Some((unit.clone(), backlog.statuses.get(unit)?.to_string()))));
    Ok(Marked { text, kept })
}

fn read(text: &str) -> Result<Backlog, Invalid> {
    parse(text).map_err(|findings| findings.first().map(ToString::to_string).unwrap_or_default().into())
}

/// The text with these statuses, and the items whose status cannot be written without changing what the file means.
fn write_marks<'m>(text: &str, wanted: &[(&'m UnitId, &str)]) -> (String, Vec<&'m UnitId>) {
    if wanted.is_empty() {
        return (text.to_owned(), Vec::new());
    }
    let edited = edit_statuses(text, wanted);
    if says_the_same(text, &edited, wanted) {
        return (edited, Vec::new());
    }
    if let [(unit, _)] = wanted {
        return (text.to_owned(), vec![*unit]);
    }
    let (left, right) = wanted.split_at(wanted.len() / 2);
    let (text, mut refused) = write_marks(text, left);
    let (text, more) = write_marks(&text, right);
    refused.extend(more);
    (text, refused)
}

/// Whether both texts are read alike but for the wanted statuses, which the second one has.
fn says_the_same(before: &str, after: &str, wanted: &[(&UnitId, &str)]) -> bool {
    let (Ok(before), Ok(after)) = (parse(before), parse(after)) else { return false };
    let plain = |backlog: &Backlog| {
        let mut units = backlog.units.clone();
        units.iter_mut().for_each(|unit| unit.line = 0);
        let heading = |h: &Heading| (h.level, h.path.clone(), h.title.clone(), h.kind.clone());
        (units, backlog.headings.iter().map(heading).collect::<Vec<_>>())
    };
    let new: BTreeMap<&UnitId, &str> = wanted.iter().copied().collect();
    let as_wanted = |(id, status): (&UnitId, &ItemStatus)| match new.get(id) {
        Some(wanted) => status.to_string() == *wanted,
        None => before.statuses.get(id) == Some(status),
    };
    plain(&before) == plain(&after) && after.statuses.iter().all(as_wanted)
}

/// One line of a text with its line end.
struct Raw<'t> {
    text: &'t str,
    end: &'t str,
}

fn split(text: &str) -> Vec<Raw<'_>> {
    text.split_inclusive('\n')
        .map(|whole| {
            let text = whole.strip_suffix('\n').map_or(whole, |line| line.strip_suffix('\r').unwrap_or(line));
            Raw { text, end: &whole[text.len()..] }
        })
        .collect()
}

fn edit_statuses(text: &str, wanted: &[(&UnitId, &str)]) -> String {
    let new: BTreeMap<&UnitId, &str> = wanted.iter().copied().collect();
    let mark = if text.starts_with('\u{feff}') { "\u{feff}" } else { "" };
    let text = &text[mark.len()..];
    let raw = split(text);
    let usual = raw.first().map(|line| line.end).filter(|end| !end.is_empty()).unwrap_or("\n");
    let mut lines: Vec<String> = raw.iter().map(|line| format!("{}{}", line.text, line.end)).collect();
    for place in unit_places(text) {
        let Some(status) = new.get(&place.unit) else { continue };
        let (heading, last) = (place.line as usize - 1, place.last as usize - 1);
        let entry =
            |key: Key| place.entries.iter().find(|(known, _)| *known == key).map(|(_, line)| *line as usize - 1);
        tick(&mut lines[heading], status);
        if let Some(at) = entry(Key::Status) {
            lines[at] = with_value(raw[at].text, status) + raw[at].end;
            continue;
        }
        let block = entry(Key::Id).map(|at| (at, true)).or_else(|| {
            let first =
                place.entries.iter().map(|(_, line)| *line as usize - 1).filter(|at| is_block(raw[*at].text)).min();
            first.map(|at| (at, false))
        });
        match block {
            Some((at, after)) => {
                let line = format!("{}status: {status}", bullet_lead(raw[at].text));
                lines[at] = match (after, raw[at].end) {
                    (true, "") => format!("{}{usual}{line}", lines[at]),
                    (true, end) => format!("{}{line}{end}", lines[at]),
                    (false, end) => format!("{line}{}{}", if end.is_empty() { usual } else { end }, lines[at]),
                };
            }
            None => {
                let prefix = if place.level == 0 { content_indent(raw[heading].text) + "- " } else { "- ".to_owned() };
                let line = format!("{prefix}status: {status}");
                let next = raw.get(last + 1).map(|next| next.text);
                let end = if raw[last].end.is_empty() { usual } else { raw[last].end };
                // Text right below a bullet would belong to it.
                let column = indent(&prefix[..prefix.len() - 2]);
                let apart =
                    next.is_some_and(|next| !next.trim().is_empty() && (place.level > 0 || indent(next) >= column));
                let more = if raw[last].end.is_empty() { format!("{end}{line}") } else { format!("{line}{end}") };
                lines[last].push_str(&more);
                lines[last].push_str(if apart { end } else { "" });
            }
        }
    }
    format!("{mark}{}", lines.concat())
}

/// Ticks the checkbox of an item that is done; white space and everything else stays.
fn tick(line: &mut String, status: &str) {
    let rest = line.trim_start().trim_start_matches('#').trim_start();
    let rest = bullet(rest).map_or(rest, |inner| inner.content);
    if is_settled(status)
        && rest.starts_with("[ ]")
        && let Some(at) = line.find("[ ]")
    {
        line.replace_range(at..at + 3, "[x]");
    }
}

/// A line with another value behind its first colon that ends a key.
fn with_value(line: &str, status: &str) -> String {
    let at = line.find(':').unwrap_or(line.len());
    let mut end = (at + 1).min(line.len());
    // `**Status:** todo` closes its key behind the colon.
    if line[end..].starts_with("**") {
        end += 2;
    }
    format!("{} {status}", &line[..end])
}

fn is_block(line: &str) -> bool {
    bullet(line).is_some_and(|item| !item.content.starts_with("**"))
}

/// White space up to where the content of a bullet begins: what begins there is inside of it.
fn content_indent(line: &str) -> String {
    bullet_lead(line).chars().map(|c| if c == '\t' { c } else { ' ' }).collect()
}

/// What stands before the content of a bullet.
fn bullet_lead(line: &str) -> String {
    let content = bullet(line).map_or("", |item| item.content);
    let at = if content.is_empty() { line.len() } else { line.find(content).unwrap_or(line.len()) };
    line[..at].to_owned()
}

/// The text of a person with the marks that another text got beside it. `base` is what both come from. An item whose status
/// the person wrote or changed keeps it; one whose words the person changed loses a mark that says it did not work out: it is
/// another item now. `None` when the other text has words that neither `base` nor the person has (it may have been made from
/// an earlier text of the person than `base`), or one of the three is no backlog.
pub fn merge(base: &str, marked: &str, person: &str) -> Option<String> {
    let (old, ours) = (parse(base).ok()?, parse(marked).ok()?);
    let theirs = parse(person).ok()?;
    let differs = |(id, status): &(&UnitId, &ItemStatus)| old.statuses.get(id) != Some(*status);
    let marks: Vec<(&UnitId, String)> =
        ours.statuses.iter().filter(differs).map(|(id, status)| (id, status.to_string())).collect();
    let all: Vec<(&UnitId, &str)> = marks.iter().map(|(id, status)| (*id, status.as_str())).collect();
    if write_marks(base, &all) != (marked.to_owned(), Vec::new()) && !says_only(marked, &[base, person]) {
        return None;
    }
    let said = |text: &str| -> BTreeSet<UnitId> {
        let own = |place: &Place| place.entries.iter().any(|(key, _)| *key == Key::Status);
        unit_places(text).into_iter().filter(own).map(|place| place.unit).collect()
    };
    let (said_before, said_now) = (said(base), said(person));
    let words = |backlog: &Backlog, id: &UnitId| {
        let unit = backlog.units.iter().find(|unit| unit.id == *id);
        unit.map(|unit| UnitSpec { line: 0, ..unit.clone() })
    };
    let wanted = |(id, status): &(&UnitId, &str)| {
        let Some(now) = theirs.statuses.get(id) else { return false };
        let (untouched, same) = match old.statuses.get(id) {
            Some(before) => (before == now && said_before.contains(id) == said_now.contains(id), words(&old, id)),
            None => (!said_now.contains(id), words(&ours, id)),
        };
        untouched && (is_settled(status) || same == words(&theirs, id))
    };
    let wanted: Vec<(&UnitId, &str)> = all.into_iter().filter(wanted).collect();
    Some(write_marks(person, &wanted).0)
}

/// Whether every line of a text, statuses and ticks aside, is one of these others.
fn says_only(text: &str, others: &[&str]) -> bool {
    let lines = |text: &str| -> BTreeSet<String> {
        let marks: BTreeSet<u32> = unit_places(text)
            .iter()
            .flat_map(|place| place.entries.iter().filter(|(key, _)| *key == Key::Status).map(|(_, line)| *line))
            .collect();
        let plain = |(n, line): (u32, Raw<'_>)| (!marks.contains(&n)).then(|| line.text.replacen("[x]", "[ ]", 1));
        (1..).zip(split(text)).filter_map(plain).collect()
    };
    let known: BTreeSet<String> = others.iter().flat_map(|other| lines(other)).collect();
    lines(text).is_subset(&known)
}

/// Whether a status says that nothing is left to do.
fn is_settled(status: &str) -> bool {
    [ItemState::Done, ItemState::NoOp].iter().any(|state| status.starts_with(state.word()))
}

#[cfg(test)]
#[path = "marks_tests.rs"]
mod tests;
