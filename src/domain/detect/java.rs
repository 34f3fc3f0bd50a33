//! Java and Kotlin: Maven and Gradle, with their wrappers where they are committed.

use super::{Group, Need, Stage};
use crate::domain::detect::places::Place;
use crate::domain::verify::model::key::StageKind::Tests;

const JAVA: Need = Need::Program("java", "apt-get install default-jdk");

pub(super) fn detect(place: &Place<'_>) -> Option<Group> {
    let gradle = place.has_file("build.gradle") || place.has_file("build.gradle.kts");
    if !gradle && !place.has_file("pom.xml") {
        return None;
    }
    let mut group = Group::new("Java", place);
    // Modules are built from the top.
    group.covers = true;
    let (wrapper, program, install) = match gradle {
        true => ("gradlew", "gradle", "apt-get install gradle"),
        false => ("mvnw", "mvn", "apt-get install maven"),
    };
    let (start, needs) = match place.has_file(wrapper) {
        true => (format!("./{wrapper}"), vec![JAVA]),
        false => (program.to_owned(), vec![JAVA, Need::Program(program, install)]),
    };
    let (args, why, reports) = match gradle {
        true => ("--no-daemon --console=plain test --continue", "a Gradle build", "**/build/test-results/test/*.xml"),
        false => ("-B -fae test", "pom.xml", "**/target/surefire-reports/TEST-*.xml"),
    };
    group.fingerprints.push(("java", "java -version 2>&1"));
    group.parts.push(Stage::new(Tests, "junit", format!("{start} {args}"), needs, why).reporting(&[reports]));
    Some(group)
}
