//! The command line where no mission is needed: settings, plans, backlogs, the simulator, usage errors.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests touch the world and may panic")]

use crate::support::repo::{World, within_a_minute};
use expect_test::expect;

#[test]
fn a_plan_is_shown_and_faults_come_with_their_lines() {
    within_a_minute(async {
        let world = World::new().await;
        let settings = "[target.verification]\ncommand = \"true\"\n[agent]\ncommand = \"true\"\n";
        world.commit("mission-control.toml", settings).await;
        world.commit("BACKLOG.md", "## Api\n- files: src/**\n## Docs\n- depends: api\n- priority: high\n").await;
        expect![[r#"
            2 units in 2 waves, 1 dependency, 0 order-only overlaps

            wave 1 (1 unit)
              api   P2  Api

            wave 2 (1 unit)
              docs  P1  Docs
                  depends on api
        "#]]
        .assert_eq(&world.mc_ok(&["plan"]).await);
        expect!["HOME/repo/BACKLOG.md: no faults, 2 units\n"].assert_eq(&world.mc_ok(&["backlog", "check"]).await);
        assert_eq!(world.mc_json(&["plan", "--json"]).await["schema"], 1);
        world.commit("PROGRESS.md", "# Progress\n\n## Current State\n\n## Next Up\n").await;
        let said = world.mc(&["backlog", "check"]).await;
        assert_eq!((said.code, said.out.as_str()), (0, "HOME/repo/BACKLOG.md: no faults, 2 units\n"));
        let words = "note: HOME/repo/PROGRESS.md: there is no section `## Session History`\n";
        assert!(said.err.starts_with("note: ") && said.err.contains(words), "{}", said.err);
        let json = world.mc_json(&["backlog", "check", "--json"]).await;
        assert_eq!((&json["units"], &json["sessions"]), (&2.into(), &serde_json::Value::Null));
        assert_eq!(json["notes"][0]["file"].as_str().map(|file| file.ends_with("PROGRESS.md")), Some(true), "{json}");
        world.sh("git rm -q PROGRESS.md").await;

        world.commit("BACKLOG.md", "## Api\n- depends: nobody\n## Docs\n- priority: soon\n").await;
        let said = world.mc(&["backlog", "check"]).await;
        assert_eq!((said.code, said.out.as_str()), (2, ""));
        expect![[r#"
            HOME/repo/BACKLOG.md:2: depends on unknown unit `nobody`
            HOME/repo/BACKLOG.md:4: `priority`: `soon` is not a priority; use a number (0 is the highest), critical, high, medium or low
            error: HOME/repo/BACKLOG.md has 2 faults
        "#]].assert_eq(&said.err);
        assert_eq!(world.mc(&["plan"]).await.err, said.err);
    });
}

#[test]
fn a_backlog_is_read_as_markdown_readers_show_it() {
    within_a_minute(async {
        let world = World::new().await;
        let settings = "[target.verification]\ncommand = \"true\"\n[agent]\ncommand = \"true\"\n";
        world.commit("mission-control.toml", settings).await;
        let backlog = "## Visible task\n- run: echo a > a\n\n<details>\n<summary>Old ideas, not now</summary>\n## Drop the table\n\
                       - run: echo dropped > dropped\n</details>\n\n    ```\n\n## E\n\n~~~~ md\n```\n## no\n~~~\n~~~~~\n\n\
                       F\n-\n\n> ## quoted\n\n1. first\n   ## part of it\n";
        world.commit("BACKLOG.md", backlog).await;
        expect![[r#"
            1  unit   visible-task  todo  Visible task
            2  unit   e             todo  E
            3  unit   f             todo  F

            3 units, 0 groups, 0 notes
        "#]]
        .assert_eq(&world.mc_ok(&["backlog", "list"]).await);
        let said = world.mc(&["backlog", "check"]).await;
        assert_eq!((said.code, said.out.as_str()), (0, "HOME/repo/BACKLOG.md: no faults, 3 units\n"));
        expect![[r#"
            note: HOME/repo/BACKLOG.md:6: inside raw HTML, so no heading; an empty line above it ends the HTML and makes it one
            note: HOME/repo/BACKLOG.md:26: belongs to the list item above, so it is no item of its own; without indentation it is one
        "#]]
        .assert_eq(&said.err);
        let plan = world.mc_ok(&["plan"]).await;
        assert!(plan.starts_with("3 units in 1 wave") && !plan.contains("Drop"), "{plan}");

        world.commit("BACKLOG.md", "## A\nWords of somebody.\n---\n    - run: x\n\n<!--\n## B\n").await;
        let said = world.mc(&["backlog", "check"]).await;
        assert_eq!((said.code, said.out.as_str()), (2, ""));
        expect![[r#"
            HOME/repo/BACKLOG.md:3: Markdown reads the text above as a heading; write it as `## title`, or put a blank line between them
            HOME/repo/BACKLOG.md:4: `run` is indented so far that Markdown reads code, no key; take spaces away
            HOME/repo/BACKLOG.md:6: opened here and never closed: the headings below it would not be read
            error: HOME/repo/BACKLOG.md has 3 faults
        "#]]
        .assert_eq(&said.err);
        assert_eq!(world.mc(&["plan"]).await.err, said.err);
    });
}

#[test]
fn task_headings_are_items_and_their_criteria_are_none() {
    within_a_minute(async {
        let world = World::new().await;
        let settings = "[target.verification]\ncommand = \"true\"\n[agent]\ncommand = \"true\"\n";
        world.commit("mission-control.toml", settings).await;
        let backlog = "# Task: Read settings\n**Priority**: High\n**Dependencies**: None\n\n## Context\nToo many flags.\n\n\
                       ## Success Criteria\n- [ ] one file\n\n## Human Gates\n- None\n\n# Task: Write settings\n\
                       **Dependencies**: Read settings\n\n## Acceptance Tests\n- [ ] `make test`\n";
        world.commit("BACKLOG.md", backlog).await;
        expect![[r#"
            2 units in 2 waves, 1 dependency, 0 order-only overlaps

            wave 1 (1 unit)
              read-settings   P1  Read settings

            wave 2 (1 unit)
              write-settings  P2  Write settings
                  depends on read-settings
        "#]]
        .assert_eq(&world.mc_ok(&["plan"]).await);
        expect!["HOME/repo/BACKLOG.md: no faults, 2 units\n"].assert_eq(&world.mc_ok(&["backlog", "check"]).await);

        let boxes =
            "# Plan\n\n- [ ] Read\n- [ ] Write\n\n## Success Criteria\n- [ ] fast\n\n**Human Gates**:\n- [ ] asked\n";
        world.commit("BACKLOG.md", boxes).await;
        expect![[r#"
            1  unit   read   todo  Read
            2  unit   write  todo  Write

            2 units, 0 groups, 0 notes
        "#]]
        .assert_eq(&world.mc_ok(&["backlog", "list"]).await);

        // Keys of later versions are named here already; a start and its plan refuse them.
        world.commit("BACKLOG.md", "# Task: Release\n\n## Human Gates\n- [ ] review\n\n## Steps\n1. tag\n").await;
        let said = world.mc(&["backlog", "check"]).await;
        assert_eq!((said.code, said.out.as_str()), (0, "HOME/repo/BACKLOG.md: no faults, 1 unit\n"));
        let words = "`gate` is not supported in this version; remove it from unit `release`";
        assert_eq!(said.err, format!("note: HOME/repo/BACKLOG.md:1: {words}; `mc mission start` refuses it\n"));
        assert_eq!(world.mc_json(&["backlog", "check", "--json"]).await["notes"][0]["line"], 1);
        let refused = world.mc(&["mission", "start"]).await;
        assert!(refused.code == 2 && refused.err.contains(words), "{}", refused.err);
    });
}

#[test]
fn a_plan_says_what_a_start_would_refuse_in_the_words_of_that() {
    within_a_minute(async {
        let world = World::new().await;
        world.commit("BACKLOG.md", "## Api\n").await;
        let cases = [
            ("", "`target.verification.command` is not set"),
            ("[target.verification]\ncommand = \"true\"\n", "unit api has no `run` and no agent is configured"),
            ("[target.verification]\ncommand = \"true\"\n[agent]\ncommand = \"true\"\n", ""),
        ];
        for (settings, words) in cases {
            world.commit("mission-control.toml", settings).await;
            let said = world.mc(&["plan"]).await;
            assert!(said.code == 0 && said.out.starts_with("1 unit"), "{}{}", said.out, said.err);
            if words.is_empty() {
                assert_eq!(said.err, "");
                continue;
            }
            assert!(said.err.starts_with("note: ") && said.err.contains(words), "{}", said.err);
            assert!(said.err.contains(": `mc mission start` refuses that\nhint: "), "{}", said.err);
            let refused = world.mc(&["mission", "start"]).await;
            assert!(refused.code != 0 && refused.err.contains(words), "{}", refused.err);
        }
    });
}

#[test]
fn settings_need_neither_repository_nor_verification() {
    within_a_minute(async {
        let world = World::new().await;
        let said = world.mc_in(&world.home(), &["config", "show"]).await;
        assert_eq!(said.code, 0, "{}", said.err);
        assert!(said.out.contains("rounds.max_rounds = 20  # default\n"), "{}", said.out);

        let said = world.mc_in(&world.home(), &["status"]).await;
        assert_eq!((said.code, said.out.as_str()), (6, ""));
        expect![[r#"
            error: failed to find a git repository at HOME: run `git init` there or name another folder with -C
        "#]]
        .assert_eq(&said.err);
    });
}

#[test]
fn unknown_words_are_usage_errors_and_help_is_none() {
    within_a_minute(async {
        let world = World::new().await;
        for args in [
            &["--bogus"][..],
            &["bogus"],
            &["mission", "start", "--bogus"],
            &["mission", "start", "--rounds", "x"],
            &[],
        ] {
            let said = world.mc(args).await;
            assert_eq!((said.code, said.out.as_str()), (2, ""), "{args:?}: {}", said.err);
        }
        assert!(world.mc(&["mission", "start", "--rounds", "x"]).await.err.contains("--rounds"));
        for args in [&["--help"][..], &["--version"], &["mission", "--help"], &["mission", "start", "--help"]] {
            let said = world.mc(args).await;
            assert_eq!((said.code, said.err.as_str()), (0, ""), "{args:?}");
        }
    });
}

#[test]
fn a_plan_is_simulated_without_a_repository() {
    within_a_minute(async {
        let world = World::new().await;
        std::fs::write(
            world.home().join("plan.toml"),
            "[[unit]]\ntitle = \"One\"\n[[unit]]\ntitle = \"Two\"\ndepends = [\"one\"]\n",
        )
        .unwrap();
        let simulate = |rest: &'static [&'static str]| {
            let args = [&["simulate", "--plan", "plan.toml"], rest].concat();
            let world = &world;
            async move { world.mc_in(&world.home(), &args).await }
        };
        let said = simulate(&["--seeds", "3"]).await;
        expect![[r#"
            3 simulated, every promise held: 3 backlog-done
            units: 6 landed
            39 decisions, 0 crashes of the engine, 9 verification runs
        "#]]
        .assert_eq(&(said.out + &said.err));
        let faulty = simulate(&["--seed", "5", "--seeds", "20", "--faults", "crash,duplicate", "--json"]).await;
        let json: serde_json::Value = serde_json::from_str(&faulty.out).unwrap();
        assert_eq!((faulty.code, &json["units"]["landed"]), (0, &serde_json::json!(40)), "{json}");
        assert!(json["crashes"].as_u64() > Some(0), "the faults must happen: {json}");
        let hosts = simulate(&["--hosts", "2", "--seeds", "10", "--faults", "crash,host,drain", "--json"]).await;
        let json: serde_json::Value = serde_json::from_str(&hosts.out).unwrap();
        assert_eq!((hosts.code, &json["missions"]), (0, &serde_json::json!(10)), "{json}");
        assert!(json["hosts"]["benched"].as_u64() > Some(0), "{json}");
        let trace = simulate(&["--trace"]).await.out;
        assert!(trace.contains("one: landed at "), "{trace}");
        assert_eq!(trace, simulate(&["--trace"]).await.out, "P14");
        let wrong = simulate(&["--faults", "crahs"]).await;
        assert_eq!(wrong.code, 2);
        assert!(wrong.err.contains("checked-out"), "{}", wrong.err);
    });
}
