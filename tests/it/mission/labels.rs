//! Units that ask for a host by its labels, where there is none but this machine.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests touch the world and may panic")]

use crate::support::night::{Night, unit};

#[test]
fn p7_a_unit_whose_labels_no_host_has_is_held_and_the_others_land() {
    let night = Night::new();
    night.settings("sh run.sh", "");
    let plan = format!("{}\n{}\nlabels = [\"gpu\"]\n", unit("a", "echo a > a.txt"), unit("b", "echo b > b.txt"));
    night.mission(&plan).exits(3).says(&["b: held, no host has all its labels (gpu): there is local (no labels)"]);
    let held = || {
        assert_eq!(["a", "b"].map(|id| night.unit(id)), ["landed", "held"]);
        assert_eq!(night.sql("SELECT state FROM units ORDER BY unit"), ["landed", "held"]);
        assert!(night.reason("b").contains("(gpu)"), "{}", night.reason("b"));
    };
    held();
    night.mc(&["unit", "retry", "b"]).exits(0);
    held();
    night.mc(&["mission", "resume"]).exits(3);
    held();
    night.mc(&["mission", "stop", "--now"]).exits(0);
    night.mc(&["report", "--verify"]).exits(0);
    night.audit();
}
