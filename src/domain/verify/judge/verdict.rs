//! The verdict over a change and what the gate makes of it.
//!
//! Promises: a change that hurts never lands, however much it fixes; not-run never lands; a change whose effect
//! cannot be judged does not land; every refusal says why, most important first, within fixed limits.
//!
//! The rules, each row a test below. A change is hurt if any row says so, else helped if any row says so, else neutral; it
//! lands if no row refuses it. "Ratchet" is the stage's own word, else `queue.ratchet`.
//!
//! | row | what the delta shows | verdict | lands |
//! |---|---|---|---|
//! | 1 | a test passed before and fails now, or a new test fails, and no tree that green had made it flaky | hurt | no |
//! | 2 | a stage passed before and does not now, whatever its kind and whatever it says | hurt | no |
//! | 3 | a test disappeared or became skipped | hurt, unless allowed | no, unless allowed |
//! | 4 | more of a security finding | hurt | no |
//! | 5 | more of another finding, with ratchet | hurt | no |
//! | 6 | more of another finding, without ratchet | a remark | yes |
//! | 7 | a worse number, with ratchet | hurt | no |
//! | 8 | a worse number within its limits, without ratchet | a remark | yes |
//! | 9 | a worse number beyond its limits before and after | hurt | no |
//! | 10 | a stage could not run | | no |
//! | 11 | a stage failed before and fails now, and does not say why in a form that can be compared, or leaves with an exit code that does not follow from that of before (see [`crate::domain::verify::model::codes`]) | | no |
//! | 12 | a stage failed before and fails now, and its red tests, findings or number are whole | named as pre-existing | yes |
//! | 13 | a test or stage fixed, a test added, a better number, fewer findings of a stage and none new in it | helped | yes |
//! | 14 | under the gate `pass`: a stage does not pass | | no |

use crate::domain::base::text::{floor_char_boundary, replace_control_chars};
use crate::domain::verify::{
    Cause, Delta, Demands, FindingsChange, Gate, Judgement, MetricChange, Refusal, StageKind, StageOutcome, Summary,
    Verdict, WHOLE_SUITE,
};
use std::collections::BTreeMap;

/// Most names one reason lists.
pub const NAMES_LIMIT: usize = 40;
/// Most bytes of all reasons of a judgement together, and of its evidence text.
pub const EVIDENCE_LIMIT: usize = 8 * 1024;
/// What helps where nothing but tests that are gone or skipped stands in the way.
const MEANT_TO_GO: &str = "if that is meant: `allow-removed-tests: true` at the unit lets its change land, and what a \
                           person commits to the target branch is taken in without them";
const LINE_LIMIT: usize = 2 * 1024;
const NAME_LIMIT: usize = 240;

