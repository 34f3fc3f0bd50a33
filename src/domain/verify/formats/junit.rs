//! JUnit XML, in the dialects of pytest, surefire, Gradle, ctest, PHPUnit, RSpec, nextest, go-junit-report, jest-junit, vitest,
//! bats and node. There is no standard; <https://github.com/testmoapp/junitxml> collects what is in use.
//!
//! Promises: a test is identified by its class name, else by the suites around it, and its name, and it says where it stands
//! (suites around it, host), which tells it from others of that class and name; a failure of a try that a
//! later try made good is none; what stands for a suite that could not run is that suite; a document type, XML that is
//! not well-formed or ends early, and fewer tests than the suite declares make the report not whole.

use super::report::{Report, Said, cut};
use super::said;
use crate::domain::base::Invalid;
use crate::domain::base::text::floor_char_boundary;
use crate::domain::verify::model::results::{Place, TestResults, TestStatus};
use quick_xml::XmlVersion;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;
use std::borrow::Cow;

const DEPTH_LIMIT: usize = 64;

/// Whether a line of the output begins an XML document that has test suites as its root.
pub fn matches_output(output: &str) -> bool {
    document(output).is_some()
}

/// Reads a report; a text without a JUnit document has a problem.
pub fn read(text: &str) -> TestResults {
    let Some(document) = document(text) else { return Said::Nothing.into_test_results("JUnit XML") };
    let mut parser = Parser::default();
    if let Err(Invalid(why)) = parser.document(document) {
        parser.report.fail(why);
    }
    parser.report.into_results()
}

/// What stands around the documents of a text: their inside is told by this format alone.
pub(super) fn text_outside(text: &str) -> Cow<'_, str> {
    let Some(mut document) = document(text) else { return text.into() };
    let (mut around, mut rest) = (String::new(), text);
    loop {
        around.push_str(&rest[..rest.len() - document.len()]);
        rest = &document[end(document)..];
        match self::document(rest) {
            Some(next) => document = next,
            None => return (around + rest).into(),
        }
    }
}

/// The text from the line on that begins the document; a shell or a package manager may have written before it.
fn document(text: &str) -> Option<&str> {
    let start = |line: &&str| ["<?xml ", "<testsuite"].iter().any(|start| line.trim_start().starts_with(start));
    let line = text.trim_start_matches('\u{feff}').lines().find(start)?;
    let document = &text[line.as_ptr() as usize - text.as_ptr() as usize..];
    let mut reader = Reader::from_str(document);
    loop {
        match reader.read_event() {
            Ok(Event::Start(element) | Event::Empty(element)) => {
                return matches!(element.local_name().as_ref(), "testsuites" | "testsuite").then_some(document);
            }
            Ok(Event::Eof) | Err(_) => return None,
            Ok(_) => {}
        }
    }
}

/// Where the root of a document ends; the end of the text where that is never.
fn end(document: &str) -> usize {
    let mut reader = Reader::from_str(document);
    loop {
        match reader.read_event() {
            Ok(Event::Start(root)) if reader.read_to_end(root.name()).is_ok() => break,
            Ok(Event::Empty(_)) => break,
            Ok(Event::Start(_) | Event::Eof) | Err(_) => return document.len(),
            Ok(_) => {}
        }
    }
    floor_char_boundary(document, usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX))
}

/// A `testsuite` or `testsuites` whose end is to come.
struct Suite {
    name: String,
    host: String,
    declared: u64,
    declared_bad: u64,
    /// Tries and failures read before it, and its direct children.
    tries_before: u64,
    bad_before: u64,
    children: u64,
}

/// A `testcase` whose end is to come.
#[derive(Default)]
struct Case {
    class: String,
    name: String,
    bad: bool,
    skipped: bool,
    todo: bool,
    /// Further tries, which surefire counts as tests and as failures.
    reruns: u64,
    /// ctest says here what others say by elements.
    status: Option<String>,
    message: String,
    /// The text of its failure.
    said: String,
}

#[derive(Default)]
struct Parser {
    report: Report,
    suites: Vec<Suite>,
    case: Option<Case>,
    /// Open elements inside the test case.
    inside: usize,
    /// Whether the outermost of them is a failure.
    failing: bool,
    /// Other open elements.
    others: usize,
    tries: u64,
    bad: u64,
    previous: (String, String),
}

