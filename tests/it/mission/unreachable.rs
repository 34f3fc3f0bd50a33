//! A mission whose host is out of reach for longer than the lease of its runs: the session is given up, costs nobody an attempt that
//! counts, and what it made is kept and never landed.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests touch the world and may panic")]

use crate::support::night::{Night, unit};

#[test]
fn p2_a_session_whose_host_is_out_of_reach_is_given_up_and_its_late_work_is_a_ref() {
    let mut night = Night::new();
    let scheduler = "[scheduler]\nretry_pause = 0\nlease = \"2s\"\ncircuit_after = \"10m\"\nmax_attempts = 1";
    night.settings("sh run.sh", &format!("{scheduler}\n[scheduler.parallel]\nnum_workers = 1"));
    night.var("MC_TEST_HOST", "patience:500");
    let script = "echo $MC_ATTEMPT > by-$MC_ATTEMPT.txt; touch ~/up; if [ $MC_ATTEMPT = 1 ]; then sleep 1000; fi";
    let mut engine = night.begin(&["mission", "start", "--plan", &night.plan(&unit("one", script))]);
    night.until("test -e ~/up");
    // Whoever waits for the lock has it when the worker is gone: the next one comes too late.
    let lock = "../state/worker/$(cat ../state/state-id)/worker.lock";
    let hold = "touch ~/held; until test -e ~/free -o ! -e ~/held; do sleep 0.02; done";
    night.sh(&format!("worker=$(cut -d' ' -f1 {lock}); (flock {lock} sh -c '{hold}' >/dev/null 2>&1 &) ; sleep 0.2; kill -s KILL $worker"));
    night.until("test -e ~/held");
    let judged = "select kind from journal where kind = 'attempt-judged'";
    assert!(engine.until(|| night.sql(judged).len() == 1), "it is waited for");
    night.sh("touch ~/free");
    engine.wait().exits(0);
    assert_eq!(night.unit("one"), "landed");
    let refs = night.sh("git for-each-ref --format='%(refname)' refs/mc/attempts | sed 's|.*/one/||'");
    assert!(refs.lines().count() > 1, "what it made is no ref: {refs}");
    let first = night.sh("git for-each-ref --format='%(refname)' 'refs/mc/attempts/*/one/1'");
    assert_eq!(night.sh(&format!("git show {first}:by-1.txt")), "1");
    assert_eq!(night.sh("git ls-tree --name-only mc/green by-1.txt"), "");
    night.audit();
}
