//! A mission as a seed composes it: who does what, on which machine.

use super::catalogue::{self, Action, Actor, Own};
use crate::support::world::{Fence, Unit, World, unit};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// So many missions in a row share one shuffled deck of the catalogue: each of them deals a part, all together everything.
pub const BLOCK: u64 = 40;

/// The folder outside of everything: what happens is noted there, and nobody may touch what lies there.
pub const SIDE: &str = "side";

/// A unit, what it does besides its honest work, and whether that may land.
pub struct Member {
    pub id: String,
    pub depends: Vec<String>,
    pub actions: Vec<&'static Action>,
    /// It commits its honest work itself.
    pub commits: bool,
    pub agent: bool,
    /// Tenths of a second that it works.
    pub pause: u8,
}

/// A mission as a seed composes it.
pub struct Scenario {
    /// How to play this one alone.
    pub replay: String,
    pub members: Vec<Member>,
    /// What a person does, and after how many starts of units.
    pub person: Option<(&'static Action, usize)>,
    pub workers: u8,
    /// No pid namespace is used.
    pub searching: bool,
    /// What runs may write.
    pub fence: Fence,
    /// More lines for the sections `[target]` and `[target.verification]`.
    pub target: &'static str,
    pub verification: &'static str,
}

/// Every second mission has a fence, unless it is said who has one.
fn fence(usual: bool) -> Fence {
    match std::env::var("MC_HOSTILE_FENCE").as_deref() {
        Ok("on") => Fence::Folders(&[SIDE, "said"]),
        Ok("off") => Fence::Off,
        Ok(other) => panic!("MC_HOSTILE_FENCE is on or off, not {other}"),
        Err(_) if usual => Fence::Folders(&[SIDE, "said"]),
        Err(_) => Fence::Off,
    }
}

fn of(actor: Actor) -> Vec<&'static Action> {
    catalogue::all().filter(|action| action.actor == actor).collect()
}

/// The part of a deck that one mission of a block deals.
fn dealt(actor: Actor, seed: u64, salt: u64) -> Vec<&'static Action> {
    let (block, nth) = (seed / BLOCK, usize::try_from(seed % BLOCK).unwrap());
    let mut deck = of(actor);
    fastrand::Rng::with_seed(block.wrapping_mul(1_000_003).wrapping_add(salt)).shuffle(&mut deck);
    let (len, block) = (deck.len(), usize::try_from(BLOCK).unwrap());
    deck[nth * len / block..(nth + 1) * len / block].to_vec()
}

impl Scenario {
    pub fn of(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let (mut hostile, mut tests) = (dealt(Actor::Unit, seed, 1), dealt(Actor::Test, seed, 2));
        let person = dealt(Actor::Person, seed, 3).first().map(|action| (*action, random.usize(1..6)));
        let mut members: Vec<Member> = Vec::new();
        let many = (hostile.len() + 1).max(tests.len()) + random.usize(..2);
        let honest = random.usize(..many);
        for n in 0..many {
            let mut actions = Vec::new();
            if n != honest {
                actions.extend(hostile.pop());
                if random.u8(..3) < 2 {
                    actions.extend(tests.pop());
                }
            }
            let depends = match n > 0 && random.u8(..5) == 0 {
                true => vec![format!("u{}", random.usize(..n))],
                false => Vec::new(),
            };
            let [commits, agent] = [random.bool(), random.u8(..3) == 0];
            members.push(Member { id: format!("u{n}"), depends, actions, commits, agent, pause: random.u8(..4) });
        }
        // What no unit was given goes to the last ones.
        for action in hostile.into_iter().chain(tests) {
            let id = format!("u{}", members.len());
            let (depends, commits) = (Vec::new(), random.bool());
            members.push(Member { id, depends, actions: vec![action], commits, agent: false, pause: 0 });
        }
        let leans = members.iter().flat_map(|m| &m.actions).any(|a| matches!(a.own, Own::Needs(_)));
        Self {
            replay: format!("MC_HOSTILE_FIRST={seed} MC_HOSTILE_SEEDS=1"),
            members,
            person,
            workers: random.u8(1..5),
            searching: random.u8(..4) == 0,
            fence: fence(seed % 2 == 1),
            target: if random.u8(..3) == 0 { "setup = 'mkdir -p deps; echo made > deps/made'\n" } else { "" },
            // Files that may stay make what needs them land, to be found out later: `mission_leftovers` has that.
            verification: if !leans && random.u8(..3) == 0 { "keep = [\"build\"]\n" } else { "" },
        }
    }

    /// A unit for each of these actions, and an honest one: to look at them alone, and to make a seed smaller.
    pub fn alone(names: &str) -> Self {
        let wanted: Vec<&str> = names.split(',').collect();
        let found: Vec<_> = catalogue::all().filter(|action| wanted.contains(&action.name)).collect();
        assert_eq!(found.len(), wanted.len(), "not all of these are actions: {names}");
        Self::doing(names, found)
    }

