//! Enough of Rust's surface to find imports and comments: no macros expanded, no types known.

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
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
#[derive(Debug, Default, Clone)]
pub struct Lexed {
    /// Code without strings, character literals and comments.
    pub code: Vec<(usize, Kind)>,
    /// Comments, one entry per line.
    pub comments: Vec<(usize, String)>,
}

impl Lexed {
    /// # Panics
    /// The text is no Rust.
    pub fn of(text: &str) -> Self {
        let tokens: TokenStream = text.parse().unwrap_or_else(|e| panic!("read Rust: {e}"));
        let (mut lexed, mut end) = (Self::default(), 0);
        lexed.take(tokens, text, &mut end);
        lexed.gap(&text[end..], 1 + text[..end].matches('\n').count());
        lexed
    }

    fn take(&mut self, tokens: TokenStream, text: &str, end: &mut usize) {
        for token in tokens {
            // A comment of documentation comes as an attribute that lies where the comment is: then it belongs to a gap.
            let there = &text[token.span().byte_range()];
            if there.starts_with("//") || there.starts_with("/*") {
                continue;
            }
            match token {
                TokenTree::Group(group) => {
                    let [open, close] = match group.delimiter() {
                        Delimiter::Brace => ['{', '}'],
                        Delimiter::Bracket => ['[', ']'],
                        Delimiter::Parenthesis | Delimiter::None => ['(', ')'],
                    };
                    self.put(Some(Kind::Sign(open)), group.span_open(), text, end);
                    self.take(group.stream(), text, end);
                    self.put(Some(Kind::Sign(close)), group.span_close(), text, end);
                }
                TokenTree::Punct(sign) => self.put(Some(Kind::Sign(sign.as_char())), sign.span(), text, end),
                TokenTree::Ident(word) => self.put(Some(Kind::Word(word.to_string())), word.span(), text, end),
                TokenTree::Literal(it) => {
                    let number = there.starts_with(|c: char| c.is_ascii_digit());
                    self.put(number.then(|| Kind::Word(it.to_string())), it.span(), text, end);
                }
            }
        }
    }

    /// The next piece of code, which begins where `span` does, and the comments in front of it, which begin at `end`.
    fn put(&mut self, kind: Option<Kind>, span: Span, text: &str, end: &mut usize) {
        let (range, line) = (span.byte_range(), span.start().line);
        let gap = &text[*end..range.start];
        self.gap(gap, line - gap.matches('\n').count());
        let colon = |kind: Option<&Kind>| kind == Some(&Kind::Sign(':'));
        let joined = gap.is_empty() && colon(kind.as_ref()) && colon(self.code.last().map(|(_, kind)| kind));
        if joined {
            self.code.pop();
        }
        self.code.extend(kind.map(|kind| (line, if joined { Kind::PathSep } else { kind })));
        *end = range.end;
    }

    /// What is between two pieces of code is comments and blanks.
    fn gap(&mut self, gap: &str, first: usize) {
        let lines = gap.lines().zip(first..).filter(|(line, _)| !line.trim().is_empty());
        self.comments.extend(lines.map(|(line, number)| (number, line.trim().to_owned())));
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
