//! Every key: that its variable sets it and its source is shown, and what became of the older scheduler's keys.
#![allow(clippy::unwrap_used, reason = "a panic is how a test helper fails")]

use super::{MINIMAL, World};
use mission_control::config::schema::{self, KEYS, Support};
use mission_control::config::value::Kind;

/// Every key of the older scheduler's settings.
const OLDER_KEYS: &str = "target.name target.path target.branch target.objective target.verification.command \
    target.verification.timeout scheduler.session_timeout scheduler.cooldown scheduler.max_sessions_per_run scheduler.model \
    scheduler.monitor_interval scheduler.output_summary_max_chars scheduler.polling_interval scheduler.raw_output_max_chars \
    scheduler.session_lookback scheduler.git.strategy scheduler.git.auto_merge scheduler.budget.max_per_session_usd \
    scheduler.budget.max_per_run_usd scheduler.budget.evaluator_budget_usd scheduler.budget.fixup_budget_usd \
    scheduler.parallel.num_workers scheduler.parallel.pool_dir scheduler.parallel.heartbeat_timeout \
    scheduler.parallel.max_rebase_attempts scheduler.parallel.warm_clones rounds.max_rounds rounds.stall_threshold \
    rounds.cooldown_between_rounds rounds.stall_score_epsilon rounds.max_discoveries_per_round rounds.max_discovery_chars \
    rounds.max_summary_items rounds.timeout_multiplier planner.max_depth planner.absolute_max_depth \
    planner.max_children_per_node planner.budget_per_call_usd planner.max_file_tree_chars green_branch.working_branch \
    green_branch.green_branch green_branch.fixup_max_attempts green_branch.auto_push green_branch.push_branch backend.type \
    backend.ssh.hosts";

#[test]
fn each_key_of_the_older_scheduler_is_known_and_one_warning_names_those_without_meaning() {
    for path in OLDER_KEYS.split_whitespace() {
        let key = schema::find(path).unwrap_or_else(|| panic!("{path} is not known"));
        let value = match (key.support, key.kind) {
            (Support::Now(default), _) => default,
            (_, _) if path == "backend.ssh.hosts" => "[{ hostname = \"h\", user = \"u\", max_workers = 2 }]",
            (Support::Later | Support::Stages | Support::Hosts, _) => panic!("{path} would be refused"),
            (_, _) => "3",
        };
        let text = format!("{path} = {value}\n{}", if path == "target.verification.command" { "" } else { MINIMAL });
        // A dotted key must not open a table that is written out below.
        let text = text.replace("[target.verification]\ncommand", "target.verification.command");
        let settings = if path == "target.verification.command" { None } else { Some(World::file(&text).settings()) };
        let warnings = settings.map(|settings| settings.warnings).unwrap_or_default();
        let named = warnings.iter().filter(|warning| warning.contains(&format!("`{path}`"))).count();
        let wanted = usize::from(matches!(key.support, Support::Older));
        assert_eq!((named, warnings.len()), (wanted, wanted), "{path}: {warnings:?}");
    }
}

#[test]
fn every_key_is_shown_with_its_source_and_can_be_set_by_its_variable() {
    let shown = World::file(MINIMAL).layers().unwrap().show();
    let works: Vec<&schema::Key> = KEYS.iter().filter(|key| matches!(key.support, Support::Now(_))).collect();
    assert_eq!(shown.len(), works.len());
    for key in works {
        let name = key.environment_name();
        let value = match key.kind {
            Kind::Flag => "false",
            Kind::Count(..) | Kind::CountOrAuto(_) => "7",
            Kind::Time | Kind::TimeOrOff => "7m",
            Kind::Size | Kind::SizeOrOff => "7GB",
            Kind::Money => "7.50",
            Kind::Choice(words, _) => words.last().unwrap(),
            Kind::Names => "SEVEN",
            _ => "seven",
        };
        let world = World::file(MINIMAL).variable(&name, value);
        let rows = world.layers().unwrap().show();
        let (_, found, source) = rows.iter().find(|(path, _, _)| path == key.path).unwrap();
        assert!(found.contains(value) && *source == format!("environment {name}"), "{name}: {found} from {source}");
        let others = rows.iter().filter(|(_, _, source)| source.starts_with("environment")).count();
        assert_eq!(others, 1, "{name} sets one key");
    }
}
