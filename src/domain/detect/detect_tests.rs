//! What is proposed for repositories of every kind.

use super::*;
use expect_test::{Expect, expect};
use std::collections::BTreeSet;

fn files(texts: &[(&str, &str)]) -> Files {
    let paths: BTreeSet<String> = texts.iter().map(|(path, _)| (*path).to_owned()).collect();
    let read = files_to_read(&paths);
    let texts = texts.iter().filter(|(path, _)| read.iter().any(|p| p == path));
    Files { texts: texts.map(|(p, t)| ((*p).to_owned(), (*t).to_owned())).collect(), paths, ..Files::default() }
}

fn shown(texts: &[(&str, &str)]) -> String {
    let survey = detect_stages(&files(texts));
    let mut out = format!("{}\n", survey.found.join(", "));
    for setup in &survey.setups {
        out.push_str(&format!("setup {} {:?}\n", setup.run, setup.inputs));
    }
    for stage in &survey.stages {
        let reports = if stage.reports.is_empty() { String::new() } else { format!(" {:?}", stage.reports) };
        out.push_str(&format!("{} [{} {}{reports}] {}\n", stage.name, stage.kind.word(), stage.format, stage.run));
    }
    out.extend(survey.notes.iter().map(|note| format!("note {note}\n")));
    out
}

fn proposes(texts: &[(&str, &str)], wanted: Expect) {
    wanted.assert_eq(&shown(texts));
}

