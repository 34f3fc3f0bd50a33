//! One workspace and one merge against the git commands that do the same with nothing around them.
//!
//!     cargo bench --bench steps -- REPOSITORY RUNS
//!
//! REPOSITORY is a repository made for this (it gets commits, refs and folders beside it). Each step is done by `mc` and by
//! git in turn, RUNS times; printed are the medians of the ratios, one line a step: name, ratio, smallest, largest.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    missing_docs,
    reason = "a benchmark may panic"
)]

use mission_control::adapters::git::Git;
use mission_control::adapters::git::merge::{MergeRepo, Merged};
use mission_control::adapters::git::source::inspect;
use mission_control::adapters::host::local::process::command::ChildGuard;
use mission_control::adapters::host::local::workspace::pool::Pool;
use mission_control::adapters::host::local::workspace::slot::Ignored;
use mission_control::domain::values::CommitId;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// A repository with three commits that the steps are about: `base`, and two that each add a file to it.
struct Bed {
    repo: PathBuf,
    home: PathBuf,
    base: CommitId,
    ours: CommitId,
    theirs: CommitId,
}

impl Bed {
    fn new(repo: &Path) -> Self {
        let repo = repo.canonicalize().unwrap();
        let base = git(&repo, &["rev-parse", "HEAD"]);
        let side = |name: &str| {
            std::fs::write(repo.join(name), name).unwrap();
            git(&repo, &["add", name]);
            git(&repo, &["commit", "-q", "-m", name]);
            let commit = git(&repo, &["rev-parse", "HEAD"]);
            git(&repo, &["reset", "-q", "--hard", &base]);
            CommitId::new(&commit).unwrap()
        };
        let (ours, theirs) = (side("ours"), side("theirs"));
        let home = repo.parent().unwrap().join("steps");
        std::fs::create_dir_all(&home).unwrap();
        Self { base: CommitId::new(&base).unwrap(), ours, theirs, home, repo }
    }

    fn source(&self) -> Git {
        Git::in_folder(&self.repo, ChildGuard::none()).with_batch(&self.repo.join(".git"))
    }

    async fn pool(&self) -> Pool {
        Pool::open(&self.home.join("pool"), &self.source(), Ignored::Keep).await.unwrap()
    }
}

fn git(folder: &Path, args: &[&str]) -> String {
    let output = Command::new("git").args(args).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn since(began: Instant) -> Duration {
    began.elapsed()
}

/// The first use of a slot against `git worktree add`.
async fn first(bed: &Bed, pool: &Pool, run: u32) -> (Duration, Duration) {
    let began = Instant::now();
    pool.prepare(run, "first", &bed.base).await.unwrap();
    let ours = since(began);
    let tree = bed.home.join(format!("tree-{run}"));
    let began = Instant::now();
    git(&bed.repo, &["worktree", "add", "-q", "--detach", tree.to_str().unwrap(), bed.base.as_str()]);
    let theirs = since(began);
    pool.release(run).unwrap();
    (ours, theirs)
}

/// The next use of a slot on another commit, with something left in it, against `checkout --detach` and `clean`.
async fn reuse(bed: &Bed, pool: &Pool, run: u32) -> (Duration, Duration) {
    let (tree, to) = (bed.home.join(format!("tree-{run}")), &bed.ours);
    for folder in [pool.path(run), tree.clone()] {
        std::fs::write(folder.join("left"), "behind").unwrap();
    }
    let began = Instant::now();
    pool.prepare(run, "reuse", to).await.unwrap();
    let ours = since(began);
    let began = Instant::now();
    git(&tree, &["checkout", "-q", "-f", "--detach", to.as_str()]);
    git(&tree, &["clean", "-qfd"]);
    let theirs = since(began);
    assert!(!pool.path(run).join("left").exists() && !tree.join("left").exists());
    assert_eq!(git(&pool.path(run), &["rev-parse", "HEAD"]), to.as_str());
    (ours, theirs)
}

/// A merge without a conflict, its commit and its ref.
async fn merge(bed: &Bed, repo: &MergeRepo, source: &Git, run: u32) -> (Duration, Duration) {
    let green = source.resolve(bed.ours.as_str()).await.unwrap().unwrap();
    let began = Instant::now();
    let drop = ["BACKLOG.md", "PROGRESS.md"];
    let merged = repo.merge(&green, &bed.theirs, &drop).await.unwrap();
    let Merged::Tree(made) = merged else { panic!("{merged:?}") };
    let parents = [&green.commit, &bed.theirs];
    let commit = repo.commit(&made, &parents, &format!("merge {run}\n"), None).await.unwrap();
    let _ = source.compare_and_swap(&format!("refs/mc/candidates/bench/{run}"), &commit, None).await.unwrap();
    let ours = since(began);
    let began = Instant::now();
    let tree = git(&bed.repo, &["merge-tree", "--write-tree", bed.ours.as_str(), bed.theirs.as_str()]);
    let parents = ["-p", bed.ours.as_str(), "-p", bed.theirs.as_str()];
    let commit = git(&bed.repo, &[&["commit-tree", &tree][..], &parents, &["-m", "merge"]].concat());
    git(&bed.repo, &["update-ref", &format!("refs/bench/{run}"), &commit]);
    let theirs = since(began);
    assert_eq!(tree, made.as_str());
    (ours, theirs)
}

fn say(name: &str, mut pairs: Vec<(Duration, Duration)>) {
    let ratio = |(ours, theirs): &(Duration, Duration)| ours.as_secs_f64() / theirs.as_secs_f64();
    pairs.sort_by(|a, b| ratio(a).total_cmp(&ratio(b)));
    let ends = (ratio(&pairs[0]), ratio(&pairs[pairs.len() - 1]));
    println!("{name} {:.2} {:.2} {:.2}", ratio(&pairs[pairs.len() / 2]), ends.0, ends.1);
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    let [repo, runs] = &args[..] else { return };
    let (bed, runs) = (Bed::new(Path::new(repo)), runs.parse::<u32>().unwrap());
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(async {
        let pool = bed.pool().await;
        // The first slot makes what all share.
        pool.prepare(0, "before", &bed.base).await.unwrap();
        let (mut new, mut again, mut merged) = (Vec::new(), Vec::new(), Vec::new());
        for run in 1..=runs {
            new.push(first(&bed, &pool, run).await);
            again.push(reuse(&bed, &pool, run).await);
        }
        let source = bed.source();
        let facts = inspect(&source).await.unwrap();
        let repo = MergeRepo::open(&bed.home, &source, &facts, &[]).await.unwrap();
        for run in 0..=runs {
            merged.push(merge(&bed, &repo, &source, run).await);
        }
        merged.remove(0);
        say("first", new);
        say("reuse", again);
        say("merge", merged);
    });
}
