//! Java and Kotlin: Maven and Gradle, with their wrappers where they are committed.

use super::{Group, Need};
use crate::domain::survey::model::Part;
use crate::domain::survey::places::Place;
use crate::domain::verify::key::StageKind;

const JAVA: Need = Need::Program("java", "apt-get install default-jdk");

pub(super) fn look(place: &Place<'_>) -> Option<Group> {
    let gradle = place.has("build.gradle") || place.has("build.gradle.kts");
    if !gradle && !place.has("pom.xml") {
        return None;
    }
    let mut group = Group::new("Java", place);
    // Modules are built from the top.
    group.covers = true;
    let part = if gradle {
        let (start, mut needs) = ("gradle", vec![JAVA]);
        let start = if place.has("gradlew") { "./gradlew" } else { start };
        if start == "gradle" {
            needs.push(Need::Program("gradle", "apt-get install gradle"));
        }
        let run = format!("{start} --no-daemon --console=plain test --continue");
        let mut part = Part::new("tests", StageKind::Tests, run, needs, "a Gradle build");
        part.reports = vec!["**/build/test-results/test/*.xml"];
        part
    } else {
        let start = if place.has("mvnw") { "./mvnw" } else { "mvn" };
        let mut needs = vec![JAVA];
        if start == "mvn" {
            needs.push(Need::Program("mvn", "apt-get install maven"));
        }
        let run = format!("{start} -B -fae test");
        let mut part = Part::new("tests", StageKind::Tests, run, needs, "pom.xml");
        part.reports = vec!["**/target/surefire-reports/TEST-*.xml"];
        part
    };
    group.fingerprints.push(("java", "java -version 2>&1"));
    group.parts.push(part.format("junit"));
    Some(group)
}
