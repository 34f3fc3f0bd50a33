//! Outputs of runners as they are, and what is found in them.

use super::*;
use proptest::prelude::*;

const PYTEST: &str = "
tests/test_cart.py::test_empty PASSED                                    [ 14%]
tests/test_cart.py::test_total FAILED                                    [ 28%]
tests/test_cart.py::test_count FAILED                                    [ 42%]

=================================== FAILURES ===================================
__________________________________ test_total __________________________________

    def test_total():
        c = Cart()
>       assert c.total() == 751
E       assert 250 == 751
E        +  where 250 = total()

tests/test_cart.py:13: AssertionError
__________________________________ test_count __________________________________

    def test_count():
>       assert Cart().count() == 7
E       assert 0 == 7

tests/test_cart.py:17: AssertionError
=========================== short test summary info ============================
FAILED tests/test_cart.py::test_total - assert 250 == 751
";

#[test]
fn a_few_lines_are_the_first_and_those_that_say_it() {
    let total = PYTEST.split("____ test_total ____").nth(1).unwrap();
    let total = format!("____ test_total ____{}", total.split("_____ test_count").next().unwrap());
    let found = select_lines(&total, 3);
    assert_eq!(found[1..], ["E       assert 250 == 751", "E        +  where 250 = total()"]);
    assert!(found[0].starts_with("____ test_total ____"), "{found:?}");
    assert_eq!(select_lines("a\n\nb\n", 5), ["a", "b"]);
    assert_eq!(select_lines("a\nb\nerror: c\n", 2), ["a", "error: c"]);
    assert_eq!(select_lines("only\nmore", 1), ["only"]);
}

#[test]
fn quotes_have_the_share_of_each_and_are_found_again() {
    let long = "x\n".repeat(5_000);
    let all = make_quotes((0..30).map(|n| (format!("t: {n}"), if n == 1 { " " } else { long.as_str() })));
    assert_eq!(all.len(), QUOTES);
    assert!(all.iter().all(|one| one.text.len() <= QUOTED / QUOTES) && all[1].by == "t: 2");
    let two = make_quotes([("a: b".to_owned(), "not ok 1\n  sum is 4"), ("c".to_owned(), "boom")].into_iter());
    let text = format!("1 test fails\n{}\nmore", format_quotes(&two).join("\n"));
    assert_eq!(text, "1 test fails\na: b says:\n  | not ok 1\n  |   sum is 4\nc says:\n  | boom\nmore");
    assert_eq!(trim_quotes(&text, 8), ["a: b says:", "  not ok 1", "    sum is 4", "c says:", "  boom"]);
    assert!(trim_quotes("nothing says:\nof it", 8).is_empty());
}

#[test]
fn what_lies_between_is_kept_where_it_says_what_went_wrong() {
    let filler = "all is calm here\n".repeat(300);
    let text = format!("{filler}first\nE       assert 1 == 2\nsecond\n{filler}");
    let kept = excerpt(&text, 2_000);
    assert!(kept.contains("first\nE       assert 1 == 2\nsecond\n"), "{kept}");
    assert!(kept.starts_with("all is calm") && kept.ends_with("here\n") && kept.matches("left out").count() == 2);
    // What stands at the end anyway needs no place of its own.
    let text = format!("{filler}E       assert 1 == 2\n{filler}E       assert 3 == 4\n");
    assert_eq!(excerpt(&text, 2_000).matches("left out").count(), 1);
}

proptest! {
    #[test]
    fn an_excerpt_keeps_its_limit(text in "(E   x|error: é|assert|\n|ä{1,40}){0,200}", limit in 0_usize..900) {
        prop_assert!(excerpt(&text, limit).len() <= limit.max(text.len().min(limit)));
        prop_assert!(select_lines(&text, 3).len() <= 3 && trim_quotes(&text, 9).len() <= 9);
        prop_assert!(place(&text).is_none_or(|at| at < text.lines().count()));
    }
}
