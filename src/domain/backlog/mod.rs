//! `BACKLOG.md`: which headings are work, what their metadata says, how far they are.
//!
//! Promises: what is a heading or a box is read as CommonMark has it ([`markdown`](super::markdown)); every heading of level 2 or
//! deeper that is no text of an item, and every `# Task: name`, is listed in [`Backlog::headings`]; whatever cannot be
//! understood is a [`SkippedItem`] with its line, never dropped; no text makes it panic; nothing here executes or trusts the text.
//! Headings in code blocks, raw HTML, quotes and list items are not work.

mod bold;
mod marks;
mod metadata;
mod model;
mod node;
mod parse;
mod resolve;
mod sections;
mod skipped;
mod status;
mod title;

pub use marks::{Mark, Marked, mark, merge};
pub use model::{Backlog, Heading, HeadingKind};
pub use parse::parse;
pub use skipped::{Closed, Offer, SkippedItem, Why, skipped_items};
pub use status::{ItemState, ItemStatus, WAITS};

#[cfg(test)]
mod commonmark_tests;

#[cfg(test)]
mod tests;
