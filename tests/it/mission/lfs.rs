//! Contents that the real git-lfs keeps: in every workspace, kept with the work that brought them, or refused in words.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests touch the world and may panic")]

use crate::support::night::{Night, unit};

/// Passes where every file of the pattern has its content, and what it reads is what git-lfs would.
const WHOLE: &str =
    "set -e; for f in *.bin; do test \"$(wc -c < \"$f\")\" -gt 1000; done; git lfs fsck >/dev/null; sh run.sh";

/// How a person set git-lfs up.
const GLOBAL: &str = "git lfs install --skip-repo";

/// A repository with `a.bin` (3,000 bytes), a verification that wants contents, and further settings.
fn night_with(set_up: &str, command: &str, more: &str) -> Night {
    let night = Night::new();
    night.sh(&format!("{set_up} >/dev/null; git lfs track '*.bin' >/dev/null; head -c 3000 /dev/urandom > a.bin"));
    night.settings(command, more);
    assert!(night.sh("git cat-file blob HEAD:a.bin").starts_with("version https://git-lfs"));
    night
}

/// How often the content of a file of green is to be found in files of the repository.
fn held(night: &Night, path: &str) -> usize {
    let oid = night.sh(&format!("git cat-file blob mc/green:{path} | sed -n 's/^oid sha256://p'"));
    assert_eq!(oid.len(), 64, "{path}: {oid}");
    night.sh(&format!("find .git ../big ../elsewhere -name {oid} 2>/dev/null || true")).lines().count()
}

/// What landed is whole for the person who takes it, and for whoever clones from there.
fn taken(night: &Night) {
    night.sh("git merge -q mc/green");
    assert_eq!(night.sh("git status --porcelain --untracked-files=no"), "");
    night.sh("git lfs fsck && git lfs fsck --pointers && for f in *.bin; do test \"$(wc -c < $f)\" -gt 1000; done");
    // A clone has the filters of the person, not those of the repository it was made from.
    night.sh(&format!(
        "{GLOBAL}; rm -rf ../clone; git clone -q \"file://$PWD\" ../clone; cd ../clone; \
         for f in *.bin; do test \"$(wc -c < $f)\" -gt 1000; done"
    ));
}

const ADD: &str = "head -c 5000 /dev/urandom > b.bin";

#[test]
fn p1_p2_a_content_that_a_unit_adds_is_in_every_workspace_and_outlives_the_pool() {
    let night = night_with(GLOBAL, WHOLE, "");
    let committing = format!("{} && git add -A && git commit -qm c", ADD.replace("b.bin", "c.bin"));
    let plan = unit("add", ADD) + &unit("other", "sleep 0.2; echo c > c") + &unit("third", &committing);
    night.mission(&plan).exits(0);
    night.mc(&["pool", "prune"]).exits(0);
    night.mc(&["clean", "--yes"]);
    assert_eq!((held(&night, "b.bin"), held(&night, "c.bin"), held(&night, "a.bin")), (1, 1, 1));
    // In the store as git-lfs itself writes there.
    assert_eq!(night.sh("find .git/lfs -type f | xargs stat -c '%a %h' | sort -u"), "644 1");
    assert_eq!(night.sh("find .git/lfs -type f | grep -v '/objects/../../[0-9a-f]\\{64\\}$' || true"), "");
    taken(&night);
    night.audit();
}

#[test]
fn p2_the_content_of_work_that_did_not_land_is_kept_with_its_pin() {
    let night = night_with(GLOBAL, WHOLE, "");
    night.mission(&unit("add", &format!("{ADD}; git add b.bin; git stash -q; {ADD}; exit 1"))).exits(3);
    night.mc(&["pool", "prune"]).exits(0);
    // One was stashed, the other lay there.
    assert_eq!(night.sh("find .git/lfs/objects -type f -size -20 | wc -l"), "3");
    let pinned = "git for-each-ref --format='%(refname)' refs/mc/attempts";
    night.sh(&format!("git cat-file blob $({pinned}):b.bin | git lfs smudge | wc -c | grep -qx 5000"));
}

#[test]
fn p1_filters_of_the_repository_alone_are_those_of_its_workspaces() {
    let night = night_with("git lfs install --local", WHOLE, "");
    night.mission(&unit("add", ADD)).exits(0);
    assert!(night.sh("git cat-file -s mc/green:b.bin").parse::<u32>().unwrap() < 200);
    taken(&night);
}