/// Judges one change by the snapshots before and after it. [`Demands::allow_removed_tests`] permits tests to disappear or
/// to become skipped; it permits nothing else.
#[must_use]
pub fn judge(before: &Summary, after: &Summary, delta: &Delta, demands: &Demands) -> Judgement {
    let Demands { gate, ratchet, allow_removed_tests } = *demands;
    let (mut harm, mut stops, mut other) = (Vec::new(), Vec::new(), Vec::new());
    let because = |cause| move |reason| Refusal { cause, reason };
    let pardoned = |name: &&String| before.flaky.contains(*name);
    let flaky = |name: &String| {
        let known = after.flaky.contains(name);
        if known { format!("{name} (known to be flaky)") } else { name.clone() }
    };
    let single = |list: &[String]| {
        list.iter().filter(|name| suite(name).is_none() && !pardoned(name)).map(flaky).collect::<Vec<_>>()
    };
    let forgiven: Vec<String> = delta.broken.iter().chain(&delta.new_failing).filter(pardoned).cloned().collect();
    let failing = [
        told(&list_suites(delta, pardoned, flaky), |n, s| {
            format!("{n} suite{s} could not run to {} end", possessive(n))
        }),
        told(&single(&delta.broken), |n, s| format!("{n} test{s} passed before and fail{} now", verb_ending(n))),
        told(&single(&delta.new_failing), |n, s| format!("{n} new test{s} fail{}", verb_ending(n))),
    ];
    harm.extend(failing.into_iter().flatten().map(because(Cause::Failing)));
    // A stage that fails by nothing else than tests which are known to be flaky is no other harm.
    let blames = |line: &&String| {
        let of = line.split_inclusive(": ").next().unwrap_or_default();
        let mut failing = delta.broken.iter().chain(&delta.new_failing).filter(|name| name.starts_with(of));
        !(delta.told_by_tests.contains(line) && failing.all(|name| pardoned(&name)))
    };
    let stages: Vec<String> = delta.stages_broken.iter().filter(blames).cloned().collect();
    let broken =
        told(&stages, |n, s| format!("{n} stage{s} passed before and do{} not now", if n == 1 { "es" } else { "" }));
    harm.extend(broken.map(because(Cause::Stages)));
    let worse = findings(delta.findings.iter().filter(|change| change.hurts(ratchet)), |change| &change.new, "new");
    harm.extend(worse.into_iter().map(because(Cause::Findings)));
    let worse = told(&list_numbers(delta, |change| change.hurts(ratchet)), |n, s| format!("{n} metric{s} got worse"));
    harm.extend(worse.map(because(Cause::Metrics)));
    let gone =
        [(Cause::Removed, &delta.removed, "disappeared"), (Cause::Skipped, &delta.newly_skipped, "became skipped")];
    for (cause, names, what) in gone {
        let line = told(names, |n, s| format!("{n} test{s} {what}"));
        match allow_removed_tests {
            true => other.extend(line),
            false => harm.extend(line.map(because(cause))),
        }
    }
    let by_tests = after.per_test && !forgiven.is_empty();
    if harm.is_empty() && before.outcome == StageOutcome::Passed && after.outcome != StageOutcome::Passed && !by_tests {
        let line = format!("verification passed before and does not now: {}", clean(&after.note, LINE_LIMIT));
        harm.push(because(Cause::Stages)(line));
    }

    let not_run = told(&delta.not_run, |n, s| format!("{n} stage{s} could not run, which never counts as passed"));
    let unnamed = || format!("verification could not run: {}", clean(&after.note, LINE_LIMIT));
    let not_run = not_run.or_else(|| (after.outcome == StageOutcome::NotRun).then(unnamed));
    stops.extend(not_run.map(because(Cause::NotRun)));
    let unread = after.outcome == StageOutcome::Failed && !after.per_test;
    // What made tests disappear comes before their names.
    let (gone, unread_stages): (Vec<String>, Vec<String>) =
        delta.incomparable.iter().cloned().partition(|line| misses_tests(delta, line));
    let gone = told(&gone, |n, s| {
        format!(
            "{n} stage{s} fail{} in another way than before this change, and tests are missing from {}",
            verb_ending(n),
            if n == 1 { "it" } else { "them" }
        )
    });
    let nothing = harm.is_empty() && stops.is_empty() && gone.is_none();
    if !unread_stages.is_empty() || (unread && nothing) {
        let advice = "nothing to judge: verification failed before this change too, and what it reports does not say why \
                      it fails now; make it pass on the green branch, or let it print results in a format that is \
                      read (`format` of the stage)";
        stops.push(because(Cause::NoJudgement)(format_list(advice.to_owned(), &unread_stages, 0)));
    }
    if gate == Gate::Pass && after.outcome != StageOutcome::Passed {
        stops.push(because(Cause::Gate)("the gate `pass` demands that every stage passes".to_owned()));
    }

    let tests = !delta.fixed.is_empty() || !delta.stages_fixed.is_empty() || delta.added > 0;
    let figures = delta.metrics.iter().any(|change| change.is_worse() == Some(false));
    let better = tests || figures || delta.findings.iter().any(FindingsChange::helps);
    let verdict = match (harm.is_empty(), better) {
        (false, _) => Verdict::Hurt,
        (true, true) => Verdict::Helped,
        (true, false) => Verdict::Neutral,
    };

    other.extend(told(&forgiven, |n, s| {
        format!(
            "{n} test{s} fail{} of which it is known that chance decides (flaky), so nobody is blamed",
            verb_ending(n)
        )
    }));
    other.extend(told(&delta.unstable, |n, s| {
        format!(
            "{n} test{s} {} not in every run of the tree before under one name, so only the number counts",
            if n == 1 { "is" } else { "are" }
        )
    }));
    other
        .extend(told(&delta.still_failing, |n, s| format!("{n} test{s} failed before this change too (pre-existing)")));
    let calm = delta.findings.iter().filter(|change| !change.hurts(ratchet));
    other.extend(findings(calm, |change| &change.new, "new"));
    let calm = |change: &MetricChange| !change.hurts(ratchet) && change.is_worse() != Some(false);
    other.extend(told(&list_numbers(delta, calm), |n, s| format!("{n} metric{s} changed")));
    for change in delta.findings.iter().filter(|change| change.kept_total > 0) {
        let (n, s) = (change.kept_total, if change.kept_total == 1 { "" } else { "s" });
        let heading = format!("{n} {} finding{s} of before this change too (pre-existing)", change.kind.word());
        other.push(format_list(heading, &change.kept, n.saturating_sub(change.kept.len() as u64)));
    }
    other.extend(told(&delta.fixed, |n, s| format!("{n} test{s} fixed")));
    other.extend(told(&delta.stages_fixed, |n, s| format!("{n} stage{s} fixed")));
    other.extend(findings(delta.findings.iter(), |change| &change.gone, "fewer"));
    let improved = list_numbers(delta, |change| change.is_worse() == Some(false));
    other.extend(told(&improved, |n, s| format!("{n} metric{s} got better")));
    let gone = gone.map(because(Cause::NoJudgement));
    let refusals: Vec<Refusal> = gone.into_iter().chain(harm).chain(stops).collect();
    let removal = |refusal: &Refusal| matches!(refusal.cause, Cause::Removed | Cause::Skipped);
    if !refusals.is_empty() && refusals.iter().all(removal) {
        other.insert(0, MEANT_TO_GO.to_owned());
    }
    let reasons = refusals.iter().map(|refusal| refusal.reason.clone()).chain(other).collect();
    Judgement { verdict, lands: refusals.is_empty(), reasons: within_limit(reasons), refusals }
}

