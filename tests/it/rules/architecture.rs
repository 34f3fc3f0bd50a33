//! The shape of the code, kept by reading it: rings, file length, module docs, nothing forgotten. Each rule is shown
//! to find a planted fault.
#![expect(clippy::disallowed_methods, reason = "reads the source tree")]

mod circles;
mod lexer;
mod text_errors;

use lexer::{Kind, Lexed};
use mission_control::domain::backlog::parse;
use mission_control::domain::plan::graph::Plan;
use mission_control::domain::plan::unsupported::find_unsupported;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::OnceLock;

const MAX_LINES: usize = 500;

/// What each ring may name besides itself.
const RINGS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("adapters", &["domain"]),
    ("config", &["domain"]),
    ("report", &["domain"]),
    ("sim", &["domain"]),
    ("engine", &["domain", "adapters", "config", "report", "sim"]),
    ("cli", &["domain", "config", "report", "sim", "engine"]),
    ("main", &["cli"]),
];

/// Modules of `domain`; each may name itself and what stands before it.
const DOMAIN: &[&str] = &[
    "base", "values", "agent", "fence", "trouble", "ending", "links", "unit", "plan", "markdown", "backlog",
    "progress", "verify", "queue", "mission", "handoff", "detect",
];

/// Rooms of a mission, in the same way.
const MISSION: &[&str] = &["model", "protocol", "state", "rules", "read"];

/// What `domain` must not know: the world, time, chance, threads.
const OUTSIDE: &[&str] = &["tokio", "rusqlite", "rustix", "tempfile", "fastrand", "jiff", "tracing", "clap"];
const OUTSIDE_STD: &[&str] = &["fs", "env", "process", "net", "io", "thread", "os"];

/// One file of the package, path relative to its root.
struct Source {
    path: String,
    text: String,
    lexed: OnceLock<Lexed>,
}

impl Source {
    fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned(), lexed: OnceLock::new() }
    }

    /// Its code and comments, read once for all rules.
    fn lexed(&self) -> &Lexed {
        self.lexed.get_or_init(|| Lexed::of(&self.text))
    }

    /// Module path from the crate's root, as the file's place says; `x_tests.rs` is `x::tests`.
    fn module(&self) -> Vec<String> {
        let stem = self.path.trim_end_matches(".rs").trim_end_matches("/mod");
        let stem = stem.strip_suffix("_tests").map_or(stem.to_owned(), |s| format!("{s}/tests"));
        stem.split('/').skip(1).map(str::to_owned).collect()
    }

    fn in_src(&self) -> bool {
        self.path.starts_with("src/")
    }
}

/// A rule: `path:line: what is wrong` for each violation.
type Rule = fn(&[Source]) -> Vec<String>;

fn rings(files: &[Source]) -> Vec<String> {
    let mut wrong = Vec::new();
    for file in files.iter().filter(|f| f.in_src() && f.path != "src/lib.rs") {
        let module = file.module();
        let ring = module[0].as_str();
        let Some((_, below)) = RINGS.iter().find(|(name, _)| *name == ring) else {
            wrong.push(format!("{}:1: belongs to no ring", file.path));
            continue;
        };
        for (line, path) in file.lexed().paths(&module) {
            let named = path.first().map_or("the crate root", String::as_str);
            if named != ring && !below.contains(&named) {
                wrong.push(format!("{}:{line}: {ring} names {named}", file.path));
            }
        }
    }
    wrong
}

fn domain_order(files: &[Source]) -> Vec<String> {
    [("src/domain", DOMAIN), ("src/domain/mission", MISSION)]
        .iter()
        .flat_map(|(folder, order)| folder_order(files, folder, order))
        .collect()
}

