//! The number a metric stage prints.
//!
//! Promise: it is the last line of the output that is exactly one decimal number, blanks around it and one `%` behind it
//! aside. Other units are not taken: a tool that turns from `900 ms` to `1.2 s` would seem to improve.

use crate::domain::verify::model::number::Number;

/// The number, if a line is one.
pub fn read(output: &str) -> Option<Number> {
    output.lines().rev().find_map(|line| {
        let line = line.trim();
        line.strip_suffix('%').map_or(line, str::trim_end).parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_last_line_that_is_a_number_counts() {
        let number = |output| read(output).map(|number| number.to_string());
        for (output, wanted) in [
            ("81.5\n", Some("81.5")),
            ("1\nlines covered\n  80.10 %\r\ndone in 3 s\n", Some("80.1")),
            ("-2%", Some("-2")),
            ("12 ms\n", None),
            ("coverage: 80.1\n", None),
            ("80.1 79.2\n", None),
            ("5%%\n", None),
            ("1e-5\n", None),
            ("", None),
        ] {
            assert_eq!(number(output).as_deref(), wanted, "{output}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read(output in "([0-9]|\\.|-|%| |é|\\n){0,40}") {
            let _ = read(&output);
        }
    }
}
