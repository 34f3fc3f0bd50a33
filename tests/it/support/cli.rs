//! The real binary, run as a user would, in a hermetic world.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests touch the world and may panic")]

use super::repo::World;
use mission_control::adapters::host::local::process::command::{ChildGuard, CommandLine};
use std::path::Path;
use std::time::Duration;

/// What a command came to.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl World {
    /// Runs `mc` in the source.
    pub async fn mc(&self, args: &[&str]) -> Said {
        self.mc_in(&self.repo(), args).await
    }

    /// Runs `mc` in a folder. Paths of this world are replaced by `HOME`.
    pub async fn mc_in(&self, dir: &Path, args: &[&str]) -> Said {
        let output = CommandLine::new(env!("CARGO_BIN_EXE_mc"))
            .args(args)
            .cwd(dir)
            .env_clear()
            .env("PATH", std::env::var("PATH").unwrap())
            .env("HOME", self.home())
            .env("GIT_CONFIG_SYSTEM", "/dev/null")
            .deadline(Duration::from_secs(30))
            .run(&ChildGuard::none())
            .await
            .unwrap();
        let home = self.home().to_string_lossy().into_owned();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap().replace(&home, "HOME");
        Said { code: output.code().unwrap(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// Standard output of a command that must succeed.
    pub async fn mc_ok(&self, args: &[&str]) -> String {
        let said = self.mc(args).await;
        assert_eq!((said.code, said.err.as_str()), (0, ""), "{args:?}: {}", said.out);
        said.out
    }

    /// JSON on standard output of a command that must succeed.
    pub async fn mc_json(&self, args: &[&str]) -> serde_json::Value {
        serde_json::from_str(&self.mc_ok(args).await).unwrap()
    }
}
