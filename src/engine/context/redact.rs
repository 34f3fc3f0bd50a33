//! Keeping secrets out of what mc itself writes (P12): values of the variables that settings hand to agents and
//! verifications are replaced by their names in summaries, notes and stored output. Raw logs keep them, mode 0600.

use crate::adapters::os::environment::Environment;
use crate::domain::ending::ProcessEnd;
use crate::domain::mission::SessionReport;
use crate::domain::trouble::{Cause, Trouble};
use crate::domain::verify::model::snapshot::Snapshot;
use std::collections::BTreeMap;

/// Shorter values are words of every text (`1`, `main`, `true`), not secrets.
const SHORTEST: usize = 6;

/// Values to be replaced, longest first.
#[derive(Debug, Clone, Default)]
pub struct Redactor(Vec<(String, String)>);

impl Redactor {
    /// Knows the values of these variables.
    pub fn of<'n>(env: &Environment, names: impl IntoIterator<Item = &'n String>) -> Self {
        let mut known: Vec<(String, String)> = names
            .into_iter()
            .filter_map(|name| Some((env.var(name)?.to_str()?.to_owned(), format!("[{name}]"))))
            .filter(|(value, _)| value.len() >= SHORTEST)
            .collect();
        known.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
        Self(known)
    }

    /// The text without the values.
    pub fn clean(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (value, name) in &self.0 {
            if text.contains(value.as_str()) {
                text = text.replace(value.as_str(), name);
            }
        }
        text
    }

    /// Cleans what a report quotes.
    pub fn clean_report(&self, report: &mut SessionReport) {
        report.agent.summary = self.clean(&report.agent.summary);
        report.agent.said.texts_mut().for_each(|text| *text = self.clean(text));
        if let Some(stream) = &mut report.agent.stream {
            stream.texts_mut().for_each(|text| *text = self.clean(text));
        }
        report.hold = report.hold.as_deref().map(|h| self.clean(h));
        report.notes.iter_mut().for_each(|n| *n = self.clean(n));
        report.work.left_out.iter_mut().for_each(|left| left.path = self.clean(&left.path));
        if let ProcessEnd::Infrastructure(trouble) = &mut report.run.end {
            self.clean_trouble(trouble);
        }
    }

    /// Cleans what is said of trouble.
    pub fn clean_trouble(&self, trouble: &mut Trouble) {
        trouble.why = self.clean(&trouble.why);
        if let Cause::Unknown(key) = &mut trouble.cause {
            *key = self.clean(key);
        }
    }

    /// Cleans what a snapshot quotes; names of tests and findings are identities and are cleaned alike in every run.
    pub fn clean_snapshot(&self, snapshot: &mut Snapshot) {
        for stage in &mut snapshot.stages {
            stage.head_tail = self.clean(&stage.head_tail);
            stage.reason = stage.reason.as_deref().map(|r| self.clean(r));
            for test in stage.tests.iter_mut().flat_map(|t| &mut t.tests) {
                test.name = self.clean(&test.name);
                test.said = self.clean(&test.said);
            }
            for findings in stage.findings.iter_mut() {
                let mut counts = BTreeMap::new();
                for (name, count) in std::mem::take(&mut findings.counts) {
                    let sum: &mut u64 = counts.entry(self.clean(&name)).or_default();
                    *sum = sum.saturating_add(count);
                }
                findings.counts = counts;
                findings.problem = findings.problem.as_deref().map(|p| self.clean(p));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p12_values_of_named_variables_are_replaced_by_their_names() {
        let env = Environment::empty("/")
            .with_var("TOKEN", "s3cr3t-value")
            .with_var("SHORT", "yes")
            .with_var("OTHER", "untouched");
        let names = ["TOKEN".to_owned(), "SHORT".to_owned(), "ABSENT".to_owned()];
        let redactor = Redactor::of(&env, &names);
        assert_eq!(redactor.clean("yes: s3cr3t-value, untouched"), "yes: [TOKEN], untouched");
        let mut report = SessionReport::from_end(ProcessEnd::Infrastructure("with s3cr3t-value".to_owned().into()));
        report.notes.push("s3cr3t-value".to_owned());
        redactor.clean_report(&mut report);
        assert_eq!(report.notes, ["[TOKEN]"]);
        assert!(matches!(report.run.end, ProcessEnd::Infrastructure(trouble) if trouble.why == "with [TOKEN]"));
    }
}
