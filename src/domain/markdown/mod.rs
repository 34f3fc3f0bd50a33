//! The lines of a Markdown file, as CommonMark reads them: headings, list items, code, raw HTML, text.
//!
//! Promises: every line is there once and in order, byte by byte; what a line is, `pulldown-cmark` decided, and nobody else in
//! this program names it; no text makes it panic, and its time grows with the text. It knows nothing of backlogs.
//!
//! Only headings that stand in no quote and no list are headings here: the others are part of what they stand in. The one thing
//! beyond CommonMark is front matter, which repositories with a site have: lines between `---` at the top, the first of them a key.

mod lines;

pub use lines::{Bullet, Item, Kind, Line, bullet, indent, parse_atx_heading, parse_box};

use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};
use std::ops::Range;

/// A text taken apart.
#[derive(Debug, Default)]
pub struct Reading<'a> {
    /// Its lines; a text that ends with a line end has an empty one more.
    pub lines: Vec<Line<'a>>,
    /// What a person should know of it, in file order.
    pub oddities: Vec<Oddity>,
}

/// A line that a person is likely to mean in another way than Markdown reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Oddity {
    /// From 1.
    pub line: u32,
    /// What is odd.
    pub what: Odd,
}

/// What is odd about a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Odd {
    /// A code block or raw HTML begins here, goes to the end of the file, and would hide headings or boxes.
    Unclosed,
    /// Dashes that make a heading of the text above, and look like a rule: shorter than the text, or below several lines.
    Underline,
    /// A heading or list item begins behind a carriage return inside this line.
    LoneReturn,
    /// `##` and more without a space before the words.
    Glued,
    /// Looks like a heading and is inside raw HTML, which ends at the next empty line.
    InHtml,
    /// A heading that belongs to the list item around it.
    InItem,
}

/// Reads a text. A byte order mark belongs to no line.
pub fn read(text: &str) -> Reading<'_> {
    let mark = text.len() - text.strip_prefix('\u{feff}').unwrap_or(text).len();
    let mut reader = Reader::new(text, mark);
    let from = reader.front_matter();
    for (event, range) in Parser::new_ext(&text[from..], Options::empty()).into_offset_iter() {
        reader.handle_event(&event, range.start + from..range.end + from);
    }
    reader.find_glued_items();
    reader.oddities.sort_by_key(|odd| odd.line);
    Reading { lines: reader.lines, oddities: reader.oddities }
}

