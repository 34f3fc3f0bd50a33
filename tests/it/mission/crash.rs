//! Killing `mc` at any instant changes nothing about the result (P4).
//!
//! The long proof: `MC_KILLS=500 cargo test --test it p4_a_mission_killed_again_and_again` goes on with new missions
//! until that many engines were killed; `MC_SEED=7` chooses other instants. Missions of even seeds use no pid namespace. With
//! `MC_KILLS` the sweep over git's writes takes every call of git.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests touch the world and may panic")]

use crate::support::world::{Engine, Fence, PATIENCE, Seen, Unit, World, own_file, unit, until, within};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Waves of the mission and units in each.
const WAVES: [usize; 4] = [8, 8, 7, 7];

/// Longest life of an engine before it is killed, in ms.
const LIFE: u64 = 400;

/// The same of every third engine in the short proof, so that few kills meet all parts of a mission.
const LONGER_LIFE: u64 = 1_500;

/// Kills of the short proof after which a mission is left alone, so that a busy machine does not make it a long one.
const ENOUGH: u64 = 60;

fn asked(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().unwrap())
}

/// A world with a setup command that verification needs, and an objective that is met at the end only.
fn busy_world(n: u64) -> World {
    let verification = "test -f build/ready && for t in tests/*.sh; do sh \"$t\" || exit 1; done && sleep 0.05";
    // Each kill before a start uses one up.
    let starts = "[scheduler]\nmax_starts = 10000";
    let target = "setup = \"mkdir -p build && sleep 0.03 && echo ready > build/ready\"\ncheck = \"test -f units/w3-6\"";
    let target = &format!("{target}\n{starts}");
    let world = World::with(verification, target);
    world.commit(".gitignore", "build/\n");
    if n.is_multiple_of(2) { world.searching().within(Fence::Off) } else { world }
}

/// Thirty units in four waves, each with a file of its own: whatever lands in whatever order, the tree is the same.
fn thirty(random: &mut fastrand::Rng) -> Vec<Unit> {
    let mut units: Vec<Unit> = Vec::new();
    let mut before: Vec<String> = Vec::new();
    for (wave, size) in WAVES.into_iter().enumerate() {
        let ids: Vec<String> = (0..size).map(|n| format!("w{wave}-{n}")).collect();
        for (n, id) in ids.iter().enumerate() {
            let made = unit(id, &own_file(id, 0.05 + 0.25 * random.f32()));
            let made = if n % 3 == 2 { made.by_agent() } else { made };
            units.push(match before.get(n % before.len().max(1)) {
                Some(first) => made.after(&[first]),
                None => made,
            });
        }
        before = ids;
    }
    units
}

/// The tree all units together make on `main`, made by hand in a clone.
pub fn expected_tree(world: &World, units: &[Unit]) -> String {
    let clone = world.home().join("by-hand");
    world.git(&["clone", "-q", "--shared", ".", clone.to_str().unwrap()]);
    std::fs::create_dir_all(clone.join("units")).unwrap();
    for Unit { id, .. } in units {
        std::fs::write(clone.join("units").join(id), format!("made by {id}\n")).unwrap();
        std::fs::write(clone.join(format!("tests/{id}.sh")), format!("test -f units/{id}\n")).unwrap();
    }
    let clone = clone.to_str().unwrap();
    world.git(&["-C", clone, "add", "-A"]);
    world.git(&["-C", clone, "write-tree"])
}

/// Kills and resumes until the mission has ended well; the number of kills.
fn hunt(world: &World, mut engine: Engine, random: &mut fastrand::Rng) -> u64 {
    let mut killed = 0;
    let mut spawned = Vec::new();
    loop {
        let life = match asked("MC_KILLS", 0) {
            0 if killed >= ENOUGH => 2 * PATIENCE,
            0 if killed % 3 == 2 => Duration::from_millis(random.u64(0..=LONGER_LIFE)),
            _ => Duration::from_millis(random.u64(0..=LIFE)),
        };
        if let Some(said) = engine.ended_within(life) {
            assert_eq!(said.code, Some(0), "{said:?}\n{}", world.mc(&["report"]).out);
            for row in world.kinds("resumed") {
                let since = spawned.iter().rev().find(|at| **at <= row.at).map_or(0, |at| row.at - at);
                assert!(since < 5_000, "{since} ms from `mc mission resume` to its first record");
            }
            return killed;
        }
        if engine.kill() {
            killed += 1;
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
            spawned.push(u64::try_from(now).unwrap());
            engine = world.spawn_resume();
        }
    }
}

