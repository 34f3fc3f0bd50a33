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

const JEST: &str = "FAIL test/words.test.js
  ✓ counts words (1 ms)
  ✕ empty (8 ms)

  ● empty

    expect(received).toBe(expected) // Object.is equality

    Expected: 0
    Received: 1
";

const CARGO: &str = "test parse::tests::one ... ok
test parse::tests::two ... FAILED

failures:

---- parse::tests::two stdout ----

thread 'parse::tests::two' (123) panicked at src/parse.rs:31:9:
assertion `left == right` failed
  left: 1
 right: 2
";

#[test]
fn a_failing_test_is_shown_with_its_own_words() {
    let total = of_test(PYTEST, "tests/test_cart.py: test_total", 2);
    assert_eq!(total, ["E       assert 250 == 751", "E        +  where 250 = total()"]);
    assert_eq!(of_test(PYTEST, "test_count", 1), ["E       assert 0 == 7"]);
    let empty = of_test(JEST, "tests: test/words.test.js: empty", 9);
    assert_eq!(empty.iter().map(|line| line.trim()).collect::<Vec<_>>()[1..], ["Expected: 0", "Received: 1"]);
    assert!(of_test(CARGO, "roman src/lib.rs: parse::tests::two", 2)[0].contains("panicked at src/parse.rs:31:9"));
    assert!(of_test(CARGO, "three", 9).is_empty() && of_test(CARGO, "", 9).is_empty());
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
    fn an_excerpt_keeps_its_limit(text in "(E   x|error: é|assert|\n|ä{1,40}){0,200}", limit in 0_usize..900, name in ".{0,4}") {
        prop_assert!(excerpt(&text, limit).len() <= limit.max(text.len().min(limit)));
        prop_assert!(of_test(&text, &name, 3).len() <= 3);
        prop_assert!(place(&text).is_none_or(|at| at < text.lines().count()));
    }
}
