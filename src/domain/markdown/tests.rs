//! What lines are, for texts that look like something else.

use super::*;
use proptest::prelude::*;

/// One sign per line: `.` empty, `t` text, `i` item, `c` code, `h` HTML, `m` comment, `f` front matter, a level, `u` underline.
fn shape(text: &str) -> String {
    let sign = |line: &Line<'_>| match line.kind {
        Kind::Text if line.text.trim().is_empty() => '.',
        Kind::Text if line.item.is_some() => 'i',
        Kind::Text => 't',
        Kind::Code => 'c',
        Kind::Html => 'h',
        Kind::Comment => 'm',
        Kind::FrontMatter => 'f',
        Kind::Heading(level) => char::from(b'0' + level),
        Kind::Underline => 'u',
        Kind::Inner => 'n',
    };
    read(text).lines.iter().map(sign).collect()
}

#[test]
fn every_line_is_what_commonmark_says() {
    for (text, wanted) in [
        ("", "."),
        ("# A\n## B ##\n   ###### C\n####### D\n#E\n", "126tt."),
        ("text\n## A\n    ## code in no paragraph\n\n    ## code", "t2ccc"),
        ("text\n    ## text of the paragraph", "tt"),
        ("A\n===\n\nB\n---\n\nC\nD\n---\n---\n", "1u.2u.2uut."),
        ("- a\ntext\n---\n## B", "itt2"),
        // Fences: of any length, with another mark inside, in a list, indented, closed by their own kind only.
        ("```\n## a\n~~~\n## b\n```\n## C", "ccccc2"),
        ("~~~~~ md `x`\n## a\n~~~~\n## b\n~~~~~~\n## C", "ccccc2"),
        ("``` not `a` fence\n## A", "t2"),
        ("- a\n\n  ```\n  ## b\n  ```\n## C", "i.ccc2"),
        ("- ```\n  ## b\n## C", "cc2"),
        ("1. a\n   ```\n## B\n", "ic2."),
        ("> ```\n> ## a\n## B", "cc2"),
        ("## A\n    ```\n## B\n- b\n\n## C\n    ```\n## D", "2c2i.2c2"),
        ("## A\n- a\n\n    ``` code of the item, without an end\n\n## B", "2i.c.2"),
        ("## A\n\n    <!-- code\n\n## B", "2.c.2"),
        ("\t- tab\n", "c."),
        ("-     code\n- no code", "ci"),
        // Raw HTML ends at an empty line, comments and their like at their own end.
        ("a\n\n<details>\n<summary>b</summary>\n## c\n- d\n</details>\n\n## E", "t.hhhhh.2"),
        ("<details>\n\n## A\n\n</details>\n## b", "h.2.hh"),
        ("<!-- a -->\n## B\n<!--\n## c\n\n## d\n--> ## e\n## F", "m2mmmmm2"),
        ("text <!--\n## A\n-->", "t2t"),
        ("<pre>\n## a\n\n## b\n</pre>\n## C", "hhhhh2"),
        ("<?php\n\n## a\n?>\n<!DOCTYPE x>\n<![CDATA[\n\n## b\n]]>\n## C", "hhhhhhhhh2"),
        ("text\n<custom>\n## A", "tt2"),
        ("<custom>\n## a\n\n## B", "hh.2"),
        // Quotes and lists have their own headings.
        ("> ## a\n> - b\nlazy\n\n## B", "ttt.2"),
        ("- ## a\n  ## b\n\n  ## c\n## D", "nn.n2"),
        ("- a\n  ---\n- b\n  c\n  ==", "nnnnn"),
        ("- a\n  - b\n * c\n2. d\n   1) e\n10. f", "iiiiii"),
        ("text\n2. no item\n- item", "tti"),
        ("---\ntitle: a\n\n# comment: b\n---\n## A", "fffff2"),
        ("---\n## A\n---\n## B", "t2t2"),
        ("---\n# Task: a\n---\n", "t1t."),
        ("---\nNote: b\n- [ ] c\n---\n", "ttit."),
        ("---\ntitle: a\n", "tt."),
        ("\u{feff}## A\r\n\r\n- b\r\n", "2.i."),
        ("[a]: <b>\n## C\n\\## d\n&#35; e", "t2tt"),
    ] {
        assert_eq!(shape(text), wanted, "{text}");
        // Other line ends make no difference, but for the last line.
        assert_eq!(shape(&text.replace("\r\n", "\n").replace('\n', "\r\n")), wanted, "{text} with CRLF");
    }
}

