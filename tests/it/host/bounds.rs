//! What a host may use and send, and by which key of the settings: its own.

use super::remote::{Line, alive, host_of, prepare, program, settings};
use crate::support::repo::{World, within_a_minute};
use mission_control::adapters::host::any::Host;
use mission_control::adapters::host::order::{NotFresh, NotReady, PrepareOrder, RunKey};
use mission_control::adapters::host::settings::HostSettings;
use mission_control::domain::values::HostId;

/// Settings of a host that the settings of a mission name.
fn told(max_disk: u64) -> HostSettings {
    HostSettings { max_disk, name: Some(HostId::new("build1").unwrap()), ..settings() }
}

#[test]
fn p7_a_host_whose_disk_is_used_up_is_named_with_its_key() {
    within_a_minute(async {
        let world = World::new().await;
        let base = world.id("main").await;
        let host = async |epoch, max_disk| -> Host {
            host_of(&world, Line { epoch, ..Line::to(program()) }, told(max_disk)).await
        };
        let first = host(1, 0).await;
        first.prepare(&prepare(&base), alive()).await.unwrap();
        first.close().await;
        let other = RunKey::new("m1/u/2").unwrap();
        let order = PrepareOrder {
            slot: 2,
            label: other.to_string(),
            setup: other.join("setup"),
            session: Some(other),
            ..prepare(&base)
        };
        let refused = host(2, 1).await.prepare(&order, alive()).await.unwrap_err();
        let NotFresh::NotReady(NotReady::Failed(trouble)) = refused else { panic!("{refused:?}") };
        assert!(trouble.why.contains("of 1 (max_disk of host build1)"), "{trouble}");
        assert!(!trouble.why.contains("mc pool list"), "that is of this machine: {trouble}");
    });
}
