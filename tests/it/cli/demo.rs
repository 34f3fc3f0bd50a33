//! `mc demo` as its user meets it: in a pipe, on a terminal, kept, and broken off.

use crate::support::tools::cannot_run;
use mission_control::adapters::host::local::demo::belonging_to;
use mission_control::adapters::host::local::process::command::{ChildGuard, CommandLine, Output};
use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;

/// A home and a temporary folder with nothing in them.
struct User {
    dir: TempDir,
}

impl User {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for name in ["home", "tmp"] {
            std::fs::create_dir(dir.path().join(name)).unwrap();
        }
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().canonicalize().unwrap().join(name)
    }

    async fn run(&self, program: &str, args: &[&str]) -> Output {
        CommandLine::new(program)
            .args(args)
            .cwd(self.path("home"))
            .env_clear()
            .env("PATH", std::env::var("PATH").unwrap())
            .env("HOME", self.path("home"))
            .env("TMPDIR", self.path("tmp"))
            .env("TERM", "xterm")
            .env("MC", env!("CARGO_BIN_EXE_mc"))
            .deadline(Duration::from_secs(240))
            .run(&ChildGuard::none())
            .await
            .unwrap()
    }

    async fn demo(&self, args: &[&str]) -> Output {
        self.run(env!("CARGO_BIN_EXE_mc"), &[&["demo"], args].concat()).await
    }

    fn temporary(&self) -> Vec<PathBuf> {
        std::fs::read_dir(self.path("tmp")).unwrap().map(|entry| entry.unwrap().path()).collect()
    }

    /// No file in home and temporary folder, no process that has to do with them.
    fn nothing_is_left(&self) {
        assert_eq!(self.temporary(), Vec::<PathBuf>::new());
        assert_eq!(std::fs::read_dir(self.path("home")).unwrap().count(), 0);
        assert_eq!(belonging_to(&self.path("tmp")), Vec::<u32>::new());
    }
}

fn within_minutes(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(300), test).await.expect("deadline") });
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What the demo must have told, in this order.
const TOLD: [&str; 14] = [
    "== 1.",
    "== 2.",
    "rejected (conflict): conflicts with green in lib/features.sh; tried again",
    "== 3. kill -9 ",
    "The agents work on without it. Signs of life since: average +",
    "== 4.",
    "average: rejected (verification): 1 new test fails: tests: average",
    "   | units: 8 landed + 2 blocked + 2 rejected + 2 failed = 14 units",
    "   | flaky (failed and passed on the same tree): tests: clock",
    "== 6. mc unit show average",
    "not ok 1 - average",
    "   | all holds: ",
    " of the journal was changed: its hash does not fit",
    "All 15 expectations held.",
];

fn told_all(out: &str) {
    let mut at = 0;
    for line in TOLD {
        let found = out[at..].find(line);
        at += found.unwrap_or_else(|| panic!("`{line}` is missing after byte {at} of\n{out}"));
    }
    assert!(!out.contains("FAIL"), "{out}");
}

#[test]
fn the_demo_in_a_pipe_holds_and_leaves_nothing() {
    within_minutes(async {
        let user = User::new();
        let output = user.demo(&[]).await;
        let out = text(&output.stdout);
        assert_eq!((output.code(), text(&output.stderr).as_str()), (Some(0), ""), "{out}");
        told_all(&out);
        assert!(!out.contains(['\r', '\x1b']), "a pipe gets plain lines");
        user.nothing_is_left();
    });
}

#[test]
fn a_kept_demo_can_be_looked_at_as_it_says() {
    within_minutes(async {
        let user = User::new();
        let output = user.demo(&["--keep", "--quiet"]).await;
        let out = text(&output.stdout);
        assert_eq!(output.code(), Some(0), "{out}");
        let (head, commands) = out.split_once("Look at it:\n").unwrap();
        assert_eq!(head.lines().count(), 3, "quiet: numbers, verdict, place: {head}");
        // Its very lines, with `mc` in the path.
        let bin = PathBuf::from(env!("CARGO_BIN_EXE_mc")).parent().unwrap().to_owned();
        let script = format!("set -e\nPATH='{}':$PATH\n{commands}", bin.display());
        let looked = user.run("sh", &["-c", &script]).await;
        assert!(looked.success(), "{script}\n{}", text(&looked.stderr));
        let seen = text(&looked.stdout);
        assert!(seen.contains("8 of 14 units landed") && seen.contains("Land month: The month at a glance"), "{seen}");
        assert_eq!(user.temporary().len(), 1);
        assert_eq!(belonging_to(&user.path("tmp")), Vec::<u32>::new());
    });
}

