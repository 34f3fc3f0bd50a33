//! Files that git does not take and files that `mc` may not read: they cost the unit that left them, never the work of others
//! or the missions that follow, and nothing of them is lost.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests touch the world and may panic")]

use crate::support::night::{Night, Running, Said, unit};
use crate::support::tools::{is_root, only_on_this_machine};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::PathBuf;

/// Sets the number of workers.
fn workers(night: &Night, n: u32) {
    night.settings("sh run.sh", &format!("[scheduler.parallel]\nnum_workers = {n}"));
}

fn depends(id: &str, on: &str, run: &str) -> String {
    format!("{}depends = [\"{on}\"]\n", unit(id, run))
}

/// The pins of all attempts of a unit, with what `git show` says of a file of each.
fn pinned(night: &Night, unit: &str, file: &str) -> String {
    night.sh(&format!(
        "for r in $(git for-each-ref --format='%(refname)' 'refs/mc/attempts/*/{unit}/*'); do git show $r:{file}; done"
    ))
}

fn kept_aside(night: &Night, text: &str) -> bool {
    night.holds(&format!("grep -rqsF '{text}' $RUNS"))
}

fn refused(make: impl Fn() -> Night) {
    for (n, odd) in [
        (1, r#"echo precious > "git~1""#),
        (4, r#"mkdir .GIT; echo precious > .GIT/x"#),
        (4, r#"mkdir -p sub/.git...; echo precious > 'sub/.git.../x'; echo precious > '..\.git'"#),
        (2, r#"ln -s run.sh .gitmodules; : precious; mkdir -p d; echo precious > 'd/.git '"#),
    ] {
        let night = &make();
        workers(night, n);
        let plan = [
            unit("odd", &format!("echo w > work.txt; {odd}")),
            depends("after", "odd", "echo no > no"),
            unit("one", "echo 1 > one"),
            unit("two", "echo 2 > two"),
            unit("three", "echo 3 > three"),
        ];
        night.mission(&plan.join("\n")).exits(3);
        assert_eq!(night.classes("odd"), ["failed-work"], "{odd}");
        assert!(night.reason("odd").contains("no commit of git can hold"), "{}", night.reason("odd"));
        let states = ["one", "two", "three", "after"].map(|id| night.unit(id));
        assert_eq!(states, ["landed", "landed", "landed", "blocked"], "{odd}");
        assert_eq!(pinned(night, "odd", "work.txt"), "w", "{odd}");
        assert!(kept_aside(night, "precious"), "{odd}");
        night.mc(&["unit", "show", "odd"]).exits(0).says(&["git does not take", "kept in"]);
        night.mc(&["pool", "list"]).exits(0).does_not_say(&["quarantine", "was not collected"]);
        // The next mission knows nothing of it.
        night.mission(&[unit("four", "echo 4 > four"), unit("five", "echo 5 > five")].join("\n")).exits(0);
        night.audit();
    }
}

#[test]
fn p2_p10_a_file_that_git_refuses_costs_only_its_own_unit() {
    refused(Night::new);
}

#[test]
fn p2_p10_a_file_that_git_refuses_costs_only_its_own_unit_of_an_ordinary_user() {
    refused(Night::of_an_ordinary_user);
}

/// Begins a mission whose unit `odd` waits for `go` after it wrote `work.txt`; what `meddle` does in its workspace then is done
/// by the user of the test.
fn meddled(night: &Night, more: &[String], meddle: impl FnOnce(PathBuf)) -> Said {
    let wait = "echo w > work.txt; pwd > \"$READY.new\"; mv \"$READY.new\" \"$READY\"; while [ ! -e \"$GO\" ]; do sleep 0.05; done";
    let [ready, go] = ["ready", "go"].map(|name| night.home().join(name));
    let wait = wait.replace("$READY", &ready.to_string_lossy()).replace("$GO", &go.to_string_lossy());
    let plan = night.plan(&[&[unit("odd", &wait)][..], more].concat().join("\n"));
    let running: Running = night.begin(&["mission", "start", "--plan", &plan]);
    night.until(&format!("test -e {}", ready.display()));
    meddle(PathBuf::from(std::fs::read_to_string(&ready).unwrap().trim_end()));
    std::fs::write(&go, "").unwrap();
    let said = running.wait();
    for file in [ready, go] {
        std::fs::remove_file(file).unwrap();
    }
    said
}

/// Makes something of the user of the test, which others may use as `mode` says.
fn close(path: &std::path::Path, mode: u32) {
    chown(path, Some(0), Some(0)).unwrap();
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

fn others() -> [String; 3] {
    [unit("one", "echo 1 > one"), unit("two", "echo 2 > two"), depends("after", "odd", "echo no > no")]
}

#[test]
fn p2_p10_a_file_that_mc_may_not_read_holds_its_unit_and_stays_as_it_is() {
    if !is_root() {
        return;
    }
    for n in [1, 4] {
        let night = Night::of_an_ordinary_user();
        workers(&night, n);
        meddled(&night, &others(), |work| {
            std::fs::write(work.join("secret"), "of root").unwrap();
            std::fs::write(work.join("tests/alpha.sh"), "true # of root\n").unwrap();
            close(&work.join("secret"), 0o600);
            close(&work.join("tests/alpha.sh"), 0o600);
        })
        .exits(3);
        assert_eq!(night.classes("odd"), ["held"]);
        assert!(night.reason("odd").contains("mc may not read"), "{}", night.reason("odd"));
        assert_eq!(["one", "two"].map(|id| night.unit(id)), ["landed", "landed"]);
        assert_eq!(pinned(&night, "odd", "work.txt"), "w");
        // A file that cannot be read was neither changed nor deleted.
        assert_eq!(pinned(&night, "odd", "tests/alpha.sh"), "true");
        assert!(std::fs::read_dir(night.pool()).is_ok());
        let kept = std::process::Command::new("grep").args(["-rlF", "of root"]).arg(night.state()).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&kept.stdout).lines().count(), 2, "{kept:?}");
        night.mc(&["mission", "stop", "--now"]).exits(0);
        night.mission(&[unit("four", "echo 4 > four"), unit("five", "echo 5 > five")].join("\n")).exits(0);
        night.audit();
    }
}

#[test]
fn p2_p10_a_slot_with_a_folder_nobody_may_enter_is_set_aside_and_collected_later() {
    if !is_root() {
        return;
    }
    let night = Night::of_an_ordinary_user();
    workers(&night, 1);
    meddled(&night, &others(), |work| {
        std::fs::create_dir(work.join("volume")).unwrap();
        std::fs::write(work.join("volume/data"), "of root").unwrap();
        close(&work.join("volume"), 0o700);
    })
    .exits(3);
    assert_eq!(night.classes("odd"), ["held"]);
    assert_eq!(["one", "two"].map(|id| night.unit(id)), ["landed", "landed"]);
    assert_eq!(pinned(&night, "odd", "work.txt"), "w");
    let looks = !only_on_this_machine("what only looks sees the workspaces of this machine's own pool");
    if looks {
        night.mc(&["pool", "list"]).exits(0).says(&["quarantine", "/odd/1", "volume"]);
        night.mc(&["doctor"]).says(&["quarantine", "volume", "mc pool prune --quarantined"]);
        night.mc(&["pool", "prune"]).exits(0).says(&["stays"]);
    }
    night.mc(&["mission", "stop", "--now"]).exits(0);
    // It is tried again at each start, and kept while that fails.
    night.mission(&unit("four", "echo 4 > four")).exits(0);
    if looks {
        night.mc(&["pool", "list"]).exits(0).says(&["quarantine", "/odd/1"]);
    }
    let quarantine = night.pool().join("quarantine");
    let entry = std::fs::read_dir(&quarantine).unwrap().next().unwrap().unwrap().path();
    let data = entry.join("slot/work/volume/data");
    assert_eq!(std::fs::read_to_string(&data).unwrap(), "of root");
    // Somebody mends it.
    for path in [data.parent().unwrap(), &data] {
        chown(path, Some(65_534), Some(65_534)).unwrap();
    }
    night.mission(&unit("five", "echo 5 > five")).exits(0);
    night.mc(&["pool", "list"]).exits(0).does_not_say(&["quarantine"]);
    // What the report of the attempt names stays; the rest is kept beside it.
    let kept = "for r in $(git for-each-ref --format='%(refname)' 'refs/mc/kept/*/odd/*'); do git rev-list $r; done";
    let found = night.sh(&format!("for c in $({kept}); do git show $c:volume/data 2>/dev/null || true; done"));
    assert_eq!(found, "of root");
    night.audit();
}

#[test]
fn p10_what_others_own_in_a_workspace_stops_nobody_where_git_ignores_it_or_reads_it() {
    if !is_root() {
        return;
    }
    let night = Night::of_an_ordinary_user();
    night.write(".gitignore", "build/\n");
    workers(&night, 1);
    meddled(&night, &[unit("one", "echo 1 > one"), unit("two", "echo 2 > two")], |work| {
        for (folder, mode) in [("build", 0o700), ("open", 0o755)] {
            std::fs::create_dir(work.join(folder)).unwrap();
            std::fs::write(work.join(folder).join("data"), "of root\n").unwrap();
            close(&work.join(folder), mode);
        }
    })
    .exits(0);
    assert_eq!(["odd", "one", "two"].map(|id| night.unit(id)), ["landed", "landed", "landed"]);
    assert_eq!(night.sh("git show mc/green:open/data; git ls-tree --name-only mc/green build"), "of root");
    night.mission(&[unit("four", "echo 4 > four"), unit("five", "echo 5 > five")].join("\n")).exits(0);
    night.audit();
}

#[test]
fn what_the_settings_of_the_repository_ignore_is_ignored_in_workspaces() {
    for list in ["~/ignored", "ignored-here"] {
        let night = Night::new();
        night.write("ignored-here", "*.loc\n");
        night.sh("cp ignored-here ~/ignored; git add ignored-here");
        night.commit("a list");
        night.sh(&format!("git config core.excludesFile {list}"));
        night.mission(&unit("a", "echo secret > x.loc; touch r")).exits(0);
        assert_eq!(night.sh("git ls-tree --name-only mc/green | grep -e loc -e ^r$"), "r", "{list}");
    }
}
