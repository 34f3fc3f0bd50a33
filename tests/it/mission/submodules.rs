//! Work inside submodules: kept, and never landed as a pointer that no clone could follow.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests touch the world and may panic")]

use crate::support::fence::Fence;
use crate::support::night::{Night, unit};

/// Makes the submodule's files in a workspace.
const INIT: &str = "git -c protocol.file.allow=always submodule update -q --init; cd lib; ";

/// A repository with the submodule `lib`, which comes from `../lib`; `set_up` is how far the person has it.
fn night_with(set_up: &str) -> Night {
    let night = Night::new().within(Fence::Off);
    night.sh("git init -q -b main ../lib; cd ../lib; echo l > l; git add l; git commit -qm lib");
    night.sh("git -c protocol.file.allow=always submodule add -q ../lib lib 2>&1; git commit -qm sub");
    night.sh(set_up);
    night
}

/// The commit that units made in the submodule can be had from the repository.
fn kept(night: &Night, subject: &str) -> String {
    let refs = night.sh("git for-each-ref --format='%(refname)' refs/mc/kept");
    assert!(!refs.is_empty(), "nothing is kept");
    let found =
        night.sh(&format!("git log --format='%H %s' {} -- | grep ' {subject}$' || true", refs.replace('\n', " ")));
    let id = found.split(' ').next().unwrap().to_owned();
    night.sh(&format!("rm -rf ../see; git clone -q ../lib ../see; git -C ../see fetch -q \"$PWD\" {id}; git -C ../see cat-file -e {id}:l"));
    id
}

/// What has landed can be checked out with its submodules by anybody.
fn clones(night: &Night) {
    night.sh("rm -rf ../clone; git clone -q --no-checkout . ../clone; cd ../clone; git checkout -q origin/mc/green; \
              git config submodule.lib.url ../lib; git -c protocol.file.allow=always submodule update -q --init");
}

#[test]
fn p2_a_pointer_to_a_commit_that_nobody_has_does_not_land_and_the_commit_is_kept() {
    let night = night_with(":");
    let plan = unit(
        "deep",
        &format!(
            "{INIT} echo new > f && git add f && git commit -qm inner && cd .. && git add lib && git commit -qm 'move lib'"
        ),
    ) + &unit("other", "echo o > o.txt");
    night.mission(&plan).exits(3);
    assert_eq!((night.unit("deep"), night.unit("other")), ("held".to_owned(), "landed".to_owned()));
    let inner = kept(&night, "inner");
    assert!(
        night.reason("deep").contains(&inner[..10]) && night.reason("deep").contains("lib"),
        "{}",
        night.reason("deep")
    );
    clones(&night);
    assert_eq!(night.sh("git rev-parse mc/green:lib"), night.sh("git rev-parse main:lib"));
    night.mc(&["pool", "prune"]).exits(0);
    kept(&night, "inner");
    night.audit();
}

#[test]
fn p2_work_left_inside_a_submodule_is_never_nothing_to_do() {
    for (work, subject) in [
        ("echo new > f; git add f; git commit -qm inner; cd ..; git submodule -q update lib", "inner"),
        ("echo new > f; git add f; git commit -qm inner; git checkout -q HEAD~1", "inner"),
        ("echo changed > l; echo new > g", "uncommitted work in a submodule"),
        (
            "git switch -qc topic; echo new > f; git add f; git commit -qm inner; git switch -q --detach HEAD~1; cd ..; echo x > x.txt",
            "inner",
        ),
        ("echo st > l; git stash -q", "WIP on .*"),
    ] {
        let night = night_with(":");
        night.mission(&unit("deep", &format!("{INIT} {work}"))).exits(3);
        assert_eq!(night.unit("deep"), "held", "{work}: {}", night.reason("deep"));
        assert!(night.reason("deep").contains("submodule lib"), "{work}: {}", night.reason("deep"));
        let refs = night.sh("git for-each-ref --format='%(refname)' refs/mc/kept").replace('\n', " ");
        assert!(night.holds(&format!("git log --format=%s {refs} -- | grep -qx '{subject}'")), "{work}");
    }
}

#[test]
fn p1_a_pointer_to_a_commit_that_can_be_had_lands() {
    // Known by the submodule's own address, by the person's own copy of it, or pushed from the workspace.
    let newer = "cd ../lib; echo two > l; git commit -qam two; cd - >/dev/null; ";
    let bump =
        format!("{INIT} git fetch -q origin; git checkout -q origin/main; cd ..; git add lib; git commit -qm bump");
    let night = night_with(newer);
    night.mission(&unit("bump", &bump)).exits(0);
    assert_eq!(night.sh("git rev-parse mc/green:lib"), night.sh("git -C ../lib rev-parse main"));
    clones(&night);

    let push = format!(
        "{INIT} echo p > l; git commit -qam p; git push -q origin HEAD:refs/heads/topic; cd ..; git add lib; git commit -qm bump"
    );
    let night = night_with(":");
    night.mission(&unit("push", &push)).exits(0);
    clones(&night);

    // The address is no path here, but the person's own copy has the commit.
    let elsewhere = format!(
        "{newer} git -C lib fetch -q; git config -f .gitmodules submodule.lib.url https://example.invalid/lib; git commit -qam url"
    );
    let bump = format!("git config submodule.lib.url \"$HOME/lib\"; {bump}");
    let night = night_with(&format!("{elsewhere}; git config submodule.lib.url https://example.invalid/lib"));
    night.mission(&unit("bump", &bump)).exits(0);
    // And without it nobody can say.
    let night = night_with(&format!(
        "{elsewhere}; git config submodule.lib.url https://example.invalid/lib; rm -rf .git/modules lib/.git lib/l"
    ));
    night.mission_with(&unit("bump", &bump), &["--allow-dirty"]).exits(3);
    assert!(night.reason("bump").contains("example.invalid"), "{}", night.reason("bump"));
}

#[test]
fn p1_a_repository_that_was_added_as_a_pointer_does_not_land_as_one() {
    let night = Night::new().within(Fence::Off);
    // With its repository there its files are taken; where that is gone nobody could follow the pointer.
    let made = "git init -q inner; cd inner; echo i > i; git add i; git commit -qm inner; cd ..; git add inner 2>/dev/null; git commit -qm pointer";
    let plan =
        unit("there", made) + &unit("gone", &format!("{}; rm -rf other; mkdir other", made.replace("inner", "other")));
    night.mission(&plan).exits(3);
    assert_eq!(
        (night.unit("there"), night.unit("gone")),
        ("landed".to_owned(), "held".to_owned()),
        "{}",
        night.report()
    );
    assert!(night.reason("gone").contains(".gitmodules"), "{}", night.reason("gone"));
    assert_eq!(night.sh("git show mc/green:inner/i"), "i");
    assert_eq!(night.sh("git ls-tree -r mc/green | grep -c ^160000 || true"), "0");
}

#[test]
fn p1_what_one_unit_left_in_a_submodule_is_not_there_for_the_next() {
    let night = night_with(":");
    let first = unit("one", &format!("{INIT} cd ..; echo 1 > 1.txt"));
    night.mission_with(&first, &["--workers", "1"]).exits(0);
    let second = "test -z \"$(ls -A lib)\" && git status >/dev/null && echo 2 > 2.txt";
    night.mission_with(&unit("two", second), &["--workers", "1"]).exits(0);
}
