//! Plays one mission, and checks the promises after it.

use super::catalogue::{Action, Actor, Own};
use super::scenario::{Member, Scenario, variables};
use crate::support::left_alone::Fingerprint;
use crate::support::world::{Engine, Said, World, unit};
use std::collections::{BTreeMap, BTreeSet};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// Most starts of one unit, whatever it does; the setting of the same name.
const STARTS: usize = 9;

/// Longest mission.
const LONGEST: Duration = Duration::from_secs(90);

/// How often a person resumes what was suspended, killed or held.
const RESUMES: usize = 3;

/// What nobody may touch.
const PRECIOUS: &str = "of great value\n";

/// One test per file of `tests`, told as TAP.
const RUNNER: &str = "n=0 bad=0\nfor t in tests/*.sh; do n=$((n+1)); name=${t##*/}\n\
    if sh \"$t\" >/dev/null 2>&1; then echo \"ok $n - ${name%.sh}\"; else echo \"not ok $n - ${name%.sh}\"; bad=1; fi\ndone\n\
    echo \"1..$n\"\nexit $bad\n";

/// Pauses and caps that a test can wait for.
const FAST: &str = "[rounds]\nmax_rounds = 1\n[scheduler]\nretry_pause = 0\ncircuit_after = \"5s\"\n\
    max_infrastructure_retries = 3\nmax_starts = 9\nsession_timeout = \"60s\"\n";

fn machine(scenario: &Scenario) -> World {
    let world = World::with("sh run.sh", scenario.target).within(scenario.fence);
    let world = if scenario.searching { world.searching() } else { world };
    std::fs::create_dir(world.home().join("side")).unwrap();
    std::fs::write(world.home().join("side/precious"), PRECIOUS).unwrap();
    let repo = world.repo();
    std::fs::create_dir(repo.join("src")).unwrap();
    std::fs::write(repo.join("run.sh"), RUNNER).unwrap();
    for n in 0..10 {
        std::fs::write(repo.join(format!("src/f{n}.txt")), format!("{n}\n")).unwrap();
    }
    let files = "for n in 0 1 2 3 4 5 6 7 8 9; do test -f src/f$n.txt || exit 1; done\n";
    std::fs::write(repo.join("tests/files.sh"), files).unwrap();
    std::fs::write(repo.join(".gitignore"), "build/\ndeps/\n").unwrap();
    let settings = std::fs::read_to_string(repo.join("mission-control.toml")).unwrap();
    let settings = settings.replace("[agent]", &format!("{}[agent]", scenario.verification));
    std::fs::write(repo.join("mission-control.toml"), settings + FAST).unwrap();
    world.commit("src/f0.txt", "0\n");
    world
}

/// What the promises are checked against.
struct Night<'a> {
    world: &'a World,
    scenario: &'a Scenario,
    text: String,
    /// Where the target branch stood before anybody moved it.
    base: String,
}

/// Plays a mission; whatever does not hold is a panic that names it.
pub fn play(scenario: &Scenario) {
    let world = machine(scenario);
    world.repository_is_attacked("the generator compares it by itself");
    world.without_oracle("the generator asks it by itself");
    let (before, base) = (world.fingerprint(), world.git(&["rev-parse", "main"]));
    let plan = world.plan(&scenario.units(&world));
    let workers = scenario.workers.to_string();
    let mut engine = world.spawn(&["mission", "start", "--plan", plan.to_str().unwrap(), "--workers", &workers]);
    let person = act(&world, scenario, &mut engine);
    let mut night = Night { world: &world, scenario, text: scenario.told(), base };
    let said = engine.ended_within(LONGEST);
    let mut said = said.unwrap_or_else(|| panic!("the mission does not end\n{}\n{}", night.text, engine.so_far()));
    if let Some(mut person) = person {
        person.wait().unwrap();
    }
    night.tell(&said);
    // Whatever held it up is over: a moment's trouble, a kill, or a queue that a person has looked at.
    for _ in 0..RESUMES {
        if !matches!(said.code, None | Some(5 | 6 | 130)) {
            break;
        }
        if let Some(wanted) = said.out.split("put green back to ").nth(1).and_then(|rest| rest.get(..40)) {
            night.text += &format!("\ngreen is put back to {wanted}");
            // A person who was told of planted hooks has looked at them.
            world.git(&["-c", "core.hooksPath=/dev/null", "update-ref", "refs/heads/mc/green", wanted]);
        }
        said = world.resume();
        night.tell(&said);
    }
    night.check(said.code, &before);
}

