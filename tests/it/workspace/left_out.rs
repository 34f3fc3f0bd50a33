//! What git does not take of a workspace: everything else is committed, what is left out is kept and told, and a second
//! collection gives the same.

use crate::support::attempt::Work;
use crate::support::repo::within_a_minute;
use mission_control::adapters::host::local::workspace::left_out::Why;

#[test]
fn p2_everything_that_git_takes_is_committed_beside_what_it_refuses() {
    within_a_minute(async {
        for (script, left) in [
            (r#"echo odd > "git~1""#, &["git~1"][..]),
            (r#"mkdir .GIT; echo odd > .GIT/x; echo odd > .GIT/y"#, &[".GIT/x", ".GIT/y"]),
            (r#"mkdir d; echo odd > 'd/.git '; echo odd > '..\.git'; echo ok > d/ok"#, &["..\\.git", "d/.git "]),
            (r#"ln -s a .gitmodules"#, &[".gitmodules"]),
            (r#"echo odd > .git::\$INDEX_ALLOCATION"#, &[".git::$INDEX_ALLOCATION"]),
        ] {
            let work = Work::start().await;
            work.agent(&format!("echo w > work.txt; echo 2 > a; {script}; echo z > zz")).await;
            let got = work.collect().await;
            let mut found: Vec<_> = got.left_out.iter().map(|l| l.path.to_string_lossy().into_owned()).collect();
            found.sort();
            assert_eq!(found, left, "{script}");
            for left in &got.left_out {
                assert_eq!(left.why, Why::Refused, "{script}");
                let place = left.place.as_ref().unwrap();
                assert!(std::fs::symlink_metadata(place).is_ok() && place.starts_with(&work.attempt.run_dir));
            }
            let files = work.world.sh(&format!("git ls-tree --name-only {0}; git show {0}:a", got.head.commit)).await;
            assert!(files.contains("work.txt") && files.contains("zz") && files.ends_with("\n2"), "{script}: {files}");
            // As after a crash: the same again.
            let again = work.collect().await;
            assert_eq!((again.head, again.left_out.len()), (got.head, got.left_out.len()), "{script}");
            work.alone().await;
        }
    });
}

#[test]
fn p2_what_is_nested_too_deep_for_git_is_kept_and_the_rest_is_committed() {
    within_a_minute(async {
        let work = Work::start().await;
        work.agent(
            "echo w > work.txt; n=$(printf '%0200d' 0); mkdir nest; cd nest; i=0
             while [ $i -lt 25 ]; do mkdir $n; cd -P $n; i=$((i+1)); done; echo deep > deep",
        )
        .await;
        let got = work.collect().await;
        assert_eq!(got.left_out.len(), 1, "{got:?}");
        assert_eq!(got.left_out[0].why, Why::Refused);
        let place = got.left_out[0].place.clone().unwrap();
        let found = work.world.sh(&format!("find {} -name deep | wc -l", place.display())).await;
        assert_eq!(found, "1");
        assert_eq!(work.world.sh(&format!("git show {}:work.txt", got.head.commit)).await, "w");
        work.alone().await;
    });
}

#[test]
fn p2_a_conversion_that_fails_takes_its_own_file_as_it_is_and_no_other() {
    within_a_minute(async {
        let work = Work::start().await;
        work.agent(
            r#"printf '*.u16 working-tree-encoding=UTF-16LE\n*.txt text eol=crlf\n' > .gitattributes
             printf 'x\r\n' > crlf.txt; printf 'o\000k\000' > fine.u16; printf 'odd' > "$(printf 'odd\n[1]"\\x.u16')"; printf '1' > odd2.u16"#,
        )
        .await;
        let got = work.collect().await;
        let show = |path: &str| format!("git show '{}:{path}' | od -An -c | tr -d ' \\n'", got.head.commit);
        assert_eq!(work.world.sh(&show("crlf.txt")).await, "x\\n");
        assert_eq!(work.world.sh(&show("fine.u16")).await, "ok");
        assert_eq!(work.world.sh(&show("odd2.u16")).await, "1");
        let listed = work.world.sh(&format!("git ls-tree --name-only {} | grep -c u16", got.head.commit)).await;
        assert_eq!(listed, "3");
        assert!(got.left_out.is_empty() && got.notes.iter().any(|n| n.contains("encoding")), "{got:?}");
        work.alone().await;
    });
}

#[test]
fn p2_what_stands_in_the_way_of_collecting_is_taken_away() {
    within_a_minute(async {
        for script in [
            "mkdir .git/index.lock",
            "mkdir -p .git/HEAD.lock/x",
            "rm -rf .git/objects/info; ln -s /nowhere .git/objects/info",
            "mkdir .gitmodules; echo x > .gitmodules/x; mkdir .gitattributes; echo y > .gitattributes/y",
            "echo '[broken' > .gitmodules; printf '\\000\\001[attr]x\\n!bad' > .gitattributes; echo '[' > .gitignore2",
            "ln -s /etc/passwd .gitattributes; rm .gitignore; ln -s /etc/passwd .gitignore",
            "mkdir n; mkdir n/.git; echo x > n/x; echo 'gitdir: /nope' > src/.git",
            "git init -q inner; git -C inner config core.worktree /; echo x > inner/x",
            "mkfifo pipe; rm a; mkfifo a",
        ] {
            let work = Work::start().await;
            work.agent(&format!("echo w > work.txt; {script}")).await;
            let got = work.collect().await;
            assert_eq!(work.world.sh(&format!("git show {}:work.txt", got.head.commit)).await, "w", "{script}");
            work.alone().await;
        }
    });
}
