//! More hosts than a shell of this machine would have open files for.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests touch the world and may panic")]

use crate::support::night::{Night, unit};

/// Each has three streams.
const HOSTS: usize = 24;

#[test]
fn p12_many_hosts_do_not_run_out_of_open_files() {
    let night = Night::new();
    let (program, home) = (night.program(), night.home());
    let host = |n: usize| {
        format!(
            "[[backend.hosts]]\nname = \"h{n}\"\nconnect = [\"env\"]\nroot = \"{1}/h{n}\"\nprogram = \"{0}\"\n",
            program.display(),
            home.display()
        )
    };
    night.settings("sh run.sh", &(0..HOSTS).map(host).collect::<String>());
    let units: String = (0..2).map(|n| unit(&format!("u{n}"), &format!("echo x > u{n}.txt"))).collect();
    let plan = night.plan(&units);
    let start = |limit: &str| format!("{limit}; exec {} mission start --plan {plan}", program.display());
    // Where an administrator allows no more, that is said.
    assert!(!night.holds(&start("ulimit -n 64")));
    night
        .mc(&["status"])
        .says(&["no file descriptors left (limit 64) for 24 hosts, which need 256", "raise the limit"]);
    assert!(night.holds(&start("ulimit -Sn 64")), "{}", night.reason("u0"));
    assert_eq!(["u0", "u1"].map(|id| night.unit(id)), ["landed", "landed"]);
}
