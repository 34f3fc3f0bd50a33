//! Untrusted text on its way to a terminal or a file.

use crate::domain::base::text::turns_direction;
use crate::domain::verify::formats::without_sequences;

/// Takes out terminal sequences and replaces every other character that could steer a terminal or break a line: line breaks
/// and tabs become a space, other control characters and invisible direction marks become U+FFFD.
pub fn sanitize(text: &str) -> String {
    let safe = |c: char| match c {
        '\n' | '\r' | '\t' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => ' ',
        c if c.is_control() || turns_direction(c) => '\u{fffd}',
        c => c,
    };
    without_sequences(text).chars().map(safe).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p12_control_characters_do_not_reach_a_terminal() {
        assert_eq!(sanitize("a\x1b[31mb\r\nc\td\u{202e}e\0\u{9b}ä"), "ab  c d\u{fffd}e\u{fffd}\u{fffd}ä");
    }

    proptest::proptest! {
        #[test]
        fn p12_no_text_breaks_a_line(text in "(.|\n|\r|\\PC|\\p{Cc}){0,60}") {
            let safe = sanitize(&text);
            proptest::prop_assert!(!safe.chars().any(char::is_control));
            let sequences = text.contains('\u{1b}');
            proptest::prop_assert!(sequences || safe.chars().count() == text.chars().count());
        }
    }
}
