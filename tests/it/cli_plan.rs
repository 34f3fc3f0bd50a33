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
        world.commit("PROGRESS.md", "# Progress\n\n## Next Up\n").await;
        let said = world.mc(&["backlog", "check"]).await;
        assert_eq!(said.code, 2);
        assert!(said.err.contains("PROGRESS.md: there is no section `## Session History`"), "{}", said.err);
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
        let trace = simulate(&["--trace"]).await.out;
        assert!(trace.contains("one: landed at "), "{trace}");
        assert_eq!(trace, simulate(&["--trace"]).await.out, "P14");
        let wrong = simulate(&["--faults", "crahs"]).await;
        assert_eq!(wrong.code, 2);
        assert!(wrong.err.contains("checked-out"), "{}", wrong.err);
    });
}