/// Files of a folder that name a module of it which stands behind their own.
fn folder_order(files: &[Source], folder: &str, order: &[&str]) -> Vec<String> {
    let above: Vec<&str> = folder.split('/').skip(1).collect();
    let place = |name: &str| order.iter().position(|m| *m == name);
    let mut wrong = Vec::new();
    let inside = |f: &&Source| f.path.starts_with(&format!("{folder}/")) && f.path != format!("{folder}/mod.rs");
    for file in files.iter().filter(inside) {
        let module = file.module();
        let Some(own) = place(&module[above.len()]) else {
            let (name, last) = (&module[above.len()], above[above.len() - 1]);
            wrong.push(format!("{}:1: module {name} has no place in the order of {last}", file.path));
            continue;
        };
        for (line, path) in file.lexed().paths(&module) {
            match path.get(above.len()).and_then(|name| place(name)) {
                Some(other) if path.starts_with(&module[..above.len()]) && other > own => {
                    wrong.push(format!("{}:{line}: {} names {}", file.path, order[own], order[other]));
                }
                _ => {}
            }
        }
    }
    wrong
}

fn domain_is_pure(files: &[Source]) -> Vec<String> {
    let mut wrong = Vec::new();
    for file in files.iter().filter(|f| f.path.starts_with("src/domain/")) {
        let lexed = file.lexed();
        for (at, (line, _)) in lexed.code.iter().enumerate() {
            let path_starts = lexed.is(at + 1, &Kind::PathSep) && (at == 0 || !lexed.is(at - 1, &Kind::PathSep));
            let outside = match lexed.word(at) {
                Some(word) if path_starts && OUTSIDE.contains(&word) => Some(word),
                Some("std") if path_starts => lexed.word(at + 2).filter(|w| OUTSIDE_STD.contains(w)),
                Some(word @ ("SystemTime" | "Instant")) => Some(word),
                _ => None,
            };
            wrong.extend(outside.map(|word| format!("{}:{line}: domain names {word}", file.path)));
        }
    }
    wrong
}

fn file_length(files: &[Source]) -> Vec<String> {
    let lines = |f: &Source| f.text.lines().count();
    files
        .iter()
        .filter(|f| lines(f) > MAX_LINES)
        .map(|f| format!("{}:{}: above {MAX_LINES}", f.path, lines(f)))
        .collect()
}

fn module_docs(files: &[Source]) -> Vec<String> {
    files
        .iter()
        .filter(|f| !f.text.starts_with("//! "))
        .map(|f| format!("{}:1: does not open with a module doc", f.path))
        .collect()
}

/// A file nobody declares is neither compiled nor run.
fn declared(files: &[Source]) -> Vec<String> {
    let declarations: Vec<(&Source, BTreeSet<String>)> = files.iter().map(|f| (f, mods(f.lexed()))).collect();
    let mut wrong = Vec::new();
    for file in files {
        let (folder, name) = file.path.rsplit_once('/').unwrap_or(("", &file.path));
        if name == "main.rs" || name == "lib.rs" {
            continue;
        }
        let beside = format!("#[path = \"{name}\"]");
        let (home, stem) = match name {
            "mod.rs" => folder.rsplit_once('/').unwrap_or(("", folder)),
            _ => (folder, name.trim_end_matches(".rs")),
        };
        let parents = ["/main.rs", "/lib.rs", "/mod.rs", ".rs"].map(|end| format!("{home}{end}"));
        let known = declarations.iter().any(|(other, mods)| {
            let by_path = other.path.rsplit_once('/').is_some_and(|(f, _)| f == folder) && other.text.contains(&beside);
            by_path || parents.contains(&other.path) && mods.contains(stem)
        });
        if !known {
            wrong.push(format!("{}:1: no module declares this file", file.path));
        }
    }
    wrong
}

/// The names of `mod name;` in a source.
fn mods(code: &Lexed) -> BTreeSet<String> {
    let starts = (0..code.code.len()).filter(|at| code.word(*at) == Some("mod") && code.is(at + 2, &Kind::Sign(';')));
    starts.filter_map(|at| code.word(at + 1).map(str::to_owned)).collect()
}