#[test]
fn what_is_easily_meant_otherwise_is_odd() {
    let odd = |text: &str| -> Vec<(u32, Odd)> { read(text).oddities.iter().map(|odd| (odd.line, odd.what)).collect() };
    for (text, wanted) in [
        ("## A\n```\n## b", vec![(2, Odd::Unclosed)]),
        ("```\n- [ ] b", vec![(1, Odd::Unclosed)]),
        ("```\ntext", vec![]),
        ("~~~~\n## a\n~~~~", vec![]),
        ("~~~~\n## a\n~~~", vec![(1, Odd::Unclosed)]),
        ("```\n## a\n    ```", vec![(1, Odd::Unclosed)]),
        ("<!--\n## a\n\n## b", vec![(1, Odd::Unclosed)]),
        ("<script>\n\n## b", vec![(1, Odd::Unclosed)]),
        ("<!--\n## a\n-->", vec![]),
        ("    ```\n## A\n\n    <!--", vec![]),
        ("<details>\n## a\n</details>", vec![(2, Odd::InHtml)]),
        ("<pre>\n## a\n</pre>", vec![]),
        ("- a\n  ## b\n- ## c\n  - d\n\n    ### e", vec![(2, Odd::InItem)]),
        ("> - a\n>   ## b", vec![]),
        ("A heading\n---------", vec![]),
        ("Größe\n-----", vec![]),
        ("Text of somebody.\n---", vec![(2, Odd::Underline)]),
        ("Two\nlines\n---------", vec![(3, Odd::Underline)]),
        ("Two\nlines\n==", vec![(3, Odd::Underline)]),
        ("Short\n=", vec![]),
        ("a\r## B\n- x\rlater", vec![(1, Odd::LoneReturn)]),
        ("##Glued\n#tag", vec![(1, Odd::Glued)]),
        ("    ##Glued\n", vec![]),
    ] {
        assert_eq!(odd(text), wanted, "{text}");
    }
}

#[test]
fn items_know_what_is_inside() {
    let text = "- a\n  b\nlazy\n\n  - c\n\n\n- d\n> - e\n";
    let items: Vec<(u32, usize, u32)> =
        read(text).lines.iter().filter_map(|line| Some((line.number, line.item?.depth, line.item?.last))).collect();
    assert_eq!(items, [(1, 0, 5), (5, 1, 5), (8, 0, 8)]);
}

#[test]
fn hostile_texts_take_no_longer_than_others() {
    let n = 50_000;
    for text in [
        "- ".repeat(n),
        "> ".repeat(n),
        format!("{}{}", "- ".repeat(n), "\n".repeat(n)),
        "<!-- \n".repeat(n),
        "<a \n".repeat(n),
        "```\n~~~\n".repeat(n),
        "- ```\n".repeat(n),
        "a\r## b\r- c\r".repeat(n),
        "a\n-\n".repeat(n),
        "[".repeat(n),
        "*a **b ".repeat(n),
    ] {
        assert!(!read(&text).lines.is_empty());
    }
}

proptest! {
    #[test]
    fn every_byte_is_in_one_line(text in "([#>`~<!&\\[\\]()*_=+. \t\r\n-]|[a-z0-9]|<!--|-->|\r\n|## |- |```|<p>|\u{feff}|é){0,80}") {
        let reading = read(&text);
        let bare = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let joined: Vec<&str> = reading.lines.iter().map(|line| line.text).collect();
        let plain: Vec<&str> = bare.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).collect();
        prop_assert_eq!(joined, plain);
        prop_assert!(reading.lines.iter().zip(1..).all(|(line, number)| line.number == number));
        prop_assert!(reading.lines.iter().filter_map(|line| line.item.map(|item| (line.number, item.last))).all(|(at, last)| at <= last));
    }
}
