//! The keys: every name `mc` knows, what it accepts, its default, and whether it does something in this version.
//!
//! Promises: one table is the whole truth; names of environment variables, near-miss advice, `mc config show` and the
//! refusal of keys that are not built yet all come from it.

use super::backend;
use super::value::Kind;
use crate::domain::base::nearest::edit_distance;

/// What a key does in this version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// It works; this is its default as TOML.
    Now(&'static str),
    /// Known, refused: the feature is not built yet. Covers everything below it.
    Later,
    /// Of the older scheduler's files: accepted, without meaning here, named in a warning.
    Older,
    /// The list of stages, read by [`super::stages`].
    Stages,
    /// A list of hosts, read by [`super::hosts`].
    Hosts,
}

/// One key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// Sections and name, joined by dots.
    pub path: &'static str,
    /// What it accepts.
    pub kind: Kind,
    /// What it does.
    pub support: Support,
}

impl Key {
    /// The environment variable that sets it: `MC_SECTION_KEY`.
    pub fn environment_name(&self) -> String {
        format!("MC_{}", self.path.replace('.', "_").to_uppercase())
    }
}

const fn supported_key(path: &'static str, kind: Kind, default: &'static str) -> Key {
    Key { path, kind, support: Support::Now(default) }
}

const fn planned_key(path: &'static str) -> Key {
    Key { path, kind: Kind::Text, support: Support::Later }
}

const fn legacy_key(path: &'static str) -> Key {
    Key { path, kind: Kind::Text, support: Support::Older }
}

const fn count(least: u64) -> Kind {
    Kind::Count(least, 1_000_000)
}

/// Choices of a stage's `kind`.
pub const STAGE_KINDS: Kind = Kind::Choice(&["tests", "lint", "types", "security", "build", "metric"], &[]);
/// Choices of a stage's `tier`.
pub const STAGE_TIERS: Kind = Kind::Choice(&["quick", "gate"], &[]);
/// Choices of a stage's `format`.
pub const STAGE_FORMATS: Kind = Kind::Choice(crate::domain::verify::formats::WORDS, &[]);

/// What agents may write beside their slot, unless the settings say otherwise: downloads of tools, and what agents keep of
/// themselves.
const WRITABLE: &str = r#"["~/.cache", "~/.cargo/registry", "~/.cargo/git", "~/.npm", "~/.pnpm-store", "~/.local/share/pnpm", "~/.yarn/berry", "~/.bun/install/cache", "~/go/pkg", "~/.m2/repository", "~/.gradle", "~/.claude", "~/.claude.json", "~/.codex", "~/.gemini", "~/.config/opencode", "~/.local/share/opencode", "~/.local/state/opencode"]"#;

/// What no run may read, unless the settings say otherwise: keys and tokens.
const HIDDEN: &str = r#"["~/.ssh", "~/.gnupg", "~/.aws", "~/.azure", "~/.config/gcloud", "~/.config/gh", "~/.config/hub", "~/.config/glab-cli", "~/.config/rclone", "~/.config/sops", "~/.docker/config.json", "~/.kube", "~/.netrc", "~/.git-credentials", "~/.config/git/credentials", "~/.npmrc", "~/.pypirc", "~/.cargo/credentials", "~/.cargo/credentials.toml", "~/.gem/credentials", "~/.m2/settings-security.xml", "~/.vault-token", "~/.terraform.d/credentials.tfrc.json", "~/.password-store", "~/.local/share/keyrings", "~/.mozilla", "~/.config/google-chrome", "~/.config/chromium", "~/.bash_history", "~/.zsh_history"]"#;