/// Notes to oneself. The word alone is no note: it is a directive of TAP.
fn no_notes(files: &[Source]) -> Vec<String> {
    let words = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
    let mut wrong = Vec::new();
    for file in files {
        let lexed = file.lexed();
        for (line, text) in &lexed.comments {
            let text = text.trim_start_matches(['/', '*', '!', ' ']);
            let note =
                |w: &str| text.starts_with(w) || text.contains(&format!("{w}:")) || text.contains(&format!("{w}("));
            wrong.extend(words.iter().find(|w| note(w)).map(|w| format!("{}:{line}: {w}", file.path)));
        }
        for (at, (line, _)) in lexed.code.iter().enumerate() {
            if matches!(lexed.word(at), Some("todo" | "unimplemented")) && lexed.is(at + 1, &Kind::Sign('!')) {
                wrong.push(format!("{}:{line}: unfinished", file.path));
            }
        }
    }
    wrong
}

/// The io fence has one gate; tests touch the world with a reason of their own.
fn one_gate(files: &[Source]) -> Vec<String> {
    let mut wrong = Vec::new();
    for file in files.iter().filter(|f| f.in_src() && f.path != "src/adapters/mod.rs") {
        let lexed = file.lexed();
        for (at, (line, _)) in lexed.code.iter().enumerate() {
            if lexed.word(at) == Some("disallowed_methods") {
                wrong.push(format!("{}:{line}: opens the io fence", file.path));
            }
        }
    }
    wrong
}

/// All sources, read once for all rules.
fn tree() -> &'static [Source] {
    static TREE: OnceLock<Vec<Source>> = OnceLock::new();
    TREE.get_or_init(read_tree)
}

