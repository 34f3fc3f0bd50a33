//! Which attributes count in a merge: those of green, and lines of the settings for files that are joined line by line.
//!
//! Promises: no change chooses how it is merged; `merge=union` counts from the settings alone, a tree's own has no effect.

use super::merge::MergeRepo;
use super::{GitError, fields};
use crate::domain::values::Tip;
use std::borrow::Cow;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStringExt;

/// The file of a tree that gives its paths attributes.
const FILE: &str = ".gitattributes";

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

impl MergeRepo {
    /// What `--attr-source` is to name for merges onto green: green, or the same without what asks for union.
    pub(super) async fn attributes(&self, green: &Tip) -> Result<Option<String>, GitError> {
        if !self.knows_attr_source() {
            return Ok(None);
        }
        let mut followed = self.followed.lock().await;
        if let Some((commit, source)) = &*followed
            && self.source.same_files_called(FILE, commit, &green.commit).await == Some(true)
        {
            return Ok(Some(source.clone()));
        }
        let mut tamed: Vec<(OsString, String, Vec<u8>)> = Vec::new();
        let listed = self.source.bytes(&["ls-tree", "-r", "-z", "--full-tree", green.tree.as_str()]).await?;
        for field in fields(&listed) {
            let Some(tab) = field.iter().position(|b| *b == b'\t') else { continue };
            let (meta, path) = (String::from_utf8_lossy(&field[..tab]), &field[tab + 1..]);
            let words: Vec<&str> = meta.split(' ').collect();
            let [mode, "blob", id] = words[..] else { continue };
            if !mode.starts_with("100") || path.rsplit(|b| *b == b'/').next() != Some(FILE.as_bytes()) {
                continue;
            }
            let text = match self.source.content(id, "blob").await {
                Some(text) => text,
                None => self.source.bytes(&["cat-file", "blob", id]).await?,
            };
            if let Cow::Owned(text) = without_union(&text) {
                tamed.push((OsString::from_vec(path.to_vec()), mode.to_owned(), text));
            }
        }
        let source = match tamed.is_empty() {
            true => green.commit.to_string(),
            false => {
                let files: Vec<_> = tamed.iter().map(|(path, mode, text)| (path, mode.as_str(), &**text)).collect();
                self.replaced(&green.tree, &files).await?.as_str().to_owned()
            }
        };
        *followed = Some((green.commit.clone(), source.clone()));
        Ok(Some(source))
    }
}

/// Lines of attributes with `merge=text` wherever they say `merge=union` (gitattributes(5)): a pattern, which may be quoted
/// or name a macro, and then words.
fn without_union(text: &[u8]) -> Cow<'_, [u8]> {
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