/// Starts and ends of every unit alternate and no attempt starts twice; the starts per unit.
#[track_caller]
fn never_twice(seen: &[Seen]) -> BTreeMap<String, usize> {
    let mut open: BTreeMap<&str, u32> = BTreeMap::new();
    let mut known = BTreeSet::new();
    let mut starts = BTreeMap::new();
    for one in seen {
        match one.what.as_str() {
            "start" => {
                assert!(known.insert((&one.unit, one.attempt)), "{} {} started twice", one.unit, one.attempt);
                assert_eq!(open.insert(&one.unit, one.attempt), None, "two runs of {} at once", one.unit);
                *starts.entry(one.unit.clone()).or_default() += 1;
            }
            "end" => assert_eq!(open.remove(one.unit.as_str()), Some(one.attempt), "{} ended unasked", one.unit),
            _ => {}
        }
    }
    assert!(open.is_empty(), "runs without an end: {open:?}");
    starts
}

/// Everything that must hold at the end of a mission of `units`, however often it was killed.
#[track_caller]
pub fn whole(world: &World, units: &[Unit], tree: &str) {
    world.nothing_lives();
    assert_eq!(world.green_tree(), tree);
    let mut landed = world.landed();
    landed.sort();
    let mut ids: Vec<String> = units.iter().map(|u| u.id.clone()).collect();
    ids.sort();
    assert_eq!(landed, ids, "each unit landed once");
    let states = world.units();
    assert!(states.values().all(|state| state == "landed"), "{states:?}");
    let starts = never_twice(&world.witness());
    let mut claimed: BTreeMap<String, usize> = BTreeMap::new();
    for ((unit, _), folder) in world.attempts() {
        let claim = folder.join("run/claim");
        if claim.exists() && !claim.join("engine").exists() {
            *claimed.entry(unit).or_default() += 1;
        }
    }
    let odd: Vec<String> = world
        .attempts()
        .into_iter()
        .filter(|((unit, _), _)| starts.get(unit) != claimed.get(unit))
        .map(|((unit, n), folder)| format!("{unit} {n}:\n{}", told(&folder)))
        .collect();
    assert_eq!(starts, claimed, "a unit starts as often as its run directories are claimed\n{}", odd.join("\n"));
    let waited = slowest_resume(world);
    // Mostly far below a second; what is refused is a takeover that hangs, not a machine that is busy.
    assert!(waited < 20_000, "{waited} ms from a takeover to the next dispatch or outcome");
    world.mc(&["audit"]).exits(0);
    world.mc(&["report", "--verify"]).exits(0);
}

/// What the folder of an attempt says, for a test that failed.
fn told(folder: &std::path::Path) -> String {
    let names = ["run/run", "run/start", "run/exit", "run/reason", "run/supervisor.log", "run/out.log", "run/err.log"];
    names.map(|name| format!("-- {name}: {:?}\n", std::fs::read_to_string(folder.join(name)))).concat()
}

/// The longest time between a takeover and the next attempt that starts or ends after it, in the same engine's life.
fn slowest_resume(world: &World) -> u64 {
    let mut slowest = 0;
    let mut since = None;
    for row in world.journal() {
        match row.kind.as_str() {
            "resumed" => since = Some(row.at),
            "session-started" | "attempt-judged" | "verified" | "landed" => {
                slowest = slowest.max(since.take().map_or(0, |since| row.at - since));
            }
            _ => {}
        }
    }
    slowest
}

#[test]
fn p4_a_mission_killed_again_and_again_ends_like_an_undisturbed_one() {
    let (wanted, seed) = (asked("MC_KILLS", 25), asked("MC_SEED", 1));
    within(120 + wanted * 5, move || {
        let mut killed = 0;
        for n in seed.. {
            let mut random = fastrand::Rng::with_seed(n);
            let world = busy_world(n);
            let units = thirty(&mut random);
            let tree = expected_tree(&world, &units);
            let first = world.spawn_mission(&world.plan(&units));
            let before = std::time::Instant::now();
            let kills = hunt(&world, begun(&world, first), &mut random);
            println!("seed {n}: {kills} kills in {:?}, slowest resume {} ms", before.elapsed(), slowest_resume(&world));
            whole(&world, &units, &tree);
            killed += kills;
            if killed >= wanted {
                return;
            }
        }
    });
}

/// Waits until the mission is in the journal, so that a kill finds something to resume.
fn begun(world: &World, engine: Engine) -> Engine {
    world.await_record("mission-started", 1);
    engine
}