fn read_tree() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut files, mut folders) = (Vec::new(), vec![root.join("src"), root.join("tests")]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("read a source folder") {
            let path = entry.expect("read a source folder").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let relative = path.strip_prefix(root).expect("a path below the root").display().to_string();
                files.push(Source::new(&relative, &std::fs::read_to_string(&path).expect("read a source")));
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

fn holds(rule: Rule) {
    let files = tree();
    assert!(files.len() > 100, "only {} files were found", files.len());
    let wrong = rule(files);
    assert!(wrong.is_empty(), "{} violations:\n{}", wrong.len(), wrong.join("\n"));
}

/// One file with a fault for the rule, and what it must say.
fn finds(rule: Rule, path: &str, text: &str, said: &[&str]) {
    assert_eq!(rule(&[Source::new(path, text)]), said, "{path}: {text}");
}

#[test]
fn rings_name_only_what_stands_below_them() {
    finds(rings, "src/domain/x.rs", "use crate::engine::Site;", &["src/domain/x.rs:1: domain names engine"]);
    finds(
        rings,
        "src/adapters/x.rs",
        "\nuse crate::{domain::a, config::{b, c}, sim};",
        &[
            "src/adapters/x.rs:2: adapters names config",
            "src/adapters/x.rs:2: adapters names config",
            "src/adapters/x.rs:2: adapters names sim",
        ],
    );
    finds(
        rings,
        "src/cli/run.rs",
        "fn f() { crate::adapters::os::clock::now(); }",
        &["src/cli/run.rs:1: cli names adapters"],
    );
    finds(rings, "src/config/x.rs", "use super::super::report::r;", &["src/config/x.rs:1: config names report"]);
    let inline = "mod tests { mod deep { use super::super::super::super::cli; } } use super::super::super::no;";
    finds(rings, "src/report/a_tests.rs", inline, &["src/report/a_tests.rs:1: report names no"]);
    finds(
        rings,
        "src/report/a.rs",
        inline,
        &["src/report/a.rs:1: report names cli", "src/report/a.rs:1: report names no"],
    );
    finds(rings, "src/engine/x.rs", "use crate::cli::Args;", &["src/engine/x.rs:1: engine names cli"]);
    finds(rings, "src/main.rs", "use mission_control::engine;", &["src/main.rs:1: main names engine"]);
    finds(rings, "src/helpers/x.rs", "", &["src/helpers/x.rs:1: belongs to no ring"]);
    let innocent = "// use crate::cli;\nconst S: &str = \"crate::cli\"; const R: &str = r#\"\"crate::cli\"#; fn f<'a>(c: char) \
        -> bool { c == '\"' || c == '\\'' } pub(crate) use crate::domain::x; use self::y; /* /* */ crate::cli */";
    finds(rings, "src/sim/x.rs", innocent, &[]);
    holds(rings);
}

#[test]
fn modules_of_domain_name_only_earlier_ones() {
    finds(
        domain_order,
        "src/domain/mission/rules/a.rs",
        "use crate::domain::handoff;",
        &["src/domain/mission/rules/a.rs:1: mission names handoff"],
    );
    finds(domain_order, "src/domain/unit.rs", "use super::plan::x;", &["src/domain/unit.rs:1: unit names plan"]);
    finds(
        domain_order,
        "src/domain/other.rs",
        "",
        &["src/domain/other.rs:1: module other has no place in the order of domain"],
    );
    finds(
        domain_order,
        "src/domain/mission/model/x.rs",
        "use crate::domain::mission::rules::y;",
        &["src/domain/mission/model/x.rs:1: model names rules"],
    );
    holds(domain_order);
}

#[test]
fn domain_knows_no_world() {
    finds(domain_is_pure, "src/domain/a.rs", "use std::fs;", &["src/domain/a.rs:1: domain names fs"]);
    finds(domain_is_pure, "src/domain/a.rs", "\ntokio::spawn(x)", &["src/domain/a.rs:2: domain names tokio"]);
    finds(domain_is_pure, "src/domain/a.rs", "use std::time::Instant;", &["src/domain/a.rs:1: domain names Instant"]);
    finds(domain_is_pure, "src/engine/a.rs", "use std::fs;", &[]);
    holds(domain_is_pure);
}

#[test]
fn no_file_is_too_long() {
    finds(file_length, "tests/it/a.rs", &"\n".repeat(MAX_LINES), &[]);
    finds(file_length, "tests/it/a.rs", &"\n".repeat(MAX_LINES + 1), &["tests/it/a.rs:501: above 500"]);
    holds(file_length);
}

#[test]
fn every_file_says_what_it_promises() {
    finds(module_docs, "src/a.rs", "// no\n//! late", &["src/a.rs:1: does not open with a module doc"]);
    holds(module_docs);
}

#[test]
fn every_file_is_declared() {
    finds(declared, "tests/it/lost.rs", "", &["tests/it/lost.rs:1: no module declares this file"]);
    finds(declared, "src/domain/mod.rs", "", &["src/domain/mod.rs:1: no module declares this file"]);
    let commented = [Source::new("tests/it/main.rs", "// mod lost;"), Source::new("tests/it/lost.rs", "")];
    assert_eq!(declared(&commented).len(), 1);
    let fine = [
        Source::new("src/lib.rs", "pub mod domain;"),
        Source::new("src/domain/mod.rs", "mod a;"),
        Source::new("src/domain/a.rs", "mod b; #[path = \"a_tests.rs\"] mod tests;"),
        Source::new("src/domain/a/b.rs", ""),
        Source::new("src/domain/a_tests.rs", ""),
    ];
    assert_eq!(declared(&fine), Vec::<String>::new());
    holds(declared);
}

#[test]
fn nothing_is_left_unfinished() {
    for text in [concat!("// TO", "DO later"), concat!("/* a\n FIX", "ME: b */"), concat!("fn f() { to", "do!() }")] {
        assert_eq!(no_notes(&[Source::new("src/a.rs", text)]).len(), 1, "{text}");
    }
    finds(no_notes, "src/a.rs", concat!("/// followed by SKIP or TO", "DO\nconst A: &str = \"# TO", "DO: x\";"), &[]);
    holds(no_notes);
}

#[test]
fn the_io_fence_has_one_gate() {
    let opened = "\n#![allow(clippy::disallowed_methods)]";
    finds(one_gate, "src/engine/a.rs", opened, &["src/engine/a.rs:2: opens the io fence"]);
    finds(one_gate, "src/adapters/mod.rs", opened, &[]);
    holds(one_gate);
}

#[test]
fn the_own_backlog_is_read_without_a_fault() {
    let text = include_str!("../../../BACKLOG.md");
    let backlog = parse(text).expect("the project's own backlog");
    let headings = text.lines().filter(|line| line.starts_with("##")).count();
    assert_eq!(backlog.headings.len(), headings);
    assert_eq!(find_unsupported(&backlog.units), []);
    Plan::build(backlog.units, &BTreeSet::new()).expect("a plan of the project's own backlog");
}

/// Private words that were types and modules once, with the word that a reader searches for. They do not come back.
const OLD_WORDS: &[(&str, &str)] = &[
    ("Shop", "MissionContext"),
    ("Bench", "ExecutionContext"),
    ("Site", "Project"),
    ("Room", "PoolKind"),
    ("Seat", "SlotLease"),
    ("Court", "SettingsSource"),
    ("Terrain", "PreflightInput"),
    ("OwnerCard", "OwnerRecord"),
    ("Aside", "SkippedItem"),
    ("Keeps", "BookkeepingMode"),
    ("MustFail", "AcceptPrecondition"),
    ("InWorkspace", "PreQueueCheck"),
    ("ExtraStage", "UnitCheckStage"),
    ("Outside", "RefusedTarget"),
    ("Verifying", "VerificationRun"),
    ("Talker", "Coprocess"),
    ("AttemptReport", "SessionReport"),
    ("shop", "context::mission"),
    ("bench", "context::execution"),
    ("site", "context::project"),
    ("left", "orphans"),
    ("others", "foreign_refs"),
    ("staying", "batch"),
    ("beside", "untracked"),
    ("Books", "Bookkeeping"),
    ("Told", "UnitOutcome"),
    ("Ending", "ProcessExit"),
    ("RunEnd", "VerificationEnd"),
    ("Ground", "Baseline, StageInput"),
    ("Extra", "UnitCheck"),
    ("Survey", "Detected, ScanResult"),
    ("Look", "MissionStatus"),
    ("Beside", "Untracked"),
    ("survey", "detect"),
    ("books", "bookkeeping"),
    ("look", "status, scan"),
    ("ground", "pool_folder"),
    ("again", "rerun"),
    ("aside", "quarantine"),
];

/// Fields of before, which journals and documents of a mission would keep.
const OLD_FIELDS: [(&str, &str); 4] =
    [("ground", "baseline"), ("books", "bookkeeping"), ("extra", "unit_checks"), ("aside", "skipped")];

fn old_words(files: &[Source]) -> Vec<String> {
    let mut wrong = Vec::new();
    for file in files.iter().filter(|f| f.in_src()) {
        let lexed = file.lexed();
        for (at, (line, _)) in lexed.code.iter().enumerate() {
            let names = ["struct", "enum", "trait", "type", "mod"].iter().any(|word| lexed.word(at) == Some(word));
            let word = lexed.word(at + 1).filter(|_| names);
            if let Some((old, new)) = OLD_WORDS.iter().find(|(old, _)| word == Some(old)) {
                wrong.push(format!("{}:{line}: {old} is called {new}", file.path));
            }
            let field = file.path.starts_with("src/domain/") && lexed.is(at + 1, &Kind::Sign(':'));
            let field = lexed.word(at).filter(|_| field && !lexed.is(at + 2, &Kind::Sign(':')));
            if let Some((old, new)) = OLD_FIELDS.iter().find(|(old, _)| field == Some(old)) {
                wrong.push(format!("{}:{line}: the field {old} is called {new}", file.path));
            }
        }
    }
    wrong
}

#[test]
fn old_words_do_not_come_back() {
    finds(old_words, "src/engine/a.rs", "pub struct Site;", &["src/engine/a.rs:1: Site is called Project"]);
    finds(old_words, "src/engine/mod.rs", "\nmod shop;", &["src/engine/mod.rs:2: shop is called context::mission"]);
    finds(old_words, "src/engine/a.rs", "// struct Site\nlet bench = Project;", &[]);
    let field = "struct A {\n ground: Baseline }";
    finds(old_words, "src/domain/a.rs", field, &["src/domain/a.rs:2: the field ground is called baseline"]);
    holds(old_words);
}
