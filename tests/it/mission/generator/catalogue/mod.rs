//! What hostile units, verifications and people do. Each action is a few lines of shell, and says what may come of it;
//! everything else must hold after it.
//!
//! Scripts find `$S`, the git directory of the source, `$W`, its work tree, `$STATE`, the state directory, as an agent could
//! find them out; `$SIDE`, a folder outside of everything whose file `precious` nobody may touch; and `$OUTER`, the pid
//! namespace of this test, for what must not happen there. People have `$MC`, the program, and `$ENGINE`, its process.

mod files;
mod git;
mod people;
mod runs;
mod tests;

/// Who does it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// The agent or script of a unit, in its workspace, after its honest work.
    Unit,
    /// A test that a unit adds: it runs in the workspaces of verifications.
    Test,
    /// A person beside the mission, in the source repository.
    Person,
}

/// What becomes of the unit that does it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Own {
    /// It lands: nothing is wrong with its work.
    Lands,
    /// Landing it would be wrong.
    Never,
    /// Either is right; what decides is not the action alone.
    Either,
    /// It lands only where a unit before it in the order of tests left this and landed.
    Needs(&'static str),
}

/// One thing that somebody does, and what may come of it.
#[derive(Debug, Clone, Copy)]
pub struct Action {
    pub name: &'static str,
    pub actor: Actor,
    pub script: &'static str,
    pub own: Own,
    /// What its test leaves for others.
    pub leaves: &'static str,
    /// Beginnings of what it changes in the user's repository.
    pub touches: &'static [&'static str],
    /// What `mc audit` and `mc report --verify` may name.
    pub proof: &'static [&'static str],
    /// It destroys its own work before anybody could keep it.
    pub destroys: bool,
    /// Others may not land: green, the queue or their workspaces were taken away from them, or a person stopped them.
    pub others: bool,
    /// The work of others may be destroyed as well.
    pub wrecks: bool,
}

impl Action {
    const fn by(actor: Actor, name: &'static str, script: &'static str) -> Self {
        let (none, own): (&[&str], Own) = (&[], Own::Lands);
        Self {
            name,
            actor,
            script,
            own,
            leaves: "",
            touches: none,
            proof: none,
            destroys: false,
            others: false,
            wrecks: false,
        }
    }

    const fn either(self) -> Self {
        Self { own: Own::Either, ..self }
    }

    const fn never(self) -> Self {
        Self { own: Own::Never, ..self }
    }

    const fn needs(self, what: &'static str) -> Self {
        Self { own: Own::Needs(what), ..self }
    }

    const fn leaves(self, what: &'static str) -> Self {
        Self { leaves: what, ..self }
    }

    const fn touches(self, touches: &'static [&'static str]) -> Self {
        Self { touches, ..self }
    }

    const fn proof(self, proof: &'static [&'static str]) -> Self {
        Self { proof, ..self }
    }

    /// The unit ends in any way, its work may be gone.
    const fn destroys(self) -> Self {
        Self { own: Own::Either, destroys: true, ..self }
    }

    /// Nobody needs to land.
    const fn others(self) -> Self {
        Self { own: Own::Either, others: true, ..self }
    }

    /// Nobody needs to land, and nobody's work need be there.
    const fn wrecks(self) -> Self {
        Self { own: Own::Either, destroys: true, others: true, wrecks: true, ..self }
    }
}

const fn unit(name: &'static str, script: &'static str) -> Action {
    Action::by(Actor::Unit, name, script)
}

const fn test(name: &'static str, script: &'static str) -> Action {
    Action::by(Actor::Test, name, script)
}

const fn person(name: &'static str, script: &'static str) -> Action {
    Action::by(Actor::Person, name, script)
}

/// The actions of all actors.
pub fn all() -> impl Iterator<Item = &'static Action> {
    let lists: [&'static [Action]; 5] = [files::ACTIONS, git::ACTIONS, runs::ACTIONS, tests::ACTIONS, people::ACTIONS];
    lists.into_iter().flatten()
}

/// Actions that do not come to what they say, and what is found then.
pub const FALSE: &[(Action, &str)] = &[
    (unit("does-not-land", "exit 3"), "P10: u1 is failed"),
    (unit("lands", "true").never(), "P1, P8: u1 landed"),
    (test("needs-nothing", "true").needs("something"), "P1: u1 landed with something of an earlier run"),
    (unit("loses-a-commit", r#"printf '%040d\n' 7 >> "$SIDE/commits-u1""#), "P2: 0000000000000000000000000000000000000007"),
    (unit("loses-its-work", "rm work-u1 tests/u1.sh; git add -A; git commit -q --amend -m x; echo x > x"), "P2: the work of u1"),
    (unit("a-tag-not-said", r#"git -C "$S" tag not-said main"#).either(), "P6: "),
    (person("settings-not-said", "git config x.y z").others(), "P6: "),
    (unit("follows-a-link", r#"echo x > "$SIDE/precious""#), "P12"),
    (unit("something-ran", r#": > "$SIDE/pwned""#), "something planted ran"),
    (
        unit("a-test-of-this-machine", r#"echo "test -f $W/run.sh" > tests/machine.sh"#),
        "P1: green is not what a clone gives",
    ),
    (
        unit(
            "lands-twice",
            r#"until git -C "$S" log --format=%B main..mc/green | grep -q Mc-Unit; do sleep 0.05; done
               T=$(git -C "$S" log -1 --format=%B mc/green)
               git -C "$S" update-ref refs/heads/mc/green $(git -C "$S" commit-tree -p mc/green -m "$T" mc/green^{tree})"#,
        )
        .others(),
        "P3: landed twice",
    ),
];
