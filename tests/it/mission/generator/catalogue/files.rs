//! Links, replaced folders, odd names, kinds and modes of files, in the workspace of a unit and beside it.

use super::{Action, unit};

pub const ACTIONS: &[Action] = &[
    // Links and replaced folders.
    unit(
        "workspace-is-a-link-to-the-source",
        r#"cd ..; rm -rf "$MC_WORKSPACE"; ln -s "$W" "$MC_WORKSPACE""#,
    )
    .destroys(),
    unit(
        "workspace-is-a-link-to-another-repository",
        r#"cd ..; git init -q other; echo x > other/x; mv "$MC_WORKSPACE" gone; ln -s "$PWD/other" "$MC_WORKSPACE""#,
    )
    .destroys(),
    unit(
        "workspace-is-a-link-to-a-folder",
        r#"cd ..; rm -rf "$MC_WORKSPACE"; ln -s "$SIDE" "$MC_WORKSPACE""#,
    )
    .destroys(),
    unit("workspace-is-gone", r#"cd ..; rm -rf "$MC_WORKSPACE""#).destroys(),
    unit("workspace-is-a-file", r#"cd ..; rm -rf "$MC_WORKSPACE"; echo x > "$MC_WORKSPACE""#).destroys(),
    unit("workspace-is-a-copy", r#"cd ..; cp -a "$MC_WORKSPACE" copy; rm -rf "$MC_WORKSPACE"; mv copy "$MC_WORKSPACE""#)
        .destroys(),
    unit("slot-is-a-link", r#"cd ../..; d=${MC_WORKSPACE%/*}; mv "$d" "$d-gone"; ln -s "$SIDE" "$d""#).destroys(),
    unit("slot-is-gone", r#"cd /; rm -rf "${MC_WORKSPACE%/*}""#).destroys(),
    unit("pool-is-gone", r#"cd /; rm -rf "${STATE:?}/pool""#).wrecks(),
    unit("pool-is-a-link", r#"cd /; mv "$STATE/pool" "$STATE/was-pool"; ln -s "$SIDE" "$STATE/pool""#).wrecks(),
    unit("runs-are-a-link", r#"cd /; mv "$STATE/runs" "$STATE/was-runs"; ln -s "$SIDE" "$STATE/runs""#).wrecks(),
    unit("temporary-folder-is-a-link", r#"rm -rf "${TMPDIR:?}"; ln -s "$SIDE" "$TMPDIR""#),
    unit("home-of-the-slot-is-a-link", r#"rm -rf ../home; ln -s "$SIDE" ../home"#),
    unit("notes-of-the-slot-are-links", r#"for f in ../../*.used ../../*.lock; do ln -sf "$SIDE/precious" "$f"; done"#)
        .either(),
    unit("a-link-out-of-the-tree", "ln -s /etc out-$MC_UNIT").never(),
    unit("a-link-out-of-the-tree-by-steps", "mkdir -p a-$MC_UNIT/b; ln -s ../../../.. a-$MC_UNIT/b/up").never(),
    unit("a-link-out-through-a-link", "ln -s . in-$MC_UNIT; ln -s in-$MC_UNIT/../x up-$MC_UNIT").never(),
    unit("a-link-into-git", "ln -s .git/config config-$MC_UNIT").either(),
    unit("a-link-inside-the-tree", "ln -s src/f1.txt in-$MC_UNIT"),
    unit("a-link-to-nothing", "ln -s not-there-$MC_UNIT in-$MC_UNIT"),
    unit("a-link-to-itself", "ln -s loop-$MC_UNIT loop-$MC_UNIT").either(),
    unit("sources-are-a-link", r#"rm -rf src; ln -s "$W/src" src"#).never(),
    unit("tests-are-a-link-inside", "mv tests checks; ln -s checks tests").either(),
    unit("hard-links-to-the-source", r#"for n in 1 2 3; do ln -f "$W/src/f$n.txt" src/f$n.txt; done"#),
    unit("hard-links-that-are-closed", r#"ln -f "$W/src/f4.txt" hard-$MC_UNIT; chmod 000 src"#).either(),
    unit("things-beside-the-workspace", "mkdir -p ../beside; echo x > ../beside/x; git worktree add -q ../wt-$MC_UNIT -b wt-$MC_UNIT"),
    unit("things-in-the-pool", "mkdir -p ../../slot-77/work; echo x > ../../slot-77/work/x; echo x > ../../layout-x"),
    unit("files-in-the-home-of-the-slot", "mkdir -p ../home/.ssh; echo x > ../home/.gitconfig"),
    // Odd names.
    unit("a-name-git-refuses", "echo x > 'git~1'").never(),
    unit("a-folder-git-refuses", "mkdir .GIT; echo x > .GIT/x").never(),
    unit("a-name-that-hides-characters", r#"mkdir "$(printf '.g\342\200\214it')"; echo x > "$(printf '.g\342\200\214it')/x""#)
        .either(),
    unit("a-name-that-is-no-text", r#"echo x > "$(printf 'caf\351')-$MC_UNIT""#),
    unit("a-name-with-a-line-break", r#"echo x > "$(printf 'a\nb')-$MC_UNIT""#),
    unit("a-name-with-escapes", r#"echo x > "$(printf '\033[31m\007')-$MC_UNIT""#),
    unit("names-like-options", "echo x > ./--upload-pack=x; echo x > ./-rf; echo x > ./--"),
    unit("names-like-revisions", "echo x > HEAD; echo x > main; echo x > mc; mkdir -p refs/mc; echo x > refs/mc/x"),
    unit("names-with-quotes-and-globs", r#"echo x > "it's"; echo x > 'a"b'; echo x > 'a\b'; echo x > '*'; echo x > ':(top)x'"#),
    unit("names-that-differ-in-case", "echo x > Case-$MC_UNIT; echo y > case-$MC_UNIT; echo z > CASE-$MC_UNIT"),
    unit("names-composed-and-not", r#"echo x > "$(printf 'caf\303\251')"; echo y > "$(printf 'cafe\314\201')""#),
    unit("names-of-devices", "echo x > con; echo x > aux.txt; echo x > 'dot.'; echo x > 'space '"),
    unit("a-very-long-name", r#"echo x > "$(printf '%0250d' 7)""#),
    unit(
        "a-path-that-is-too-long",
        r#"(i=0; while [ $i -lt 22 ]; do d=$(printf '%0200d' $i); mkdir $d && cd $d || break; i=$((i+1)); done; echo x > x)"#,
    )
    .never(),
    unit("deep-folders", "d=deep-$MC_UNIT; i=0; while [ $i -lt 200 ]; do d=$d/d; i=$((i+1)); done; mkdir -p $d; echo x > $d/x"),
    // Kinds and modes.
    unit("a-pipe", "mkfifo pipe-$MC_UNIT"),
    unit("pipes-where-files-were", "rm src/f3.txt; mkfifo src/f3.txt").never(),
    unit("a-device", "mknod null-$MC_UNIT c 1 3"),
    unit("closed-folders", "mkdir -p shut-$MC_UNIT/in; echo x > shut-$MC_UNIT/in/x; chmod 000 shut-$MC_UNIT"),
    unit("closed-files", "echo x > shut-file-$MC_UNIT; chmod 000 shut-file-$MC_UNIT"),
    unit("everything-is-closed", "chmod -R a-rwx src tests; chmod 000 ."),
    unit("set-uid-and-sticky", "chmod 4755 src/f1.txt; chmod 3777 src"),
    unit("everything-is-executable", "chmod -R a+x src run.sh"),
    unit("a-file-becomes-a-folder", "rm src/f9.txt; mkdir src/f9.txt; echo x > src/f9.txt/x").never(),
    unit("a-folder-becomes-a-file", "rm -rf src; echo x > src").never(),
    unit("everything-is-gone", "rm -rf ./* .gitignore").never(),
    unit("an-empty-folder", "mkdir empty-$MC_UNIT"),
    unit("many-files", "mkdir many-$MC_UNIT; i=0; while [ $i -lt 1500 ]; do echo $i > many-$MC_UNIT/$i; i=$((i+1)); done"),
    unit("a-large-file", "head -c 12000000 /dev/urandom > large-$MC_UNIT"),
    unit("files-of-the-future", "touch -d '2099-01-01' src/f1.txt work-$MC_UNIT; touch -d '1970-01-01' src/f2.txt"),
    unit("same-size-same-time", "cp -p src/f1.txt keep-$MC_UNIT; printf 'z\\n' > src/f1.txt; touch -r keep-$MC_UNIT src/f1.txt"),
];
