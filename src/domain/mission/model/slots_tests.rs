//! Tests of slots: who takes which, and where a verification runs.

use super::*;

fn id(host: &str, number: u32) -> SlotId {
    SlotId { host: HostId::new(host).unwrap(), number }
}

fn hosts(workers: &[(&str, u32, &str)]) -> Slots {
    let host = |(name, workers, labels): &(&str, u32, &str)| HostPolicy {
        labels: labels.split_whitespace().map(str::to_owned).collect(),
        ..HostPolicy::new(HostId::new(name).unwrap(), *workers)
    };
    Slots::of_hosts(&workers.iter().map(host).collect::<Vec<_>>(), None)
}

#[test]
fn a_slot_is_released_by_the_unit_that_took_it_and_a_broken_one_comes_last() {
    let mut slots = hosts(&[("local", 2, "")]);
    let [first, second] = [0, 1].map(|number| id("local", number));
    assert_eq!(slots.next_free(ANY_HOST), Some(first.clone()));
    slots.take(&first, 7, true);
    slots.release(&first, 8, false);
    assert_eq!((slots.occupants().collect::<Vec<_>>(), slots.next_free(ANY_HOST)), (vec![7], Some(second.clone())));
    slots.release(&first, 7, true);
    assert_eq!(slots.next_free(ANY_HOST), Some(second), "it met infrastructure");
    slots.take(&id("build-1", 0), 9, true);
    assert_eq!((slots.occupants().count(), slots.agents()), (0, 0), "no such slot");
}

#[test]
fn the_host_where_the_fewest_run_is_used_next_then_a_warm_slot_then_the_order_of_the_policy() {
    let mut slots = hosts(&[("b", 2, ""), ("a", 2, "")]);
    assert_eq!(slots.next_free(ANY_HOST), None, "nobody has answered yet");
    for host in ["a", "b"] {
        slots.set_open(&HostId::new(host).unwrap(), Some("env"));
    }
    assert_eq!(slots.next_free(ANY_HOST), Some(id("b", 0)));
    slots.take(&id("b", 0), 1, true);
    assert_eq!(slots.next_free(ANY_HOST), Some(id("a", 0)));
    slots.take(&id("a", 0), 2, true);
    slots.release(&id("a", 0), 2, false);
    slots.release(&id("b", 0), 1, true);
    assert_eq!(slots.next_free(ANY_HOST), Some(id("a", 0)), "warm, and without trouble");
    slots.set_open(&HostId::new("a").unwrap(), None);
    assert_eq!(slots.next_free(ANY_HOST), Some(id("b", 1)), "without trouble");
}

#[test]
fn labels_choose_among_hosts_and_what_no_host_has_is_no_demand() {
    let mut slots = hosts(&[("local", 1, "small"), ("gpu", 1, "gpu big")]);
    let set = |labels: &[&str]| labels.iter().map(|label| (*label).to_owned()).collect::<BTreeSet<_>>();
    slots.add_demand(&set(&["gpu"]));
    slots.add_demand(&set(&["gpu", "small"]));
    let gpu = slots.demand(&set(&["gpu"])).unwrap();
    assert_eq!(slots.demand(&set(&["gpu", "small"])), None);
    assert_eq!((slots.has_free(gpu), slots.has_free(ANY_HOST)), (false, true));
    slots.set_open(&HostId::new("gpu").unwrap(), Some(""));
    assert_eq!(slots.next_free(gpu), Some(id("gpu", 0)));
    slots.take(&id("gpu", 0), 1, false);
    assert_eq!(slots.open_demands().collect::<Vec<_>>(), [ANY_HOST]);
}

#[test]
fn a_verification_runs_where_the_least_runs_in_the_environment_of_the_base() {
    let mut slots = hosts(&[("local", 2, ""), ("a", 4, ""), ("b", 4, ""), ("odd", 4, "")]);
    let name = |host: &str| HostId::new(host).unwrap();
    let next = |slots: &Slots, busy: &[&str]| {
        let busy: Vec<HostId> = busy.iter().map(|host| name(host)).collect();
        slots.next_verifier("env", busy.iter()).map(|host| host.to_string())
    };
    assert_eq!(next(&slots, &[]).as_deref(), Some("local"));
    for (host, environment) in [("a", "env"), ("b", "env"), ("odd", "other")] {
        slots.set_open(&name(host), Some(environment));
    }
    assert_eq!(next(&slots, &[]).as_deref(), Some("local"), "first among equals");
    slots.take(&id("local", 0), 1, true);
    slots.take(&id("a", 0), 2, true);
    assert_eq!(next(&slots, &[]).as_deref(), Some("b"));
    assert_eq!(next(&slots, &["b"]).as_deref(), Some("a"), "each verifies one thing at a time");
    assert_eq!(next(&slots, &["b", "a", "local"]), None);
    slots.set_open(&name("a"), None);
    slots.set_open(&name("b"), None);
    assert_eq!(next(&slots, &[]).as_deref(), Some("local"));
}

#[test]
fn a_drained_machine_of_the_engine_verifies_what_no_other_host_can() {
    let mut slots = hosts(&[("local", 2, ""), ("a", 1, ""), ("b", 1, "")]);
    for (host, environment) in [("a", "base"), ("b", "other")] {
        slots.set_open(&HostId::new(host).unwrap(), Some(environment));
    }
    let verifier = |slots: &Slots| slots.next_verifier("base", std::iter::empty()).unwrap();
    assert_eq!(verifier(&slots), HostId::local());
    slots.set_local_open(false);
    slots.take(&id("a", 0), 1, true);
    assert_eq!((verifier(&slots).as_str(), slots.next_free(ANY_HOST)), ("a", Some(id("b", 0))), "busy or not");
    slots.set_open(&HostId::new("a").unwrap(), None);
    assert_eq!(verifier(&slots), HostId::local());
    slots.set_local_open(true);
    assert_eq!(slots.next_free(ANY_HOST), Some(id("local", 0)));
}
