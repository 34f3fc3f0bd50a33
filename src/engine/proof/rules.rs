//! Whose rules decided a mission: what this program decides otherwise breaks a claim only where it has the same ones.

use crate::domain::mission::{DecidedBy, RULES, State};
use crate::report::claims::Findings;

/// How the rules of a mission stand to those of this program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Rules {
    /// They are the same, and told in the same words.
    Same,
    /// They are the same; their sentences are those of another version of `mc`.
    OtherWords(String),
    /// They are others: what this program decides says nothing about them.
    Other(u32),
}

/// The rules by which a mission was decided, compared with those of this program.
pub(super) fn rules_of(state: &State) -> Rules {
    compare(&state.decided_by, &DecidedBy::current())
}

fn compare(theirs: &DecidedBy, ours: &DecidedBy) -> Rules {
    match theirs.rules == ours.rules {
        true if theirs.mc == ours.mc => Rules::Same,
        true => Rules::OtherWords(theirs.mc.clone()),
        false => Rules::Other(theirs.rules),
    }
}

impl Rules {
    /// This program decides otherwise, as `why` says.
    pub(super) fn report_decision(&self, why: impl Into<String>, found: &mut Findings) {
        match self {
            Self::Same | Self::OtherWords(_) => found.add_broken(why),
            Self::Other(theirs) => found.add_unknown(other_rules(*theirs)),
        }
    }

    /// This program tells the same decision in other words, as `why` says.
    pub(super) fn report_wording(&self, why: impl Into<String>, found: &mut Findings) {
        match self {
            Self::Same => found.add_broken(why),
            Self::OtherWords(version) => found.add_unknown(format!("told in the words of mc {version}")),
            Self::Other(theirs) => found.add_unknown(other_rules(*theirs)),
        }
    }
}

fn other_rules(theirs: u32) -> String {
    format!("decided by rules {theirs}; this mc has rules {RULES}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_rules_break_a_claim_and_only_the_same_words_its_sentences() {
        let by = |rules, mc: &str| DecidedBy { rules, mc: mc.to_owned() };
        let cases = [(by(1, "1.0"), true, true), (by(1, "0.9"), true, false), (by(7, "1.0"), false, false)];
        for (theirs, decides, tells) in cases {
            let rules = compare(&theirs, &by(1, "1.0"));
            let (mut decided, mut told) = (Findings::default(), Findings::default());
            rules.report_decision("otherwise", &mut decided);
            rules.report_wording("otherwise", &mut told);
            let breaks = |found: &Findings| *found == Findings::from_broken("otherwise");
            assert_eq!((breaks(&decided), breaks(&told)), (decides, tells), "{theirs:?}");
            assert!(!decided.is_empty() && !told.is_empty(), "{theirs:?}");
        }
    }
}
