//! Variables of the engine and of a host reach runs there, and are nowhere else: in no argument, no log, no file that outlives its run.

use super::remote::{Line, alive, host_of, mission, prepare, program, run, settings};
use crate::support::repo::{World, within_a_minute};
use mission_control::adapters::host::local::process::procfs;
use mission_control::adapters::host::order::{CollectOrder, Program, Release, RunOrder, Start};
use mission_control::adapters::host::remote::protocol::Variables;
use mission_control::adapters::host::settings::HostSettings;
use mission_control::domain::ending::ProcessEnd;
use mission_control::domain::values::UnitId;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

const SECRETS: [&str; 3] = ["sesame-of-the-engine", "sesame-of-the-host", "sesame-of-the-order"];

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() && !path.is_symlink() { files_below(&path) } else { vec![path] }).collect()
}

/// Files below a folder that hold one of the secrets, whatever way it is written.
fn telling(folder: &Path) -> Vec<PathBuf> {
    let numbers = |text: &str| text.bytes().map(|byte| byte.to_string()).collect::<Vec<_>>().join(",");
    let words: Vec<String> = SECRETS.iter().flat_map(|text| [(*text).to_owned(), numbers(text)]).collect();
    let tells = |path: &PathBuf| {
        let bytes = if path.is_file() { std::fs::read(path).unwrap_or_default() } else { Vec::new() };
        let text = String::from_utf8_lossy(&bytes);
        words.iter().any(|word| text.contains(word.as_str()))
    };
    files_below(folder).into_iter().filter(tells).collect()
}

fn named_in_arguments() -> bool {
    let tells = |pid: u32| {
        procfs::read_arguments(pid).iter().any(|argument| {
            let argument = String::from_utf8_lossy(argument);
            SECRETS.iter().any(|secret| argument.contains(secret))
        })
    };
    procfs::list_processes().iter().any(|(pid, _)| tells(*pid))
}

#[test]
fn p12_values_of_variables_are_in_the_stream_and_in_runs_alone() {
    within_a_minute(async {
        let world = World::new().await;
        let base = world.id("main").await;
        let settings = HostSettings {
            agent_env: vec!["KEY".to_owned(), "HOME".to_owned()],
            env: BTreeMap::from([("OWN".to_owned(), SECRETS[1].to_owned())]),
            ..settings()
        };
        let variables = Variables(vec![("KEY".to_owned(), SECRETS[0].into())]);
        assert!(!format!("{variables:?}").contains("sesame"));
        let host = host_of(&world, Line { variables, ..Line::to(program()) }, settings).await;
        host.prepare(&prepare(&base), alive()).await.unwrap();
        let line = "echo ${#KEY} ${#OWN} ${#GIVEN}; env | grep -c sesame; : > ~/begun; until test -e ~/go; do sleep 0.02; done";
        let order = RunOrder {
            program: Program::Shell(line.to_owned()),
            inherited: vec!["KEY".to_owned()],
            variables: vec![("GIVEN".to_owned(), SECRETS[2].into())],
            timeout: Duration::from_secs(30),
            ..run()
        };
        let look = async {
            while !world.home().join("begun").exists() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            assert!(!named_in_arguments());
            assert_eq!(telling(&world.home()), Vec::<PathBuf>::new(), "while it goes on");
            std::fs::write(world.home().join("go"), "").unwrap();
        };
        let (ended, ()) = tokio::join!(host.run(&order, Start::IfNew, alive(), || ()), look);
        assert_eq!(ended.end, ProcessEnd::Exited(0));
        let lengths = SECRETS.map(|secret| secret.len().to_string()).join(" ");
        assert_eq!(std::fs::read_to_string(ended.log.unwrap()).unwrap(), format!("{lengths}\n3\n"));
        let (unit, green) = (UnitId::new("u").unwrap(), base.clone());
        let order = CollectOrder {
            slot: 1,
            mission: mission(),
            unit,
            number: 1,
            base: base.clone(),
            green,
            take_elsewhere: true,
        };
        host.collect(&order).await.unwrap();
        host.release(1, "m1/u/1", &Release::Collected { base, stuck: None }).await.unwrap();
        assert_eq!(telling(&world.home()), Vec::<PathBuf>::new());
    });
}