#[test]
fn p4_a_start_killed_within_200_ms_either_never_was_or_can_be_resumed() {
    let seed = asked("MC_SEED", 1);
    within(120, move || {
        let mut random = fastrand::Rng::with_seed(seed);
        let (mut never, mut resumed) = (0, 0);
        for _ in 0..6 {
            let world = World::new();
            let units = [unit("one", &own_file("one", 0.0)), unit("two", &own_file("two", 0.0)).after(&["one"])];
            let plan = world.plan(&units);
            let mut engine = world.spawn_mission(&plan);
            assert!(engine.ended_within(Duration::from_millis(random.u64(0..=200))).is_none());
            engine.kill();
            if world.kinds("mission-started").is_empty() {
                never += 1;
                let nothing = world.resume().exits(2);
                assert!(nothing.err.contains("no mission was begun here"), "{}", nothing.err);
                world.start(&plan).exits(0);
            } else {
                resumed += 1;
                world.start(&plan).exits(2);
                world.resume().exits(0);
            }
            whole(&world, &units, &expected_tree(&world, &units));
        }
        println!("seed {seed}: {never} never were, {resumed} were resumed");
    });
}

/// Git under its own name for one request after the other, as those that stay get them: WRITES is shell that does one of
/// them by calling `once`, and has it with the arguments in `request`. Whoever does not hold the
/// lock of an engine or a worker is not looked at.
const WATCHED_GIT: &str = r#"#!/bin/sh
PATH=${PATH#*:}
case $(readlink /proc/$$/fd/0 /proc/$$/fd/1 /proc/$$/fd/3) in */engine.lock* | */worker.lock*) ;; *) exec git "$@" ;; esac
case $* in
*update-ref*--stdin*) end=commit ;;
*merge-tree*--stdin* | *--stdin-paths*) end= ;;
*) end=none ;;
esac
if [ "$end" = none ]; then
  request=$*
  once() { git "$@"; }
  WRITES
  exit $code
fi
lines=
while IFS= read -r line; do
  lines="$lines$line
"
  [ "${end:-$line}" = "$line" ] || continue
  request="$* $lines $(cat "$line" 2>/dev/null)"
  once() { printf %s "$lines" | git "$@"; }
  WRITES
  [ $code = 0 ] || exit $code
  lines=
done
# One that is told everything at once.
[ -z "$lines" ] || printf %s "$lines" | git "$@"
"#;

/// A git that is slow where it writes, waits while it is held, and notes its beginnings and ends.
fn slow_git() -> String {
    let writes = r#"case $request in
  *update-ref* | *commit-tree* | *merge-tree* | *clone* | *--stdin-paths*)
    echo "$ENGINE $$ begin" >>"$HOME/gits"
    sleep 0.05
    while round=$(cat "$HOME/hold" 2>/dev/null); do : >"$HOME/held.$round"; sleep 0.02; done
    once "$@"
    code=$?
    echo "$ENGINE $$ end" >>"$HOME/gits" ;;
  *) once "$@"; code=$? ;;
  esac"#;
    // A worker that loses its engine ends its gits, which then note nothing.
    WATCHED_GIT.replace(" | */worker.lock*", "").replace("WRITES", writes)
}

#[test]
fn p4_no_git_of_a_killed_engine_works_beside_the_next_engine() {
    within(120, || {
        let world = World::new();
        world.program("git", &slow_git());
        let units: Vec<Unit> = (1..=3).map(|n| format!("u{n}")).map(|id| unit(&id, &own_file(&id, 0.0))).collect();
        let mut engine = world.spawn_mission(&world.plan(&units));
        let mut outlived = 0;
        for n in 1..=6 {
            // An engine is killed in the middle of one of its first slow gits.
            until("gits of this engine", || {
                let gits = gits(&world);
                let mine = gits.iter().filter(|(e, _, begins)| *e == engine.number && *begins).count();
                (mine > n % 3).then_some(())
            });
            std::fs::write(world.home().join("hold"), n.to_string()).unwrap();
            let held = world.home().join(format!("held.{n}"));
            until("a git in the middle of its work", || held.exists().then_some(()));
            let open = open(&world);
            assert!(engine.kill());
            outlived += usize::from(!open.is_disjoint(&self::open(&world)));
            engine = world.spawn_resume();
            std::fs::remove_file(world.home().join("hold")).unwrap();
        }
        engine.end().exits(0);
        let mut open: BTreeSet<(u32, u32)> = BTreeSet::new();
        for (engine, pid, begins) in gits(&world) {
            if begins {
                let older: Vec<_> = open.iter().filter(|(other, _)| *other != engine).collect();
                assert!(older.is_empty(), "engine {engine} calls git beside {older:?}");
                open.insert((engine, pid));
            } else {
                assert!(open.remove(&(engine, pid)));
            }
        }
        assert_eq!(outlived, 6, "gits that outlived their engine");
        whole(&world, &units, &expected_tree(&world, &units));
    });
}

