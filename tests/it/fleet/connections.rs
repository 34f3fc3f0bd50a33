//! What happens to connections: what runs on a host goes on without one, as long as its lease allows.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests touch the world and may panic")]

use super::kit::{Fault, Fleet, SHORT, held, quick, stuck};
use crate::support::world::{Unit, until, within};

/// Waits until a worker has greeted the engine over another connection than the old one.
#[track_caller]
fn is_reached_again(fleet: &mut Fleet, mut fault: Fault, old: Option<rustix::process::Pid>) {
    until("another connection", || (!fleet.machines[0].sshd().connections().is_empty()).then_some(()));
    fault.is_seen();
    fleet.machines[0].await_other_worker(old);
    fault.end();
}

#[test]
fn p4_what_runs_on_a_host_outlives_its_connection_the_server_and_a_short_cut_of_the_network() {
    within(90, || {
        let mut fleet = Fleet::of_servers(&["one"]);
        let units = [held("a"), quick("b").after(&["a"])];
        let engine = fleet.start(&fleet.world.plan(&units));
        assert_eq!(fleet.await_work("a"), "one");
        let old = fleet.machines[0].worker();
        let fault = Fault::happens("connection killed");
        fleet.machines[0].sshd().kill_connections();
        is_reached_again(&mut fleet, fault, old);

        let old = fleet.machines[0].worker();
        let fault = Fault::happens("sshd restarted");
        fleet.machines[0].sshd().stop();
        until("the end of the worker", || fleet.machines[0].worker().is_none().then_some(()));
        fleet.machines[0].sshd().start_again();
        is_reached_again(&mut fleet, fault, old);

        let old = fleet.machines[0].worker();
        let mut fault = Fault::happens("network cut for less than the lease");
        fleet.cut("one", true);
        // It hears nothing of its engine any more.
        if fleet.has_network() {
            until("the end of the worker", || fleet.machines[0].worker().is_none().then_some(()));
        }
        fault.is_seen();
        fleet.cut("one", false);
        fleet.machines[0].await_other_worker(old);
        fault.end();
        assert!(fleet.world.kinds("host-benched").is_empty());
        fleet.go();
        engine.end().exits(0);
        assert_eq!((fleet.attempts("a"), fleet.starts("a")), (1, 1), "it was adopted each time");
        fleet.is_whole(&units);
    });
}

#[test]
fn p2_p3_a_host_that_is_cut_off_for_longer_than_the_lease_loses_its_units_to_another() {
    within(90, || {
        let mut fleet = Fleet::of_servers(&["one", "two"]).with(|fleet| fleet.lease = SHORT);
        let units: Vec<Unit> = vec![stuck("a"), held("last").after(&["a"])];
        let engine = fleet.start(&fleet.world.plan(&units));
        let lost = fleet.await_work("a");
        until("its work", || fleet.world.witness().iter().any(|seen| seen.what == "stuck").then_some(()));
        let mut fault = Fault::happens("network cut for longer than the lease");
        fleet.cut(&lost, true);
        fleet.await_host("host-benched", &lost, 1);
        fault.is_seen();
        until("another attempt", || (fleet.attempts("a") == 2).then_some(()));
        let other = fleet.await_work("a");
        fault.end();
        assert_ne!(other, lost);
        fleet.await_work("last");
        let mut fault = Fault::happens("network mended after the lease");
        let ready = fleet.world.kinds("host-ready").iter().filter(|row| row.body["host"] == lost.as_str()).count();
        fleet.cut(&lost, false);
        fault.is_seen();
        fleet.await_host("host-ready", &lost, ready + 1);
        fault.end();
        // Before its slots are used: what it made is a ref, and nothing of it lives.
        let pin = fleet.world.refs("refs/mc/attempts").into_keys().find(|name| name.ends_with("/a/1"));
        let pin = pin.expect("what the first attempt made");
        assert_eq!(fleet.world.git(&["show", &format!("{pin}:late.txt")]), "late");
        fleet.go();
        engine.end().exits(0);
        assert!(!fleet.world.green_files().contains("late.txt"));
        fleet.is_whole(&units);
    });
}
