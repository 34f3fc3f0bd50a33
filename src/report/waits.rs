//! What keeps a mission waiting that is nobody's fault, and what a person can do about it.

use crate::domain::base::text::name_first;
use crate::domain::mission::{Health, HostPolicy, State};
use crate::domain::trouble::Cause;
use crate::domain::values::HostId;
use crate::report::hosts::has_hosts;

/// Hosts that are named before the list is cut.
const SHOWN: usize = 8;

/// A common cause in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wait {
    /// What stands in the way. Untrusted.
    pub words: String,
    /// What a person can do about it.
    pub remedy: String,
}

/// Why a host is not used for what waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reason<'a> {
    /// A person took it out of use.
    Drained,
    /// It is left out for this.
    LeftOut(&'a Cause),
    /// It has not answered this engine yet.
    NotAsked,
    /// It is used, and nothing is verified there.
    VerifiesNothing,
    /// It is used for verifications only.
    TakesNoUnits,
    /// It is used, and what waits needs something else.
    Unfit,
}

impl Wait {
    /// A cause that keeps this mission waiting. Where no host can be used for what waits, each says why not.
    pub(super) fn of(state: &State, cause: &Cause) -> Self {
        if *cause != Cause::Unreachable || !has_hosts(state) {
            return Self { words: cause.words(), remedy: cause.remedy().to_owned() };
        }
        let hosts: Vec<(&HostId, Reason<'_>)> =
            state.policy.hosts.iter().map(|policy| (&policy.host, Reason::of(state, policy))).collect();
        let named = name_first(hosts.iter().map(|(host, reason)| reason.describe(host)), SHOWN);
        let drained = hosts.iter().find(|(_, reason)| *reason == Reason::Drained);
        let mut helps: Vec<String> = drained
            .map(|(host, _)| format!("`mc hosts resume {host}` takes {host} back into use"))
            .into_iter()
            .collect();
        for (_, reason) in &hosts {
            if let Reason::LeftOut(cause) = reason
                && !helps.iter().any(|help| help == cause.remedy())
            {
                helps.push(cause.remedy().to_owned());
            }
        }
        if helps.is_empty() {
            helps.push("`mc hosts list` tells more".to_owned());
        }
        Self { words: format!("no host can be used for what waits ({named})"), remedy: helps.join("; ") }
    }
}

impl<'a> Reason<'a> {
    fn of(state: &'a State, policy: &HostPolicy) -> Self {
        match state.hosts().health(&policy.host) {
            _ if state.hosts().is_drained(&policy.host) => Self::Drained,
            Some(Health::Benched { cause, .. }) => Self::LeftOut(cause),
            Some(Health::Unseen) => Self::NotAsked,
            Some(Health::Ready { .. }) | None if policy.verifiers == 0 => Self::VerifiesNothing,
            Some(Health::Ready { .. }) | None if policy.workers == 0 => Self::TakesNoUnits,
            Some(Health::Ready { .. }) | None => Self::Unfit,
        }
    }

    fn describe(self, host: &HostId) -> String {
        match self {
            Self::Drained => format!("{host} is drained"),
            Self::LeftOut(Cause::Unreachable) => format!("{host} does not answer"),
            Self::LeftOut(cause) => format!("{host} is left out: {}", cause.words()),
            Self::NotAsked => format!("{host} has not answered yet"),
            Self::VerifiesNothing => format!("{host} verifies nothing"),
            Self::TakesNoUnits => format!("{host} takes no units"),
            Self::Unfit => format!("{host} lacks its labels or its environment"),
        }
    }
}