/// What a terminal shows in the end, for the few things `mc` uses: return, line feed, up, erase to the end, colours.
fn rendered(bytes: &str) -> Vec<String> {
    let (mut lines, mut row, mut column) = (vec![Vec::<char>::new()], 0_usize, 0);
    let mut rest = bytes.chars();
    while let Some(c) = rest.next() {
        match c {
            '\r' => column = 0,
            '\n' => {
                (row, column) = (row + 1, 0);
                lines.resize(lines.len().max(row + 1), Vec::new());
            }
            '\x1b' => {
                assert_eq!(rest.next(), Some('['), "no other sequence is used");
                let number: String = rest.by_ref().take_while(|c| c.is_ascii_digit() || *c == ';').collect();
                // What ended the number was the sequence's letter; it stands where the iterator was.
                let letter = bytes[..bytes.len() - rest.as_str().len()].chars().next_back().unwrap();
                match letter {
                    'm' => {}
                    'A' => row = row.saturating_sub(number.parse().unwrap_or(1)),
                    'J' => {
                        lines.truncate(row + 1);
                        lines[row].truncate(column);
                    }
                    'K' => lines[row].truncate(column),
                    other => panic!("no sequence {other} is used"),
                }
            }
            c => {
                let line = &mut lines[row];
                line.resize(line.len().max(column + 1), ' ');
                line[column] = c;
                column += 1;
            }
        }
    }
    lines.into_iter().map(|line| line.into_iter().collect()).collect()
}

#[test]
fn on_a_terminal_the_live_line_comes_and_goes() {
    within_minutes(async {
        let user = User::new();
        if !user.run("sh", &["-c", "script --version"]).await.success() {
            cannot_run("there is no util-linux `script` to make a terminal");
            return;
        }
        let line = "stty cols 90; exec \"$MC\" demo";
        let output = user.run("script", &["-qec", line, "/dev/null"]).await;
        let out = text(&output.stdout);
        assert_eq!(output.code(), Some(0), "{out}");
        let live: Vec<&str> = out.split(['\r', '\n']).filter(|part| part.contains("/14 landed")).collect();
        assert!(live.len() > 10, "the live line is drawn again and again: {live:?}");
        assert!(live.iter().all(|part| rendered(part).iter().all(|line| line.chars().count() < 90)), "{live:?}");
        let screen = rendered(&out);
        told_all(&screen.join("\n"));
        let torn = |line: &&String| line.find("== ").is_some_and(|at| at > 0);
        assert_eq!(screen.iter().filter(torn).collect::<Vec<_>>(), Vec::<&String>::new());
        // The view of the killed one stays where it was; that of the next one goes with its mission.
        let views = screen.iter().filter(|line| line.contains("/14 landed")).count();
        assert!(views <= 1, "{screen:#?}");
        user.nothing_is_left();
    });
}

#[test]
fn a_demo_broken_off_ends_its_agents_and_leaves_nothing() {
    within_minutes(async {
        let user = User::new();
        // While agents run that no `mc` watches over, which is the worst moment.
        let script = "\"$MC\" demo >../out 2>&1 & pid=$!\n\
            until grep -q '^== 3' ../out; do kill -0 $pid || exit 99; sleep 0.05; done\n\
            kill -s TERM $pid; wait $pid";
        let output = user.run("sh", &["-c", script]).await;
        let out = std::fs::read_to_string(user.path("out")).unwrap();
        assert_eq!(output.code(), Some(130), "{out}");
        assert!(out.contains("interrupted"), "{out}");
        user.nothing_is_left();
    });
}
