//! What hostile units, verifications and people do. Each action is a few lines of shell; `$S` is the source's git directory,
//! `$STATE` the state directory, both as an agent could find them out.

/// Who does it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// The agent or script of a unit, in its workspace, before or after its honest work.
    Unit,
    /// A test that a unit adds: it runs in the workspaces of verifications.
    Test,
    /// A person beside the mission, in the source repository.
    Person,
}

/// What an action may excuse; everything else must hold after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Excuse {
    /// The user's repository is not as before: that is the action.
    pub repository: bool,
    /// `mc audit` and `report --verify` may find what was tampered with.
    pub proof: bool,
    /// Other units may not land: green or the queue was taken away from them, or a person stopped it.
    pub others: bool,
    /// The unit itself may end in any way; without it an honest change beside the action must be kept.
    pub work: bool,
}

/// One thing that somebody does.
#[derive(Debug)]
pub struct Action {
    pub name: &'static str,
    pub actor: Actor,
    pub script: &'static str,
    pub excuse: Excuse,
}

const NONE: Excuse = Excuse { repository: false, proof: false, others: false, work: false };
const REPOSITORY: Excuse = Excuse { repository: true, ..NONE };
const GREEN: Excuse = Excuse { repository: true, proof: true, others: true, work: true };
const PROOF: Excuse = Excuse { proof: true, ..NONE };
const WORK: Excuse = Excuse { work: true, ..NONE };
const OTHERS: Excuse = Excuse { others: true, work: true, ..NONE };

const fn unit(name: &'static str, script: &'static str, excuse: Excuse) -> Action {
    Action { name, actor: Actor::Unit, script, excuse }
}

const fn test(name: &'static str, script: &'static str) -> Action {
    Action { name, actor: Actor::Test, script, excuse: NONE }
}

const fn person(name: &'static str, script: &'static str, excuse: Excuse) -> Action {
    Action { name, actor: Actor::Person, script, excuse }
}

