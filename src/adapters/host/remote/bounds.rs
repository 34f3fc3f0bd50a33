//! What a reply may be like: how long it and the bytes after it may be, and how long it may take. A host is not believed when it says
//! more.

use super::protocol::{END, PART, Request};
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
        Self { message: message.min(longest), bytes: bytes.min(longest) }
    }
}

/// So much of a reason that a host gives is kept: it goes into the journal and onto terminals.
const LONGEST_REASON: usize = 16 << 10;

/// Cuts the reasons in an answer to a length that people read.
pub(super) fn shorten_reasons(given: &mut Value) {
    match given {
        Value::Object(fields) => fields.iter_mut().for_each(|(name, value)| match value {
            Value::String(text) if name == "why" => shorten(text),
            value => shorten_reasons(value),
        }),
        Value::Array(values) => values.iter_mut().for_each(shorten_reasons),
        _ => {}
    }
}

fn shorten(text: &mut String) {
    if text.len() > LONGEST_REASON {
        let end = (0..=LONGEST_REASON).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
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
