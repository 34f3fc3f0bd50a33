//! Generated repositories in Rust, Python, Node and Go with their real test runners: three commands land a unit, and a
//! deleted, a broken and a skipped test and a red base are judged right.
//!
//! The runners come from `tests/tools`, which `tests/run` calls; a missing one is an error and not a pass.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests touch the world and may panic")]

use crate::support::world::{Fence, World, within};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// One language: a repository with three good tests and a red one, and what units do to it.
struct Language {
    /// Files, path and content.
    files: &'static [(&'static str, &'static str)],
    /// Scripts: adds a function with a test, deletes a test, breaks a function, skips a test.
    adds: &'static str,
    deletes: &'static str,
    breaks: &'static str,
    skips: &'static str,
    /// Names of the tests as `mc` tells them, at least in part: red from the start, deleted, broken, skipped.
    red: &'static str,
    deleted: &'static str,
    broken: &'static str,
    skipped: &'static str,
    /// What `mc init` must have proposed.
    proposed: &'static [&'static str],
}

const RUST: Language = Language {
    files: &[
        ("Cargo.toml", "[package]\nname = \"till\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\n[dependencies]\n"),
        ("Cargo.lock", "version = 3\n\n[[package]]\nname = \"till\"\nversion = \"0.1.0\"\n"),
        (".gitignore", "target/\n"),
        (
            "src/lib.rs",
            "//! A till.\n\n/// ```\n/// assert_eq!(till::sum(&[1, 2]), 3);\n/// ```\npub fn sum(prices: &[i64]) -> i64 {\n    \
             prices.iter().sum()\n}\n\npub fn tax(price: i64) -> i64 {\n    price * 119 / 100\n}\n\n#[cfg(test)]\nmod tests;\n",
        ),
        (
            "src/tests.rs",
            "use super::*;\n\n#[test]\nfn adds() {\n    assert_eq!(sum(&[250, 499]), 749);\n}\n\n#[test]\nfn taxes() {\n    \
             assert_eq!(tax(100), 119);\n}\n",
        ),
        ("tests/big.rs", "#[test]\nfn many() {\n    assert_eq!(till::sum(&[1; 12]), 12);\n}\n"),
        ("tests/rounding.rs", "#[test]\nfn rounds() {\n    assert_eq!(till::tax(1), 2);\n}\n"),
    ],
    adds: "echo 'pub fn change(price: i64, given: i64) -> i64 { given - price }' >>src/lib.rs\n\
           printf '#[test]\\nfn changes() { assert_eq!(change(749, 1000), 251); }\\n' >>src/tests.rs",
    deletes: "rm tests/big.rs",
    breaks: "sed -i 's/119/120/' src/lib.rs",
    skips: "sed -i 's/^fn adds/#[ignore]\\nfn adds/' src/tests.rs",
    red: "rounds",
    deleted: "many",
    broken: "taxes",
    skipped: "adds",
    proposed: &["cargo test"],
};

const PYTHON: Language = Language {
    files: &[
        (
            "pyproject.toml",
            "[project]\nname = \"till\"\nversion = \"0.1.0\"\n\n[tool.pytest.ini_options]\npythonpath = [\".\"]\n",
        ),
        (".gitignore", "__pycache__/\n.pytest_cache/\n"),
        (
            "till.py",
            "def total(*prices):\n    return sum(prices)\n\n\ndef tax(price):\n    return price * 119 // 100\n",
        ),
        (
            "tests/test_till.py",
            "import pytest\n\nimport till\n\n\ndef test_adds():\n    assert till.total(250, 499) == 749\n\n\n\
             @pytest.mark.parametrize('price', [100, 200])\ndef test_taxes(price):\n    assert till.tax(price) == price * 119 // 100\n\n\n\
             def test_of_a_hundred():\n    assert till.tax(100) == 119\n",
        ),
        ("tests/test_big.py", "import till\n\n\ndef test_many():\n    assert till.total(*[1] * 12) == 12\n"),
        ("tests/test_rounding.py", "import till\n\n\ndef test_rounds():\n    assert till.tax(1) == 2\n"),
    ],
    adds: "printf '\\n\\ndef change(price, given):\\n    return given - price\\n' >>till.py\n\
           printf 'import till\\n\\n\\ndef test_changes():\\n    assert till.change(749, 1000) == 251\\n' >tests/test_change.py",
    deletes: "rm tests/test_big.py",
    breaks: "sed -i 's/119/120/' till.py",
    skips: "sed -i 's/^def test_adds/@pytest.mark.skip\\ndef test_adds/' tests/test_till.py",
    red: "test_rounds",
    deleted: "test_many",
    broken: "test_of_a_hundred",
    skipped: "test_adds",
    proposed: &["pytest"],
};

