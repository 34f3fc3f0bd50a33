//! What a reply may be like: how long it and the bytes after it may be, and how long it may take. A host is not believed when it says
//! more.

use super::protocol::{END, PART, Request};
use crate::adapters::host::local::workspace::collect::Collected;
use crate::adapters::host::local::workspace::left_out::Why;
use crate::adapters::host::local::workspace::reports;
use serde_json::Value;
use std::time::Duration;

/// A message that says yes, no, or why not.
const SHORT: u32 = 1 << 20;

/// One that names what there is: files, refs, tags.
const LIST: u32 = 64 << 20;

/// Bounds of the reply to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ReplyBounds {
    /// Longest message.
    pub(super) message: u32,
    /// Most bytes after it.
    pub(super) bytes: u32,
    /// Whether the result of an agent is in it, as it is.
    pub(super) result: bool,
}

impl ReplyBounds {
    /// Those of a reply to this request, where no message is longer than `longest`.
    pub(super) fn of(request: &Request, longest: u32) -> Self {
        let reports = u32::try_from(reports::TOGETHER).unwrap_or(u32::MAX);
        let [part, ends] = [PART, 2 * END].map(|bytes| u32::try_from(bytes).unwrap_or(u32::MAX));
        let (message, bytes) = match request {
            // The result of an agent is part of the message; escaped, it is six times as long.
            Request::Run(order, _) => (LIST, if order.reports.is_some() { reports } else { 0 }.saturating_add(ends)),
            Request::Read(..) => (SHORT, part),
            Request::Collect(_) => (LIST, part),
            Request::Clean(_)
            | Request::Compare(_)
            | Request::LackedContents(_)
            | Request::ListStrays
            | Request::Pins(_) => (LIST, 0),
            _ => (SHORT, 0),
        };
        let result = matches!(request, Request::Run(..));
        Self { message: message.min(longest), bytes: bytes.min(longest), result }
    }
}

/// So much of a text that a host gives is kept: it goes into the journal and onto terminals. No name of a file, ref or run is as long.
const LONGEST_TEXT: usize = 16 << 10;

/// So many entries of one list of what was found in a workspace are kept; a report names fewer.
const MOST_ENTRIES: usize = 100;

/// Where the result of an agent is in a reply.
const RESULT: &str = "/Answer/0/result";

impl ReplyBounds {
    /// Cuts the texts in a reply to a length that people read; not the result of an agent, of which the bound of the message is that of
    /// its length.
    pub(super) fn shorten_texts(&self, reply: &mut Value) {
        let result = if self.result { reply.pointer_mut(RESULT).map(Value::take) } else { None };
        shorten_texts(reply);
        if let (Some(result), Some(place)) = (result, reply.pointer_mut(RESULT)) {
            *place = result;
        }
    }
}

/// Cuts all texts in a message that nobody asked for.
pub(super) fn shorten_texts(given: &mut Value) {
    match given {
        Value::Object(fields) => fields.values_mut().for_each(shorten_texts),
        Value::Array(values) => values.iter_mut().for_each(shorten_texts),
        Value::String(text) => shorten(text),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Cuts lists of what was found in a workspace, and says so. What is still in the workspace comes first: it decides what becomes of that.
pub(super) fn cap_lists(found: &mut Collected) {
    let mut cut = 0;
    found.left_out.sort_by_key(|left| left.place.is_some());
    let mut kinds: Vec<(Why, usize)> = Vec::new();
    found.left_out.retain(|left| {
        let known = kinds.iter().position(|(why, _)| *why == left.why);
        let at = known.unwrap_or_else(|| {
            kinds.push((left.why, 0));
            kinds.len() - 1
        });
        kinds[at].1 += 1;
        let kept = kinds[at].1 <= MOST_ENTRIES;
        cut += usize::from(!kept);
        kept
    });
    cut += cap(&mut found.elsewhere) + cap(&mut found.holds) + cap(&mut found.notes);
    if cut > 0 {
        found.notes.push(format!("{cut} more lines of its host are left out"));
    }
}

/// How many more there were.
fn cap<T>(list: &mut Vec<T>) -> usize {
    let more = list.len().saturating_sub(MOST_ENTRIES);
    list.truncate(MOST_ENTRIES);
    more
}

fn shorten(text: &mut String) {
    if text.len() > LONGEST_TEXT {
        let end = (0..=LONGEST_TEXT).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
}

/// How long the operation of a request itself may take, where its order says so.
pub(super) fn longest_work(request: &Request, setup: Duration) -> Duration {
    match request {
        Request::Run(order, _) => order.timeout,
        Request::Prepare(..) => setup,
        _ => Duration::ZERO,
    }
}
