//! What only a person can do, for the status, the report and what watches missions.

use super::waits::Wait;
use super::{View, access, count, skipped, to_one_line};
use crate::domain::mission::{AttemptClass, Landing, State, Unit, UnitState, deciding_note};
use crate::domain::values::{HostId, UnitId};

/// What a person can do about a stop that no engine has taken.
pub const OF_A_WAITING_STOP: &str = "a stop waits: `mc mission resume` withdraws it and goes on, `mc mission resume \
     --finish` lets what runs finish and land, then ends the mission, `mc mission stop --now` ends it at once";

/// What becomes of an answer that the end of its mission overtakes.
pub const ANSWER_AGAIN: &str =
    "write the answer into its text in BACKLOG.md with `- status: todo` for the next mission";

/// What only a person can do, one line each, most urgent first.
pub fn list_needs(view: &View<'_>) -> Vec<String> {
    let state = view.state;
    let mut lines = Vec::new();
    if let Some((reason, hint)) = &state.hold {
        lines.push(format!("nothing lands: {}. {}", to_one_line(reason, 400), to_one_line(hint, 400)));
    }
    if let Some(wait) = common_wait(state).filter(|_| state.suspended_by.is_some() || !view.is_interrupted()) {
        let then = match &state.suspended_by {
            Some(_) => "; then `mc mission resume` goes on, nothing is lost",
            None => "; it is tried again, and goes on by itself when it works",
        };
        lines.push(format!("{}: {}{then}", to_one_line(&wait.words, 400), to_one_line(&wait.remedy, 400)));
    }
    if let Some(refusal) = state.access.refusal().filter(|_| !state.is_over() && !view.is_interrupted()) {
        let wait = access::describe_wait(state).unwrap_or_default();
        lines.push(format!("{wait}; scripts go on. {}", refusal.failure.remedy()));
    }
    if state.is_over()
        && state.hold.is_none()
        && let Some(last) = state.cold_runs().unproven.last()
    {
        lines.push(format!(
            "green's last {} passed with files of earlier runs, and nobody has asked without them: `mc verify --fresh {}`",
            count(state.cold_runs().unproven.len() as u64, "landing"),
            last.tip.commit.short_id()
        ));
    }
    if let Some(why) = state.landing().and_then(Landing::waits_for_person) {
        lines.push(to_one_line(why, 400));
    }
    for (source, commit, files) in &state.decided {
        let who = source.unit().map_or("the target branch", UnitId::as_str);
        let what = to_one_line(&deciding_note(files), 300);
        lines.push(format!("look at what {who} landed at {} before you take green: {what}", commit.short_id()));
    }
    if let Some(outside) = &state.refused_target {
        lines.push(skipped::describe_refused_target(outside));
    }
    let answered: Vec<_> = view.pending_retries().collect();
    for unit in state.units.iter().filter(|unit| unit.state == UnitState::Held) {
        if answered.contains(&&unit.spec.id) {
            lines.push(format!("{} is held; its answer waits for `mc mission resume`", unit.spec.id));
            continue;
        }
        let question = match unit.reason.trim() {
            "" => String::new(),
            reason => format!(": {}", to_one_line(reason, 400)),
        };
        lines.push(format!("{} is held{question} (`mc unit retry {} --say TEXT`)", unit.spec.id, unit.spec.id));
    }
    lines.extend(state.units.iter().filter_map(question_no_op));
    if view.has_pending_stop() {
        lines.push(format!("no engine works on the mission, and {OF_A_WAITING_STOP}"));
    } else if view.ends_on_resume() {
        lines.push(
            "the mission is stopping: `mc mission resume` starts nothing new, lands what is done and ends it"
                .to_owned(),
        );
        for unit in view.pending_retries() {
            lines.push(format!("the fresh start of {unit} comes to nothing by that: {ANSWER_AGAIN}"));
        }
    } else if view.is_interrupted() && state.suspended_by.is_none() {
        lines.push("no engine works on the mission: `mc mission resume` goes on".to_owned());
    }
    for (unit, n) in &view.left.agents {
        lines.push(format!(
            "attempt {n} of {unit} still runs without an engine: `mc mission resume` adopts it, `mc mission stop --now` ends it"
        ));
    }
    if view.engine.is_none() && !state.is_over() {
        for (unit, attempt) in state.running_attempts().filter(|(_, attempt)| !attempt.slot.host.is_local()) {
            let (n, id, host) = (attempt.n, &unit.spec.id, &attempt.slot.host);
            lines.push(format!(
                "attempt {n} of {id} was on {host}, which nobody has asked since: `mc mission resume` adopts what runs there, \
                 `mc mission stop --now` ends it"
            ));
        }
    }
    lines.extend(list_left_behind(state));
    lines
}

/// What an ended mission left on hosts that did not answer any more, one line for each of them.
pub fn list_left_behind(state: &State) -> Vec<String> {
    state.hosts().list().filter_map(|(host, ..)| describe_left_behind(state, host)).collect()
}

/// What an ended mission has on a host that did not answer any more.
fn describe_left_behind(state: &State, host: &HostId) -> Option<String> {
    let left = |unit: &&Unit| {
        let last = unit.attempts.last().filter(|attempt| attempt.slot.host == *host);
        last.is_some_and(|attempt| attempt.report.as_ref().is_some_and(|report| report.work.unpinned))
    };
    let units: Vec<&str> = state.units.iter().filter(left).map(|unit| unit.spec.id.as_str()).collect();
    (state.is_over() && state.hosts().is_benched(host) && !units.is_empty()).then(|| {
        format!(
            "{host} does not answer: what {} had running there could not be ended. It ends by itself when its lease is over \
             (backend.lease), and what it made is kept when a mission uses {host} again",
            to_one_line(&units.join(", "), 300)
        )
    })
}

/// What to look at where an agent changed nothing and did not say that nothing was needed.
fn question_no_op(unit: &Unit) -> Option<String> {
    let last = unit.attempts.last().filter(|_| unit.state == UnitState::NoOp && unit.spec.run.is_none())?;
    let said =
        last.class == Some(AttemptClass::NoOp) && last.details().no_op_reason.is_none() && !last.summary().is_empty();
    said.then(|| format!("look at {0}: {1} (`mc unit show {0}`)", unit.spec.id, to_one_line(&unit.reason, 300)))
}

/// The common cause that keeps the mission waiting, or has suspended it.
pub(super) fn common_wait(state: &State) -> Option<Wait> {
    let open = || state.circuit().filter(|_| !state.is_over())?.cause();
    Some(Wait::of(state, state.suspended_by.as_ref().or_else(open)?))
}
