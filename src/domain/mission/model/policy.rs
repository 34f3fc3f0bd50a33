//! The numbers a mission is bound by, fixed when it starts.

use super::bookkeeping::BookkeepingMode;
use super::budget::Budget;
use super::hosts::HostPolicy;
use crate::domain::base::is_default;
use crate::domain::queue::Strategy;
use crate::domain::values::{Millis, UnitId};
use crate::domain::verify::Gate;
use serde::{Deserialize, Serialize};

/// First pause where the settings want none.
const SHORTEST_PAUSE: Millis = 10;

impl Policy {
    /// Pause before the try after this many failures: [`Policy::retry_pause`], doubling up to 60 times that.
    pub fn pause(&self, failures: u32) -> Millis {
        let factor = 1_u64.checked_shl(failures.saturating_sub(1).min(6)).unwrap_or(60).min(60);
        self.retry_pause.max(SHORTEST_PAUSE).saturating_mul(factor)
    }
}

/// Limits and switches of one mission, journaled with its start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Attempts running at once where no hosts are named; also the number of unit slots of this machine then.
    pub workers: u32,
    /// Where attempts and verifications run, in the order a person gave them; empty: on this machine alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<HostPolicy>,
    /// Attempts running at once over all of these hosts, where a person said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_running: Option<u32>,
    /// Attempts of consuming classes per unit.
    pub max_attempts: u32,
    /// Infrastructure failures per unit.
    pub max_infrastructure_retries: u32,
    /// Starts per unit, whatever became of them; those that a recorded stop ended do not count.
    #[serde(default = "default_starts")]
    pub max_starts: u32,
    /// Conflicts at landing per unit.
    pub max_conflicts: u32,
    /// Continuations per unit.
    pub max_continues: u32,
    /// The gate.
    pub gate: Gate,
    /// Whether more findings of linters and type checkers and worse metrics hurt.
    #[serde(default)]
    pub ratchet: bool,
    /// Whether a new failure is confirmed by a second run before anyone is blamed.
    pub confirm_failures: bool,
    /// Rounds at most.
    pub max_rounds: u32,
    /// Units taken per round; 0 = all.
    pub units_per_round: u32,
    /// Rounds without a landing after which the mission ends; 0 = never.
    pub stall_threshold: u32,
    /// Pause between two rounds.
    #[serde(default)]
    pub cooldown: Millis,
    /// Time in which engines work on the mission; 0 = no cap.
    pub max_wall_time: Millis,
    /// The time at which the mission ends at the latest, whether an engine worked or not; 0 = none.
    #[serde(default, skip_serializing_if = "is_default")]
    pub until: Millis,
    /// First pause before something that met infrastructure is tried again; it doubles up to 60 times that.
    #[serde(default = "retry_pause")]
    pub retry_pause: Millis,
    /// How long a common cause may keep everything waiting before the mission is suspended.
    #[serde(default = "circuit_after")]
    pub circuit_after: Millis,
    /// Caps on money and tokens.
    #[serde(default)]
    pub budget: Budget,
    /// The only units of the plan source that are planned; empty = all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<UnitId>,
    /// Closed items of the backlog that a person asked to be done again, with what was said to that. Untrusted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reopen: Vec<(UnitId, String)>,
    /// Whether the objective has an executable check.
    pub has_check: bool,
    /// Which files of the repository tell what became of its units.
    #[serde(default, skip_serializing_if = "BookkeepingMode::is_nothing")]
    pub keeps: BookkeepingMode,
    /// Whether files may stay in the workspace of verifications from one run to the next, so that results can be warm.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub warm_runs: bool,
}

const fn default_starts() -> u32 {
    30
}

const fn retry_pause() -> Millis {
    1_000
}

const fn circuit_after() -> Millis {
    600_000
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            workers: 4,
            hosts: Vec::new(),
            max_running: None,
            max_attempts: 3,
            max_infrastructure_retries: 5,
            max_starts: default_starts(),
            max_conflicts: 3,
            max_continues: 5,
            gate: Gate::NoRegression,
            ratchet: false,
            confirm_failures: true,
            max_rounds: 20,
            units_per_round: 0,
            stall_threshold: 3,
            cooldown: 0,
            max_wall_time: 12 * 3_600_000,
            has_check: false,
            until: 0,
            retry_pause: retry_pause(),
            circuit_after: circuit_after(),
            budget: Budget::default(),
            only: Vec::new(),
            reopen: Vec::new(),
            keeps: BookkeepingMode::Nothing,
            warm_runs: false,
        }
    }
}

/// Tries of one landing step or verification, with no other request to be tried instead, before the circuit opens; of the
/// base's verification before the start is refused.
pub const MAX_STEP_FAILURES: u32 = 6;

/// Failures of a request's steps after which its candidate is made anew, behind the other requests.
pub const STEPS_BEHIND_AFTER: u32 = 3;

/// How requests land.
pub(in crate::domain::mission) const STRATEGY: Strategy = Strategy::Serial;

/// Landings on warm results after which green's tip must pass a cold run before anything else lands.
pub const COLD_EVERY: usize = 10;