impl Judgement {
    /// The reasons as one text of at most [`EVIDENCE_LIMIT`] bytes, one per line.
    pub fn evidence(&self) -> String {
        let text = self.reasons.join("\n");
        text[..floor_char_boundary(&text, EVIDENCE_LIMIT)].to_owned()
    }
}

/// The suite whose stand-in this name is.
fn suite(name: &str) -> Option<&str> {
    name.strip_suffix(WHOLE_SUITE)?.strip_suffix(": ")
}

/// Suites that do not run to their end any more, or are new and do not, each with the number of tests that went with it.
fn list_suites(delta: &Delta, pardoned: impl Fn(&&String) -> bool, flaky: impl Fn(&String) -> String) -> Vec<String> {
    let blamed = delta.broken.iter().chain(&delta.new_failing).filter(|name| !pardoned(name));
    let named = blamed.filter_map(|name| Some((name, suite(name)?)));
    let line = |(name, suite): (&String, &str)| {
        let inside = format!("{suite}: ");
        let gone = match delta.removed.iter().filter(|test| test.starts_with(&inside)).count() {
            0 => String::new(),
            1 => " (1 test is missing)".to_owned(),
            n => format!(" ({n} tests are missing)"),
        };
        format!("{suite}{gone}{}", &flaky(name)[name.len()..])
    };
    named.map(line).collect()
}

/// Whether tests disappeared from the stage of which this line says that it cannot be compared.
fn misses_tests(delta: &Delta, line: &str) -> bool {
    let stage = line.split_inclusive(": ").next().unwrap_or_default();
    delta.removed.iter().any(|test| test.starts_with(stage))
}

const fn possessive(count: usize) -> &'static str {
    if count == 1 { "its" } else { "their" }
}

const fn verb_ending(count: usize) -> &'static str {
    if count == 1 { "s" } else { "" }
}

/// The reason that names these, where there are some.
fn told(names: &[String], heading: impl Fn(usize, &str) -> String) -> Option<String> {
    let plural = if names.len() == 1 { "" } else { "s" };
    (!names.is_empty()).then(|| format_list(heading(names.len(), plural), names, 0))
}

/// One reason per kind of findings, security first.
fn findings<'a>(
    changes: impl Iterator<Item = &'a FindingsChange>,
    list: impl Fn(&'a FindingsChange) -> &'a Vec<String>,
    what: &str,
) -> Vec<String> {
    let mut kinds: BTreeMap<(bool, StageKind), Vec<String>> = BTreeMap::new();
    for change in changes {
        let kind = (change.kind != StageKind::Security, change.kind);
        kinds.entry(kind).or_default().extend(list(change).iter().cloned());
    }
    let line = |((_, kind), names): ((bool, StageKind), Vec<String>)| {
        told(&names, |n, s| format!("{n} {what} {} finding{s}", kind.word()))
    };
    kinds.into_iter().filter_map(line).collect()
}

fn list_numbers(delta: &Delta, wanted: impl Fn(&MetricChange) -> bool) -> Vec<String> {
    delta.metrics.iter().filter(|change| wanted(change)).map(MetricChange::to_string).collect()
}

/// A heading and names, as many as may be; `unnamed` more are known by their count only.
fn format_list(heading: String, names: &[String], unnamed: u64) -> String {
    let mut line = heading;
    let mut rest = unnamed + names.len() as u64;
    // Many may have one name, as those of TAP that have none.
    for (nth, alike) in names.chunk_by(|one, other| one == other).enumerate() {
        let times = if alike.len() > 1 { format!(" ({} of this name)", alike.len()) } else { String::new() };
        let name = clean(&alike[0], NAME_LIMIT) + &times;
        if nth == NAMES_LIMIT || line.len() + name.len() > LINE_LIMIT - 32 {
            break;
        }
        rest -= alike.len() as u64;
        line.push_str(if nth == 0 { ": " } else { ", " });
        line.push_str(&name);
    }
    if rest > 0 {
        line.push_str(&format!(", … and {rest} more"));
    }
    line
}

fn clean(text: &str, limit: usize) -> String {
    let text = replace_control_chars(text);
    let text = text.trim();
    if text.len() <= limit { text.to_owned() } else { format!("{}…", &text[..floor_char_boundary(text, limit - 3)]) }
}

/// Keeps whole reasons from the front and says how many are left out.
fn within_limit(mut reasons: Vec<String>) -> Vec<String> {
    let total = reasons.len();
    let mut used = 0;
    let kept = reasons.iter().take_while(|reason| {
        used += reason.len() + 1;
        used <= EVIDENCE_LIMIT - 64
    });
    let kept = kept.count();
    reasons.truncate(kept);
    if kept < total {
        reasons.push(format!("… and {} more reasons", total - kept));
    }
    reasons
}

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod tests;
