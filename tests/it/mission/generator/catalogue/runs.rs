//! What a unit does to its run, to other processes, to the state directory and to the source repository.

use super::{Action, unit};

pub const ACTIONS: &[Action] = &[
    // Its run.
    unit("says-it-was-killed", r#"for d in "$STATE"/runs/*/$MC_UNIT/*/run; do printf killed > "$d/reason"; done"#).either(),
    unit("says-its-time-is-up", r#"for d in "$STATE"/runs/*/$MC_UNIT/*/run; do printf timeout > "$d/reason"; done"#).either(),
    unit("says-it-ended", r#"for d in "$STATE"/runs/*/$MC_UNIT/*/run; do printf 'code 0\nend\n' > "$d/exit"; done"#).either(),
    unit("its-start-is-another", r#"for d in "$STATE"/runs/*/$MC_UNIT/*/run; do echo end > "$d/start"; done"#).either(),
    unit("its-claim-is-gone", r#"rm -rf "$STATE"/runs/*/$MC_UNIT/*/run/claim"#).either(),
    unit("its-lease-is-a-folder", r#"for d in "$STATE"/runs/*/$MC_UNIT/*/run; do rm -f "$d/lease"; mkdir "$d/lease"; done"#).either(),
    unit("its-log-is-a-pipe", r#"for d in "$STATE"/runs/*/$MC_UNIT/*/run; do rm -f "$d/out.log"; mkfifo "$d/out.log"; done"#).either(),
    unit("its-log-is-a-link", r#"for d in "$STATE"/runs/*/$MC_UNIT/*/run; do ln -sf "$SIDE/precious" "$d/out.log"; done"#).either(),
    unit("its-run-folder-is-gone", r#"rm -rf "$STATE"/runs/*/$MC_UNIT"#).either(),
    unit("its-run-folder-is-a-link", r#"for d in "$STATE"/runs/*/$MC_UNIT; do mv "$d" "$d-gone"; ln -s "$SIDE" "$d"; done"#)
        .either()
        .proof(&["-gone attempt"]),
    unit("forges-its-report", r#"for d in "$STATE"/sessions/*/$MC_UNIT/*; do echo '{}' > "$d/report.json"; echo x > "$d/refs"; done"#)
        .either()
        .proof(&["the report it left cannot be read"]),
    // What it claims.
    unit("claims-to-be-done", r#"echo '{"status":"completed","summary":"all done"}' > "$MC_RESULT"; exit 0"#),
    unit("claims-to-have-failed", r#"echo '{"status":"failed","summary":"no"}' > "$MC_RESULT"; exit 0"#).never(),
    unit("claims-to-be-blocked", r#"echo '{"status":"blocked","summary":"no","question":"why?"}' > "$MC_RESULT"; exit 0"#).never(),
    unit("ends-with-a-code", "exit 3").never(),
    unit("ends-by-a-signal", "kill -s TERM $$").never(),
    unit("its-result-is-a-link", r#"ln -sf "$SIDE/precious" "$MC_RESULT""#),
    unit("its-result-is-a-folder", r#"rm -f "$MC_RESULT"; mkdir -p "$MC_RESULT/x""#),
    unit("its-result-is-a-pipe", r#"rm -f "$MC_RESULT"; mkfifo "$MC_RESULT""#),
    unit("its-result-is-no-json", r#"printf '{"status":' > "$MC_RESULT""#),
    unit("its-result-is-large", r#"{ printf '{"status":"completed","summary":"'; head -c 3000000 /dev/zero | tr '\0' x; printf '"}'; } > "$MC_RESULT""#),
    unit("control-characters", r#"printf '\033[2J\033]0;x\007::error::x\n'; printf '{"status":"completed","summary":"\\u001b[2J"}' > "$MC_RESULT""#),
    // Output.
    unit("much-output", "i=0; while [ $i -lt 3000 ]; do echo \"line $i MC_RESULT:{\"; i=$((i+1)); done"),
    unit("one-long-line", "head -c 8000000 /dev/zero | tr '\\0' x"),
    unit("output-that-is-no-text", "head -c 300000 /dev/urandom; printf 'a\\0b\\377\\n'"),
    unit("closes-its-output", "exec >&- 2>&-"),
    // Processes.
    unit("leaves-a-daemon", r#"(env -i setsid sh -c "sleep 300; : $SIDE" </dev/null >/dev/null 2>&1 &)"#),
    unit("leaves-a-daemon-elsewhere", r#"(cd /; env -i setsid sh -c "trap '' TERM HUP; sleep 300; sleep 300; : $SIDE" </dev/null >/dev/null 2>&1 &)"#),
    unit("leaves-a-daemon-that-writes", "(setsid sh -c 'while sleep 0.02; do echo x > late-file; git branch -f late HEAD; done' </dev/null >/dev/null 2>&1 &)"),
    unit("leaves-many-processes", r#"i=0; while [ $i -lt 60 ]; do (sh -c "sleep 300; : $SIDE" </dev/null >/dev/null 2>&1 &); i=$((i+1)); done"#),
    unit("leaves-one-that-holds-its-output", r#"(sh -c "trap '' TERM; sleep 300; : $SIDE" </dev/null &)"#),
    unit("leaves-a-stopped-one", r#"(sh -c "kill -s STOP \$\$; : $SIDE" </dev/null >/dev/null 2>&1 &)"#),
    unit("ends-its-parent", "kill -s KILL $PPID").either(),
    unit(
        "ends-all-in-its-namespace",
        r#"case $(readlink /proc/self/ns/pid) in ''|"$OUTER") ;; *) for p in /proc/[0-9]*; do p=${p#/proc/}; [ "$p" = $$ ] || kill -s KILL "$p" 2>/dev/null; done;; esac"#,
    )
    .either(),
    // The state directory.
    unit("wakes-the-engine", r#"for i in 1 2 3 4 5 6; do timeout 1 sh -c 'echo x > "$1/wake"' sh "$STATE"; done; true"#),
    unit("wake-is-a-file", r#"rm -f "$STATE/wake"; echo x > "$STATE/wake""#).others(),
    unit("reads-the-journal-for-long", r#"timeout 5 sqlite3 "$STATE/mc.db" "BEGIN; SELECT count(*) FROM journal; SELECT count(*) FROM journal a, journal b, journal c, journal d; COMMIT" >/dev/null 2>&1; true"#),
    unit("locks-the-journal", r#"{ echo 'BEGIN IMMEDIATE;'; sleep 0.3; echo 'COMMIT;'; } | sqlite3 "$STATE/mc.db" >/dev/null 2>&1; true"#),
    unit("rewrites-the-journal", r#"sqlite3 "$STATE/mc.db" "UPDATE journal SET body = '{}'; DELETE FROM journal" >/dev/null 2>&1; true"#),
    unit("asks-for-the-lock", r#"flock -n "$STATE/engine.lock" true || flock -n "$STATE/engine.alive" true; true"#),
    unit("removes-the-lock", r#"rm -f "$STATE/engine.lock""#).others(),
    unit("removes-the-mark-of-life", r#"rm -f "$STATE/engine.alive""#).others(),
    unit("merges-are-made-nowhere", r#"rm -rf "${STATE:?}/merge.git""#),
    unit("merges-are-made-in-the-source", r#"rm -rf "${STATE:?}/merge.git"; ln -s "$S" "$STATE/merge.git""#),
    unit(
        "a-merge-driver-in-the-state",
        r#"for d in "$STATE/merge.git" "$STATE"/merge.git/*; do [ -d "$d" ] || continue; printf '[merge "x"]\n\tdriver = touch %s/pwned\n' "$SIDE" >> "$d/config"; mkdir -p "$d/info"; echo '* merge=x' > "$d/info/attributes"; done"#,
    ),
    unit("logs-are-a-link", r#"mv "$STATE/logs" "$STATE/was-logs"; ln -s "$SIDE" "$STATE/logs""#),
    unit("runs-of-others-are-gone", r#"for d in "$STATE"/runs/*/u*; do case $d in */"$MC_UNIT") ;; *) rm -rf "$d";; esac; done"#).wrecks(),
    unit("workspaces-of-others-are-gone", r#"for d in "$STATE"/pool/slot-*/work; do [ "$d" -ef . ] || rm -rf "$d"; done"#).wrecks(),
    // The program.
    unit("asks-for-a-stop", r#"cd "$W" && MC_STATE_DIR="$STATE" "$MC" mission stop >/dev/null 2>&1; true"#).others(),
    unit("cancels-another", r#"(cd "$W" && MC_STATE_DIR="$STATE" "$MC" unit cancel u0) >/dev/null 2>&1; true"#).others(),
    unit("starts-a-mission", r#"(cd "$W" && MC_STATE_DIR="$STATE" "$MC" mission resume) >/dev/null 2>&1; true"#),
    unit("takes-over", r#"(cd "$W" && MC_STATE_DIR="$SIDE/other" "$MC" mission resume) >/dev/null 2>&1; true"#),
    unit("verifies-by-itself", r#"(cd "$W" && MC_STATE_DIR="$STATE" timeout 10 "$MC" verify HEAD) >/dev/null 2>&1; true"#),
    unit("prunes-the-pool-itself", r#"(cd "$W" && MC_STATE_DIR="$STATE" "$MC" pool prune) >/dev/null 2>&1; true"#),
    // The source.
    unit("a-branch-in-the-source", r#"git -C "$S" branch -f "by-$MC_UNIT" main"#).either().touches(&["refs/heads/by-"]),
    unit("a-tag-in-the-source", r#"git -C "$S" tag -f "by-$MC_UNIT" main >/dev/null"#).either().touches(&["refs/tags/by-"]),
    unit("pushes-its-own-commit", r#"git push -q "$S" HEAD:refs/heads/own-$MC_UNIT"#).either().touches(&["refs/heads/own-"]),
    unit("moves-main-to-its-own", r#"git push -qf "$S" HEAD:refs/heads/main 2>/dev/null || { git -C "$S" fetch -q "$PWD" HEAD; git -C "$S" update-ref refs/heads/main "$(git rev-parse HEAD)"; }"#)
        .others()
        .touches(&["refs/heads/main"]),
    unit("refs-of-the-source-by-hand", r#"c=$(git rev-parse -q --verify HEAD~) && echo "$c" > "$S/refs/heads/hand-$MC_UNIT""#).either().touches(&["refs/heads/hand-"]),
    unit("replaces-in-the-source", r#"git -C "$S" replace -f main "$(git -C "$S" commit-tree -m x main^{tree})""#)
        .others()
        .touches(&["refs/replace/"])
        .proof(&["is on green", "does not exist", "contained"]),
    unit("settings-of-the-source", r#"git -C "$S" config core.fsmonitor /bin/false"#).others().touches(&[".git/config"]),
    unit("hooks-of-the-source", r#"mkdir "$S/hooks" 2>/dev/null; printf '#!/bin/sh\n[ "$PERSON$MC_UNIT" ] || touch "%s/pwned"\n' "$SIDE" > "$S/hooks/reference-transaction"; chmod +x "$S/hooks/reference-transaction""#)
        .others()
        .touches(&[".git/hooks"]),
    unit("attributes-of-the-source", r#"mkdir "$S/info" 2>/dev/null; echo '*.sh text eol=crlf' > "$S/info/attributes""#).others().touches(&[".git/info"]),
    unit("excludes-of-the-source", r#"mkdir "$S/info" 2>/dev/null; echo 'never-*' >> "$S/info/exclude""#).others().touches(&[".git/info"]),
    unit("head-of-the-source", r#"git -C "$S" symbolic-ref HEAD refs/heads/elsewhere"#).others().touches(&["HEAD", ".git/HEAD", "index"]),
    unit("the-index-of-the-source", r#"rm -f "$S/index""#).others().touches(&["index"]),
    unit("files-of-the-user", r#"echo edited >> "$W/src/f8.txt""#).either().touches(&["src/f8.txt"]),
    unit("locks-in-the-source", r#"touch "$S/packed-refs.lock" "$S/index.lock"; sleep 0.2; rm -f "$S/packed-refs.lock" "$S/index.lock""#),
    unit("the-source-is-away-for-a-moment", r#"mv "$S" "$S-away"; sleep 0.3; mv "$S-away" "$S""#).either(),
    unit("tidies-the-source", r#"git -C "$S" gc -q --prune=now >/dev/null 2>&1; true"#),
    unit(
        "moves-green-to-its-own-commit",
        r#"git rm -qf src/f0.txt; git commit -qm p; git push -qf "$S" HEAD:refs/heads/mc/green"#,
    )
    .others()
    .proof(GREEN),
    unit("takes-green-away", r#"git -C "$S" update-ref -d refs/heads/mc/green"#).others().proof(GREEN),
    unit("takes-the-owner-away", r#"git -C "$S" update-ref -d refs/mc/owner"#).others(),
    unit("unpins", r#"for r in $(git -C "$S" for-each-ref --format='%(refname)' refs/mc/attempts); do git -C "$S" update-ref -d $r; done"#)
        .wrecks()
        .proof(&["is gone; it pinned", "does not exist", "is not pinned"]),
    unit("moves-pins", r#"for r in $(git -C "$S" for-each-ref --format='%(refname)' refs/mc/attempts); do git -C "$S" update-ref $r main; done"#)
        .wrecks()
        .proof(&["points to", " holds ", "is pinned at"]),
];

/// What the proofs say of a green that somebody moved.
const GREEN: &[&str] = &["green", "contained"];
