//! What people are told when something went wrong: first what matters, once, and nothing that is not so.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use super::support::night::{Night, unit};

#[test]
fn p8_what_a_script_says_against_itself_counts() {
    let night = Night::new();
    let says = |status: &str| format!(r#"echo '{{"status":"{status}","summary":"the words of {status}"}}' > "$MC_RESULT""#);
    let plan = [
        unit("fails", &says("failed")),
        unit("half", &format!("touch half; {}", says("failed"))),
        unit("asks", &says("blocked")),
        unit("asks-late", &format!("touch late; {}", says("blocked"))),
        // The other words give it nothing: it is done when it leaves with 0, and failed when it does not.
        unit("goes-on", &format!("touch on; {}", says("continue"))),
        unit("boasts", &format!("touch boast; {}; exit 3", says("completed"))),
        // Its output is no place for a claim: that is what any program prints.
        unit("prints", r#"touch printed; echo 'MC_RESULT: {"status":"failed"}'"#),
    ];
    let said = night.mission(&plan.join("\n")).exits(3);
    for (unit, state, class) in [
        ("fails", "failed", "failed-work"),
        ("half", "failed", "failed-work"),
        ("asks", "held", "held"),
        ("asks-late", "held", "held"),
        ("goes-on", "landed", "changed"),
        ("boasts", "failed", "failed-work"),
        ("prints", "landed", "changed"),
    ] {
        assert_eq!((night.unit(unit).as_str(), night.classes(unit)), (state, vec![class.to_owned()]), "{unit}");
    }
    assert!(night.reason("fails").contains("the words of failed"), "{}", night.reason("fails"));
    assert_eq!(night.reason("asks-late"), "the words of blocked");
    said.says(&["the words of blocked"]);
    night.audit();
}

#[test]
fn tests_that_are_to_go_are_told_the_way_and_named_when_they_went() {
    let night = Night::new();
    let allowed = unit("allowed", "git mv tests/beta.sh tests/renamed.sh") + "allow-removed-tests = true\n";
    let said = night.mission(&[unit("goes", "git rm -q tests/alpha.sh"), allowed].join("\n")).exits(3);
    said.says(&["1 test disappeared: "]);
    assert_eq!((night.unit("goes"), night.unit("allowed")), ("rejected".to_owned(), "landed".to_owned()));
    let way = "`allow-removed-tests: true` at the unit";
    night.mc(&["unit", "show", "goes"]).exits(0).says(&[way]);
    night.mc(&["report"]).exits(0).says(&[way]).does_not_say(&["taken in from the target branch"]);
    night.audit();
    // A person takes one away on the target branch.
    night.sh("git rm -q tests/alpha.sh; git commit -qm fewer");
    night.mc(&["verify", "--base", "HEAD^"]).exits(4).says(&[way, "what a person commits to the target branch"]);
    night.mission(&unit("next", "touch next")).exits(0);
    let said = night.mc(&["report"]).exits(0);
    said.says(&["\ntaken in from the target branch\n", "tests that went with it: ", "alpha"]);
    night.audit();
}
