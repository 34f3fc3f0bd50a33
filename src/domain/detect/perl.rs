//! Perl: `prove`, which names tests by their files; what has to be compiled is built first.

use super::{Group, Need, Stage};
use crate::domain::detect::places::Place;
use crate::domain::verify::model::key::StageKind::{Build, Tests};

const PERL: Need = Need::Program("perl", "apt-get install perl");
const PROVE: Need = Need::Program("prove", "apt-get install perl");
const MAKE: Need = Need::Program("make", "apt-get install build-essential");

pub(super) fn detect(place: &Place<'_>) -> Option<Group> {
    if !place.paths().any(|path| path.starts_with("t/") && path.ends_with(".t")) {
        return None;
    }
    let mut group = Group::new("Perl", place);
    group.fingerprints.push(("perl", "perl -e 'print $^V'"));
    let compiled = place.paths().any(|path| path.ends_with(".xs"));
    let build = match (compiled, place.has_file("Build.PL"), place.has_file("Makefile.PL")) {
        (true, true, _) => Some(("perl Build.PL && ./Build", vec![PERL])),
        (true, false, true) => Some(("perl Makefile.PL && make", vec![PERL, MAKE])),
        _ => None,
    };
    // What was built is in `blib`; else the modules are those of `lib`.
    let from = if build.is_some() { "-b" } else { "-l" };
    if let Some((run, needs)) = build {
        group.parts.push(Stage::new(Build, "exit", run, needs, "parts in C"));
    }
    let run = format!("prove {from}rv t");
    group.parts.push(Stage::new(Tests, "tap", run, vec![PERL, PROVE], "test files in t"));
    Some(group)
}