struct Reader<'a> {
    text: &'a str,
    lines: Vec<Line<'a>>,
    /// Where each line begins.
    starts: Vec<usize>,
    /// For each line the last one up to it that is not empty.
    filled: Vec<usize>,
    /// Where carriage returns are that end no line of ours.
    returns: Vec<usize>,
    oddities: Vec<Oddity>,
    quotes: usize,
    items: usize,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str, mark: usize) -> Self {
        let (mut lines, mut starts, mut filled) = (Vec::new(), Vec::new(), Vec::new());
        let mut at = mark;
        for (index, raw) in text[mark..].split('\n').enumerate() {
            let number = u32::try_from(index + 1).unwrap_or(u32::MAX);
            let line = Line { number, kind: Kind::Text, text: raw.strip_suffix('\r').unwrap_or(raw), item: None };
            let before = filled.last().copied().unwrap_or(0);
            filled.push(if line.text.trim().is_empty() { before } else { index });
            lines.push(line);
            starts.push(at);
            at += raw.len() + 1;
        }
        let bytes = text.as_bytes();
        let lone = |(at, _): &(usize, &str)| !matches!(bytes.get(at + 1), None | Some(b'\n'));
        let returns = text.match_indices('\r').filter(lone).map(|(at, _)| at).collect();
        Self { text, lines, starts, filled, returns, oddities: Vec::new(), quotes: 0, items: 0 }
    }

    /// Marks front matter, which begins with a key, and says where Markdown begins. Between two rules stands anything: lines
    /// that would be items are no front matter.
    fn front_matter(&mut self) -> usize {
        let first = self.starts[0];
        if self.lines[0].text.trim_end() != "---" {
            return first;
        }
        let ends = |line: &Line<'_>| matches!(line.text.trim_end(), "---" | "...");
        let Some(last) = self.lines.iter().skip(1).position(ends).map(|n| n + 1) else { return first };
        let key = |line: &Line<'_>| line.text.starts_with(char::is_alphanumeric) && line.text.contains(':');
        let item = |line: &Line<'_>| looks_like_item(line.text) && !line.text.starts_with("# ");
        if !key(&self.lines[1]) || self.lines[1..last].iter().any(item) {
            return first;
        }
        self.lines[..=last].iter_mut().for_each(|line| line.kind = Kind::FrontMatter);
        self.starts.get(last + 1).copied().unwrap_or(self.text.len())
    }

    fn handle_event(&mut self, event: &Event<'_>, range: Range<usize>) {
        match event {
            Event::Start(Tag::BlockQuote(_)) => self.quotes += 1,
            Event::End(TagEnd::BlockQuote(_)) => self.quotes -= 1,
            Event::Start(Tag::Item) => {
                self.read_item(&range);
                self.items += 1;
            }
            Event::End(TagEnd::Item) => self.items -= 1,
            Event::Start(Tag::CodeBlock(kind)) => self.read_code(kind, &range),
            Event::Start(Tag::HtmlBlock) => self.html(&range),
            Event::Start(Tag::Heading { level, .. }) => self.read_heading(*level, &range),
            _ => {}
        }
    }

    fn line_of(&self, at: usize) -> usize {
        self.starts.partition_point(|start| *start <= at).saturating_sub(1)
    }

    /// First and last line of a block, empty lines at its end left out.
    fn span(&self, range: &Range<usize>) -> (usize, usize) {
        let first = self.line_of(range.start);
        (first, self.filled[self.line_of(range.end.saturating_sub(1))].max(first))
    }

    fn record_oddity(&mut self, line: usize, what: Odd) {
        self.oddities.push(Oddity { line: self.lines[line].number, what });
    }

    /// Whether a carriage return inside the line stands before this place.
    fn behind_return(&mut self, at: usize) -> bool {
        let line = self.line_of(at);
        let before = self.returns.partition_point(|lone| *lone < at);
        let behind = before > 0 && self.returns[before - 1] >= self.starts[line];
        if behind {
            self.record_oddity(line, Odd::LoneReturn);
        }
        behind
    }

    fn read_item(&mut self, range: &Range<usize>) {
        let (first, last) = self.span(range);
        if self.quotes > 0 || self.behind_return(range.start) || self.lines[first].item.is_some() {
            return;
        }
        let last = self.lines[last].number;
        self.lines[first].item = Some(Item { depth: self.items, last });
    }

    fn read_code(&mut self, kind: &CodeBlockKind<'_>, range: &Range<usize>) {
        let (first, last) = self.span(range);
        self.lines[first..=last].iter_mut().for_each(|line| line.kind = Kind::Code);
        let top = self.quotes == 0 && self.items == 0;
        if top && matches!(kind, CodeBlockKind::Fenced(_)) {
            let open = self.lines[first].text.trim_start();
            let mark = open.chars().next().unwrap_or('`');
            let length = open.len() - open.trim_start_matches(mark).len();
            let (end, column) = (self.lines[last].text.trim(), indent(self.lines[last].text));
            let closed = last > first && column <= 3 && end.len() >= length && end.chars().all(|c| c == mark);
            self.check_unclosed(closed, first, last);
        }
    }

    fn html(&mut self, range: &Range<usize>) {
        let (first, last) = self.span(range);
        let block = self.text[range.clone()].trim_start();
        let kind = if block.starts_with("<!--") { Kind::Comment } else { Kind::Html };
        self.lines[first..=last].iter_mut().for_each(|line| line.kind = kind);
        let top = self.quotes == 0 && self.items == 0;
        match html_end_markers(block) {
            Some(ends) if top => {
                let lower = block.to_ascii_lowercase();
                self.check_unclosed(ends.iter().any(|end| lower.contains(end)), first, last);
            }
            // Ends at an empty line: what it has of Markdown is easily meant as such.
            None if self.quotes == 0 => {
                for at in first..=last {
                    if parse_atx_heading(self.lines[at].text).is_some() {
                        self.record_oddity(at, Odd::InHtml);
                    }
                }
            }
            _ => {}
        }
    }

    /// A block that goes to the end of the file although its end was not written hides what stands there.
    fn check_unclosed(&mut self, closed: bool, first: usize, last: usize) {
        if !closed && self.lines[first + 1..=last].iter().any(|line| looks_like_item(line.text)) {
            self.record_oddity(first, Odd::Unclosed);
        }
    }

    fn read_heading(&mut self, level: HeadingLevel, range: &Range<usize>) {
        let (first, last) = self.span(range);
        if self.quotes > 0 {
            return;
        }
        if self.items > 0 {
            if self.lines[first].item.is_none() && parse_atx_heading(self.lines[first].text).is_some() {
                self.record_oddity(first, Odd::InItem);
            }
            self.lines[first..=last].iter_mut().for_each(|line| line.kind = Kind::Inner);
            return;
        }
        if self.behind_return(range.start) {
            return;
        }
        let title = self.lines[first].text.trim();
        let dashes = self.lines[last].text.trim();
        if last > first + 1 || (last > first && dashes.starts_with('-') && dashes.len() < title.chars().count()) {
            self.record_oddity(last, Odd::Underline);
        }
        self.lines[first].kind = Kind::Heading(level as u8);
        self.lines[first + 1..=last].iter_mut().for_each(|line| line.kind = Kind::Underline);
    }

    fn find_glued_items(&mut self) {
        for at in 0..self.lines.len() {
            let line = &self.lines[at];
            let rest = line.text.trim_start_matches('#');
            let marks = line.text.len() - rest.len();
            if line.kind == Kind::Text && (2..=6).contains(&marks) && rest.starts_with(char::is_alphanumeric) {
                self.record_oddity(at, Odd::Glued);
            }
        }
    }
}

/// What ends raw HTML that does not end at an empty line, in lower case.
fn html_end_markers(block: &str) -> Option<&'static [&'static str]> {
    let start: String = block.chars().take(10).collect::<String>().to_ascii_lowercase();
    let tag = |name: &str| {
        let rest = start.strip_prefix('<').and_then(|rest| rest.strip_prefix(name));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['>', ' ', '\t', '\n', '\r']))
    };
    match () {
        () if start.starts_with("<!--") => Some(&["-->"]),
        () if start.starts_with("<?") => Some(&["?>"]),
        () if start.starts_with("<![cdata[") => Some(&["]]>"]),
        () if start.starts_with("<!") => Some(&[">"]),
        () if ["script", "pre", "style", "textarea"].into_iter().any(tag) => {
            Some(&["</script>", "</pre>", "</style>", "</textarea>"])
        }
        () => None,
    }
}

fn looks_like_item(text: &str) -> bool {
    parse_atx_heading(text).is_some() || bullet(text).is_some_and(|item| parse_box(item.content).is_some())
}

#[cfg(test)]
mod tests;
