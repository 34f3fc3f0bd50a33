//! Headings in their order, with what stands above each.

use crate::domain::backlog::Heading;
use crate::domain::backlog::metadata::Body;
use crate::domain::backlog::title::Title;

/// A heading with what it says.
pub(super) struct Node {
    /// As listed; a unit's id is put in later.
    pub heading: Heading,
    /// Last line of its heading.
    pub last: u32,
    /// The title as it stands in the file; without its box if it is a task's.
    pub raw_title: String,
    pub title: Title,
    pub parent: Option<usize>,
    pub body: Body,
}
