//! Rules of the graph, on examples, on random plans and on large ones.

use super::*;
use proptest::prelude::*;

fn id(text: &str) -> UnitId {
    UnitId::new(text).unwrap()
}

/// `name priority depends(,) files(,)`; `-` for none.
fn units(lines: &[&str]) -> Vec<UnitSpec> {
    let list = |text: &str| text.split(',').filter(|item| *item != "-").map(str::to_owned).collect::<Vec<_>>();
    let mut units = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let words: Vec<&str> = line.split(' ').collect();
        let mut unit = UnitSpec::new(id(words[0]), words[0]);
        unit.priority = words[1].parse().unwrap();
        unit.depends = list(words[2]).iter().map(|name| id(name)).collect();
        unit.files = list(words[3]);
        unit.line = u32::try_from(at).unwrap() + 1;
        units.push(unit);
    }
    units
}

fn build(lines: &[&str]) -> Plan {
    Plan::build(units(lines), &BTreeSet::new()).unwrap()
}

fn edges(plan: &Plan) -> Vec<String> {
    let name = |at: usize| plan.units[at].id.as_str();
    plan.edges.iter().map(|edge| format!("{}>{} {:?}", name(edge.before), name(edge.after), edge.kind)).collect()
}

fn waves(plan: &Plan) -> Vec<String> {
    let names = |wave: &Vec<usize>| wave.iter().map(|at| plan.units[*at].id.as_str()).collect::<Vec<_>>().join(" ");
    plan.group_waves().iter().map(names).collect()
}

#[test]
fn waves_are_levels_sorted_by_priority_then_place() {
    let plan = build(&["c 2 a -", "a 2 - -", "b 0 - -", "d 1 c,b -", "e 2 - -"]);
    assert_eq!(waves(&plan), ["b a e", "c", "d"]);
    assert_eq!(plan.wave_of, [1, 0, 0, 2, 0]);
}

#[test]
fn overlapping_units_are_ordered_by_priority_then_place() {
    let plan = build(&["a 2 - src/x/**", "b 1 - src/**", "c 2 - docs/*", "d 2 - src/x/y.rs,docs/a.md", "e 2 - other"]);
    assert_eq!(edges(&plan), ["a>d Order", "b>a Order", "c>d Order"]);
    assert_eq!(waves(&plan), ["b c e", "a", "d"]);
}

#[test]
fn order_never_contradicts_or_doubles_a_dependency() {
    assert_eq!(edges(&build(&["a 0 b src/**", "b 3 - src/**"])), ["b>a Depends"]);
    // What an urgent unit waits for is as urgent: z comes before v although v has the higher priority.
    assert_eq!(edges(&build(&["u 0 z f", "v 2 - f", "z 3 - f"])), ["u>v Order", "z>u Depends"]);
    assert_eq!(edges(&build(&["u 1 z f", "v 2 - f", "z 3 - g"])), ["u>v Order", "z>u Depends"]);
}

#[test]
fn satisfied_dependencies_are_dropped() {
    let plan = Plan::build(units(&["a 2 old,b,b -", "b 2 - -"]), &BTreeSet::from([id("old")])).unwrap();
    assert_eq!(plan.units[0].depends, [id("b")]);
    assert_eq!(waves(&plan), ["b", "a"]);
}

#[test]
fn faults_are_findings() {
    let findings =
        Plan::build(units(&["alpha 2 beta -", "beta 2 alpha,gamna -", "gamma 2 - -", "alpha 2 - -"]), &BTreeSet::new());
    let lines: Vec<String> = findings.unwrap_err().iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "line 1: dependency cycle: alpha -> beta -> alpha",
            "line 2: `beta` depends on unknown unit `gamna` (did you mean `gamma`?)",
            "line 4: duplicate id `alpha` (first at line 1); give one of them another `id`",
        ]
    );
}

#[test]
fn an_empty_plan_has_no_waves() {
    assert!(build(&[]).group_waves().is_empty());
}

