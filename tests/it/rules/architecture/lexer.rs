//! Enough of Rust's surface to find imports and comments: no macros expanded, no types known.

use std::collections::BTreeMap;

/// A piece of code that matters to imports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A word: identifier, keyword or number.
    Word(String),
    /// `::`
    PathSep,
    /// Any other single character.
    Sign(char),
}

/// Code and comments of one file, each with its line from 1.
#[derive(Debug, Default)]
pub struct Lexed {
    /// Code without strings, character literals and comments.
    pub code: Vec<(usize, Kind)>,
    /// Comments, one entry per line.
    pub comments: Vec<(usize, String)>,
}

impl Lexed {
    pub fn of(text: &str) -> Self {
        let mut lexer = Lexer { rest: text, line: 1, out: Self::default() };
        while !lexer.rest.is_empty() {
            lexer.step();
        }
        lexer.out
    }

    pub fn word(&self, at: usize) -> Option<&str> {
        match self.code.get(at) {
            Some((_, Kind::Word(word))) => Some(word),
            _ => None,
        }
    }

    pub fn is(&self, at: usize, kind: &Kind) -> bool {
        self.code.get(at).is_some_and(|(_, k)| k == kind)
    }

    /// The module paths named from `module` (that of the file, without `crate`), each with its line.
    pub fn paths(&self, module: &[String]) -> Vec<(usize, Vec<String>)> {
        let (mut found, mut inline, mut depth) = (Vec::new(), Vec::new(), 0);
        for at in 0..self.code.len() {
            if self.is(at, &Kind::Sign('{')) {
                depth += 1;
            } else if self.is(at, &Kind::Sign('}')) {
                depth -= 1;
                inline.retain(|(_, at)| *at <= depth);
            } else if self.word(at) == Some("mod") && self.is(at + 2, &Kind::Sign('{')) {
                inline.push((self.word(at + 1).unwrap_or_default().to_owned(), depth + 1));
            }
            let inner = at > 0 && self.is(at - 1, &Kind::PathSep);
            if inner || !self.is(at + 1, &Kind::PathSep) {
                continue;
            }
            let here: Vec<String> = module.iter().cloned().chain(inline.iter().map(|(name, _)| name.clone())).collect();
            match self.word(at) {
                Some("crate" | "mission_control") => self.tree(at + 2, &[], &mut found),
                Some("super" | "self") => self.tree(at, &here, &mut found),
                _ => {}
            }
        }
        found
    }

    /// The paths that begin with one of `known`, a name in scope with the module it means.
    pub fn paths_from(&self, known: &BTreeMap<String, Vec<String>>) -> Vec<Vec<String>> {
        let mut found = Vec::new();
        for at in 0..self.code.len() {
            let starts = self.is(at + 1, &Kind::PathSep) && (at == 0 || !self.is(at - 1, &Kind::PathSep));
            if let Some(base) = self.word(at).filter(|_| starts).and_then(|word| known.get(word)) {
                self.tree(at + 2, base, &mut found);
            }
        }
        found.into_iter().map(|(_, path)| path).collect()
    }

    /// The same without items that are compiled for tests only.
    pub fn without_tests(mut self) -> Self {
        let test = ["#", "[", "cfg", "(", "test", ")", "]"];
        while let Some(start) = (0..self.code.len()).find(|at| self.spells(*at, &test)) {
            let (mut at, mut depth) = (start + test.len(), 0_usize);
            while at < self.code.len() {
                match self.code[at].1 {
                    Kind::Sign('{' | '(' | '[') => depth += 1,
                    Kind::Sign('}' | ')' | ']') => depth = depth.saturating_sub(1),
                    _ => {}
                }
                let ends = matches!(self.code[at].1, Kind::Sign('}' | ';')) && depth == 0;
                at += 1;
                if ends {
                    break;
                }
            }
            // `use a::{b};` ends at its semicolon.
            at += usize::from(self.is(at, &Kind::Sign(';')));
            self.code.drain(start..at);
        }
        self
    }

    fn spells(&self, at: usize, tokens: &[&str]) -> bool {
        tokens.iter().enumerate().all(|(i, token)| match self.code.get(at + i) {
            Some((_, Kind::Word(word))) => word == token,
            Some((_, Kind::Sign(sign))) => sign.to_string() == **token,
            _ => false,
        })
    }