const NODE: Language = Language {
    files: &[
        (
            "package.json",
            "{\n  \"name\": \"till\",\n  \"private\": true,\n  \"scripts\": { \"test\": \"jest\" },\n  \"jest\": {}\n}\n",
        ),
        (".gitignore", "node_modules/\n"),
        (
            "till.js",
            "const total = (...prices) => prices.reduce((a, b) => a + b, 0);\nconst tax = (price) => Math.floor(price * 119 / 100);\n\
             module.exports = { total, tax };\n",
        ),
        (
            "till.test.js",
            "const till = require('./till');\n\ndescribe('till', () => {\n  test('adds', () => {\n    expect(till.total(250, 499)).toBe(749);\n  });\n  \
             test('taxes', () => {\n    expect(till.tax(100)).toBe(119);\n  });\n});\n",
        ),
        (
            "big.test.js",
            "const till = require('./till');\ntest('many', () => expect(till.total(...Array(12).fill(1))).toBe(12));\n",
        ),
        ("rounding.test.js", "const till = require('./till');\ntest('rounds', () => expect(till.tax(1)).toBe(2));\n"),
    ],
    adds: "echo 'module.exports.change = (price, given) => given - price;' >>till.js\n\
           echo \"test('changes', () => expect(require('./till').change(749, 1000)).toBe(251));\" >change.test.js",
    deletes: "rm big.test.js",
    breaks: "sed -i 's/119/120/' till.js",
    skips: "sed -i \"s/test('adds'/test.skip('adds'/\" till.test.js",
    red: "rounds",
    deleted: "many",
    broken: "taxes",
    skipped: "adds",
    proposed: &["npm test -- --verbose"],
};

const GO: Language = Language {
    files: &[
        ("go.mod", "module example.org/till\n\ngo 1.19\n"),
        (
            "till.go",
            "package till\n\nfunc Total(prices ...int) (sum int) {\n\tfor _, price := range prices {\n\t\tsum += price\n\t}\n\treturn sum\n}\n\n\
             func Tax(price int) int { return price * 119 / 100 }\n",
        ),
        (
            "till_test.go",
            "package till\n\nimport \"testing\"\n\nfunc TestAdds(t *testing.T) {\n\tif Total(250, 499) != 749 {\n\t\tt.Fatal(\"sum\")\n\t}\n}\n\n\
             func TestTaxes(t *testing.T) {\n\tt.Run(\"a hundred\", func(t *testing.T) {\n\t\tif Tax(100) != 119 {\n\t\t\tt.Fatal(\"tax\")\n\t\t}\n\t})\n}\n",
        ),
        (
            "big_test.go",
            "package till\n\nimport \"testing\"\n\nfunc TestMany(t *testing.T) {\n\tif Total(1, 1, 1) != 3 {\n\t\tt.Fatal(\"sum\")\n\t}\n}\n",
        ),
        (
            "rounding_test.go",
            "package till\n\nimport \"testing\"\n\nfunc TestRounds(t *testing.T) {\n\tif Tax(1) != 2 {\n\t\tt.Error(\"rounding\")\n\t}\n}\n",
        ),
    ],
    adds: "printf '\\nfunc Change(price, given int) int { return given - price }\\n' >>till.go\n\
           printf 'package till\\n\\nimport \"testing\"\\n\\nfunc TestChanges(t *testing.T) {\\n\\tif Change(749, 1000) != 251 {\\n\\t\\tt.Fatal()\\n\\t}\\n}\\n' >change_test.go",
    deletes: "rm big_test.go",
    breaks: "sed -i 's/119/120/' till.go",
    skips: "sed -i 's/^func TestAdds.*/&\\n\\tt.Skip()/' till_test.go",
    red: "TestRounds",
    deleted: "TestMany",
    broken: "TestTaxes",
    skipped: "TestAdds",
    proposed: &["go test"],
};

fn tools() -> PathBuf {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools");
    assert!(
        tools.join("jest.version").exists(),
        "run `tests/tools` once: it brings the test runners of other languages"
    );
    tools
}