/// The gits that have begun and not ended, by engine and process.
fn open(world: &World) -> BTreeSet<(u32, u32)> {
    let mut open = BTreeSet::new();
    for (engine, pid, begins) in gits(world) {
        if begins {
            open.insert((engine, pid))
        } else {
            open.remove(&(engine, pid))
        };
    }
    open
}

/// Engine, process and whether it begins, in order.
fn gits(world: &World) -> Vec<(u32, u32, bool)> {
    let text = std::fs::read_to_string(world.home().join("gits")).unwrap_or_default();
    let read = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        (words[0].parse().unwrap(), words[1].parse().unwrap(), words[2] == "begin")
    };
    text.lines().map(read).collect()
}

/// A git that stays and dies again and again: before it has done what it was asked, after it, and with half an answer.
const FRAIL_GIT: &str = r#"case $lines in
  '') once "$@"; code=$? ;;
  *)
    echo "$request" >>"$HOME/asked"
    # A git that does not answer the first question to merge is not asked again.
    how=$(($(wc -l <"$HOME/asked") % 5))
    case $request in *merge-tree*) mkdir "$HOME/tried" 2>/dev/null && how=well ;; esac
    case $how in
    well) once "$@"; code=$? ;;
    0 | 1) exit 1 ;;
    2 | 3) once "$@" >/dev/null; exit 1 ;;
    *) once "$@" | head -c 3; exit 1 ;;
    esac ;;
  esac"#;

#[test]
fn p4_gits_that_stay_and_die_are_replaced() {
    within(120, || {
        let world = World::new();
        world.program("git", &WATCHED_GIT.replace("WRITES", FRAIL_GIT).replace("\nPATH=", "\nlines=\nPATH="));
        let units: Vec<Unit> = (1..=3).map(|n| format!("u{n}")).map(|id| unit(&id, &own_file(&id, 0.0))).collect();
        world.start(&world.plan(&units)).exits(0);
        let asked = std::fs::read_to_string(world.home().join("asked")).unwrap();
        for kind in ["update-ref", "merge-tree", "hash-object"] {
            assert!(asked.lines().filter(|line| line.contains(kind)).count() >= 3, "{kind}: {asked}");
        }
        whole(&world, &units, &expected_tree(&world, &units));
        world.mc(&["audit"]).exits(0);
        world.mc(&["report", "--verify"]).exits(0);
    });
}

/// The git calls that write; with `MC_KILLS` every call counts.
const WRITES: &str = "*update-ref* | *commit-tree* | *merge-tree* | *write-tree* | *clone* | *fetch* | *read-tree* | *checkout* | *init* | *hash-object* | *unpack-objects*";

/// A git that kills the engine which called it, once before and once after each of these kinds of call: what differs only
/// in object ids and times is one kind.
fn deadly_git(kinds: &str) -> String {
    let writes = r#"case $request in
  KINDS)
    kind=$(echo "$PWD $request" | sed 's/0\{40\}/NONE/; s/[0-9a-f]\{40\}/ID/g; s/[0-9]\{10\}/TIME/; s/[.]tmp[^ ]*/TMP/g' | sha1sum | cut -c1-16)
    mkdir "$HOME/kinds/$kind-before" 2>/dev/null && kill -s KILL "$PPID" && exit 1
    once "$@"
    code=$?
    mkdir "$HOME/kinds/$kind-after" 2>/dev/null && kill -s KILL "$PPID" ;;
  *) once "$@"; code=$? ;;
  esac"#;
    WATCHED_GIT.replace("WRITES", writes).replace("KINDS", kinds)
}

#[test]
fn p3_p4_an_engine_killed_before_and_after_each_write_of_git() {
    within(400, || {
        let world = World::new();
        // Only gits of the engine kill: a worker that dies again and again in one request is asked again ever more seldom.
        let git = deadly_git(if asked("MC_KILLS", 0) > 0 { "*" } else { WRITES }).replace(" | */worker.lock*", "");
        deadly(&world, &git);
        let units = [unit("one", &own_file("one", 0.0)), unit("two", &own_file("two", 0.0)).by_agent().after(&["one"])];
        let killed = survived(&world, &["mission", "start", "--plan", world.plan(&units).to_str().unwrap()], 0);
        assert!(killed >= 20, "only {killed} kills");
        whole(&world, &units, &expected_tree(&world, &units));
    });
}