#[test]
fn p1_contents_that_are_there_are_used_also_where_a_person_does_not_fetch_them() {
    let mut night = night_with("git lfs install --skip-repo --skip-smudge", WHOLE, "");
    night.var("GIT_LFS_SKIP_SMUDGE", "1");
    night.without_oracle("whoever clones it with these settings has pointers");
    night.mission(&unit("add", ADD)).exits(0);
    night.mc(&["verify", "mc/green"]).exits(0);
    assert_eq!(held(&night, "b.bin"), 1);
}

#[test]
fn p1_stores_in_other_places_and_of_other_repositories_are_found() {
    for storage in ["../../big", "$HOME/elsewhere"] {
        let night = night_with(&format!("{GLOBAL}; git config lfs.storage \"{storage}\""), WHOLE, "");
        night.mission(&unit("add", ADD)).exits(0);
        assert_eq!(held(&night, "b.bin"), 1, "{storage}");
        assert!(!night.repo().join(".git/lfs/objects").exists());
        night.mc(&["doctor", "--baseline"]).does_not_say(&["does not verify"]);
    }
    // A repository that borrows from another one has its contents there as well.
    let night = night_with(GLOBAL, WHOLE, "");
    night.sh("mv .git ../first.git; git clone -q --shared --bare ../first.git .git; git config core.bare false; git reset -q --hard; rm -rf .git/lfs");
    night.mission(&unit("add", ADD)).exits(0);
    assert_eq!(held(&night, "b.bin"), 1);
}

#[test]
fn p7_contents_that_are_missing_are_refused_at_the_start_and_the_way_out_works() {
    let night = night_with(GLOBAL, "sh run.sh", "");
    night.sh("cp -r .git/lfs ../kept; rm -rf .git/lfs a.bin; GIT_LFS_SKIP_SMUDGE=1 git checkout -q a.bin");
    let said = night.mission(&unit("add", ADD)).exits(6);
    said.says(&["contents of 1 file that git-lfs keeps", "a.bin", "git lfs pull", "lfs.fetchexclude"])
        .does_not_say(&["Downloading"]);
    night.mc(&["doctor"]).exits(6).says(&["a.bin", "git lfs pull"]);
    night.sh("git config lfs.fetchexclude a.bin");
    night.mission(&unit("add", ADD)).exits(0).says(&["1 file stays a pointer"]);
    assert_eq!(held(&night, "b.bin"), 1);
    // With the content in place it is as if nothing had been.
    night.sh("git config --unset lfs.fetchexclude; cp -r ../kept/objects/. .git/lfs/objects/");
    night.mission(&unit("more", &ADD.replace("b.bin", "c.bin"))).exits(0).does_not_say(&["pointer"]);
}

#[test]
fn p1_where_nobody_set_git_lfs_up_pointers_stay_and_no_content_lands() {
    let night = night_with(GLOBAL, "grep -q '^oid sha256:' a.bin && sh run.sh", "");
    night.sh("git config --global --remove-section filter.lfs; git checkout-index -f -a; git reset -q");
    night.sh("git show HEAD:a.bin > a.bin; git add a.bin; git status --porcelain | grep -q . && exit 1 || true");
    let plan = unit("add", ADD) + &unit("move", "git mv a.bin z.bin; echo z > z; cp z.bin a.bin");
    night.mission(&plan).exits(3).says(&["git-lfs is not set up"]);
    assert_eq!((night.unit("add"), night.unit("move")), ("held".to_owned(), "landed".to_owned()));
    assert!(night.reason("add").contains("b.bin") && night.reason("add").contains("git lfs install"));
}