    pub fn doing(names: &str, found: Vec<&'static Action>) -> Self {
        let person = found.iter().find(|a| a.actor == Actor::Person).map(|action| (*action, 2));
        let doing = found.into_iter().filter(|a| a.actor != Actor::Person).map(|action| vec![action]);
        let members = [vec![]].into_iter().chain(doing).chain([vec![]]).enumerate().map(|(n, actions)| Member {
            id: format!("u{n}"),
            depends: Vec::new(),
            actions,
            commits: true,
            agent: false,
            pause: 1,
        });
        Self {
            replay: format!("MC_HOSTILE_ACTIONS={names}"),
            members: members.collect(),
            person,
            workers: 2,
            searching: std::env::var("MC_HOSTILE_SEARCH").is_ok(),
            fence: fence(false),
            target: "",
            verification: "",
        }
    }

    pub fn actions(&self) -> impl Iterator<Item = &'static Action> {
        self.members.iter().flat_map(|m| m.actions.iter().copied()).chain(self.person.map(|(action, _)| action))
    }

    /// Whether every unit that does no harm must land.
    pub fn others_land(&self) -> bool {
        !self.actions().any(|action| action.others)
    }

    /// Units that must land: neither they nor any that they depend on do harm.
    pub fn must_land(&self) -> BTreeSet<&str> {
        let mut found: BTreeSet<&str> = BTreeSet::new();
        if self.others_land() {
            for member in &self.members {
                let fine = member.actions.iter().all(|a| a.own == Own::Lands);
                if fine && member.depends.iter().all(|id| found.contains(id.as_str())) {
                    found.insert(&member.id);
                }
            }
        }
        found
    }

    pub fn units(&self, world: &World) -> Vec<Unit> {
        let made = self.members.iter().map(|member| {
            let mut made = unit(&member.id, &script(member, world));
            made.depends.clone_from(&member.depends);
            made.agent = member.agent;
            made
        });
        made.collect()
    }

    /// What a failure needs to say.
    pub fn told(&self) -> String {
        let mut text = format!("{} workers", self.workers);
        if self.searching {
            text += ", without namespaces";
        }
        if !matches!(self.fence, Fence::Off) {
            text += ", with a fence";
        }
        let _ = write!(text, ", {}{}", self.target, self.verification);
        for member in &self.members {
            let names: Vec<&str> = member.actions.iter().map(|a| a.name).collect();
            let agent = if member.agent { " (agent)" } else { "" };
            let _ = write!(text, "\n  {}{agent} after {:?}: {}", member.id, member.depends, names.join(", "));
        }
        if let Some((action, after)) = &self.person {
            let _ = write!(text, "\n  a person after {after} starts: {}", action.name);
        }
        text
    }
}

/// What scripts find: see [`catalogue`].
pub fn variables(world: &World) -> Vec<(&'static str, String)> {
    let path = |path: std::path::PathBuf| path.display().to_string();
    vec![
        ("S", path(world.repo().join(".git"))),
        ("W", path(world.repo())),
        ("STATE", path(world.state())),
        ("SIDE", path(world.home().join("side"))),
        ("OUTER", path(std::fs::read_link("/proc/self/ns/pid").unwrap_or_default())),
        ("MC", env!("CARGO_BIN_EXE_mc").to_owned()),
    ]
}

/// Honest work with a test of its own, its commits noted outside, and the action after it.
fn script(member: &Member, world: &World) -> String {
    let Member { id, pause, .. } = member;
    let mut text = String::new();
    for (name, value) in variables(world) {
        let _ = writeln!(text, "export {name}='{value}'");
    }
    let _ = writeln!(
        text,
        "sleep 0.{pause}\necho 'made by {id}' > work-{id}\necho 'test -f work-{id}' > tests/{id}.sh\n\
         : > \"$SIDE/made-{id}\"\n\
         noted() {{ git rev-parse -q --verify 'HEAD^{{commit}}' >> \"$SIDE/commits-{id}\" 2>/dev/null; }}"
    );
    for action in member.actions.iter().filter(|a| a.actor == Actor::Test) {
        let _ = writeln!(text, "cat > tests/{id}-more.sh <<'END'\n{}\nEND", action.script);
    }
    if member.commits {
        text += "git add -A; git commit -qm work && noted\n";
    }
    for action in member.actions.iter().filter(|a| a.actor == Actor::Unit) {
        let _ = writeln!(text, "{}", action.script);
    }
    // An action that ends its shell, or its workspace, ends here.
    text + "[ -d .git ] && noted\ntrue\n"
}
