//! One line: what it is, and the parts a reader asks for.

/// What a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text, list items, quotes, rules, empty lines.
    Text,
    /// In a code block, indented or fenced; fences included.
    Code,
    /// In a block of raw HTML.
    Html,
    /// In a block that is a comment.
    Comment,
    /// Between the `---` at the top, these included.
    FrontMatter,
    /// A heading of this level, or the first line of one that is underlined.
    Heading(u8),
    /// The other lines of a heading that is underlined.
    Underline,
    /// In a heading of a list item.
    Inner,
}

/// A list item that begins on a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Item {
    /// Items around it.
    pub depth: usize,
    /// Its last line that is not empty, from 1.
    pub last: u32,
}

/// One line.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    /// From 1.
    pub number: u32,
    /// What it is.
    pub kind: Kind,
    /// All of it without its line end.
    pub text: &'a str,
    /// The item that begins here, in no quote.
    pub item: Option<Item>,
}

impl<'a> Line<'a> {
    /// Whether it is empty text.
    pub fn is_blank(&self) -> bool {
        self.kind == Kind::Text && self.text.trim().is_empty()
    }

    /// The title, if it is a heading; of one that is underlined the first line.
    pub fn title(&self) -> Option<(u8, &'a str)> {
        let Kind::Heading(level) = self.kind else { return None };
        Some((level, parse_atx_heading(self.text).map_or(self.text.trim(), |(_, title)| title)))
    }

    /// The bullet, if a list item begins here with text or a heading.
    pub fn bullet(&self) -> Option<Bullet<'a>> {
        self.item.filter(|_| matches!(self.kind, Kind::Text | Kind::Inner)).and_then(|_| bullet(self.text))
    }

    /// The bullet, whether its box is ticked and what follows it, if a list item with a box begins here.
    pub fn parse_checkbox(&self) -> Option<(Bullet<'a>, bool, &'a str)> {
        let bullet = self.bullet()?;
        let (ticked, rest) = parse_box(bullet.content)?;
        Some((bullet, ticked, rest))
    }
}

/// A bullet: columns before its marker, and what follows the marker.
#[derive(Debug, Clone, Copy)]
pub struct Bullet<'a> {
    /// Columns before its marker.
    pub indent: usize,
    /// What follows the marker, trimmed.
    pub content: &'a str,
}

/// What looks like a bullet at any indentation: `-`, `*`, `+`, `1.` or `1)` followed by a space or nothing.
pub fn bullet(text: &str) -> Option<Bullet<'_>> {
    let indent = indent(text);
    let rest = text.trim_start_matches([' ', '\t']);
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let after = if (1..=9).contains(&digits) {
        rest[digits..].strip_prefix(['.', ')'])?
    } else {
        rest.strip_prefix(['-', '*', '+'])?
    };
    (after.is_empty() || after.starts_with([' ', '\t'])).then(|| Bullet { indent, content: after.trim() })
}

/// `[ ] rest` or `[x] rest`: whether it is ticked, and the rest.
pub fn parse_box(content: &str) -> Option<(bool, &str)> {
    let (mark, rest) = content.strip_prefix('[')?.split_once(']')?;
    let ticked = match mark {
        " " | "" => false,
        "x" | "X" => true,
        _ => return None,
    };
    (rest.is_empty() || rest.starts_with(' ')).then(|| (ticked, rest.trim()))
}

/// Columns of white space at the start; a tab reaches the next multiple of four.
pub fn indent(text: &str) -> usize {
    let mut columns = 0;
    for c in text.chars() {
        match c {
            ' ' => columns += 1,
            '\t' => columns += 4 - columns % 4,
            _ => break,
        }
    }
    columns
}

/// Level and title of what looks like `## title`, whatever it stands in.
pub fn parse_atx_heading(text: &str) -> Option<(u8, &str)> {
    if indent(text) > 3 {
        return None;
    }
    let bare = text.trim();
    let rest = bare.trim_start_matches('#');
    let level = u8::try_from(bare.len() - rest.len()).ok().filter(|level| (1..=6).contains(level))?;
    if !(rest.is_empty() || rest.starts_with([' ', '\t'])) {
        return None;
    }
    let title = rest.trim();
    let open = title.trim_end_matches('#');
    // A closing run of `#` counts only after a space: `Learn C#` keeps its sign.
    let title = if open.is_empty() || open.ends_with([' ', '\t']) { open.trim_end() } else { title };
    Some((level, title))
}