/// Every key.
pub const KEYS: &[Key] = &[
    supported_key("target.name", Kind::Text, "\"\""),
    supported_key("target.path", Kind::Text, "\"\""),
    supported_key("target.branch", Kind::Text, "\"main\""),
    supported_key("target.objective", Kind::Text, "\"\""),
    supported_key("target.check", Kind::Line, "\"\""),
    supported_key("target.setup", Kind::Line, "\"\""),
    supported_key("target.setup_inputs", Kind::Texts, "[]"),
    supported_key("target.copy", Kind::Texts, "[]"),
    planned_key("target.submodules"),
    supported_key("target.verification.command", Kind::Line, "\"\""),
    supported_key("target.verification.timeout", Kind::Time, "\"30m\""),
    supported_key("target.verification.env", Kind::Names, "[]"),
    supported_key("target.verification.fingerprint", Kind::Lines, "[]"),
    supported_key("target.verification.ignore", Kind::Texts, "[]"),
    supported_key("target.verification.home", Kind::Texts, "[]"),
    supported_key("target.verification.keep", Kind::Texts, "[]"),
    Key { path: "target.verification.stage", kind: Kind::Text, support: Support::Stages },
    supported_key("target.verification.protect", Kind::Texts, "[\"mission-control.toml\"]"),
    supported_key(
        "agent.preset",
        Kind::Choice(&["command", "claude", "codex", "gemini", "opencode", "aider"], &[]),
        "\"command\"",
    ),
    supported_key("agent.command", Kind::Line, "\"\""),
    supported_key("agent.prompt", Kind::Choice(&["stdin", "arg", "file"], &[]), "\"stdin\""),
    supported_key("agent.env", Kind::Names, "[]"),
    supported_key("agent.idle_timeout", Kind::TimeOrOff, "\"20m\""),
    supported_key("agent.start_timeout", Kind::TimeOrOff, "\"20m\""),
    supported_key("agent.grace_after_result", Kind::TimeOrOff, "\"30s\""),
    planned_key("agent.model"),
    planned_key("agent.planner"),
    planned_key("agent.fixup"),
    planned_key("agent.discovery"),
    supported_key("scheduler.session_timeout", Kind::Time, "\"1h\""),
    supported_key("scheduler.max_attempts", Kind::Count(1, 100), "3"),
    supported_key("scheduler.max_infrastructure_retries", Kind::Count(0, 100), "5"),
    supported_key("scheduler.max_starts", Kind::Count(1, 10_000), "30"),
    supported_key("scheduler.dispatch", Kind::Choice(&["waves"], &["frontier"]), "\"waves\""),
    supported_key("scheduler.isolation", Kind::Choice(&["auto", "pidns", "search"], &[]), "\"auto\""),
    supported_key("scheduler.lease", Kind::Time, "\"30m\""),
    supported_key("scheduler.retry_pause", Kind::TimeOrOff, "\"1s\""),
    supported_key("scheduler.circuit_after", Kind::Time, "\"10m\""),
    legacy_key("scheduler.cooldown"),
    legacy_key("scheduler.max_sessions_per_run"),
    legacy_key("scheduler.model"),
    legacy_key("scheduler.monitor_interval"),
    legacy_key("scheduler.output_summary_max_chars"),
    legacy_key("scheduler.polling_interval"),
    legacy_key("scheduler.raw_output_max_chars"),
    legacy_key("scheduler.session_lookback"),
    legacy_key("scheduler.git.strategy"),
    legacy_key("scheduler.git.auto_merge"),
    supported_key("scheduler.budget.max_wall_time", Kind::Time, "\"12h\""),
    supported_key("scheduler.budget.max_per_session_usd", Kind::Money, "5"),
    supported_key("scheduler.budget.max_per_run_usd", Kind::Money, "100"),
    legacy_key("scheduler.budget.evaluator_budget_usd"),
    legacy_key("scheduler.budget.fixup_budget_usd"),
    supported_key("scheduler.budget.max_tokens", Kind::Count(0, u64::MAX), "0"),
    supported_key("scheduler.parallel.num_workers", Kind::Count(1, 256), "4"),
    supported_key("scheduler.parallel.pool_dir", Kind::Text, "\"\""),
    supported_key("scheduler.parallel.max_disk", Kind::Size, "\"50GB\""),
    legacy_key("scheduler.parallel.warm_clones"),
    planned_key("scheduler.parallel.verifiers"),
    legacy_key("scheduler.parallel.heartbeat_timeout"),
    legacy_key("scheduler.parallel.max_rebase_attempts"),
    supported_key("rounds.max_rounds", count(1), "20"),
    supported_key("rounds.units_per_round", count(0), "0"),
    supported_key("rounds.stall_threshold", count(1), "3"),
    supported_key("rounds.cooldown_between_rounds", Kind::TimeOrOff, "\"0s\""),
    legacy_key("rounds.stall_score_epsilon"),
    legacy_key("rounds.max_discoveries_per_round"),
    legacy_key("rounds.max_discovery_chars"),
    legacy_key("rounds.max_summary_items"),
    legacy_key("rounds.timeout_multiplier"),
    supported_key("planner.source", Kind::Choice(&["backlog"], &["file", "agent"]), "\"backlog\""),
    planned_key("planner.timeout"),
    legacy_key("planner.max_depth"),
    legacy_key("planner.absolute_max_depth"),
    legacy_key("planner.max_children_per_node"),
    legacy_key("planner.budget_per_call_usd"),
    legacy_key("planner.max_file_tree_chars"),
    supported_key("queue.gate", Kind::Choice(&["no-regression", "pass"], &[]), "\"no-regression\""),
    supported_key("queue.guarantee", Kind::Choice(&["commit"], &["tip"]), "\"commit\""),
    supported_key("queue.merge", Kind::Choice(&["merge"], &["squash", "rebase"]), "\"merge\""),
    supported_key("queue.confirm_failures", Kind::Flag, "true"),
    supported_key("queue.ratchet", Kind::Flag, "false"),
    supported_key("queue.union", Kind::Texts, "[]"),
    supported_key("queue.links", Kind::Choice(&["refuse", "note"], &[]), "\"refuse\""),
    planned_key("queue.batch_above"),
    planned_key("queue.strategy"),
    planned_key("queue.regenerate"),
    supported_key("green_branch.green_branch", Kind::Text, "\"mc/green\""),
    planned_key("green_branch.push_remote"),
    legacy_key("green_branch.working_branch"),
    legacy_key("green_branch.fixup_max_attempts"),
    legacy_key("green_branch.auto_push"),
    legacy_key("green_branch.push_branch"),
    supported_key(backend::TYPE, Kind::Choice(&["local", "ssh"], &[]), "\"local\""),
    supported_key(backend::LOCAL_WORKERS, Kind::CountOrAuto(256), "\"auto\""),
    supported_key(backend::LEASE, Kind::Time, "\"10m\""),
    supported_key(backend::PIN_EVERY, Kind::Time, "\"5m\""),
    Key { path: backend::SSH_HOSTS, kind: Kind::Text, support: Support::Hosts },
    Key { path: backend::HOSTS, kind: Kind::Text, support: Support::Hosts },
    supported_key("sandbox.mode", Kind::Choice(&["auto", "off"], &[]), "\"auto\""),
    supported_key("sandbox.writable", Kind::Texts, WRITABLE),
    supported_key("sandbox.shared", Kind::Texts, "[]"),
    supported_key("sandbox.readable", Kind::Texts, "[]"),
    supported_key("sandbox.hidden", Kind::Texts, HIDDEN),
    supported_key("sandbox.max_memory", Kind::SizeOrOff, "0"),
    supported_key("sandbox.max_processes", Kind::Count(0, u64::MAX), "0"),
    planned_key("sandbox.network"),
    planned_key("discovery"),
    planned_key("authority"),
    planned_key("notify"),
    planned_key("ship"),
];

/// The key of this exact path.
pub fn find(path: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.path == path)
}

/// Whether keys stand below this path.
pub fn is_section(path: &str) -> bool {
    KEYS.iter().any(|key| key.path.strip_prefix(path).is_some_and(|rest| rest.starts_with('.')))
}

/// The nearest name to one that is not known, if one is near: by spelling, or the same name in another section.
pub fn nearest_key(path: &str) -> Option<&'static str> {
    let leaf = |path: &str| path.rsplit('.').next().unwrap_or_default().to_owned();
    let works = |key: &&Key| !matches!(key.support, Support::Later | Support::Older);
    let close = KEYS.iter().filter(works).map(|key| {
        let whole = edit_distance(path, key.path);
        let moved = edit_distance(&leaf(path), &leaf(key.path)) * 2 + 1;
        (whole.min(moved), key.path)
    });
    let limit = 3.min(1 + leaf(path).len() / 3);
    close.min_by_key(|(distance, _)| *distance).filter(|(distance, _)| *distance <= limit).map(|(_, name)| name)
}