/// The person of a scenario, begun when so many units were started.
fn act(world: &World, scenario: &Scenario, engine: &mut Engine) -> Option<Child> {
    let (action, after) = scenario.person?;
    let started = Instant::now();
    while world.kinds("session-started").len() < after
        && engine.ended_within(Duration::from_millis(10)).is_none()
        && started.elapsed() < Duration::from_secs(20)
    {}
    // An engine that has ended is nobody to be signalled.
    if action.script.contains("$ENGINE") && engine.ended_within(Duration::ZERO).is_some() {
        return None;
    }
    let mut command = world.shell(action.script);
    command.envs(variables(world)).env("PERSON", "1").env("ENGINE", engine.id().to_string());
    Some(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
}

impl Night<'_> {
    fn tell(&mut self, said: &Said) {
        self.text += &format!("\nexit {:?}\n{}{}", said.code, said.out, said.err);
    }

    fn any(&self, is: impl Fn(&Action) -> bool) -> bool {
        self.scenario.actions().any(is)
    }

    /// The promises.
    fn check(&self, code: Option<i32>, before: &Fingerprint) {
        let Self { world, scenario, text, .. } = self;
        assert!(matches!(code, Some(0 | 3 | 4 | 5 | 6)), "exit code\n{text}");
        assert!(!matches!(code, Some(4..=6)) || !scenario.others_land(), "P10: a mission that nobody harmed\n{text}");
        let said = world.mc(&["--json", "status"]);
        assert_eq!(said.code, Some(0), "status: {}{}\n{text}", said.out, said.err);
        let states = world.units();
        let known: BTreeSet<&str> = states.keys().map(String::as_str).collect();
        let wanted: BTreeSet<&str> = scenario.members.iter().map(|m| m.id.as_str()).collect();
        assert_eq!(known, wanted, "P9: not the units of the plan\n{text}");
        assert_eq!(code == Some(0), states.values().all(|s| matches!(s.as_str(), "landed" | "no-op")), "P9\n{text}");
        world.nothing_lives();
        let side = world.home().join("side");
        assert!(!side.join("pwned").exists() && !world.repo().join("pwned").exists(), "something planted ran\n{text}");
        assert_eq!(std::fs::read_to_string(side.join("precious")).unwrap_or_default(), PRECIOUS, "P12\n{text}");
        self.landings(&states);
        self.work(&states);
        self.repository(before);
        self.proofs();
        if scenario.others_land() {
            self.afterwards(&states);
        }
        let wrong = world.ask_oracle();
        assert!(wrong.is_empty(), "P1: green is not what a clone gives: {}\n{text}", wrong.join("\n"));
    }

    /// The next mission works: after a held unit was given up, and beside a person's uncommitted changes.
    fn afterwards(&self, states: &BTreeMap<String, String>) {
        let Self { world, text, .. } = self;
        if states.values().any(|state| state == "held") {
            world.mc(&["mission", "stop", "--now"]);
        }
        let plan = world.plan(&[unit("afterwards", "echo x > afterwards")]);
        let said = world.mc(&["mission", "start", "--allow-dirty", "--plan", plan.to_str().unwrap()]);
        // What a person did to the target branch may conflict with what landed, or be red.
        let wanted = if self.any(|a| a.touches.contains(&"refs/heads/main")) { 3 } else { 0 };
        let told = format!("a mission afterwards: {}{}\n{text}", said.out, said.err);
        assert!(matches!(said.code, Some(code) if code == 0 || code == wanted), "{told}");
        assert_eq!(world.units()["afterwards"], "landed", "{told}");
    }

    /// P1, P3, P10, P11: who landed, how often, and who was started how often.
    fn landings(&self, states: &BTreeMap<String, String>) {
        let Self { world, scenario, text, base } = self;
        let list = if world.has("mc/green") { world.landed_since(base) } else { Vec::new() };
        let landed: BTreeSet<&str> = list.iter().map(String::as_str).collect();
        assert_eq!(landed.len(), list.len(), "P3: landed twice: {list:?}\n{text}");
        let must = scenario.must_land();
        let stands = !self.any(|a| !a.proof.is_empty() || a.name == "takes-back");
        for member in &scenario.members {
            let (id, state) = (member.id.as_str(), states[&member.id].as_str());
            let starts = self.starts(id);
            // A person's fresh start counts anew.
            let most = if self.any(|a| a.name == "retries") { 2 * STARTS } else { STARTS };
            assert!(starts <= most, "P11: {id} was started {starts} times\n{text}");
            assert!(state == "landed" || !must.contains(id), "P10: {id} is {state}\n{text}");
            assert!(state != "landed" || !stands || landed.contains(id), "P3: {id} is said to have landed\n{text}");
            for action in &member.actions {
                match action.own {
                    Own::Never => assert_ne!(state, "landed", "P1, P8: {id} landed with {}\n{text}", action.name),
                    Own::Needs(what) if state == "landed" => {
                        let leaves = |m: &&Member| m.actions.iter().any(|a| a.leaves == what);
                        let left = scenario.members.iter().filter(|m| m.id < member.id).filter(leaves);
                        let left = left.filter(|m| landed.contains(m.id.as_str())).count();
                        assert!(left > 0, "P1: {id} landed with {what} of an earlier run\n{text}");
                    }
                    _ => {}
                }
            }
        }
    }

    /// Starts of a unit that count: not those that a recorded stop ended, and not those of trouble that was common.
    fn starts(&self, id: &str) -> usize {
        let (mut starts, mut common) = (0_usize, false);
        for row in self.world.journal() {
            let own = row.body["unit"] == id;
            match row.kind.as_str() {
                "circuit-opened" => {
                    // What was charged for its cause before is given back.
                    starts = starts.saturating_sub(1);
                    common = true;
                }
                "circuit-closed" => common = false,
                "session-started" if own => starts += 1,
                "attempt-judged" if own => {
                    let class = row.body["class"].as_str().unwrap_or_default();
                    let free = class == "stopped" || class == "infrastructure" && common;
                    starts = starts.saturating_sub(usize::from(free));
                }
                _ => {}
            }
        }
        starts
    }

    /// P2: what units made is pinned, or kept where the state directory says.
    fn work(&self, states: &BTreeMap<String, String>) {
        let Self { world, scenario, text, .. } = self;
        if self.any(|a| a.wrecks) {
            return;
        }
        let kept: BTreeSet<String> = world.git(&["rev-list", "--all"]).lines().map(str::to_owned).collect();
        for member in scenario.members.iter().filter(|m| !m.actions.iter().any(|a| a.destroys)) {
            let id = member.id.as_str();
            let noted = world.home().join(format!("side/commits-{id}"));
            let noted = std::fs::read_to_string(noted).unwrap_or_default();
            for commit in noted.lines().filter(|line| line.len() == 40) {
                assert!(kept.contains(commit), "P2: {commit} of {id} is pinned nowhere\n{text}");
            }
            let ended = world.kinds("attempt-judged").iter().any(|row| row.body["unit"] == id);
            let made = world.home().join(format!("side/made-{id}")).exists();
            // A unit that takes its files away has nothing to lose.
            let whole = |a: &Action| a.actor != Actor::Unit || a.own == Own::Lands;
            if made && ended && states[id] != "pending" && member.actions.iter().all(|a| whole(a)) {
                let pins = world.refs(&format!("refs/mc/attempts/*/{id}/*"));
                let pinned = pins.values().any(|commit| world.has(&format!("{commit}:work-{id}")));
                assert!(pinned, "P2: the work of {id} is pinned nowhere ({pins:?})\n{text}");
            }
        }
    }

    /// P6: the user's repository is as it was, but for what actions of this mission say that they change.
    fn repository(&self, before: &Fingerprint) {
        let touches: Vec<&str> = self.scenario.actions().flat_map(|a| a.touches.iter().copied()).collect();
        let mut differs = before.differences(&self.world.fingerprint());
        differs.retain(|line| !touches.iter().any(|prefix| line.starts_with(prefix)));
        assert!(differs.is_empty(), "P6: {differs:#?}\n{}", self.text);
    }

    /// Every line of `mc audit` and `mc report --verify` that does not hold is one that an action explains.
    fn proofs(&self) {
        let mut explained: Vec<&str> = self.scenario.actions().flat_map(|a| a.proof.iter().copied()).collect();
        if self.any(|a| a.destroys) {
            explained.push("left is not pinned");
        }
        for args in [&["audit"][..], &["report", "--verify"]] {
            let said = self.world.mc(args);
            let broken: Vec<&str> = match args[0] {
                "audit" => said.out.lines().filter(|line| !line.starts_with("all holds")).collect(),
                _ => said.out.lines().filter(|line| line.starts_with("DOES NOT HOLD")).collect(),
            };
            let alien = broken.iter().any(|line| !explained.iter().any(|words| line.contains(words)));
            let fine = !alien && (said.code == Some(0) || (said.code == Some(4) && !explained.is_empty()));
            assert!(fine, "{args:?}, exit {:?}: {}{}\n{}", said.code, said.out, said.err, self.text);
        }
    }
}