impl Parser {
    fn document(&mut self, document: &str) -> Result<(), Invalid> {
        let mut reader = Reader::from_str(document);
        loop {
            match reader.read_event() {
                Ok(Event::Start(element)) => self.start_element(&element)?,
                Ok(Event::Empty(element)) => {
                    self.start_element(&element)?;
                    self.end(element.local_name().as_ref());
                }
                Ok(Event::End(element)) => self.end(element.local_name().as_ref()),
                Ok(Event::Text(text)) => self.text(&text),
                Ok(Event::CData(text)) => self.text(&text),
                Ok(Event::GeneralRef(name)) => {
                    let c = name.resolve_char_ref().ok().flatten();
                    self.text(
                        &c.map_or_else(|| resolve_xml_entity(&name).unwrap_or_default().to_owned(), String::from),
                    );
                }
                Ok(Event::DocType(_)) => return Err("a document type declaration is not read".into()),
                Ok(Event::Eof) if self.suites.is_empty() => return Ok(()),
                Ok(Event::Eof) => return Err("the report ends before its last element".into()),
                // Behind a whole document anything may follow, but not another half of one.
                Err(_) if self.suites.is_empty() => {
                    let at = usize::try_from(reader.error_position()).unwrap_or(usize::MAX);
                    let rest = document.get(at..).unwrap_or_default();
                    return if rest.contains("<testsuite") { Err("not well-formed XML".into()) } else { Ok(()) };
                }
                Err(why) => return Err(format!("not well-formed XML: {why}").into()),
                Ok(_) => {}
            }
        }
    }

    fn start_element(&mut self, element: &BytesStart<'_>) -> Result<(), Invalid> {
        if let Some(case) = &mut self.case {
            if self.inside == 0 {
                case.child(element)?;
                self.failing = matches!(element.local_name().as_ref(), "failure" | "error");
                self.bad += u64::from(self.failing);
            }
            self.inside += 1;
            return Ok(());
        }
        let mut attribute = attributes(element)?;
        match element.local_name().as_ref() {
            "testsuites" | "testsuite" => {
                if self.suites.len() >= DEPTH_LIMIT {
                    return Err(format!("suites nested deeper than {DEPTH_LIMIT}").into());
                }
                self.child();
                let root = element.local_name().as_ref() == "testsuites";
                let number = |text: String| text.parse().unwrap_or(0u64);
                self.suites.push(Suite {
                    name: if root { String::new() } else { cut(&attribute("name")).into_owned() },
                    host: cut(attribute("hostname").trim()).into_owned(),
                    declared: number(attribute("tests")),
                    declared_bad: number(attribute("failures")).saturating_add(number(attribute("errors"))),
                    tries_before: self.tries,
                    bad_before: self.bad,
                    children: 0,
                });
            }
            "testcase" if !self.suites.is_empty() => {
                self.child();
                self.tries += 1;
                let status = Some(attribute("status")).filter(|status| !status.is_empty());
                let (class, name) = (attribute("classname").trim().to_owned(), attribute("name").trim().to_owned());
                self.case = Some(Case { class, name, status, ..Case::default() });
            }
            _ => self.others += 1,
        }
        Ok(())
    }

    /// Text of a failure belongs to what its test said.
    fn text(&mut self, text: &str) {
        let room = |case: &&mut Case| self.inside > 0 && self.failing && case.said.len() < 8 * said::ONE;
        if let Some(case) = self.case.as_mut().filter(room) {
            case.said.push_str(text);
        }
    }

    fn child(&mut self) {
        if let Some(suite) = self.suites.last_mut() {
            suite.children += 1;
        }
    }

    fn end(&mut self, name: &str) {
        if self.inside > 0 {
            self.inside -= 1;
        } else if let Some(case) = self.case.take() {
            self.add_case(case);
        } else if self.others > 0 {
            self.others -= 1;
        } else if matches!(name, "testsuite" | "testsuites")
            && let Some(suite) = self.suites.pop()
        {
            let (tries, bad) = (self.tries - suite.tries_before, self.bad - suite.bad_before);
            let name = if suite.name.is_empty() { "the report" } else { &suite.name };
            // pytest counts subtests, which it does not report.
            if suite.declared > tries.max(suite.children) && suite.name != "pytest" {
                self.report.fail(format!("{name}: {} tests declared, {tries} reported", suite.declared));
            } else if suite.declared_bad > bad {
                self.report.fail(format!("{name}: {} failures declared, {bad} reported", suite.declared_bad));
            }
        }
    }

    fn add_case(&mut self, case: Case) {
        self.tries += case.reruns;
        self.bad += case.reruns;
        let status = match case.status.as_deref() {
            // node says so of a test that is to be written: it may fail.
            _ if case.todo => TestStatus::Skipped,
            // Any other skip beside a failure may be of another part of the test.
            _ if case.bad => TestStatus::Failed,
            _ if case.skipped => TestStatus::Skipped,
            Some(word) if NOT_RUN.iter().any(|skipped| word.eq_ignore_ascii_case(skipped)) => TestStatus::Skipped,
            Some(word) if FAILED.iter().any(|failed| word.eq_ignore_ascii_case(failed)) => {
                self.bad += 1;
                TestStatus::Failed
            }
            _ => TestStatus::Passed,
        };
        let suite = self.suite_of(&case);
        self.report.place = self.place();
        let around = self.suites.last().is_some_and(|suite| suite.name == case.class);
        match case.whole_suite(&suite, around, &self.previous).filter(|_| status == TestStatus::Failed) {
            Some(broken) if self.previous == (String::new(), broken.clone()) => {}
            Some(broken) => {
                self.report.broken_suite(&broken);
                self.report.append_message(case.words());
                self.previous = (String::new(), broken);
            }
            None if case.class == JEST_BROKEN => {}
            None => {
                self.report.test(&suite, &case.name, status);
                self.report.append_message(case.words());
                self.previous = (suite, case.name);
            }
        }
    }

