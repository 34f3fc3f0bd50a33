//! Which attributes count in a merge: those of green, and lines of the settings for files that are joined line by line.
//!
//! Promises: no change chooses how it is merged; `merge=union` counts from the settings alone, a tree's own has no effect.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The file of a tree that gives its paths attributes.
pub(super) const FILE: &str = ".gitattributes";

/// Lines of attributes that have the paths of globs (see [`crate::domain::plan::globs`]) joined line by line.
pub(super) fn union_lines(globs: &[String]) -> String {
    let mut lines = String::new();
    for glob in globs {
        let path = glob.strip_prefix("./").unwrap_or(glob).trim_end_matches('/');
        let path: String = path
            .chars()
            .map(|c| match c {
                '"' | '\\' => format!("\\{c}"),
                '\n' => "\\n".to_owned(),
                c => c.to_string(),
            })
            .collect();
        // Whoever matches a folder matches everything below it.
        let _ = writeln!(lines, "\"/{path}\" merge=union\n\"/{path}/**\" merge=union");
    }
    lines
}

/// Lines of attributes with `merge=text` wherever they say `merge=union` (gitattributes(5)): a pattern, which may be quoted
/// or name a macro, and then words.
pub(super) fn without_union(text: &[u8]) -> Cow<'_, [u8]> {
    const ASKED: &[u8] = b"merge=union";
    if !text.windows(ASKED.len()).any(|part| part == ASKED) {
        return Cow::Borrowed(text);
    }
    let mut changed = Vec::with_capacity(text.len());
    for line in text.split_inclusive(|b| *b == b'\n') {
        let words = pattern_end(line);
        changed.extend_from_slice(&line[..words]);
        let mut rest = &line[words..];
        while !rest.is_empty() {
            let blank = rest.iter().take_while(|b| b.is_ascii_whitespace()).count();
            let word = rest[blank..].iter().take_while(|b| !b.is_ascii_whitespace()).count();
            changed.extend_from_slice(&rest[..blank]);
            let said = &rest[blank..blank + word];
            changed.extend_from_slice(if said == ASKED { b"merge=text" } else { said });
            rest = &rest[blank + word..];
        }
    }
    Cow::Owned(changed)
}

/// Where the pattern at the beginning of a line ends.
fn pattern_end(line: &[u8]) -> usize {
    let start = line.iter().take_while(|b| b.is_ascii_whitespace()).count();
    if line.get(start) != Some(&b'"') {
        return start + line[start..].iter().take_while(|b| !b.is_ascii_whitespace()).count();
    }
    let mut at = start + 1;
    while at < line.len() && line[at] != b'"' {
        at += if line[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(line.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn union_is_taken_out_of_attributes_and_nothing_else() {
        for (text, wanted) in [
            ("a merge=union\n", "a merge=text\n"),
            ("* text merge=union -diff\r\n# merge=union\nb", "* text merge=text -diff\r\n# merge=text\nb"),
            ("[attr]log merge=union", "[attr]log merge=text"),
            ("\"a merge=union \\\" b\" merge=union", "\"a merge=union \\\" b\" merge=text"),
            ("merge=union merge=unions\n", "merge=union merge=unions\n"),
            ("a merge=binary -merge\n", "a merge=binary -merge\n"),
            ("\"open merge=union", "\"open merge=union"),
            ("", ""),
        ] {
            assert_eq!(String::from_utf8_lossy(&without_union(text.as_bytes())), wanted);
        }
    }

    #[test]
    fn globs_become_lines_of_attributes() {
        let lines = union_lines(&["CHANGELOG.md".to_owned(), "./a \"b\"/*.txt".to_owned()]);
        assert_eq!(
            lines,
            "\"/CHANGELOG.md\" merge=union\n\"/CHANGELOG.md/**\" merge=union\n\
             \"/a \\\"b\\\"/*.txt\" merge=union\n\"/a \\\"b\\\"/*.txt/**\" merge=union\n"
        );
    }
}
