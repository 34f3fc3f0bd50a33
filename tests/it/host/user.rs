//! The same tests once more as an ordinary user, when the tests run as root.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests touch the world and may panic")]

use crate::support::tools::is_root;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

/// Runs every test of `runs_*`, and of `workspace_*` (root reads what others cannot), again as uid 65534, in a copy of this binary that user can reach.
#[test]
fn p5_holds_for_an_ordinary_user() {
    if !is_root() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let (binary, temporary) = (home.path().join("it"), home.path().join("tmp"));
    let program = home.path().join("mc");
    std::fs::copy(std::env::current_exe().unwrap(), &binary).unwrap();
    std::fs::copy(env!("CARGO_BIN_EXE_mc"), &program).unwrap();
    std::fs::create_dir(&temporary).unwrap();
    for (path, mode) in [(home.path(), 0o755), (&binary, 0o755), (&program, 0o755), (&temporary, 0o777)] {
        std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    }
    let output = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "timeout", "-k", "5", "240"])
        .arg(&binary)
        .args(["host::containment", "host::protocol", "workspace::", "--test-threads=2"])
        .env("TMPDIR", &temporary)
        .env("MC_TEST_PROGRAM", &program)
        .current_dir(home.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("host::containment::p5_end_leaves_nothing ... ok"), "{text}");
}
