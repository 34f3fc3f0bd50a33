//! The keys: every name `mc` knows, what it accepts, its default, and whether it does something in this version.
//!
//! Promises: one table is the whole truth; names of environment variables, near-miss advice, `mc config show` and the
//! refusal of keys that are not built yet all come from it.

use super::value::Kind;
use crate::domain::base::nearest::edits;

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

const fn now(path: &'static str, kind: Kind, default: &'static str) -> Key {
    Key { path, kind, support: Support::Now(default) }
}

const fn later(path: &'static str) -> Key {
    Key { path, kind: Kind::Text, support: Support::Later }
}

const fn older(path: &'static str) -> Key {
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
    now("target.name", Kind::Text, "\"\""),
    now("target.path", Kind::Text, "\"\""),
    now("target.branch", Kind::Text, "\"main\""),
    now("target.objective", Kind::Text, "\"\""),
    now("target.check", Kind::Line, "\"\""),
    now("target.setup", Kind::Line, "\"\""),
    now("target.setup_inputs", Kind::Texts, "[]"),
    now("target.copy", Kind::Texts, "[]"),
    later("target.submodules"),
    now("target.verification.command", Kind::Line, "\"\""),
    now("target.verification.timeout", Kind::Time, "\"30m\""),
    now("target.verification.env", Kind::Names, "[]"),
    now("target.verification.fingerprint", Kind::Lines, "[]"),
    now("target.verification.ignore", Kind::Texts, "[]"),
    now("target.verification.home", Kind::Texts, "[]"),
    now("target.verification.keep", Kind::Texts, "[]"),
    Key { path: "target.verification.stage", kind: Kind::Text, support: Support::Stages },
    now("target.verification.protect", Kind::Texts, "[\"mission-control.toml\"]"),
    now("agent.preset", Kind::Choice(&["command"], &["claude", "codex", "gemini", "opencode", "aider"]), "\"command\""),
    now("agent.command", Kind::Line, "\"\""),
    now("agent.prompt", Kind::Choice(&["stdin", "arg", "file"], &[]), "\"stdin\""),
    now("agent.env", Kind::Names, "[]"),
    now("agent.idle_timeout", Kind::TimeOrOff, "\"20m\""),
    now("agent.start_timeout", Kind::TimeOrOff, "\"20m\""),
    now("agent.grace_after_result", Kind::TimeOrOff, "\"30s\""),
    later("agent.model"),
    later("agent.planner"),
    later("agent.fixup"),
    later("agent.discovery"),
    now("scheduler.session_timeout", Kind::Time, "\"1h\""),
    now("scheduler.max_attempts", Kind::Count(1, 100), "3"),
    now("scheduler.max_infrastructure_retries", Kind::Count(0, 100), "5"),
    now("scheduler.max_starts", Kind::Count(1, 10_000), "30"),
    now("scheduler.dispatch", Kind::Choice(&["waves"], &["frontier"]), "\"waves\""),
    now("scheduler.isolation", Kind::Choice(&["auto", "pidns", "search"], &[]), "\"auto\""),
    now("scheduler.lease", Kind::Time, "\"30m\""),
    now("scheduler.retry_pause", Kind::TimeOrOff, "\"1s\""),
    now("scheduler.circuit_after", Kind::Time, "\"10m\""),
    older("scheduler.cooldown"),
    older("scheduler.max_sessions_per_run"),
    older("scheduler.model"),
    older("scheduler.monitor_interval"),
    older("scheduler.output_summary_max_chars"),
    older("scheduler.polling_interval"),
    older("scheduler.raw_output_max_chars"),
    older("scheduler.session_lookback"),
    older("scheduler.git.strategy"),
    older("scheduler.git.auto_merge"),
    now("scheduler.budget.max_wall_time", Kind::Time, "\"12h\""),
    now("scheduler.budget.max_per_session_usd", Kind::Money, "5"),
    now("scheduler.budget.max_per_run_usd", Kind::Money, "100"),
    older("scheduler.budget.evaluator_budget_usd"),
    older("scheduler.budget.fixup_budget_usd"),
    now("scheduler.budget.max_tokens", Kind::Count(0, u64::MAX), "0"),
    now("scheduler.parallel.num_workers", Kind::Count(1, 256), "4"),
    now("scheduler.parallel.pool_dir", Kind::Text, "\"\""),
    now("scheduler.parallel.max_disk", Kind::Size, "\"50GB\""),
    older("scheduler.parallel.warm_clones"),
    later("scheduler.parallel.verifiers"),
    older("scheduler.parallel.heartbeat_timeout"),
    older("scheduler.parallel.max_rebase_attempts"),
    now("rounds.max_rounds", count(1), "20"),
    now("rounds.units_per_round", count(0), "0"),
    now("rounds.stall_threshold", count(1), "3"),
    now("rounds.cooldown_between_rounds", Kind::TimeOrOff, "\"0s\""),
    older("rounds.stall_score_epsilon"),
    older("rounds.max_discoveries_per_round"),
    older("rounds.max_discovery_chars"),
    older("rounds.max_summary_items"),
    older("rounds.timeout_multiplier"),
    now("planner.source", Kind::Choice(&["backlog"], &["file", "agent"]), "\"backlog\""),
    later("planner.timeout"),
    older("planner.max_depth"),
    older("planner.absolute_max_depth"),
    older("planner.max_children_per_node"),
    older("planner.budget_per_call_usd"),
    older("planner.max_file_tree_chars"),
    now("queue.gate", Kind::Choice(&["no-regression", "pass"], &[]), "\"no-regression\""),
    now("queue.guarantee", Kind::Choice(&["commit"], &["tip"]), "\"commit\""),
    now("queue.merge", Kind::Choice(&["merge"], &["squash", "rebase"]), "\"merge\""),
    now("queue.confirm_failures", Kind::Flag, "true"),
    now("queue.ratchet", Kind::Flag, "false"),
    now("queue.union", Kind::Texts, "[]"),
    now("queue.links", Kind::Choice(&["refuse", "note"], &[]), "\"refuse\""),
    later("queue.batch_above"),
    later("queue.strategy"),
    later("queue.regenerate"),
    now("green_branch.green_branch", Kind::Text, "\"mc/green\""),
    later("green_branch.push_remote"),
    older("green_branch.working_branch"),
    older("green_branch.fixup_max_attempts"),
    older("green_branch.auto_push"),
    older("green_branch.push_branch"),
    now("backend.type", Kind::Choice(&["local"], &["ssh"]), "\"local\""),
    older("backend.ssh.hosts"),
    later("backend.local_workers"),
    later("backend.lease"),
    now("sandbox.mode", Kind::Choice(&["auto", "off"], &[]), "\"auto\""),
    now("sandbox.writable", Kind::Texts, WRITABLE),
    now("sandbox.shared", Kind::Texts, "[]"),
    now("sandbox.readable", Kind::Texts, "[]"),
    now("sandbox.hidden", Kind::Texts, HIDDEN),
    now("sandbox.max_memory", Kind::SizeOrOff, "0"),
    now("sandbox.max_processes", Kind::Count(0, u64::MAX), "0"),
    later("sandbox.network"),
    later("discovery"),
    later("authority"),
    later("notify"),
    later("ship"),
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
pub fn nearest(path: &str) -> Option<&'static str> {
    let leaf = |path: &str| path.rsplit('.').next().unwrap_or_default().to_owned();
    let works = |key: &&Key| !matches!(key.support, Support::Later | Support::Older);
    let close = KEYS.iter().filter(works).map(|key| {
        let whole = edits(path, key.path);
        let moved = edits(&leaf(path), &leaf(key.path)) * 2 + 1;
        (whole.min(moved), key.path)
    });
    let limit = 3.min(1 + leaf(path).len() / 3);
    close.min_by_key(|(distance, _)| *distance).filter(|(distance, _)| *distance <= limit).map(|(_, name)| name)
}
