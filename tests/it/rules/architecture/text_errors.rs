//! Below the engine an error is a value that says what it is, not a text: whoever gets one can decide by it. Code of tests does
//! not count.

use super::lexer::{Kind, Lexed};
use super::{Source, finds, holds};

fn text_errors(files: &[Source]) -> Vec<String> {
    let below = |file: &&Source| ["src/domain/", "src/adapters/"].iter().any(|ring| file.path.starts_with(ring));
    let mut wrong = Vec::new();
    for file in files.iter().filter(below).filter(|file| !file.path.ends_with("_tests.rs")) {
        let lexed = file.lexed().clone().without_tests();
        for (at, (line, _)) in lexed.code.iter().enumerate() {
            if lexed.word(at) == Some("Result") && is_text(&lexed, at + 1) {
                wrong.push(format!("{}:{line}: has a text as its error", file.path));
            }
        }
    }
    wrong
}

/// Whether the second of the arguments in angle brackets, which open at that token, is a text.
fn is_text(lexed: &Lexed, open: usize) -> bool {
    let (mut depth, mut second) = (0_usize, false);
    for at in open..lexed.code.len() {
        match &lexed.code[at].1 {
            Kind::Sign('<' | '(' | '[') => depth += 1,
            // The end of an arrow closes nothing.
            Kind::Sign('>') if lexed.code[at - 1].1 == Kind::Sign('-') => {}
            Kind::Sign('>' | ')' | ']') if depth > 1 => depth -= 1,
            Kind::Sign('>') if depth == 1 => return second && matches!(lexed.word(at - 1), Some("String" | "str")),
            Kind::Sign(',') if depth == 1 => second = true,
            _ if depth == 0 => return false,
            _ => {}
        }
    }
    false
}

#[test]
fn no_error_is_a_text_below_the_engine() {
    let planted = "fn a() ->\n Result<impl Fn(&str) -> u8, String> {}\n/// Result<u8, String>\nfn b() -> Result<(), &'static str> {}";
    finds(
        text_errors,
        "src/adapters/a.rs",
        planted,
        &["src/adapters/a.rs:2: has a text as its error", "src/adapters/a.rs:4: has a text as its error"],
    );
    let fine =
        "fn a() -> Result<BTreeMap<u8, String>, Error> {}\n#[cfg(test)]\nmod tests { fn b() -> Result<(), String> {} }";
    finds(text_errors, "src/domain/a.rs", fine, &[]);
    finds(text_errors, "src/engine/a.rs", planted, &[]);
    holds(text_errors);
}