/// The actions.
pub const ACTIONS: &[Action] = &[
    // Links and replaced folders.
    unit(
        "workspace-is-a-link-to-the-source",
        "cd ..; rm -rf \"$MC_WORKSPACE\"; ln -s \"$S/..\" \"$MC_WORKSPACE\"",
        WORK,
    ),
    unit(
        "workspace-is-a-link-to-another-repository",
        "cd ..; git init -q other; echo x > other/x; mv \"$MC_WORKSPACE\" gone; ln -s \"$PWD/other\" \"$MC_WORKSPACE\"",
        WORK,
    ),
    unit(
        "workspace-is-a-link-to-a-folder",
        "cd ..; mkdir plain; echo p > plain/p; rm -rf \"$MC_WORKSPACE\"; ln -s plain \"$MC_WORKSPACE\"",
        WORK,
    ),
    unit("workspace-is-gone", "cd ..; rm -rf \"$MC_WORKSPACE\"", WORK),
    unit("workspace-is-a-file", "cd ..; rm -rf \"$MC_WORKSPACE\"; echo x > \"$MC_WORKSPACE\"", WORK),
    unit("git-directory-is-a-link-to-the-source", "rm -rf .git; ln -s \"$S\" .git", WORK),
    unit("git-directory-is-gone", "rm -rf .git", NONE),
    unit(
        "git-directory-is-another",
        "rm -rf .git; git init -q .; git add -A; git -c user.name=x -c user.email=x commit -qm own",
        WORK,
    ),
    unit("objects-are-a-link-to-the-source", "rm -rf .git/objects; ln -s \"$S/objects\" .git/objects", WORK),
    unit("hooks-are-a-link-to-the-source", "rm -rf .git/hooks; ln -s \"$S/hooks\" .git/hooks", NONE),
    unit("a-link-out-of-the-tree", "ln -s /etc out-$MC_UNIT", WORK),
    unit("a-link-out-of-the-tree-by-steps", "mkdir -p a-$MC_UNIT/b; ln -s ../../../.. a-$MC_UNIT/b/up", WORK),
    unit("a-link-inside-the-tree", "ln -s src/f1.txt in-$MC_UNIT", NONE),
    unit("sources-are-a-link", "rm -rf src; ln -s \"$S/../src\" src", WORK),
    unit(
        "things-beside-the-workspace",
        "mkdir -p ../beside; echo x > ../beside/x; git worktree add -q ../wt-$MC_UNIT -b wt-$MC_UNIT",
        NONE,
    ),
    // Odd names and files.
    unit("a-name-git-refuses", "echo x > 'git~1'", WORK),
    unit("a-folder-git-refuses", "mkdir .GIT; echo x > .GIT/x", WORK),
    unit("a-name-that-is-no-text", "echo x > \"$(printf 'caf\\351')-$MC_UNIT\"", NONE),
    unit("a-name-with-a-line-break", "echo x > \"$(printf 'a\\nb')-$MC_UNIT\"", NONE),
    unit("a-very-long-name", "echo x > \"$(printf '%0250d' 7)\"", NONE),
    unit("a-pipe", "mkfifo pipe-$MC_UNIT", NONE),
    unit("closed-folders", "mkdir -p shut-$MC_UNIT/in; echo x > shut-$MC_UNIT/in/x; chmod 000 shut-$MC_UNIT", NONE),
    unit("closed-files", "echo x > shut-file-$MC_UNIT; chmod 000 shut-file-$MC_UNIT", NONE),
    unit(
        "another-repository-inside",
        "git init -q inner-$MC_UNIT; echo x > inner-$MC_UNIT/x; git -C inner-$MC_UNIT add -A; git -C inner-$MC_UNIT -c user.name=x -c user.email=x commit -qm inner",
        WORK,
    ),
    unit(
        "deep-folders",
        "d=deep-$MC_UNIT; i=0; while [ $i -lt 200 ]; do d=$d/d; i=$((i+1)); done; mkdir -p $d; echo x > $d/x",
        NONE,
    ),
    unit("set-uid", "chmod 4755 src/f1.txt", NONE),
    // What git reads.
    unit("line-ends-for-scripts", "echo '*.sh text eol=crlf' > .gitattributes", WORK),
    unit("another-encoding", "echo 'src/*.txt text working-tree-encoding=UTF-16' > .gitattributes", WORK),
    unit(
        "a-filter-that-fails",
        "git config filter.x.clean false; git config filter.x.required true; echo '*.txt filter=x' > .gitattributes",
        WORK,
    ),
    unit("a-merge-driver", "git config merge.x.driver 'touch pwned'; echo '* merge=x' > .gitattributes", WORK),
    unit("ours-for-everything", "echo '* merge=ours -merge' > .gitattributes", WORK),
    unit(
        "fsmonitor",
        "printf '#!/bin/sh\\n[ \"$MC_UNIT\" ] || touch \"$HOME/pwned\"\\n' > .git/mon; chmod +x .git/mon; git config core.fsmonitor \"$PWD/.git/mon\"",
        NONE,
    ),
    unit(
        "hooks-of-the-clone",
        "mkdir -p .git/hooks; printf '#!/bin/sh\\n[ \"$MC_UNIT\" ] || touch \"$HOME/pwned\"\\n' > .git/hooks/post-checkout; chmod +x .git/hooks/post-checkout; cp .git/hooks/post-checkout .git/hooks/pre-commit",
        NONE,
    ),
    unit(
        "an-index-that-lies",
        "git update-index --assume-unchanged src/f2.txt; git update-index --skip-worktree src/f3.txt; echo y >> src/f2.txt; echo y >> src/f3.txt",
        NONE,
    ),
    unit("a-broken-index", "echo broken > .git/index", NONE),
    unit("locks-left-behind", "touch .git/index.lock .git/HEAD.lock .git/config.lock", NONE),
    unit("a-broken-head", "echo broken > .git/HEAD", WORK),
    unit("no-alternates", "rm .git/objects/info/alternates", WORK),
    unit("a-merge-in-progress", "git rev-parse HEAD > .git/MERGE_HEAD", WORK),
    unit("an-exclude-of-its-own", "mkdir -p .git/info; echo 'work-*' >> .git/info/exclude", NONE),
    unit(
        "a-merge-driver-in-the-state",
        "git -C \"$STATE/merge.git\" config merge.x.driver 'touch pwned'; mkdir -p \"$STATE/merge.git/info\"; echo '* merge=x' > \"$STATE/merge.git/info/attributes\"",
        NONE,
    ),
    // Histories.
    unit(
        "another-history",
        "git checkout -q --orphan other-$MC_UNIT; git -c user.name=x -c user.email=x commit -qm orphan",
        WORK,
    ),
    unit(
        "branches-stashes-and-tags",
        "git branch b-$MC_UNIT; git tag t-$MC_UNIT; echo s >> src/f4.txt; git stash -q",
        NONE,
    ),
    unit(
        "trailers-of-others",
        "git add -A; git -c user.name=x -c user.email=x commit -qm \"$(printf 'x\\n\\nMc-Unit: honest\\nMc-Verified-Tree: 0\\nMc-Mission: x')\"",
        NONE,
    ),
    unit("replace-refs", "git replace HEAD HEAD~ 2>/dev/null || true", NONE),
    unit(
        "work-in-another-branch",
        "git checkout -q -b else-$MC_UNIT; echo e > e-$MC_UNIT; git add -A; git -c user.name=x -c user.email=x commit -qm else; git checkout -q --detach HEAD",
        NONE,
    ),
    // The run.
    unit("says-it-was-killed", "for d in \"$STATE\"/runs/*/$MC_UNIT/*/run; do printf killed > $d/reason; done", WORK),
    unit(
        "its-log-is-a-pipe",
        "for d in \"$STATE\"/runs/*/$MC_UNIT/*/run; do rm -f $d/out.log; mkfifo $d/out.log; done",
        WORK,
    ),
    unit("its-run-folder-is-gone", "rm -rf \"$STATE\"/runs/*/$MC_UNIT", Excuse { proof: true, ..WORK }),
    unit(
        "claims-to-be-done",
        "echo '{\"status\":\"completed\",\"summary\":\"all done\"}' > \"$MC_RESULT\"; exit 0",
        WORK,
    ),
    unit("its-result-is-a-link", "ln -sf /etc/passwd \"$MC_RESULT\"", NONE),
    unit(
        "control-characters",
        "printf '\\033[2J\\033]0;x\\007::error::x\\n'; printf '{\"status\":\"completed\",\"summary\":\"\\\\u001b[2J\"}' > \"$MC_RESULT\"",
        NONE,
    ),
    unit("leaves-a-daemon", "(env -i setsid sleep 300 </dev/null >/dev/null 2>&1 &)", NONE),
    unit("ends-its-parents", "kill -s KILL $PPID", WORK),
    unit("much-output", "i=0; while [ $i -lt 3000 ]; do echo \"line $i MC_RESULT:{\"; i=$((i+1)); done", NONE),
    // The source.
    unit("a-branch-in-the-source", "git -C \"$S\" branch by-$MC_UNIT main", Excuse { work: true, ..REPOSITORY }),
    unit(
        "pushes-its-own-commit",
        "git add -A; git -c user.name=x -c user.email=x commit -qm own; git push -q \"$S\" HEAD:refs/heads/own-$MC_UNIT",
        Excuse { work: true, ..REPOSITORY },
    ),
    unit(
        "settings-of-the-source",
        "git -C \"$S\" config core.fsmonitor /bin/false",
        Excuse { work: true, others: true, ..REPOSITORY },
    ),
    unit(
        "hooks-of-the-source",
        "mkdir -p \"$S/hooks\"; echo exit 1 > \"$S/hooks/post-commit\"",
        Excuse { work: true, others: true, ..REPOSITORY },
    ),
    unit(
        "moves-green-to-its-own-commit",
        "git rm -qf src/f0.txt; git -c user.name=x -c user.email=x commit -qm p; git push -qf \"$S\" HEAD:refs/heads/mc/green",
        GREEN,
    ),
    unit(
        "unpins",
        "for r in $(git -C \"$S\" for-each-ref --format='%(refname)' refs/mc/attempts); do git -C \"$S\" update-ref -d $r; done",
        PROOF,
    ),
    // Tests that leave things behind, in the workspaces of verifications.
    test("ignored-files", "mkdir -p build; echo z > build/z"),
    test("wants-ignored-files", "test -f build/z"),
    test("files-at-home", "mkdir -p \"$HOME/.lib\"; echo z > \"$HOME/.lib/z\""),
    test("wants-files-at-home", "test -f \"$HOME/.lib/z\""),
    test("temporary-files", "echo z > \"${TMPDIR:-/tmp}/z-of-tests\""),
    test("wants-temporary-files", "test -f \"${TMPDIR:-/tmp}/z-of-tests\""),
    test("files-beside", "echo z > ../z"),
    test("wants-files-beside", "test -f ../z"),
    test("hides-a-file", "git update-index --skip-worktree src/f5.txt; echo z >> src/f5.txt"),
    test("ignores-everything", "mkdir -p .git/info; echo '*' >> .git/info/exclude"),
    test(
        "hooks-in-the-slot",
        "mkdir -p .git/hooks; echo 'exit 1' > .git/hooks/post-checkout; chmod +x .git/hooks/post-checkout",
    ),
    test("a-repository-in-the-slot", "git init -q build/inner 2>/dev/null || true"),
    test("closes-folders", "mkdir -p build/shut; chmod 000 build/shut"),
    test("removes-tracked-files", "rm -f src/f6.txt"),
    test("changes-modes", "chmod 000 src/f7.txt; chmod 755 src/f8.txt"),
    test("breaks-git", "rm -rf .git/objects .git/refs"),
    test("leaves-a-daemon-in-a-test", "(setsid sleep 300 </dev/null >/dev/null 2>&1 &)"),
    // People.
    person("commits", "echo p >> person.txt; git add person.txt; git commit -qm person", REPOSITORY),
    person("branches-and-tags", "git branch by-a-person; git tag by-a-person", REPOSITORY),
    person("tidies-up", "git gc -q --prune=now", NONE),
    person("packs-refs", "git pack-refs --all", NONE),
    person("stages", "echo s > staged.txt; git add staged.txt", REPOSITORY),
    person(
        "looks",
        "\"$MC\" status >/dev/null; \"$MC\" units >/dev/null; \"$MC\" pool list >/dev/null; \"$MC\" audit >/dev/null || true",
        NONE,
    ),
    person("prunes-the-pool", "\"$MC\" pool prune >/dev/null 2>&1 || true", NONE),
    person(
        "pauses-and-goes-on",
        "\"$MC\" mission pause >/dev/null 2>&1 && \"$MC\" mission resume >/dev/null 2>&1 || true",
        NONE,
    ),
    person(
        "looks-at-green-in-a-work-tree",
        "git worktree add -q --detach ../look mc/green 2>/dev/null; git worktree remove --force ../look 2>/dev/null || true",
        NONE,
    ),
    person("closes-the-source-for-a-moment", "chmod a-w .git/objects; sleep 0.2; chmod u+w .git/objects", NONE),
    person("takes-green-back", "git update-ref refs/heads/mc/green main 2>/dev/null || true", GREEN),
    person("cancels", "\"$MC\" unit cancel u1 >/dev/null 2>&1 || true", OTHERS),
];