/// Programs of the languages, called from a world whose home is empty.
fn lend(world: &World) {
    let tools = tools();
    let find = |name: &str| {
        let path = std::env::var("PATH").unwrap();
        let found = path.split(':').map(|dir| Path::new(dir).join(name)).find(|file| file.exists());
        found.unwrap_or_else(|| panic!("{name} is not installed; `tests/tools` says how")).display().to_string()
    };
    let home = std::env::var("HOME").unwrap();
    let home_of = |name: &str, folder: &str| std::env::var(name).unwrap_or_else(|_| format!("{home}/{folder}"));
    let (cargo, rustup) = (home_of("CARGO_HOME", ".cargo"), home_of("RUSTUP_HOME", ".rustup"));
    let tools = tools.display();
    world.program(
        "cargo",
        &format!("#!/bin/sh\nCARGO_HOME='{cargo}' RUSTUP_HOME='{rustup}' exec '{}' \"$@\"\n", find("cargo")),
    );
    for name in ["python3", "python", "pytest"] {
        world.program(name, &format!("#!/bin/sh\nexec '{tools}/python/bin/{name}' \"$@\"\n"));
    }
    world.program("jest", &format!("#!/bin/sh\nexec '{tools}/node/node_modules/.bin/jest' \"$@\"\n"));
    let npx = format!(
        "#!/bin/sh\n[ \"$1\" != --no-install ] || shift\nPATH='{tools}/node/node_modules/.bin':$PATH exec \"$@\"\n"
    );
    world.program("npx", &npx);
    world.program(
        "go",
        &format!("#!/bin/sh\nGOFLAGS=-mod=mod GOCACHE='{tools}/go-cache' exec '{}' \"$@\"\n", find("go")),
    );
}

fn backlog() -> String {
    let unit = |id: &str| format!("\n## The unit {id}\n- id: {id}\n- attempts: 1\n- run: sh \"$HOME/agents/{id}\"\n");
    format!("# Backlog\n{}", ["adds", "deletes", "breaks", "skips"].map(unit).concat())
}

fn unit<'a>(report: &'a Value, id: &str) -> &'a Value {
    report["units"].as_array().unwrap().iter().find(|unit| unit["id"] == id).unwrap()
}

fn judged(language: &'static Language) {
    within(400, move || {
        // Where go keeps what it builds, as a person's GOCACHE would.
        const FOLDERS: &[&str] = &["", concat!(env!("CARGO_MANIFEST_DIR"), "/target/tools")];
        let world = World::empty().within(Fence::Folders(FOLDERS));
        lend(&world);
        for (path, text) in language.files {
            let path = world.repo().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        for (id, script) in [
            ("adds", language.adds),
            ("deletes", language.deletes),
            ("breaks", language.breaks),
            ("skips", language.skips),
        ] {
            std::fs::write(world.home().join("agents").join(id), format!("set -e\n{script}\n")).unwrap();
        }
        world.commit("BACKLOG.md", &backlog());

        // Three commands, as the first hour has them.
        let said = world.spawn(&["init", "--yes"]).ended_within(Duration::from_secs(100)).expect("an end");
        assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
        for word in language.proposed {
            assert!(said.out.contains(word), "{word}: {}", said.out);
        }
        assert!(said.out.contains(language.red), "the baseline is shown with its red test: {}", said.out);
        let said = world.mc(&["plan"]).exits(0);
        assert!(said.out.contains("adds"), "{}", said.out);
        let said = world.spawn(&["mission", "start"]).ended_within(Duration::from_secs(200)).expect("an end").exits(3);

        let status: Value = serde_json::from_str(&world.mc(&["status", "--json"]).exits(0).out).unwrap();
        let state = |id: &str| unit(&status, id)["state"].as_str().unwrap().to_owned();
        let ends = ["adds", "deletes", "breaks", "skips"].map(state);
        assert_eq!(ends, ["landed", "rejected", "rejected", "rejected"], "{}", said.out);
        let reason = |id: &str| unit(&status, id)["reason"].as_str().unwrap().to_owned();
        for (id, what, test) in [
            ("deletes", "disappeared", language.deleted),
            ("breaks", "passed before and fail", language.broken),
            ("skips", "skipped", language.skipped),
        ] {
            let reason = reason(id);
            let first = reason.lines().next().unwrap();
            assert!(first.contains(what) && first.contains(test), "{id}: {reason}");
        }
        let report = world.mc(&["report"]).exits(0).out;
        let named = report.lines().any(|line| line.contains("nobody's fault") && line.contains(language.red));
        assert!(named, "the red test is named as pre-existing: {report}");
        world.mc(&["audit"]).exits(0);
    });
}

#[test]
fn p1_rust_is_judged_by_cargo_test() {
    judged(&RUST);
}

#[test]
fn p1_python_is_judged_by_pytest() {
    judged(&PYTHON);
}

#[test]
fn p1_node_is_judged_by_jest() {
    judged(&NODE);
}

#[test]
fn p1_go_is_judged_by_go_test() {
    judged(&GO);
}