#[test]
fn plans_survive_the_journal() {
    let plan = build(&["a 0 - f", "b 3 - f", "c 1 a -"]);
    let text = serde_json::to_string(&plan).unwrap();
    assert!(text.contains(r#"{"before":0,"after":1,"kind":"order"}"#), "{text}");
    assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan);
}

#[test]
fn ten_thousand_units_make_few_edges() {
    let make = |files: &dyn Fn(usize) -> String, depends: &dyn Fn(usize) -> Vec<UnitId>| {
        let units = (0..10_000).map(|at| {
            let mut unit = UnitSpec::new(id(&format!("u{at}")), "x");
            (unit.files, unit.depends) = (vec![files(at)], depends(at));
            unit
        });
        Plan::build(units.collect(), &BTreeSet::new()).unwrap()
    };
    let none = |_: usize| Vec::new();
    let apart = make(&|at| format!("src/m{at:05}/*.rs"), &none);
    assert_eq!((apart.edges.len(), apart.group_waves().len()), (0, 1));
    let same = make(&|_| "**".to_owned(), &none);
    assert_eq!((same.edges.len(), same.group_waves().len()), (9_999, 10_000));
    let reversed =
        make(&|_| "src/**".to_owned(), &|at| if at < 9_999 { vec![id(&format!("u{}", at + 1))] } else { vec![] });
    assert_eq!((reversed.edges.len(), reversed.wave_of[0]), (9_999, 9_999));
    let root = make(&|at| if at == 0 { "**".to_owned() } else { format!("d{at}/x") }, &none);
    assert_eq!((root.edges.len(), root.group_waves().len()), (9_999, 2));
}

/// Random acyclic plans: dependencies point to units with a smaller mark, marks are shuffled over the file.
fn plan() -> impl Strategy<Value = Vec<UnitSpec>> {
    let files = prop::sample::select(vec![
        "**",
        "src/**",
        "src/a/*.rs",
        "src/a/b.rs",
        "src/b",
        "docs/*",
        "docs/x.md",
        "README",
    ]);
    let unit =
        (0_u32..4, prop::collection::vec(any::<prop::sample::Index>(), 0..3), prop::collection::vec(files, 0..3));
    (prop::collection::vec(unit, 1..14), any::<u64>()).prop_map(|(list, seed)| {
        let count = list.len();
        let place = |at: usize| id(&format!("u{at}"));
        let mut units: Vec<UnitSpec> = list
            .into_iter()
            .enumerate()
            .map(|(at, (priority, depends, files))| {
                let mut unit = UnitSpec::new(place(at), "x");
                unit.priority = priority;
                unit.depends =
                    if at == 0 { vec![] } else { depends.iter().map(|index| place(index.index(at))).collect() };
                unit.files = files.into_iter().map(str::to_owned).collect();
                unit
            })
            .collect();
        let turn = usize::try_from(seed % count as u64).unwrap_or(0);
        units.rotate_left(turn);
        if seed % 3 == 0 {
            units.reverse();
        }
        units
    })
}

proptest! {
    #[test]
    fn waves_respect_edges_and_hold_every_unit_once(units in plan()) {
        let plan = Plan::build(units, &BTreeSet::new()).unwrap();
        for edge in &plan.edges {
            prop_assert!(plan.wave_of[edge.before] < plan.wave_of[edge.after]);
        }
        let mut all: Vec<usize> = plan.group_waves().concat();
        all.sort_unstable();
        prop_assert_eq!(all, (0..plan.units.len()).collect::<Vec<_>>());
        let pairs: BTreeSet<_> = plan.edges.iter().map(|edge| (edge.before, edge.after)).collect();
        prop_assert_eq!(pairs.len(), plan.edges.len());
        let depends: usize = plan.units.iter().map(|unit| unit.depends.len()).sum();
        prop_assert_eq!(plan.edges.iter().filter(|edge| edge.kind == EdgeKind::Depends).count(), depends);
    }

    #[expect(clippy::needless_range_loop, reason = "a matrix is read by both indices")]
    #[test]
    fn overlapping_units_are_connected_and_others_are_not_ordered(units in plan()) {
        let plan = Plan::build(units, &BTreeSet::new()).unwrap();
        let count = plan.units.len();
        let mut reach = vec![vec![false; count]; count];
        for edge in &plan.edges {
            reach[edge.before][edge.after] = true;
            if edge.kind == EdgeKind::Order {
                prop_assert!(overlap::find_overlap(&plan.units[edge.before], &plan.units[edge.after]).is_some());
            }
        }
        for via in 0..count {
            for from in 0..count {
                for to in 0..count {
                    reach[from][to] |= reach[from][via] && reach[via][to];
                }
            }
        }
        let free = plan.units.iter().all(|unit| unit.depends.is_empty());
        for a in 0..count {
            prop_assert!(!reach[a][a]);
            for b in 0..a {
                if overlap::find_overlap(&plan.units[a], &plan.units[b]).is_some() {
                    prop_assert!(reach[a][b] || reach[b][a], "{} and {} overlap", a, b);
                    let b_first = (plan.units[b].priority, b) < (plan.units[a].priority, a);
                    prop_assert!(!free || reach[b][a] == b_first);
                }
            }
        }
    }
}
