//! Missions of hostile units, composed at random: whatever agents, verifications and people do, the promises hold.
//!
//! A seed decides everything but the schedule. After each mission: every position of green verifies in a clone (P1), what an
//! honest unit made is pinned (P2), nothing landed twice (P3), nobody lives (P5), the user's repository is left alone (P6), the
//! accounts add up (P9), no unit was started without end (P11), audit and `report --verify` hold, and a mission afterwards works.
//! An action excuses what it is itself, and nothing else.
//!
//!     MC_HOSTILE_SEEDS=2000 cargo test --test it generator      # MC_HOSTILE_FIRST=n: from this seed on
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests touch the world and may panic")]

mod catalogue;

use super::support::world::{Unit, World, unit, within};
use catalogue::{ACTIONS, Action, Actor, Excuse};
use std::fmt::Write as _;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// Missions of the suite; more by `MC_HOSTILE_SEEDS`.
const SEEDS: u64 = 40;

/// Seeds that found something once.
const FOUND: &[u64] = &[];

/// Most starts of one unit, whatever it does.
const STARTS: usize = 40;

/// Longest mission.
const LONGEST: Duration = Duration::from_secs(90);

/// One test per file of `tests`, told as TAP.
const RUNNER: &str = "n=0 bad=0\nfor t in tests/*.sh; do n=$((n+1)); name=${t##*/}\n\
    if sh \"$t\" >/dev/null 2>&1; then echo \"ok $n - ${name%.sh}\"; else echo \"not ok $n - ${name%.sh}\"; bad=1; fi\ndone\n\
    echo \"1..$n\"\nexit $bad\n";