    /// Follows a path, and every branch of a group in it, from token `at`; `base` is what stands in front.
    fn tree(&self, mut at: usize, base: &[String], found: &mut Vec<(usize, Vec<String>)>) {
        let (mut path, line) = (base.to_vec(), self.code.get(at).map_or(0, |(line, _)| *line));
        loop {
            match self.word(at) {
                Some("super") => drop(path.pop()),
                Some("self") => {}
                Some(word) => path.push(word.to_owned()),
                None if self.is(at, &Kind::Sign('{')) => return self.group(at + 1, &path, found),
                None => break,
            }
            if !self.is(at + 1, &Kind::PathSep) {
                break;
            }
            at += 2;
        }
        found.push((line, path));
    }

    fn group(&self, mut at: usize, base: &[String], found: &mut Vec<(usize, Vec<String>)>) {
        let (mut depth, mut fresh) = (0, true);
        while at < self.code.len() {
            match &self.code[at].1 {
                Kind::Sign('}') if depth == 0 => return,
                Kind::Sign('}') => depth -= 1,
                Kind::Sign('{') => depth += 1,
                Kind::Sign(',') if depth == 0 => fresh = true,
                _ if fresh => {
                    self.tree(at, base, found);
                    fresh = false;
                }
                _ => {}
            }
            at += 1;
        }
    }
}

struct Lexer<'a> {
    rest: &'a str,
    line: usize,
    out: Lexed,
}

impl Lexer<'_> {
    fn step(&mut self) {
        let Some(first) = self.rest.chars().next() else { return };
        if self.rest.starts_with("//") {
            self.comment(self.rest.find('\n').unwrap_or(self.rest.len()));
        } else if self.rest.starts_with("/*") {
            self.comment(block_comment(self.rest));
        } else if let Some(length) = string(self.rest).or_else(|| character(self.rest)) {
            self.skip(length);
        } else if self.rest.starts_with("::") {
            self.out.code.push((self.line, Kind::PathSep));
            self.skip(2);
        } else if first.is_alphanumeric() || first == '_' {
            let length = self.rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(self.rest.len());
            self.out.code.push((self.line, Kind::Word(self.rest[..length].to_owned())));
            self.skip(length);
        } else {
            if !first.is_whitespace() {
                self.out.code.push((self.line, Kind::Sign(first)));
            }
            self.skip(first.len_utf8());
        }
    }

    fn comment(&mut self, length: usize) {
        for (i, line) in self.rest[..length].lines().enumerate() {
            self.out.comments.push((self.line + i, line.to_owned()));
        }
        self.skip(length);
    }

    fn skip(&mut self, length: usize) {
        self.line += self.rest[..length].matches('\n').count();
        self.rest = &self.rest[length..];
    }
}

fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        if text[at..].starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if text[at..].starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// Length of the string literal at the start, raw and byte strings included.
fn string(text: &str) -> Option<usize> {
    let prefix = text.len() - text.trim_start_matches(['b', 'c', 'r']).len();
    let hashes = text[prefix..].len() - text[prefix..].trim_start_matches('#').len();
    let body = text[prefix + hashes..].strip_prefix('"')?;
    let start = text.len() - body.len();
    if text[..prefix].contains('r') {
        let end = format!("\"{}", "#".repeat(hashes));
        return Some(body.find(&end).map_or(text.len(), |at| start + at + end.len()));
    }
    if hashes > 0 {
        return None;
    }
    let mut escaped = false;
    for (at, c) in body.char_indices() {
        match c {
            '"' if !escaped => return Some(start + at + 1),
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    Some(text.len())
}

/// Length of the character literal at the start; a lifetime is none.
fn character(text: &str) -> Option<usize> {
    let body = text.strip_prefix('\'')?;
    if body.starts_with('\\') {
        let end = body.char_indices().skip(2).find(|(_, c)| *c == '\'')?.0;
        return Some(end + 2);
    }
    let first = body.chars().next()?;
    body[first.len_utf8()..].starts_with('\'').then_some(first.len_utf8() + 2)
}