#[test]
fn p1_what_went_past_the_filter_or_has_no_content_does_not_land() {
    let night = night_with(GLOBAL, "sh run.sh", "");
    let past = format!(
        "{ADD}; touch -d '1 hour ago' b.bin; git -c filter.lfs.process= -c filter.lfs.clean=cat -c filter.lfs.required=false add b.bin; git commit -qm x"
    );
    let made_up = "printf 'version https://git-lfs.github.com/spec/v1\\noid sha256:%064d\\nsize 12\\n' 7 > c.bin; \
                   git -c filter.lfs.process= -c filter.lfs.clean=cat -c filter.lfs.required=false add c.bin; git commit -qm x";
    let wider = "touch -d '1 hour ago' run.sh tests/*; git update-index -q --refresh; \
         echo '*.sh filter=lfs diff=lfs merge=lfs -text' >> .gitattributes; git add .gitattributes; git commit -qm x";
    let plan = unit("past", &past)
        + &unit("made-up", made_up)
        + &unit("wider", wider)
        + &unit("fine", "echo f > f.txt; : > e.bin");
    night.mission(&plan).exits(3);
    for (id, state, words) in [
        ("past", "held", "the content itself of b.bin"),
        ("made-up", "held", "nobody has the content"),
        ("wider", "held", "run.sh"),
        ("fine", "landed", ""),
    ] {
        assert_eq!(night.unit(id), state, "{id}: {}", night.reason(id));
        assert!(night.reason(id).contains(words), "{id}: {}", night.reason(id));
    }
}

#[test]
fn p1_patterns_that_a_unit_adds_are_kept_by_git_lfs_from_then_on() {
    let night = night_with("git lfs install --local", WHOLE, "");
    let track = "git lfs track '*.dat' >/dev/null; head -c 2000 /dev/urandom > d.dat; mkdir -p deep; head -c 2000 /dev/zero > deep/e.dat";
    night.write("old.dat", vec![7; 4000]);
    night.commit("raw");
    night.mission(&unit("track", &format!("{track}; git add --renormalize ."))).exits(0);
    assert_eq!((held(&night, "d.dat"), held(&night, "deep/e.dat"), held(&night, "old.dat")), (1, 1, 1));
    taken(&night);
}

#[test]
fn p6_nothing_that_an_agent_does_to_contents_in_its_clone_reaches_those_of_the_source() {
    let night = night_with(GLOBAL, WHOLE, "");
    let before = night.sh("cd .git/lfs && find . -type f | sort | xargs sha256sum");
    let spoil = "find .git/lfs -type f | while read f; do chmod u+w $f; echo spoilt > $f; done; ";
    let odd = "mkdir -p .git/lfs/objects/00/00; ln -s /etc/passwd .git/lfs/objects/00/00/$(printf 0%.0s $(seq 64)); \
               echo x > .git/lfs/objects/00/00/0000$(printf 1%.0s $(seq 60))";
    let linked = "mv .git/lfs ../lfs; ln -s ../../lfs .git/lfs";
    let plan = unit("spoil", &format!("{spoil} echo s > s.txt"))
        + &unit("odd", &format!("{odd}; echo o > o.txt"))
        + &unit("linked", &format!("{linked}; echo l > l.txt"));
    night.mission(&plan).exits(0);
    assert_eq!(night.sh("cd .git/lfs && find . -type f | sort | xargs sha256sum"), before);
    assert_eq!(night.sh("find .git/lfs -type l"), "");
    // The next one in those workspaces sees what is right.
    night.mission(&(unit("n1", "git lfs fsck && echo 1 > n1") + &unit("n2", "git lfs fsck && echo 2 > n2"))).exits(0);
    taken(&night);
}

#[test]
fn p1_a_filter_that_only_the_repository_defines_is_named_and_nothing_lands_past_it() {
    let night = Night::new();
    night.write(".gitattributes", "*.up filter=caps\n*.free filter=nobody\n");
    night.sh("git config filter.caps.clean 'tr a-z A-Z'; git config filter.caps.smudge 'tr A-Z a-z'");
    night.write("x.up", "shout\n");
    night.commit("filtered");
    let plan = unit("past", "echo more >> x.up") + &unit("free", "echo a > a.free; rm x.up");
    night.mission(&plan).exits(3).says(&["filter caps"]).does_not_say(&["nobody"]);
    assert_eq!((night.unit("past"), night.unit("free")), ("held".to_owned(), "landed".to_owned()));
    assert!(night.reason("past").contains("x.up") && night.reason("past").contains("filter caps"));
    night.mc(&["mission", "stop", "--now"]);
    night.sh("git config --global filter.caps.clean 'tr a-z A-Z'; git config --global filter.caps.smudge 'tr A-Z a-z'");
    night
        .mission(&unit("past", "git show HEAD~1:x.up >/dev/null; echo new > y.up"))
        .exits(0)
        .does_not_say(&["filter caps"]);
    assert_eq!(night.sh("git show mc/green:y.up"), "NEW");
}