/// A mission as a seed composes it.
struct Scenario {
    seed: u64,
    units: Vec<(Unit, Vec<&'static Action>)>,
    person: Option<(&'static Action, u64)>,
    workers: u32,
    searching: bool,
}

impl Scenario {
    fn of(seed: u64, world: &World) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let of = |actor: Actor| -> Vec<&'static Action> { ACTIONS.iter().filter(|a| a.actor == actor).collect() };
        let (by_units, by_tests, by_people) = (of(Actor::Unit), of(Actor::Test), of(Actor::Person));
        let mut units = Vec::new();
        for n in 0..random.usize(4..7) {
            let mut actions = Vec::new();
            if random.bool() {
                actions.push(by_units[random.usize(..by_units.len())]);
            }
            if random.u8(..3) == 0 {
                actions.push(by_tests[random.usize(..by_tests.len())]);
            }
            let id = format!("u{n}");
            let mut made = unit(&id, &script(&id, &actions, random.bool(), random.u8(..4), world));
            made.agent = random.u8(..3) == 0;
            units.push((made, actions));
        }
        let person = (random.u8(..5) < 2).then(|| (by_people[random.usize(..by_people.len())], random.u64(1..5)));
        Self { seed, units, person, workers: random.u32(1..4), searching: random.u8(..4) == 0 }
    }

    fn excuse(&self) -> Excuse {
        let actions = self.units.iter().flat_map(|(_, actions)| actions.iter().copied());
        actions.chain(self.person.map(|(action, _)| action)).fold(Excuse::default(), |all, action| Excuse {
            repository: all.repository || action.excuse.repository,
            proof: all.proof || action.excuse.proof,
            others: all.others || action.excuse.others,
            work: false,
        })
    }

    /// What a failure needs to say.
    fn told(&self) -> String {
        let mut text = format!("seed {}, {} workers", self.seed, self.workers);
        if self.searching {
            text += ", without namespaces";
        }
        for (unit, actions) in &self.units {
            let names: Vec<&str> = actions.iter().map(|a| a.name).collect();
            let _ = write!(text, "\n  {}{}: {}", unit.id, if unit.agent { " (agent)" } else { "" }, names.join(", "));
        }
        if let Some((action, after)) = &self.person {
            let _ = write!(text, "\n  a person after {after} records: {}", action.name);
        }
        text
    }
}

/// Honest work with a test of its own, and the actions after it.
fn script(id: &str, actions: &[&Action], commits: bool, pause: u8, world: &World) -> String {
    let (source, state) = (world.repo().join(".git"), world.state());
    let mut text = format!(
        "S='{}'; STATE='{}'\nsleep 0.{pause}\necho 'made by {id}' > work-{id}\necho 'test -f work-{id}' > tests/{id}.sh\n",
        source.display(),
        state.display()
    );
    for action in actions.iter().filter(|a| a.actor == Actor::Test) {
        let _ = writeln!(text, "cat > tests/{id}-more.sh <<'END'\n{}\nEND", action.script);
    }
    if commits {
        text += "git add -A; git -c user.name=x -c user.email=x commit -qm work\n";
    }
    for action in actions.iter().filter(|a| a.actor == Actor::Unit) {
        let _ = writeln!(text, "{}", action.script);
    }
    text
}

fn repository(seed: u64) -> World {
    let searching = seed % 4 == 3;
    let world = World::with("sh run.sh", "");
    let world = if searching { world.searching() } else { world };
    std::fs::write(world.repo().join("run.sh"), RUNNER).unwrap();
    std::fs::create_dir_all(world.repo().join("src")).unwrap();
    for n in 0..10 {
        std::fs::write(world.repo().join(format!("src/f{n}.txt")), format!("{n}\n")).unwrap();
    }
    std::fs::write(
        world.repo().join("tests/files.sh"),
        "for n in 0 1 2 3 4 5 6 7 8 9; do test -f src/f$n.txt || exit 1; done\n",
    )
    .unwrap();
    std::fs::write(world.repo().join(".gitignore"), "build/\n").unwrap();
    let settings = std::fs::read_to_string(world.repo().join("mission-control.toml")).unwrap();
    std::fs::write(world.repo().join("mission-control.toml"), settings + FAST).unwrap();
    world.commit("src/f0.txt", "0\n");
    world
}

/// Pauses and caps that a test can wait for.
const FAST: &str = "[rounds]\nmax_rounds = 1\n";

/// The person of a scenario, begun when the journal has so many attempts.
fn act(world: &World, scenario: &Scenario, engine: &mut super::support::world::Engine) -> Option<Child> {
    let (action, after) = scenario.person?;
    let started = Instant::now();
    while world.kinds("attempt-started").len() < usize::try_from(after).unwrap()
        && engine.ended_within(Duration::from_millis(10)).is_none()
        && started.elapsed() < Duration::from_secs(20)
    {}
    let mut command = world.shell(action.script);
    command.env("MC", env!("CARGO_BIN_EXE_mc")).stdout(Stdio::null()).stderr(Stdio::null());
    Some(command.spawn().unwrap())
}

fn play(seed: u64) {
    let world = repository(seed);
    let mut scenario = Scenario::of(seed, &world);
    scenario.searching = seed % 4 == 3;
    let told = scenario.told();
    let excuse = scenario.excuse();
    if excuse.repository {
        world.repository_is_attacked("an action of the scenario does");
    }
    let units: Vec<Unit> = scenario.units.iter().map(|(unit, _)| unit.clone()).collect();
    let plan = world.plan(&units);
    let workers = scenario.workers.to_string();
    let mut engine = world.spawn(&["mission", "start", "--plan", plan.to_str().unwrap(), "--workers", &workers]);
    let person = act(&world, &scenario, &mut engine);
    let said = engine.ended_within(LONGEST).unwrap_or_else(|| panic!("{told}\nthe mission does not end"));
    if let Some(mut person) = person {
        person.wait().unwrap();
    }
    let mut code = said.code;
    if code == Some(6) || code == Some(130) {
        // Whatever held it up is over: a moment's trouble of the source, or a queue that a person has to look at.
        code = world.resume().code;
    }
    let text = format!("{told}\nexit {code:?}\n{}\n{}", said.out, said.err);
    check(&world, &scenario, excuse, code, &text);
}

/// The promises.
fn check(world: &World, scenario: &Scenario, excuse: Excuse, code: Option<i32>, text: &str) {
    assert!(matches!(code, Some(0 | 3 | 4 | 6)), "{text}");
    let states = world.units();
    assert_eq!(states.len(), scenario.units.len(), "P9: {states:?}\n{text}");
    let mut landed = world.landed();
    landed.sort();
    let all = landed.len();
    landed.dedup();
    assert_eq!(landed.len(), all, "P3: landed twice\n{text}");
    for (unit, actions) in &scenario.units {
        let state = states.get(&unit.id).map_or("absent", String::as_str);
        let starts = world.kinds("attempt-started").iter().filter(|row| row.body["unit"] == unit.id.as_str()).count();
        assert!(starts <= STARTS, "P11: {} was started {starts} times\n{text}", unit.id);
        let itself = actions.iter().any(|a| a.excuse.work || wants(a));
        if !itself && !excuse.others {
            assert_eq!(state, "landed", "P10: {} is {state}\n{text}", unit.id);
        }
        if state == "landed" && !excuse.others {
            assert!(landed.contains(&unit.id), "P3: {} is said to have landed\n{text}", unit.id);
        }
        let replaced = actions.iter().any(|a| a.excuse.work);
        if starts > 0 && !replaced && !excuse.proof && !excuse.others {
            let pins = world.refs(&format!("refs/mc/attempts/*/{}/*", unit.id));
            let kept = pins.values().any(|commit| world.has(&format!("{commit}:work-{}", unit.id)));
            assert!(kept, "P2: the work of {} is pinned nowhere ({pins:?})\n{text}", unit.id);
        }
    }
    assert!(!world.home().join("pwned").exists(), "something planted was run\n{text}");
    world.nothing_lives();
    if !excuse.proof {
        for args in [&["audit"][..], &["report", "--verify"]] {
            let said = world.mc(args);
            assert_eq!(said.code, Some(0), "{args:?}: {}{}\n{text}", said.out, said.err);
        }
    }
    if !excuse.others {
        let plan = world.plan(&[unit("afterwards", "echo x > afterwards")]);
        let said = world.start(&plan);
        assert_eq!(said.code, Some(0), "a mission afterwards: {}{}\n{text}", said.out, said.err);
    }
}

/// Whether a test of this action may fail by itself, so that its unit is rightly refused.
fn wants(action: &Action) -> bool {
    action.actor == Actor::Test
}

#[test]
fn p1_p2_p3_p6_p9_p11_hold_for_hostile_missions() {
    let number = |name: &str, default: u64| std::env::var(name).map_or(default, |text| text.parse().unwrap());
    let (first, count) = (number("MC_HOSTILE_FIRST", 1), number("MC_HOSTILE_SEEDS", SEEDS));
    within(60 + count * 30, move || {
        let seeds: Vec<u64> = FOUND.iter().copied().chain(first..first + count).collect();
        let next = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while let Some(seed) = seeds.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
                        play(*seed);
                    }
                });
            }
        });
    });
}

#[test]
fn the_catalogue_of_hostile_actions_is_large_and_names_each_once() {
    let mut names: Vec<&str> = ACTIONS.iter().map(|action| action.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), ACTIONS.len());
    assert!(ACTIONS.len() >= 60, "{}", ACTIONS.len());
}
