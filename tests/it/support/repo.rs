//! A hermetic world: a home of its own, a repository in it, no configuration of the machine.

use mission_control::adapters::git::Git;
use mission_control::adapters::host::local::process::command::{ChildGuard, CommandLine};
use mission_control::domain::values::CommitId;
use std::collections::BTreeMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

/// Runs a test with a deadline.
pub fn within_a_minute(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(60), test).await.expect("deadline") });
}

/// A home folder with a source repository (`repo`) whose branch `main` has one commit.
pub struct World {
    dir: TempDir,
}

impl World {
    pub async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let world = Self { dir };
        std::fs::create_dir_all(world.home().join("repo")).unwrap();
        world.home_sh("git config --global user.name Ada && git config --global user.email ada@example.org").await;
        world.home_sh("git init -q -b main repo").await;
        world.sh("mkdir src && echo one > a && echo main > src/main && printf 'build/\\n' > .gitignore").await;
        world.sh("git add -A && git commit -qm first").await;
        world
    }

    pub fn home(&self) -> PathBuf {
        self.dir.path().canonicalize().unwrap()
    }

    pub fn repo(&self) -> PathBuf {
        self.home().join("repo")
    }

    pub fn state(&self) -> PathBuf {
        let dir = self.home().join("state");
        std::fs::create_dir_all(&dir).unwrap();
        dir
    }

    /// The product's git on a folder of this world.
    pub fn git(&self, dir: &Path) -> Git {
        // As in a mission: standard input is a file with something in it, which no call may read or wait for.
        let path = self.dir.path().join("lock");
        std::fs::write(&path, "4711 12345\n").unwrap();
        let guard = ChildGuard::from_lock(Arc::new(std::fs::File::open(path).unwrap()));
        Git::in_folder(dir, guard)
            .with_env("HOME", self.home())
            .with_env("XDG_CONFIG_HOME", self.home().join(".config"))
            .with_env("GIT_CONFIG_SYSTEM", "/dev/null")
    }

    /// The product's git on the source, as missions call it.
    pub fn source(&self) -> Git {
        self.git(&self.repo()).with_batch(&self.repo().join(".git"))
    }

    /// Runs a shell script in the source, as its user would.
    pub async fn sh(&self, script: &str) -> String {
        self.sh_in(&self.repo(), script).await
    }

    async fn home_sh(&self, script: &str) -> String {
        self.sh_in(&self.home(), script).await
    }

    /// Runs a shell script in a folder; it must succeed.
    pub async fn sh_in(&self, dir: &Path, script: &str) -> String {
        let output = CommandLine::new("sh")
            .args(["-ec", script])
            .cwd(dir)
            .env_clear()
            .env("PATH", std::env::var("PATH").unwrap())
            .env("HOME", self.home())
            .env("GIT_CONFIG_SYSTEM", "/dev/null")
            .env("GIT_AUTHOR_DATE", "2026-01-02T03:04:05Z")
            .env("GIT_COMMITTER_DATE", "2026-01-02T03:04:05Z")
            .env("GIT_CEILING_DIRECTORIES", self.home())
            .run(&ChildGuard::none())
            .await
            .unwrap();
        assert!(output.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// Writes a file below the source and commits everything; returns the commit.
    pub async fn commit(&self, path: &str, content: &str) -> CommitId {
        let file = self.repo().join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, content).unwrap();
        CommitId::new(&self.sh("git add -A && git commit -qm work && git rev-parse HEAD").await).unwrap()
    }

    /// The commit a revision of the source names.
    pub async fn id(&self, rev: &str) -> CommitId {
        CommitId::new(&self.sh(&format!("git rev-parse --verify '{rev}^{{commit}}'")).await).unwrap()
    }

    /// Every file of the source, its git directory included but for objects and `mc`'s own refs, with its content.
    pub fn everything(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut found = BTreeMap::new();
        walk(&self.repo(), &mut found);
        found.retain(|path, _| {
            let text = path.to_string_lossy();
            !["/.git/objects/", "/refs/mc/", "/refs/heads/mc/"].iter().any(|part| text.contains(part))
        });
        found
    }
}

fn walk(dir: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            walk(&entry.path(), found);
        } else {
            found.insert(entry.path(), std::fs::read(entry.path()).unwrap_or_default());
        }
    }
}
