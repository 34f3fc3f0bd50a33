//! Money, tokens and time against their caps (P9, P11): unknown is `null` or said in words, never 0.

use super::words::{count, of_day, span, stamp};
use crate::domain::mission::State;
use crate::domain::values::Millis;
use crate::domain::values::Usd;
use serde_json::{Value, json};

/// Attempts of agents whose cost nobody knows, those that run now included; attempts that never ran cost nothing.
pub fn count_unknown(state: &State) -> u64 {
    state.account.unknown + state.agents_running()
}

/// `{usd, unknown_attempts, tokens, known_usd, counted_usd, cap_usd, ends_at}`. `usd` and `tokens` are sums over all attempts,
/// `null` as soon as one is unknown; `known_usd` is what is known in any case; `counted_usd` is what counts against `cap_usd`,
/// reserves of running attempts included; `cap_usd` is `null` without a cap, `ends_at` without an end by the clock.
pub fn json(state: &State) -> Value {
    let (account, budget) = (&state.account, &state.policy.budget);
    let tokens_known = account.unknown_tokens + state.agents_running() == 0;
    json!({
        "usd": (count_unknown(state) == 0).then(|| account.usd.dollars()),
        "unknown_attempts": count_unknown(state),
        "tokens": tokens_known.then_some(account.tokens),
        "known_usd": account.usd.dollars(),
        "counted_usd": sum_counted(state).dollars(),
        "cap_usd": (budget.per_run > Usd(0)).then(|| budget.per_run.dollars()),
        "ends_at": state.ends_at().filter(|_| !state.is_over()).and_then(stamp),
    })
}

fn sum_counted(state: &State) -> Usd {
    Usd(state.charged_cost().0.saturating_add(state.reserved_cost().0))
}

/// `1.25 USD`, with as many decimals as cents need.
fn dollars(amount: Usd) -> String {
    format!("{:.2} USD", amount.dollars())
}

/// What was spent, as far as it is known, against the cap; without a line break.
pub fn text(state: &State) -> String {
    let budget = &state.policy.budget;
    let ran = state.units.iter().any(|unit| unit.spec.run.is_none() && !unit.attempts.is_empty());
    let known = dollars(state.account.usd);
    let spent = match count_unknown(state) {
        _ if !ran => return "no agent was run".to_owned(),
        0 => known,
        n if state.account.usd > Usd(0) => format!("{known} and what {} did not say", count(n, "attempt")),
        n => format!("unknown ({} did not say)", count(n, "attempt")),
    };
    if budget.per_run == Usd(0) {
        return spent;
    }
    let cap = dollars(budget.per_run);
    if !budget.counts_unknown {
        return format!("{spent}; the cap of {cap} does not count what is unknown");
    }
    let (counted, each) = (dollars(sum_counted(state)), dollars(budget.per_session));
    format!("{spent}; {counted} of {cap} counted, {each} for each attempt nobody measured")
}

/// The same in a few words for one line of the live view; absent while nothing was spent.
pub fn brief(state: &State) -> Option<String> {
    let budget = &state.policy.budget;
    match count_unknown(state) {
        0 if state.account.usd == Usd(0) => None,
        n if n > 0 && !budget.counts_unknown => Some(format!("cost unknown ({})", count(n, "attempt"))),
        _ if budget.per_run == Usd(0) => Some(format!("cost {}", dollars(state.account.usd))),
        _ => Some(format!("cost {} of {}", dollars(sum_counted(state)), dollars(budget.per_run))),
    }
}

/// When a mission that was given an end ends by the clock: `ends at 07:00 at the latest, in 3h12m`; absent when it was not, or
/// is over.
pub fn end(state: &State, now: Millis) -> Option<String> {
    let at = state.ends_at().filter(|_| state.policy.until > 0 && !state.is_over())?;
    let local = of_day(at)?;
    Some(format!("ends at {local} at the latest, in {}", span(at.saturating_sub(now))))
}
