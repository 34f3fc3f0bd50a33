//! What makes a file count as unchanged is not for settings of a user or an agent to say: a change that keeps size and
//! time is collected, and undone before the next use of the slot.

use crate::support::attempt::Work;
use crate::support::repo::within_a_minute;

/// Another content of `a` of the same length, the time of the file as it was. `$how` writes it. The index knows the file by
/// an old time, so that git has no reason to look into it.
fn same_size_and_time(how: &str) -> String {
    format!("touch -d 2001-01-01 a; git update-index --refresh -q; {how}; touch -d 2001-01-01 a; rm -f new")
}

/// In another file under the old name.
const REPLACED: &str = "printf 'two\\n' >new; touch -d 2001-01-01 new; mv new a";

/// In the same file, in a later second by the clock of its file system.
const REWRITTEN: &str =
    "until touch new; [ \"$(stat -c %Z a)\" != \"$(stat -c %Z new)\" ]; do sleep 0.02; done; printf 'two\\n' >a";

/// A setting of the user, how `a` is changed under it, and what collecting sees of it.
async fn collected(setting: &str, how: &str) -> String {
    let work = Work::start_with(&format!("git config --global {setting}")).await;
    work.agent(&format!("git config {setting}; {}", same_size_and_time(how))).await;
    let got = work.collect().await;
    let content = work.world.sh(&format!("git show {}:a", got.head.commit)).await;
    work.pool.release(1).unwrap();
    work.pool.prepare(1, "m1/u1/2", &work.attempt.base).await.unwrap();
    let after = work.agent("cat a").await;
    assert_eq!(after, "one", "{setting}: the next user of the slot finds the change");
    content
}

#[test]
fn p2_a_change_of_the_same_size_and_time_is_seen_whatever_is_compared_by_default() {
    within_a_minute(async {
        assert_eq!(collected("core.checkStat minimal", REPLACED).await, "two");
        assert_eq!(collected("core.trustctime false", REWRITTEN).await, "two");
    });
}

#[test]
fn p2_nothing_is_assumed_to_be_unchanged() {
    within_a_minute(async {
        for setting in ["core.ignoreStat true", "core.fsmonitor \"$HOME/nothing\"", "core.fileMode false"] {
            let nothing = "printf '#!/bin/sh\\nprintf \"token\\\\0\"\\n' >$HOME/nothing; chmod +x $HOME/nothing";
            let work = Work::start_with(&format!("{nothing}; git config --global {setting}")).await;
            // What an agent's own git wrote into the index under this setting.
            work.agent(&format!("git config {setting}; git read-tree --reset -u HEAD; git status -s")).await;
            work.agent("echo two >a; chmod +x a; echo two >new; rm src/main").await;
            let got = work.collect().await;
            let kept = work.world.sh(&format!("git show {0}:a; git ls-tree -r {0}", got.head.commit)).await;
            let files: Vec<&str> = kept.lines().map(|line| line.split('\t').next_back().unwrap()).collect();
            assert_eq!(files, ["two", ".gitignore", "a", "new"], "{setting}");
            assert!(kept.lines().any(|line| line.starts_with("100755") && line.ends_with("\ta")), "{setting}: {kept}");
            work.pool.release(1).unwrap();
            work.pool.prepare(1, "m1/u1/2", &work.attempt.base).await.unwrap();
            let left = work.agent("cat a; ls . src; [ ! -x a ] || echo executable").await;
            assert_eq!(left, "one\n.:\na\nsrc\n\nsrc:\nmain", "{setting}");
            // Without an agent's git in between.
            work.agent("echo three >a; rm src/main").await;
            work.pool.release(1).unwrap();
            work.pool.prepare(1, "m1/u1/3", &work.attempt.base).await.unwrap();
            assert_eq!(work.agent("cat a; ls src").await, "one\nmain", "{setting}");
        }
    });
}

#[test]
fn p2_a_file_that_the_untracked_cache_does_not_know_is_collected() {
    within_a_minute(async {
        let work = Work::start_with("git config --global core.untrackedCache true").await;
        work.agent(
            "mkdir d; echo 1 >d/one; touch -d 2001-01-01 d .; git update-index --untracked-cache; git status -s >/dev/null
             echo 2 >d/two; touch -d 2001-01-01 d .",
        )
        .await;
        let got = work.collect().await;
        let kept = work.world.sh(&format!("git ls-tree -r --name-only {} d", got.head.commit)).await;
        assert_eq!(kept, "d/one\nd/two");
    });
}

#[test]
fn an_agent_is_not_said_to_have_hidden_what_a_setting_of_the_user_hides() {
    within_a_minute(async {
        let work = Work::start_with("git config --global core.ignoreStat true").await;
        work.agent("echo two >a").await;
        let got = work.collect().await;
        assert_eq!((got.made_commit, got.notes), (true, Vec::new()));
    });
}