/// A world in which each of these kinds of call is deadly.
fn deadly_world(kinds: &str) -> World {
    let world = World::new();
    deadly(&world, &deadly_git(kinds));
    world
}

fn deadly(world: &World, git: &str) {
    std::fs::create_dir(world.home().join("kinds")).unwrap();
    world.program("git", git);
}

/// Starts a mission with these arguments and resumes it as often as the engine is killed; how often it or its worker was. One that
/// was killed before it was on record is started again.
fn survived(world: &World, start: &[&str], code: i32) -> usize {
    let mut engine = world.spawn(start);
    loop {
        let said = engine.ended_within(Duration::from_secs(60)).expect("mc does not end");
        let never_was = said.code == Some(2) && said.err.contains("no mission was begun here");
        if said.code.is_some() && !never_was {
            said.exits(code);
            return std::fs::read_dir(world.home().join("kinds")).unwrap().count();
        }
        engine = if never_was { world.spawn(start) } else { world.spawn_resume() };
    }
}

/// The calls that write bookkeeping, and those that land them.
const BOOK_WRITES: &str =
    "*hash-object* | *read-tree* | *update-index* | *write-tree* | *commit-tree* | *heads/mc/green*";

#[test]
fn p4_an_engine_killed_before_and_after_each_write_of_the_books() {
    within(400, || {
        let world = deadly_world(BOOK_WRITES);
        let backlog = "## One\n- run: echo 1 > one.txt\n\n## Two\n- attempts: 1\n- run: false\n";
        world.commit("BACKLOG.md", backlog);
        let killed = survived(&world, &["mission", "start"], 3);
        assert!(killed >= 10, "only {killed} kills");
        let marked = world.git(&["show", "mc/green:BACKLOG.md"]) + "\n";
        let unmarked: String = marked.split_inclusive('\n').filter(|line| !line.starts_with("- status: ")).collect();
        assert_eq!(unmarked, backlog);
        let marks: Vec<&str> = marked.lines().filter_map(|line| line.strip_prefix("- status: ")?.get(..6)).collect();
        assert_eq!(marks, ["done (", "failed"]);
        let progress = world.git(&["show", "mc/green:PROGRESS.md"]);
        assert_eq!(progress.matches("<summary>Session ").count(), 1, "{progress}");
        world.nothing_lives();
        world.mc(&["audit"]).exits(0);
        world.mc(&["report", "--verify"]).exits(0);
    });
}

#[test]
fn p2_p4_what_a_clone_borrowed_elsewhere_is_kept_when_the_engine_is_killed_while_it_looks() {
    within(120, || {
        let world = deadly_world("*batch-all-objects*");
        let borrowed = "git clone -q \"$HOME/repo\" \"$HOME/other\"; cd \"$HOME/other\"\necho o >o; git add o; git commit -qm borrowed\n\
             cd -; echo \"$HOME/other/.git/objects\" >>.git/objects/info/alternates\n\
             git reset -q --hard \"$(git -C \"$HOME/other\" rev-parse HEAD)\"\n\
             git commit -q --allow-empty -m abandoned; git reset -q --hard HEAD~1; echo x >x";
        let plan = world.plan(&[unit("one", borrowed)]);
        let killed = survived(&world, &["mission", "start", "--plan", plan.to_str().unwrap()], 0);
        assert!(killed >= 2, "only {killed} kills");
        let log = world.git(&["log", "--format=%s", "mc/green"]);
        assert!(log.lines().any(|line| line == "borrowed"), "{log}");
        assert_eq!(world.git(&["show", "mc/green:o"]), "o");
    });
}

#[test]
fn p2_work_that_was_handed_over_but_did_not_arrive_is_fetched() {
    within(120, || {
        let world = World::new();
        // A git that unpacks nothing and says that all is well.
        world.program("git", "#!/bin/sh\nPATH=${PATH#*:}\ncase $* in *unpack-objects*) cat >/dev/null; echo lost >>\"$HOME/lost\"; exit 0;; esac\nexec git \"$@\"\n");
        let units = [unit("one", &own_file("one", 0.0))];
        world.start(&world.plan(&units)).exits(0);
        assert!(world.home().join("lost").exists());
        whole(&world, &units, &expected_tree(&world, &units));
    });
}
