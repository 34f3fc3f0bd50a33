//! What a person does beside a mission: mostly a day's work, and now and then what nobody should do.

use super::{Action, person};

pub const ACTIONS: &[Action] = &[
    person("commits", "echo p >> person.txt; git add person.txt; git commit -qm person")
        .touches(&["refs/heads/main", "index", "person.txt"]),
    person("commits-what-is-red", "git rm -q src/f1.txt; git commit -qm red; true")
        .touches(&["refs/heads/main", "index", "src/"]),
    person("amends", "git commit -q --amend -m amended").touches(&["refs/heads/main", "index"]),
    person("branches-and-tags", "git branch by-a-person; git tag by-a-person").touches(&["refs/heads/by-", "refs/tags/by-"]),
    person("stages", "echo s > staged.txt; git add staged.txt").touches(&["index", "staged.txt"]),
    person("edits", "echo s >> src/f8.txt; echo s > new.txt").touches(&["src/f8.txt", "new.txt"]),
    person("stashes", "echo s >> src/f8.txt; git stash -q").touches(&["refs/stash", "index"]),
    person("has-settings-of-its-own", "git config alias.x status; git remote add elsewhere /nowhere").others().touches(&[".git/config"]),
    person("has-hooks", r#"mkdir .git/hooks 2>/dev/null; printf '#!/bin/sh\n[ "$PERSON$MC_UNIT" ] || touch "%s/pwned"\n' "$SIDE" > .git/hooks/reference-transaction; chmod +x .git/hooks/reference-transaction"#)
        .others()
        .touches(&[".git/hooks"]),
    person("excludes", "mkdir .git/info 2>/dev/null; echo '*.local' >> .git/info/exclude").others().touches(&[".git/info"]),
    person("tidies-up", "git gc -q --prune=now"),
    person("repacks", "git repack -adq; git pack-refs --all --prune; git reflog expire --expire=now --all"),
    person("checks-the-objects", "git fsck >/dev/null 2>&1; git count-objects -v >/dev/null"),
    person("looks", r#"for w in status units "pool list" audit report "green show" "mission list" doctor; do timeout 30 "$MC" $w >/dev/null 2>&1; done; true"#),
    person("looks-at-one-unit", r#"for w in show log diff; do "$MC" unit $w u1 >/dev/null 2>&1; done; true"#),
    person("prunes-the-pool", r#""$MC" pool prune >/dev/null 2>&1; true"#),
    person("cleans", r#""$MC" clean >/dev/null 2>&1; "$MC" clean --unlanded --yes >/dev/null 2>&1; true"#),
    person("verifies", r#"timeout 30 "$MC" verify HEAD >/dev/null 2>&1; true"#),
    person("starts-another-mission", r#""$MC" mission start >/dev/null 2>&1; "$MC" mission resume >/dev/null 2>&1; true"#),
    person("pauses-and-goes-on", r#""$MC" mission pause >/dev/null 2>&1; sleep 0.2; "$MC" mission resume >/dev/null 2>&1; true"#),
    person("looks-at-green-in-a-work-tree", "git worktree add -q --detach ../look mc/green 2>/dev/null; git worktree remove --force ../look 2>/dev/null; true"),
    person("has-green-checked-out-for-a-moment", "git worktree add -q ../on-green mc/green 2>/dev/null && sleep 0.3; for i in 1 2 3 4 5 6 7 8 9; do [ ! -e ../on-green ] || git worktree remove --force ../on-green 2>/dev/null || sleep 0.2; done; true"),
    person("has-the-source-away-for-a-moment", "mv .git ../git-away; sleep 0.4; mv ../git-away .git"),
    person("has-refs-locked-for-a-moment", "touch .git/packed-refs.lock; sleep 0.3; rm -f .git/packed-refs.lock"),
    person("fills-the-journal-with-readers", r#"for i in 1 2 3 4 5; do "$MC" events >/dev/null 2>&1 & done; wait"#),
    person("stops-the-engine-for-a-moment", "kill -s STOP $ENGINE; sleep 0.3; kill -s CONT $ENGINE"),
    person("kills-the-engine", "kill -s KILL $ENGINE").either(),
    person("interrupts-the-engine", "kill -s INT $ENGINE; sleep 0.1; kill -s INT $ENGINE 2>/dev/null; true").others(),
    person("ends-the-engine", "kill -s TERM $ENGINE").either(),
    person("stops", r#""$MC" mission stop >/dev/null 2>&1; true"#).others(),
    person("stops-now", r#""$MC" mission stop --now >/dev/null 2>&1; true"#).others(),
    person("cancels", r#""$MC" unit cancel u1 >/dev/null 2>&1; true"#).others(),
    person("retries", r#""$MC" unit retry u1 >/dev/null 2>&1; true"#),
    person("takes-back", r#""$MC" green rollback --yes main >/dev/null 2>&1; true"#).others(),
    person("moves-green-back", "git update-ref refs/heads/mc/green main 2>/dev/null; true").others().proof(&["green", "contained"]),
    person("moves-green-forward", "git update-ref refs/heads/mc/green $(git commit-tree -p mc/green -m forward mc/green^{tree}) 2>/dev/null; true")
        .others()
        .proof(&["green"]),
    person("moves-green-to-what-is-red", "git update-ref refs/heads/mc/green $(git commit-tree -p mc/green -m red $(git hash-object -w -t tree /dev/null)) 2>/dev/null; true")
        .others()
        .proof(&["green"]),
    person("deletes-green", "git update-ref -d refs/heads/mc/green 2>/dev/null; true").others().proof(&["green", "contained"]),
    person("loses-the-lock", r#"rm -f "$STATE/engine.lock""#).others(),
    person("changes-the-verification", "sed -i 's/sh run.sh/true/' mission-control.toml").others().touches(&["mission-control.toml"]),
];