#[test]
fn rust() {
    proposes(
        &[("Cargo.toml", "[package]"), ("src/lib.rs", "")],
        expect![[r#"
        Rust
        tests [tests cargo] cargo test --no-fail-fast
    "#]],
    );
    let workspace = "[workspace]\n[workspace.lints.clippy]";
    let nextest = [
        ("Cargo.toml", workspace),
        ("Cargo.lock", ""),
        (".config/nextest.toml", ""),
        ("src/lib.rs", ""),
        ("a/Cargo.toml", ""),
        ("rustfmt.toml", ""),
    ];
    proposes(
        &nextest,
        expect![[r#"
        Rust
        tests [tests nextest] cargo nextest run --no-fail-fast --workspace --locked
        doctests [tests cargo] cargo test --doc --no-fail-fast --workspace --locked
        lint [lint clippy] cargo clippy --all-targets --workspace --locked
        format [lint exit] cargo fmt --check
    "#]],
    );
}

#[test]
fn python() {
    let all = "[tool.pytest.ini_options]\n[tool.ruff]\n[tool.mypy]\nfiles = [\"src\"]\n[tool.bandit]";
    proposes(
        &[("pyproject.toml", all), ("src/app/__init__.py", ""), ("tests/test_a.py", "")],
        expect![[r#"
        Python
        tests [tests pytest] PYTHONPATH=src python3 -m pytest -v
        lint [lint ruff] python3 -m ruff check --output-format=concise
        types [types mypy] python3 -m mypy
        security [security bandit] python3 -m bandit -q -r -c pyproject.toml -x ./tests,./.venv .
    "#]],
    );
    proposes(
        &[("uv.lock", ""), ("pyproject.toml", "pytest"), (".bandit", "")],
        expect![[r#"
        Python
        setup uv sync --locked ["uv.lock", "pyproject.toml"]
        tests [tests pytest] uv run pytest -v
        security [security bandit] uv run bandit -q -r -x ./tests,./.venv .
    "#]],
    );
    proposes(
        &[("tests/test_a.py", "import unittest"), ("app.py", "")],
        expect![[r#"
        Python
        tests [tests unittest] python3 -m unittest discover -v -s tests
    "#]],
    );
    proposes(
        &[("setup.py", ""), ("tests/__init__.py", ""), ("tests/test_a.py", "import pytest")],
        expect![[r#"
        Python
        tests [tests pytest] python3 -m pytest -v
    "#]],
    );
    proposes(
        &[
            ("a/pyproject.toml", ""),
            ("a/src/pa/__init__.py", ""),
            ("a/tests/test_a.py", "import pa\ndef test_a(): assert pa"),
            ("b/pyproject.toml", ""),
            ("b/src/pb/__init__.py", ""),
            ("b/tests/fixtures/src/x/__init__.py", ""),
            ("b/tests/test_b.py", "def test_b(): pass"),
        ],
        expect![[r#"
            Python in a, Python in b
            a-tests [tests pytest] cd ./a && PYTHONPATH=src:../b/src python3 -m pytest -v
            b-tests [tests pytest] cd ./b && PYTHONPATH=src:../a/src python3 -m pytest -v
        "#]],
    );
    assert_eq!(shown(&[("tools/deep/er/test_x.py", "import pytest")]), "\n");
}

#[test]
fn projects_two_levels_down_are_found_where_none_above_covers_them() {
    let member = |name: &'static str| -> [(String, &'static str); 3] {
        [
            (format!("packages/{name}/pyproject.toml"), ""),
            (format!("packages/{name}/src/p{name}/__init__.py"), ""),
            (format!("packages/{name}/tests/test_{name}.py"), "def test_x(): pass"),
        ]
    };
    let files: Vec<(String, &str)> = ["a", "b"].into_iter().flat_map(member).collect();
    let with = |more: &[(&'static str, &'static str)]| {
        let files = files.iter().map(|(path, text)| (path.as_str(), *text)).chain(more.iter().copied());
        shown(&files.collect::<Vec<_>>())
    };
    expect![[r#"
        Python in packages/a, Python in packages/b
        packages-a-tests [tests pytest] cd ./packages/a && PYTHONPATH=src:../../packages/b/src python3 -m pytest -v
        packages-b-tests [tests pytest] cd ./packages/b && PYTHONPATH=src:../../packages/a/src python3 -m pytest -v
    "#]]
    .assert_eq(&with(&[]));
    // A manifest at the top that has no tests of its own only prepares.
    expect![[r#"
        Python, Python in packages/a, Python in packages/b
        setup uv sync --locked --all-packages ["uv.lock", "pyproject.toml"]
        packages-a-tests [tests pytest] cd ./packages/a && uv run pytest -v
        packages-b-tests [tests pytest] cd ./packages/b && uv run pytest -v
    "#]]
    .assert_eq(&with(&[
        ("uv.lock", ""),
        (
            "pyproject.toml",
            "[tool.uv.workspace]\nmembers = [\"packages/*\"]\n[dependency-groups]\ndev = [\"pytest\"]\n",
        ),
    ]));
    // With tests of its own it is the one that is asked.
    let whole = with(&[("pyproject.toml", "pytest"), ("tests/test_all.py", "")]);
    assert_eq!(whole, "Python\ntests [tests pytest] python3 -m pytest -v\n");
    // What tests are made of, and what others wrote, is no project.
    for folder in ["tests/one", "vendor/one", "packages/fixtures", "templates/one", "a/b/c"] {
        let (manifest, test) = (format!("{folder}/setup.py"), format!("{folder}/test_x.py"));
        assert_eq!(shown(&[(&manifest, ""), (&test, "import pytest")]), "\n", "{folder}");
    }
}

#[test]
fn perl_is_built_where_parts_are_in_c() {
    let xs = [("Makefile.PL", ""), ("Fast.xs", ""), ("lib/Fast.pm", ""), ("t/a.t", "")];
    proposes(
        &xs,
        expect![[r#"
            Perl
            build [build exit] perl Makefile.PL && make
            tests [tests tap] prove -brv t
        "#]],
    );
    assert_eq!(shown(&[("Makefile.PL", ""), ("lib/Fast.pm", "")]), "\n");
}

#[test]
fn several_tools_in_one_script_are_stages() {
    let chain = |test: &str| {
        let package = format!(
            "{{\"scripts\": {{\"test\": \"{test}\", \"lint\": \"eslint .\"}}, \"devDependencies\": {{\"jest\": \"1\"}}}}"
        );
        shown(&[("package.json", &package), ("package-lock.json", "")])
    };
    expect![[r#"
        Node
        setup npm ci ["package.json", "package-lock.json"]
        lint [lint eslint] npx --no-install eslint 'src dir' --ext .ts
        types [types tsc] npx --no-install tsc --noEmit --pretty false
        tests [tests jest] CI=true npx --no-install jest --verbose
        security [security auto] npm audit --omit dev
    "#]]
    .assert_eq(&chain("eslint 'src dir' --ext .ts && tsc --noEmit && npx jest && npm audit --omit dev"));
    // What is not known, or more than a list of commands, stays one line.
    for whole in ["eslint . && ./own.sh", "eslint . && jest | tee x", "jest && vitest run"] {
        assert!(chain(whole).contains("tests [tests auto] CI=true npm test"), "{}", chain(whole));
    }
    assert!(chain("npm run lint && npm run unit").contains("tests [tests auto] npm run unit"));
}

#[test]
fn members_of_a_workspace_are_told_to_name_their_tests() {
    let top = "{\"workspaces\": [\"packages/*\"], \"scripts\": {\"test\": \"npm run test --workspaces --if-present\"}}";
    let with = |a: &str, b: &str| {
        let package = |line: &str| format!("{{\"scripts\": {{\"test\": \"{line}\"}}}}");
        let (a, b) = (package(a), package(b));
        shown(&[
            ("package.json", top),
            ("package-lock.json", ""),
            ("packages/a/package.json", &a),
            ("packages/b/package.json", &b),
        ])
    };
    expect![[r#"
        Node
        setup npm ci ["package.json", "package-lock.json"]
        tests [tests vitest] CI=true npm test --workspaces --if-present -- --reporter=verbose
    "#]]
    .assert_eq(&with("vitest run", "vitest"));
    assert!(
        with("jest", "jest --ci")
            .contains("tests [tests jest] CI=true npm test --workspaces --if-present -- --verbose")
    );
    // Of two runners, or more than one command, nothing is known.
    for (a, b) in [("vitest run", "jest"), ("vitest run && tsc", "vitest run")] {
        assert!(with(a, b).contains("tests [tests auto] CI=true npm test\n"), "{a} {b}");
    }
}

#[test]
fn python_groups_are_named_where_they_are_not_installed_by_default() {
    let manifest = "[tool.mypy]\n[tool.ruff]\n[dependency-groups]\ntests = [\"pytest\"]\ntyping = [\"mypy\"]\n";
    proposes(
        &[("uv.lock", ""), ("pyproject.toml", manifest), ("tests/test_a.py", "")],
        expect![[r#"
            Python
            setup uv sync --locked --group tests --group typing ["uv.lock", "pyproject.toml"]
            tests [tests pytest] uv run --group tests pytest -v
            lint [lint ruff] uv run ruff check --output-format=concise
            types [types mypy] uv run --group typing mypy .
        "#]],
    );
    let survey = detect_stages(&files(&[("uv.lock", ""), ("pyproject.toml", manifest), ("tests/test_a.py", "")]));
    let lint = survey.stages.iter().find(|stage| stage.name == "lint").unwrap();
    assert_eq!(lint.needs.last(), Some(&Need::Dependency("ruff", "uv add --dev ruff")));
}

#[test]
fn lines_that_start_all_compilers_at_once_are_found() {
    for line in ["make -j", "cmake -S . -B b && cmake --build b --parallel", "make -j && ctest", "make --jobs test"] {
        assert!(starts_all_at_once(line), "{line}");
    }
    for line in
        ["make -j4", "make -j 4", "cmake --build b --parallel \"$(nproc)\"", "ctest --parallel", "make test", "echo -j"]
    {
        assert!(!starts_all_at_once(line), "{line}");
    }
}

#[test]
fn what_decides_is_named() {
    let found = detect_stages(&files(&[
        ("package.json", "{\"scripts\": {\"test\": \"node --test ./tests/all.js && tsc\"}}"),
        ("tests/all.js", ""),
        (".github/workflows/ci.yml", ""),
        ("eslint.config.js", ""),
        ("README.md", ""),
    ]));
    assert_eq!(found.deciding, [".github/workflows/**", "eslint.config.js", "tests/all.js"]);
}

#[test]
fn node() {
    let package = |test: &str, more: &str| {
        format!("{{\"scripts\": {{\"test\": \"{test}\", \"lint\": \"eslint .\"}}, \"devDependencies\": {{{more}}}}}")
    };
    let jest = package("jest", "\"jest\": \"1\", \"typescript\": \"5\"");
    proposes(
        &[("package.json", &jest), ("package-lock.json", ""), ("tsconfig.json", "")],
        expect![[r#"
        Node
        setup npm ci ["package.json", "package-lock.json"]
        tests [tests jest] CI=true npm test -- --verbose
        lint [lint eslint] npm run lint
        types [types tsc] npx --no-install tsc --noEmit --pretty false
    "#]],
    );
    let vitest = package("vitest", "\"vitest\": \"1\"");
    proposes(
        &[("package.json", &vitest), ("pnpm-lock.yaml", "")],
        expect![[r#"
        Node
        setup pnpm install --frozen-lockfile ["package.json", "pnpm-lock.yaml"]
        tests [tests vitest] pnpm exec vitest run --reporter=verbose
        lint [lint eslint] pnpm run lint
    "#]],
    );
    let own = "{\"scripts\": {\"test\": \"node --test tests/\"}}";
    proposes(
        &[("package.json", own)],
        expect![[r#"
        Node
        tests [tests tap] NODE_OPTIONS="$NODE_OPTIONS --test-reporter=tap" npm test
    "#]],
    );
    let mocha = package("mocha", "\"mocha\": \"1\"");
    proposes(
        &[("package.json", &mocha), ("yarn.lock", ""), (".yarnrc.yml", "")],
        expect![[r#"
        Node
        setup yarn install --immutable ["package.json", "yarn.lock"]
        tests [tests tap] CI=true yarn test --reporter tap
        lint [lint eslint] yarn run lint
    "#]],
    );
    let none = package("echo \\\"Error: no test specified\\\" && exit 1", "");
    assert!(!shown(&[("package.json", &none)]).contains("tests ["));
    assert_eq!(shown(&[("package.json", "no JSON")]), "Node\n");
}

#[test]
fn go_java_c_and_make() {
    proposes(
        &[("go.mod", ""), (".golangci.yml", "")],
        expect![[r#"
        Go
        tests [tests go] go test -v ./...
        vet [lint exit] go vet ./...
        lint [lint auto] golangci-lint run
    "#]],
    );
    proposes(
        &[("pom.xml", ""), ("mvnw", ""), ("core/pom.xml", "")],
        expect![[r#"
        Java
        tests [tests junit ["**/target/surefire-reports/TEST-*.xml"]] ./mvnw -B -fae test
    "#]],
    );
    proposes(
        &[("build.gradle.kts", "")],
        expect![[r#"
        Java
        tests [tests junit ["**/build/test-results/test/*.xml"]] gradle --no-daemon --console=plain test --continue
    "#]],
    );
    proposes(
        &[("CMakeLists.txt", "enable_testing()"), ("Makefile", "test:")],
        expect![[r#"
            C
            build [build exit] cmake -S . -B build && cmake --build build --parallel "$(nproc)"
            tests [tests junit ["build/mc-tests.xml"]] ctest --test-dir build --output-on-failure --output-junit mc-tests.xml
            note ctest knows programs: tests inside of one are not told apart, so that one which is deleted goes unseen; let each program leave JUnit XML and name it in `reports`
        "#]],
    );
    proposes(
        &[
            ("CMakeLists.txt", "enable_testing()\nadd_subdirectory(test)"),
            ("test/CMakeLists.txt", "find_package(GTest)"),
        ],
        expect![[r#"
            C
            build [build exit] cmake -S . -B build && cmake --build build --parallel "$(nproc)"
            tests [tests junit ["build/mc-tests.xml", "build/mc-gtest/*.xml"]] GTEST_OUTPUT="xml:$PWD/build/mc-gtest/" ctest --test-dir build --output-on-failure --output-junit mc-tests.xml
        "#]],
    );
    proposes(
        &[("CMakeLists.txt", "find_package(GTest)\nenable_testing()\ngtest_discover_tests(t)")],
        expect![[r#"
            C
            build [build exit] cmake -S . -B build && cmake --build build --parallel "$(nproc)"
            tests [tests junit ["build/mc-tests.xml"]] ctest --test-dir build --output-on-failure --output-junit mc-tests.xml
        "#]],
    );
    proposes(
        &[("Makefile", "check := 1\ncheck: all\n")],
        expect![[r#"
        Make
        tests [tests auto] make check
    "#]],
    );
    assert_eq!(shown(&[("Makefile", "tests:\n\techo")]), "\n");
    assert_eq!(shown(&[("README.md", "")]), "\n");
}

#[test]
fn several_languages_are_all_proposed_and_folders_are_quoted() {
    let repository = [
        ("go.mod", ""),
        ("api/pyproject.toml", "pytest"),
        ("my web; rm -rf ~/package.json", "{\"scripts\": {\"test\": \"$(touch /tmp/x) jest\"}}"),
        ("vendor/package.json", "{\"scripts\": {\"test\": \"jest\"}}"),
        ("very/deep/er/Cargo.toml", ""),
    ];
    proposes(
        &repository,
        expect![[r#"
        Go, Python in api, Node in my web; rm -rf ~
        go-tests [tests go] go test -v ./...
        go-vet [lint exit] go vet ./...
        api-tests [tests pytest] cd ./api && python3 -m pytest -v
        my-web--rm--rf---tests [tests auto] cd ./'my web; rm -rf ~' && CI=true npm test
    "#]],
    );
    let twins = [("a b/go.mod", ""), ("a-b/go.mod", "")];
    let names: Vec<String> = detect_stages(&files(&twins)).stages.into_iter().map(|stage| stage.name).collect();
    assert_eq!(names, ["a-b-tests", "a-b-vet", "a-b-tests-2", "a-b-vet-2"]);
    let many: Vec<(String, &str)> = (0..12).map(|n| (format!("m{n:02}/go.mod"), "")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(path, text)| (path.as_str(), *text)).collect();
    assert!(shown(&many).contains("note more projects than are proposed; left out: Go in m08, Go in m09"));
}

#[test]
fn p12_no_text_of_a_repository_becomes_part_of_a_line() {
    let evil = "EVIL`$(x)";
    let package = format!(
        "{{\"scripts\": {{\"test\": \"jest {evil}\", \"lint\": \"{evil}\", \"types\": \"{evil}\"}}, \"devDependencies\": {{\"{evil}\": \"{evil}\"}}}}"
    );
    let texts = [
        ("package.json", package.as_str()),
        ("Makefile", "test: $(shell EVIL)"),
        ("Cargo.toml", evil),
        ("go.mod", evil),
    ];
    let survey = detect_stages(&files(&texts));
    assert!(
        survey.stages.len() > 4 && survey.stages.iter().all(|s| !s.run.contains("EVIL") && !s.name.contains("EVIL"))
    );
    assert!(survey.setups.iter().all(|s| !s.run.contains("EVIL")));
}