    /// The class; where there is none, one for all (node) or one for each (ctest), the suites around.
    fn suite_of(&self, case: &Case) -> String {
        let says_nothing = case.class == "test" || case.status.is_some() && case.class == case.name;
        if !case.class.is_empty() && !says_nothing {
            return case.class.clone();
        }
        self.open_suites()
    }

    /// The names of the suites that are open.
    fn open_suites(&self) -> String {
        let names = self.suites.iter().map(|suite| suite.name.trim());
        let names = names.filter(|name| !matches!(*name, "" | "undefined" | "(empty)"));
        names.collect::<Vec<_>>().join(" > ")
    }

    fn place(&self) -> Place {
        let host = self.suites.iter().rev().map(|suite| &suite.host).find(|host| !host.is_empty());
        Place {
            suites: cut(&self.open_suites()).into_owned(),
            host: host.cloned().unwrap_or_default(),
            file: String::new(),
        }
    }
}

/// Words of `status` of a test that was not run, where no element says so.
const NOT_RUN: [&str; 6] = ["disabled", "notrun", "skip", "skipped", "ignored", "pending"];

/// Words of `status` of a test that failed, where no element says so.
const FAILED: [&str; 4] = ["fail", "failed", "failure", "error"];

/// The class jest-junit gives to a file that failed to run; the file is the name.
const JEST_BROKEN: &str = "Test suite failed to run";

impl Case {
    fn child(&mut self, element: &BytesStart<'_>) -> Result<(), Invalid> {
        match element.local_name().as_ref() {
            "failure" | "error" => {
                self.bad = true;
                self.message = attributes(element)?("message");
            }
            "skipped" => {
                self.skipped = true;
                self.todo |= attributes(element)?("type") == "todo";
            }
            name => self.reruns += u64::from(name.starts_with("rerun") || name.starts_with("flaky")),
        }
        Ok(())
    }

    /// What its failure says: the message, where the text does not have it, and the text.
    fn words(&self) -> String {
        let (message, text) = (self.message.trim(), self.said.trim_matches(['\n', '\r']).trim_end());
        let first = message.lines().next().unwrap_or_default();
        match (text.contains(first), text.is_empty()) {
            (true, _) => text.to_owned(),
            (false, true) => message.to_owned(),
            (false, false) => format!("{message}\n{text}"),
        }
    }

    /// The suite this failed case stands for, in the ways the dialects say so.
    fn whole_suite(&self, suite: &str, around: bool, previous: &(String, String)) -> Option<String> {
        let (previous_suite, previous) = previous;
        let class = if self.class.is_empty() { suite } else { &self.class };
        if self.class == JEST_BROKEN || self.class.is_empty() && self.message == "collection failure" {
            return Some(self.name.clone());
        }
        let stands = self.name.is_empty()
            || matches!(
                self.name.as_str(),
                "classMethod" | "initializationError" | "[build failed]" | "[setup failed]"
            )
            || self.name == "Failure" && self.message == "Runtime error"
            || self.status.is_none() && self.name == self.class && around
            || previous_suite == suite && previous.strip_prefix(&self.name).is_some_and(|rest| rest.starts_with(" > "));
        stands.then(|| class.to_owned())
    }
}

/// The attributes of an element by name, empty where there is none.
fn attributes(element: &BytesStart<'_>) -> Result<impl FnMut(&str) -> String, Invalid> {
    let mut found = Vec::new();
    for attribute in element.attributes().with_checks(false) {
        let attribute = attribute.map_err(|why| format!("not well-formed XML: {why}"))?;
        let key = attribute.key.local_name().as_ref().to_owned();
        if matches!(
            key.as_str(),
            "name" | "classname" | "tests" | "failures" | "errors" | "status" | "message" | "type" | "hostname"
        ) {
            let value = attribute.normalized_value(XmlVersion::Implicit1_0);
            found.push((key, value.map_err(|why| format!("not well-formed XML: {why}"))?.into_owned()));
        }
    }
    Ok(move |name: &str| {
        let place = found.iter().position(|(key, _)| key == name);
        place.map_or_else(String::new, |place| found.swap_remove(place).1)
    })
}

#[cfg(test)]
#[path = "junit_tests.rs"]
mod tests;
