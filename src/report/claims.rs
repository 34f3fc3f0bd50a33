//! Claims of a report after they were checked again: one line each, as text and JSON.
//!
//! Promise: what could not be checked is never counted as held.

use super::{count, sanitize};
use serde_json::{Value, json};

/// What checking a claim came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// It is as the report says.
    Holds,
    /// It is not; why.
    Broken(String),
    /// What would be needed is not there; why.
    Unknown(String),
}

/// One claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// What is claimed. Untrusted.
    pub what: String,
    /// What became of it.
    pub found: Found,
    /// Places of the report's JSON (`/accounts`, `/landed/0/tests`) this claim stands for, with everything below them.
    pub covers: Vec<String>,
}

/// What checking finds on its way: reasons for which a claim is broken, and for which it cannot be checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    broken: Vec<String>,
    unknown: Vec<String>,
}

impl Findings {
    /// The claim is broken, as `why` says.
    pub fn add_broken(&mut self, why: impl Into<String>) {
        self.broken.push(why.into());
    }

    /// The claim cannot be checked, as `why` says.
    pub fn add_unknown(&mut self, why: impl Into<String>) {
        self.unknown.push(why.into());
    }

    /// Nothing but one reason for which a claim is broken.
    pub fn from_broken(why: impl Into<String>) -> Self {
        Self { broken: vec![why.into()], unknown: Vec::new() }
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.broken.is_empty() && self.unknown.is_empty()
    }

    /// Keeps the first `most` of the reasons for which it is broken.
    pub fn truncate(&mut self, most: usize) {
        self.broken.truncate(most);
    }
}

impl Claim {
    /// A claim that is broken where anything breaks it, else unknown where anything is, else holds.
    pub fn of(what: impl Into<String>, findings: Findings) -> Self {
        let found = match (&findings.broken[..], &findings.unknown[..]) {
            ([], []) => Found::Holds,
            ([], unknown) => Found::Unknown(unknown.join("; ")),
            (broken, _) => Found::Broken(broken.join("; ")),
        };
        Self { what: what.into(), found, covers: Vec::new() }
    }

    /// Stands for these places of the report as well.
    pub fn cover_places<T: Into<String>>(&mut self, places: impl IntoIterator<Item = T>) {
        self.covers.extend(places.into_iter().map(Into::into));
    }
}

/// How many claims hold, do not hold and cannot be checked.
pub fn count_claims(claims: &[Claim]) -> [usize; 3] {
    let count = |kind: fn(&Found) -> bool| claims.iter().filter(|claim| kind(&claim.found)).count();
    [
        count(|found| *found == Found::Holds),
        count(|found| matches!(found, Found::Broken(_))),
        count(|found| matches!(found, Found::Unknown(_))),
    ]
}

/// One line per claim, what does not hold first; the sum in the first line.
pub fn text(mission: &str, claims: &[Claim]) -> String {
    let [holds, broken, unknown] = count_claims(claims);
    let verdict = match (broken, unknown) {
        (0, 0) => "every claim of the report holds",
        (0, _) => "nothing in the report was found to be wrong, but not everything could be checked",
        _ => "the report is wrong",
    };
    let all = count(claims.len() as u64, "claim");
    let counted = if broken == 1 { "1 does not hold".to_owned() } else { format!("{broken} do not hold") };
    let mut out =
        format!("{verdict}: mission {mission}, {all}: {holds} hold, {counted}, {unknown} cannot be checked\n");
    let line = |claim: &Claim| {
        let what = sanitize(&claim.what);
        match &claim.found {
            Found::Broken(why) => (0, format!("DOES NOT HOLD      {what}: {}\n", sanitize(why))),
            Found::Unknown(why) => (1, format!("cannot be checked  {what}: {}\n", sanitize(why))),
            Found::Holds => (2, format!("holds              {what}\n")),
        }
    };
    let mut lines: Vec<(u8, String)> = claims.iter().map(line).collect();
    lines.sort_by_key(|(rank, _)| *rank);
    out.extend(lines.into_iter().map(|(_, line)| line));
    out
}

/// `{schema, mission, holds, counts {holds, broken, unknown}, claims[] {claim, holds (true, false or null), why, covers[]}}`.
pub fn json(mission: &str, claims: &[Claim]) -> Value {
    let [holds, broken, unknown] = count_claims(claims);
    let each = claims.iter().map(|claim| {
        let (held, why) = match &claim.found {
            Found::Holds => (Some(true), None),
            Found::Broken(why) => (Some(false), Some(why)),
            Found::Unknown(why) => (None, Some(why)),
        };
        json!({"claim": claim.what, "holds": held, "why": why, "covers": claim.covers})
    });
    json!({
        "schema": 1,
        "mission": mission,
        "holds": broken == 0,
        "counts": {"holds": holds, "broken": broken, "unknown": unknown},
        "claims": each.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn what_cannot_be_checked_is_not_counted_as_held() {
        let (mut second, mut third) = (Findings::from_broken("is false"), Findings::default());
        second.add_unknown("never seen");
        third.add_unknown("no file");
        let claims = [
            Claim::of("the first", Findings::default()),
            Claim::of("the \x1bsecond", second),
            Claim::of("the third", third),
        ];
        expect![[r#"
            the report is wrong: mission m1, 3 claims: 1 hold, 1 does not hold, 1 cannot be checked
            DOES NOT HOLD      the econd: is false
            cannot be checked  the third: no file
            holds              the first
        "#]]
        .assert_eq(&text("m1", &claims));
        let json = json("m1", &claims);
        assert_eq!((&json["holds"], &json["claims"][2]["holds"]), (&Value::from(false), &Value::Null));
        assert!(
            text("m1", &claims[2..]).starts_with("nothing in the report was found to be wrong, but not everything")
        );
    }
}
