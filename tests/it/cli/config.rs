//! Settings: precedence with sources, advice for wrong keys, files of the older scheduler, the shipped defaults.
#![allow(clippy::unwrap_used, reason = "a panic is how a test helper fails")]

mod hosts;
mod keys;

use mission_control::config::Source;
use mission_control::config::schema::{self, KEYS, Support};
use mission_control::config::settings::{PromptMode, WantedIsolation};
use mission_control::config::{self, ConfigError, Inputs, Layers, Settings};
use mission_control::domain::verify::Gate;
use mission_control::domain::verify::formats::Format;
use mission_control::domain::verify::model::key::{Better, StageKind, Tier};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

const MINIMAL: &str = "[target.verification]\ncommand = \"make test\"\n";

/// A user's settings: a file in `/srv/app`, variables and flags.
/// The commented file with every supported key at its default.
const DEFAULTS_FILE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/config/mission-control.toml"));

#[derive(Default)]
struct World {
    file: Option<String>,
    environment: BTreeMap<String, String>,
    flags: Vec<(&'static str, String, &'static str)>,
}

impl World {
    fn file(text: &str) -> Self {
        Self { file: Some(text.to_owned()), ..Self::default() }
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    fn flag(mut self, key: &'static str, value: &str, flag: &'static str) -> Self {
        self.flags.push((key, value.to_owned(), flag));
        self
    }

    fn layers(&self) -> Result<Layers, ConfigError> {
        let path = Path::new("/srv/app/mission-control.toml");
        Layers::resolve(&Inputs {
            file: self.file.as_deref().map(|text| (path, text)),
            directory: Path::new("/srv/app/src"),
            environment: &self.environment,
            flags: &self.flags,
        })
    }

    fn settings(&self) -> Settings {
        self.layers().unwrap().settings().unwrap()
    }

    fn error(&self) -> String {
        self.layers().and_then(|layers| layers.settings()).unwrap_err().to_string()
    }
}

#[test]
fn the_last_layer_said_wins_and_every_value_knows_its_source() {
    let key = "scheduler.parallel.num_workers";
    let row = |world: &World| {
        let rows = world.layers().unwrap().show();
        let (_, value, source) = rows.into_iter().find(|(path, ..)| path == key).unwrap();
        (value, source)
    };
    let pair = |value: &str, source: &str| (value.to_owned(), source.to_owned());
    let world = World::file(MINIMAL);
    assert_eq!(row(&world), pair("4", "default"));
    let world = World::file("[scheduler.parallel]\n\nnum_workers = 5\n");
    assert_eq!(row(&world), pair("5", "file /srv/app/mission-control.toml:3"));
    let world = world.variable("MC_SCHEDULER_PARALLEL_NUM_WORKERS", "6");
    assert_eq!(row(&world), pair("6", "environment MC_SCHEDULER_PARALLEL_NUM_WORKERS"));
    let world = world.flag(key, "7", "--workers");
    assert_eq!(row(&world), pair("7", "flag --workers"));
}

#[test]
fn show_prints_what_runs() {
    let world = World::file("[[target.verification.stage]]\nname = \"u\"\nrun = \"say \\\"x\\\"\"\ntimeout = 90\n")
        .variable("MC_AGENT_ENV", "CI, TOKEN_FILE");
    let layers = world.layers().unwrap();
    let text = layers.show_text();
    for line in [
        "agent.env = [\"CI\", \"TOKEN_FILE\"]  # environment MC_AGENT_ENV\n",
        "scheduler.parallel.max_disk = \"50GB\"  # default\n",
        "target.verification.timeout = \"30m\"  # default\n",
        "target.verification.stage = [{ name = \"u\", run = \"say \\\"x\\\"\", kind = \"tests\", tier = \"gate\", \
         format = \"auto\", timeout = \"1m30s\" }]  # file /srv/app/mission-control.toml:1\n",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    let json = layers.show_json();
    assert_eq!(json["schema"], 1);
    assert_eq!(json["settings"].as_array().unwrap().len(), layers.show().len());
    let read: Settings = serde_json::from_value(serde_json::to_value(world.settings()).unwrap()).unwrap();
    assert_eq!(read, world.settings());
}

#[test]
fn defaults_are_safe_for_a_first_night() {
    let settings = World::file(MINIMAL).settings();
    assert_eq!(settings.max_wall_time, Duration::from_secs(12 * 3600));
    assert_eq!(settings.parallel.max_disk, 50_000_000_000);
    assert_eq!((settings.parallel.num_workers, settings.scheduler.max_attempts), (4, 3));
    assert_eq!(settings.scheduler.max_infrastructure_retries, 5);
    assert_eq!((settings.target.name.as_str(), settings.target.branch.as_str()), ("app", "main"));
    assert_eq!(settings.target.path, PathBuf::from("/srv/app"));
    assert_eq!((settings.queue.gate, settings.queue.confirm_failures), (Gate::NoRegression, true));
    assert_eq!((settings.green_branch.as_str(), settings.scheduler.isolation), ("mc/green", WantedIsolation::Auto));
    assert_eq!((settings.rounds.units_per_round, settings.agent.prompt), (None, PromptMode::Stdin));
    let [stage] = settings.verification.stages.as_slice() else { panic!("one stage") };
    assert_eq!((stage.name.as_str(), stage.run.as_str(), stage.timeout_secs), ("verification", "make test", 1800));
    assert_eq!(settings.warnings, [""; 0]);
}

#[test]
fn without_a_file_paths_are_meant_from_the_directory() {
    let world = World::default().variable("MC_TARGET_VERIFICATION_COMMAND", "make").flag(
        "scheduler.parallel.pool_dir",
        "../pool",
        "--pool-dir",
    );
    let settings = world.settings();
    assert_eq!(settings.target.path, PathBuf::from("/srv/app/src"));
    assert_eq!(settings.parallel.pool_dir, Some(PathBuf::from("/srv/app/src/../pool")));
}

#[test]
fn stages_are_read_in_order() {
    let world = World::file(
        "[target.verification]\ntimeout = \"10m\"\n[[target.verification.stage]]\nname = \"lint\"\nrun = \"x\"\nkind = \"lint\"\n\
         tier = \"gate\"\nformat = \"exit\"\n[[target.verification.stage]]\nname = \"unit\"\nrun = \"y\"\nformat = \"tap\"\ntimeout = 7\n",
    );
    let stages = world.settings().verification.stages;
    assert_eq!(stages.len(), 2);
    assert_eq!((stages[0].kind, stages[0].tier, stages[0].format), (StageKind::Lint, Tier::Gate, Format::Exit));
    assert_eq!((stages[1].kind, stages[1].tier, stages[1].format), (StageKind::Tests, Tier::Gate, Format::Tap));
    assert_eq!((stages[0].timeout_secs, stages[1].timeout_secs), (600, 7));
    let replaced = world.flag("target.verification.command", "z", "--verify");
    assert_eq!(replaced.settings().verification.stages[0].run, "z");
}

#[test]
fn stages_say_what_is_demanded_of_figures() {
    let stage = |lines: &str| format!("[[target.verification.stage]]\nname = \"s\"\nrun = \"x\"\n{lines}");
    let world =
        World::file(&stage("kind = \"metric\"\nat_most = 12.50\nat_least = 3\nbetter = \"lower\"\nratchet = true\n"));
    let demand = world.settings().verification.stages[0].demand;
    assert_eq!(
        (demand.at_most.unwrap().to_string(), demand.at_least.unwrap().to_string()),
        ("12.5".into(), "3".into())
    );
    assert_eq!((demand.better, demand.ratchet), (Some(Better::Lower), Some(true)));
    let shown = "at_most = 12.5, at_least = 3, better = \"lower\", ratchet = true }]";
    assert!(world.layers().unwrap().show_text().contains(shown));
    let read: Settings = serde_json::from_value(serde_json::to_value(world.settings()).unwrap()).unwrap();
    assert_eq!(read, world.settings());
    for good in [
        "kind = \"lint\"\nformat = \"ruff\"\nratchet = false",
        "kind = \"metric\"\nat_least = 80\nratchet = true",
        "kind = \"metric\"\nbetter = \"higher\"\nratchet = true",
        "kind = \"security\"\nformat = \"bandit\"",
    ] {
        World::file(&stage(good)).settings();
    }
    for (lines, wanted) in [
        ("at_most = 3", "stage.at_most` is meant for numbers; give the stage kind = \"metric\""),
        ("kind = \"lint\"\nbetter = \"lower\"", "stage.better` is meant for numbers"),
        ("kind = \"metric\"\nat_most = 1\nat_least = 2", "stage.at_least` is above at_most"),
        ("kind = \"metric\"\nformat = \"tap\"", "stage.format` has no meaning for kind = \"metric\""),
        ("kind = \"metric\"\nratchet = true", "stage.ratchet` needs to know what is worse"),
        ("kind = \"metric\"\nat_most = \"12 ms\"", "stage.at_most` must be a decimal number"),
        ("kind = \"metric\"\nat_most = 1e3", "stage.at_most` must be a decimal number"),
        ("kind = \"metric\"\nbetter = \"more\"", "stage.better` must be \"lower\" or \"higher\""),
        (
            "format = \"ruff\"",
            "stage.format` is `ruff`, which gives findings, not tests; give the stage kind = \"lint\"",
        ),
        ("ratchet = true", "stage.ratchet` has no meaning for tests"),
        ("kind = \"security\"\nratchet = true", "stage.ratchet` has no meaning for security"),
    ] {
        let error = World::file(&stage(lines)).error();
        assert!(error.contains(wanted), "{lines}: {error}");
    }
    let queue = |world: World| world.settings().queue.ratchet;
    assert!(!queue(World::file(MINIMAL)));
    assert!(queue(World::file(MINIMAL).variable("MC_QUEUE_RATCHET", "true")));
}

#[test]
fn p7_unknown_keys_are_refused_with_the_nearest_name() {
    let place = "file /srv/app/mission-control.toml";
    for (text, wanted) in [
        ("[rounds]\nmax_rouns = 3", ":2: unknown key `rounds.max_rouns`; did you mean `rounds.max_rounds`?"),
        ("[round]\nmax_rounds = 3", ":2: unknown key `round.max_rounds`; did you mean `rounds.max_rounds`?"),
        (
            "[rounds]\nnum_workers = 3",
            ":2: unknown key `rounds.num_workers`; did you mean `scheduler.parallel.num_workers`?",
        ),
        ("branch = \"x\"", ":1: unknown key `branch`; did you mean `target.branch`?"),
        ("\n[zebra]", ":2: unknown key `zebra`"),
        ("[zebra]\nquagga = 1", ":2: unknown key `zebra.quagga`"),
        ("rounds = 3", ":1: `rounds` is a section; write [rounds] and its keys below"),
        ("[target.branch]\nx = 1", ":1: `target.branch` must be a text in quotes"),
        (
            "[[target.verification.stage]]\nname = \"a\"\nrun = \"b\"\ntimout = 3",
            ":4: unknown key `target.verification.stage.timout`; did you mean `target.verification.stage.timeout`?",
        ),
        ("[target\n", ":1: is not valid TOML"),
        ("[target]\nname = \"a\"\nname = \"b\"\n", ":3: is not valid TOML: duplicate key"),
    ] {
        let error = World::file(text).error();
        assert!(error.starts_with(&format!("{place}{wanted}")), "{error}");
    }
    let both = World::file("[rounds]\nmax_rouns = 3\n[queue]\ngat = 1").error();
    assert_eq!(both.lines().count(), 2, "{both}");
}

#[test]
fn p7_keys_of_later_features_are_refused() {
    for (text, line, key) in [
        ("[queue]\nbatch_above = 8", 2, "queue.batch_above"),
        ("[queue]\nmerge = \"squash\"", 2, "queue.merge = \"squash\""),
        ("[queue]\nguarantee = \"tip\"", 2, "queue.guarantee = \"tip\""),
        ("[agent.planner]\npreset = \"command\"", 1, "agent.planner"),
        ("[discovery]\nenabled = true", 1, "discovery"),
        ("[notify]", 1, "notify"),
    ] {
        let wanted =
            format!("file /srv/app/mission-control.toml:{line}: `{key}` is not supported in this version; remove it");
        assert_eq!(World::file(text).error(), wanted);
    }
    let error = World::file(MINIMAL).variable("MC_QUEUE_BATCH_ABOVE", "3").error();
    assert_eq!(
        error,
        "environment MC_QUEUE_BATCH_ABOVE: `queue.batch_above` is not supported in this version; remove it"
    );
}

#[test]
fn wrong_values_name_key_source_and_what_to_do() {
    for (text, wanted) in [
        (
            "[scheduler.parallel]\nnum_workers = 0",
            "`scheduler.parallel.num_workers` must be a whole number from 1 to 256",
        ),
        ("[scheduler.parallel]\nnum_workers = -3", "must be a whole number from 1 to 256"),
        ("[scheduler.parallel]\nnum_workers = \"4\"", "must be a whole number"),
        ("[scheduler.parallel]\nmax_disk = \"many\"", "is not a size: `many`; write for example \"50GB\""),
        ("[scheduler]\nsession_timeout = \"soon\"", "is not a duration: `soon`; write for example \"30m\""),
        ("[scheduler]\nsession_timeout = 0", "must be longer than zero"),
        ("[scheduler]\nsession_timeout = 1.5", "must be a duration"),
        ("[queue]\ngate = \"strict\"", "`queue.gate` must be \"no-regression\" or \"pass\""),
        ("[queue]\nconfirm_failures = \"yes\"", "must be true or false"),
        ("[agent]\nenv = [\"TOKEN=secret\"]", "holds names of environment variables, without values; `TOKEN`"),
        ("[target]\ncopy = [1]", "must be a list of texts"),
        ("[target]\nbranch = 7", "must be a text in quotes"),
        ("[target.verification]\nstage = 3", "must be written as [[target.verification.stage]]"),
    ] {
        let error = World::file(text).error();
        assert!(error.starts_with("file /srv/app/mission-control.toml:2: ") && error.contains(wanted), "{error}");
        assert!(!error.contains("secret"));
    }
    for (globs, wanted) in [("a.{md,txt}", "it has braces"), ("/a", "it is absolute")] {
        let error = World::file(&format!("{MINIMAL}\n[queue]\nunion = [\"{globs}\"]\n")).error();
        assert!(error.contains("`queue.union` must be a list of globs") && error.contains(wanted), "{error}");
    }
    let error = World::file(MINIMAL).variable("MC_ROUNDS_MAX_ROUNDS", "many").error();
    assert!(error.starts_with("environment MC_ROUNDS_MAX_ROUNDS: `rounds.max_rounds` must be"), "{error}");
    let error = World::file(MINIMAL).flag("rounds.max_rounds", "0", "--rounds").error();
    assert!(error.starts_with("flag --rounds: `rounds.max_rounds` must be"), "{error}");
}

#[test]
fn p7_what_cannot_work_together_is_refused() {
    let stage = "[[target.verification.stage]]\nname = \"a\"\nrun = \"b\"\n";
    for (text, wanted) in [
        (String::new(), "`target.verification.command` is not set; without a verification nothing can land"),
        ("[target.verification]\ncommand = \"  \"".to_owned(), "`target.verification.command` is not set"),
        (format!("{MINIMAL}{stage}"), "stands beside [[target.verification.stage]]"),
        (format!("{stage}{stage}"), "is the name of two stages"),
        (format!("{stage}tier = \"quick\""), "has no stage with tier = \"gate\""),
        (format!("{MINIMAL}protect = [\"a\", \"b[\"]"), "`b[` is no glob"),
        ("[[target.verification.stage]]\nname = \"a\"".to_owned(), "`target.verification.stage.run` is missing"),
        ("[target.verification]\nstage = []".to_owned(), "is empty; add a stage"),
        (format!("{MINIMAL}[target]\nbranch = \"mc/green\""), "is `mc/green`, the target branch"),
        (format!("{MINIMAL}[green_branch]\ngreen_branch = \"a..b\""), "is not the name of a branch"),
        (format!("{MINIMAL}[green_branch]\ngreen_branch = \"refs/heads/x\""), "without `refs/heads/`"),
        (format!("{MINIMAL}[target]\nbranch = \"\""), "is not the name of a branch"),
        (format!("{MINIMAL}[target]\ncopy = [\"../.env\"]"), "must name files inside the repository"),
        (format!("{MINIMAL}[target]\ncopy = [\"/etc/passwd\"]"), "must name files inside the repository"),
    ] {
        let error = World::file(&text).error();
        assert!(error.contains(wanted), "{text}: {error}");
    }
}

#[test]
fn a_file_of_the_older_scheduler_loads_with_one_warning() {
    let file = r#"
[target]
name = "app"
path = "."
branch = "trunk"
objective = "all tests pass"
[target.verification]
command = "pytest -q"
timeout = 300
[scheduler]
session_timeout = 2700
cooldown = 60
max_sessions_per_run = 10
model = "opus"
monitor_interval = 5
output_summary_max_chars = 4000
polling_interval = 5
raw_output_max_chars = 4000
session_lookback = 5
[scheduler.git]
strategy = "branch-per-session"
auto_merge = true
[scheduler.budget]
evaluator_budget_usd = 0.5
fixup_budget_usd = 1.0
[scheduler.parallel]
num_workers = 2
pool_dir = ""
heartbeat_timeout = 600
max_rebase_attempts = 3
warm_clones = 1
[rounds]
max_rounds = 20
stall_threshold = 5
cooldown_between_rounds = 60
stall_score_epsilon = 0.01
max_discoveries_per_round = 10
max_discovery_chars = 2000
max_summary_items = 10
timeout_multiplier = 1.5
[planner]
max_depth = 3
absolute_max_depth = 4
max_children_per_node = 5
budget_per_call_usd = 1.0
max_file_tree_chars = 4000
[green_branch]
working_branch = "mc/working"
green_branch = "mc/green"
fixup_max_attempts = 3
auto_push = false
push_branch = "main"
[backend]
type = "ssh"
[[backend.ssh.hosts]]
hostname = "build1"
user = "ci"
max_workers = 4
"#;
    let settings = World::file(file).settings();
    assert_eq!(settings.verification.stages[0].timeout_secs, 300);
    assert_eq!(settings.scheduler.session_timeout, Duration::from_secs(2700));
    assert_eq!(settings.rounds.cooldown_between_rounds, Duration::from_secs(60));
    assert_eq!((settings.parallel.num_workers, settings.target.branch.as_str()), (2, "trunk"));
    let [warning] = settings.warnings.as_slice() else { panic!("{:?}", settings.warnings) };
    for key in KEYS.iter().filter(|key| key.support == Support::Older) {
        assert!(warning.contains(&format!("`{}` (file ", key.path)), "{} in {warning}", key.path);
    }
    let capped =
        file.replace("[scheduler.budget]", "[scheduler.budget]\nmax_per_run_usd = 50.0\nmax_per_session_usd = 5.0");
    let budget = World::file(&capped).settings().budget;
    assert_eq!((budget.max_per_run, budget.max_per_session, budget.said), (50_000_000, 5_000_000, true));
}

#[test]
fn p7_p11_caps_that_cannot_be_held_are_refused_and_money_is_read_to_the_cent() {
    let file =
        |budget: &str| World::file(&format!("[agent]\ncommand = \"a\"\n{MINIMAL}\n[scheduler.budget]\n{budget}"));
    for (text, millionths) in [("5", 5_000_000), ("2.5", 2_500_000), ("\"0.07\"", 70_000), ("\"$12.50\"", 12_500_000)] {
        let world = file(&format!("max_per_session_usd = {text}"));
        assert_eq!(world.settings().budget.max_per_session, millionths, "{text}");
        assert!(!world.settings().budget.said, "only the cap of the run says that unknown cost counts");
    }
    for text in ["0", "-1", "\"much\"", "1e3", "0.0000001", "nan", "\"1.\""] {
        let error = file(&format!("max_per_run_usd = {text}")).error();
        assert!(error.contains("must be an amount of US dollars above zero"), "{text}: {error}");
    }
    let error = file("max_per_run_usd = 3").error();
    assert!(error.contains("is 3, and 5 is reserved for each attempt of an agent"), "{error}");
    let error = file("max_tokens = 1000").error();
    assert!(error.contains("tells no tokens"), "{error}");
    let scripts = World::file(&format!("{MINIMAL}\n[scheduler.budget]\nmax_per_run_usd = 3\nmax_tokens = 7"));
    assert_eq!((scripts.settings().budget.max_per_run, scripts.settings().budget.max_tokens), (3_000_000, 7));
}

#[test]
fn environment_names_are_distinct_and_only_known_ones_are_read() {
    let names: BTreeSet<String> = KEYS.iter().map(schema::Key::environment_name).collect();
    assert_eq!(names.len(), KEYS.len());
    for taken in [
        "MC_STATE_DIR",
        "MC_MISSION",
        "MC_UNIT",
        "MC_ATTEMPT",
        "MC_SLOT",
        "MC_WORKSPACE",
        "MC_BASE",
        "MC_BRIEF",
        "MC_RESULT",
    ] {
        assert!(!names.contains(taken), "{taken}");
    }
    let world =
        World::file(MINIMAL).variable("MC_NO_SUCH_KEY", "x").variable("MC_NOTIFY", "x").variable("TARGET_BRANCH", "x");
    assert_eq!(world.settings(), World::file(MINIMAL).settings());
    let unknown = World::file(MINIMAL).flag("rounds.max_round", "3", "--rounds").error();
    assert_eq!(unknown, "flag --rounds: unknown key `rounds.max_round`; did you mean `rounds.max_rounds`?");
}

#[test]
fn the_shipped_file_is_the_embedded_defaults() {
    let mut rows = BTreeSet::new();
    let mut uncommented = String::new();
    let mut section = String::new();
    let mut before = "";
    for line in DEFAULTS_FILE.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name.to_owned();
            uncommented.push_str(&format!("{line}\n"));
        } else if line.starts_with("# [[") {
            section = "list".to_owned();
        } else if let Some((name, _)) = line.strip_prefix("# ").and_then(|rest| rest.split_once(" = "))
            && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
            && section != "list"
        {
            assert!(
                before.starts_with("# ") && before.ends_with(['.', ',', ';']),
                "`{name}` has no sentence before it: {before}"
            );
            rows.insert(format!("{section}.{name}"));
            uncommented.push_str(&format!("{}\n", &line[2..]));
        }
        before = line;
    }
    let supported: BTreeSet<String> =
        KEYS.iter().filter(|key| matches!(key.support, Support::Now(_))).map(|key| key.path.to_owned()).collect();
    assert_eq!(rows, supported, "every supported key stands in the file, and no other");
    let defaults = World::default().layers().unwrap();
    let shipped = World::file(&uncommented).layers().unwrap();
    for key in supported {
        let ((wanted, source), (found, place)) = (defaults.get(&key).unwrap(), shipped.get(&key).unwrap());
        assert_eq!((wanted, source), (found, &Source::Default), "{key}");
        assert!(matches!(place, Source::File { .. }), "{key}");
    }
    let as_shipped = World::file(DEFAULTS_FILE).layers().unwrap();
    assert_eq!(as_shipped.show(), defaults.show(), "nothing is set in the file as shipped");
}

#[test]
fn examples_load() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/examples");
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let world = World::file(&std::fs::read_to_string(&path).unwrap()).variable("HOME", "/home/ada");
        let settings = world.settings();
        assert!(settings.agent.command.is_some() && settings.warnings.is_empty(), "{}", path.display());
        names.insert(path.file_stem().unwrap().to_string_lossy().into_owned());
    }
    let wanted = ["c", "go", "java", "minimal", "node", "python", "rust", "ssh-hosts"].map(str::to_owned);
    assert_eq!(names, BTreeSet::from(wanted));
}

#[test]
fn the_nearest_file_above_is_taken() {
    let found =
        |there: &'static str| config::find_settings_file(Path::new("/a/b/c"), move |path| path == Path::new(there));
    assert_eq!(found("/a/mission-control.toml"), Some(PathBuf::from("/a/mission-control.toml")));
    assert_eq!(found("/a/d/mission-control.toml"), None);
    assert_eq!(
        config::find_settings_file(Path::new("/a/b"), |_| true),
        Some(PathBuf::from("/a/b/mission-control.toml"))
    );
}
