//! The oracle that ends every mission test finds planted faults: a check that cannot fail would be none.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests touch the world and may panic")]

use crate::support::night::{Night, unit};
use std::panic::{AssertUnwindSafe, catch_unwind};

#[test]
fn p1_the_oracle_finds_green_that_is_red_in_a_clone() {
    let night = Night::new();
    let only_here = night.home().join("only-here");
    std::fs::write(&only_here, "").unwrap();
    night.write("tests/alpha.sh", format!("test -e {}\n", only_here.display()));
    night.commit("a test of this machine");
    night.mission(&unit("a", "touch a")).exits(0);
    assert_eq!(night.ask_oracle(), Vec::<String>::new());
    std::fs::remove_file(&only_here).unwrap();
    let wrong = night.ask_oracle();
    // The base and the landing.
    assert_eq!(wrong.len(), 2, "{wrong:?}");
    assert!(wrong[0].contains("alpha passed in the stored snapshot and not in a clone"), "{wrong:?}");
    std::fs::write(&only_here, "").unwrap();
}

#[test]
fn p1_the_oracle_hides_source_and_state_and_brings_a_home_of_its_own() {
    let night = Night::new();
    let (repo, state) = (night.repo(), night.state());
    let sees = format!("test -e {}/run.sh\n", repo.display());
    night.write("tests/alpha.sh", &sees);
    night.write("tests/beta.sh", format!("test -e {}/mc.db\n", state.display()));
    night.commit("tests of this machine");
    night.mission(&unit("a", "touch a")).exits(0);
    let wrong = night.ask_oracle();
    assert!(
        wrong.iter().any(|line| line.contains("alpha")) && wrong.iter().any(|line| line.contains("beta")),
        "{wrong:?}"
    );
    night.without_oracle("its tests look at this machine");
}

#[test]
fn p6_a_repository_that_was_not_left_alone_is_found() {
    let night = Night::new();
    night.mission(&unit("a", "touch a")).exits(0);
    for (harm, mend) in [
        ("git tag by-nobody", "git tag -d by-nobody"),
        ("echo x >> run.sh", "git checkout -q run.sh"),
        ("git config core.pager less", "git config --unset core.pager; git config --remove-section core.x || true"),
        ("mkdir -p .git/hooks; echo x > .git/hooks/post-commit", "rm .git/hooks/post-commit"),
    ] {
        let config = std::fs::read(night.repo().join(".git/config")).unwrap();
        let sh = |line: &str| assert!(night.holds(line), "{line}");
        sh(harm);
        let found = catch_unwind(AssertUnwindSafe(|| night.is_left_alone()));
        assert!(found.is_err(), "{harm}");
        sh(mend);
        std::fs::write(night.repo().join(".git/config"), config).unwrap();
        night.is_left_alone();
    }
}
