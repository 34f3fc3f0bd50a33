//! What a host may use and send, and by which key of the settings: its own.

use super::hostile::{Fake, PIN, answer, collecting, ended, fine, found, pack_with, refused, reply_with};
use super::remote::{Line, alive, host_of, prepare, program, run, settings};
use crate::support::repo::{World, within_a_minute};
use mission_control::adapters::host::any::Host;
use mission_control::adapters::host::order::{CollectOutcome, NotFresh, NotReady, PrepareOrder, RunKey, Start};
use mission_control::adapters::host::remote::protocol::{Limits, PART};
use mission_control::adapters::host::settings::HostSettings;
use mission_control::domain::values::HostId;
use serde_json::json;

/// Settings of a host that the settings of a mission name.
fn told(max_disk: u64) -> HostSettings {
    HostSettings { max_disk, name: Some(HostId::new("build1").unwrap()), ..settings() }
}

#[test]
fn p7_a_host_whose_disk_is_used_up_is_named_with_its_key() {
    within_a_minute(async {
        let world = World::new().await;
        let base = world.id("main").await;
        let host = async |epoch, max_disk| -> Host {
            host_of(&world, Line { epoch, ..Line::to(program()) }, told(max_disk)).await
        };
        let first = host(1, 0).await;
        first.prepare(&prepare(&base), alive()).await.unwrap();
        first.close().await;
        let other = RunKey::new("m1/u/2").unwrap();
        let order = PrepareOrder {
            slot: 2,
            label: other.to_string(),
            setup: other.join("setup"),
            session: Some(other),
            ..prepare(&base)
        };
        let refused = host(2, 1).await.prepare(&order, alive()).await.unwrap_err();
        let NotFresh::NotReady(NotReady::Failed(trouble)) = refused else { panic!("{refused:?}") };
        assert!(trouble.why.contains("of 1 (max_disk of host build1)"), "{trouble}");
        assert!(!trouble.why.contains("mc pool list"), "that is of this machine: {trouble}");
    });
}

#[test]
fn p12_a_host_sends_no_more_at_once_than_its_disk_may_have_or_a_default() {
    within_a_minute(async {
        let cases = [
            (0, "of 5368709120 bytes, of 4294967296 at most (set max_disk of host build1 to take more)"),
            (1_000, "of 5368709120 bytes, of 1000 at most (max_disk of host build1)"),
        ];
        for (max_disk, words) in cases {
            let world = World::new().await;
            let (head, _) = pack_with(&world, "100644 file", "x").await;
            let base = world.id("main").await;
            let fake = Fake::told(&world, Limits::default(), told(max_disk), move |name, id, _| match name {
                "Compare" => vec![fine(id, json!({ "missing": [], "tips": [], "tags": [] }))],
                "Collect" => vec![fine(id, json!({ "Pinned": found(&head, head.as_str()) }))],
                "Pins" => vec![fine(id, json!([[PIN, head.as_str()]]))],
                _ => vec![fine(id, json!(5_u64 << 30))],
            })
            .await;
            let trouble = fake.host.collect(&collecting(base)).await.unwrap_err();
            refused(&trouble, &format!("host build1 wants to send a pack {words}"));
            assert!(!fake.asked().contains(&"Read".to_owned()), "{:?}", fake.asked());
        }
    });
}

#[test]
fn p12_a_content_of_git_lfs_is_no_longer_than_its_pointer_says() {
    within_a_minute(async {
        let cases = [
            (3_u64, "sends more than the 3 bytes of a file"),
            (
                5 << 30,
                "host build1 wants to send contents that git-lfs keeps of 5368709120 bytes, of 4294967296 at most",
            ),
        ];
        for (size, words) in cases {
            let world = World::new().await;
            let oid = "a".repeat(64);
            let pointer = format!("version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {size}");
            let (head, pack) = pack_with(&world, "100644 file", &pointer).await;
            world.sh("git config filter.lfs.clean 'git-lfs clean -- %f'").await;
            let base = world.id("main").await;
            let endless = vec![b'x'; usize::try_from(PART).unwrap()];
            let fake = Fake::told(&world, Limits::default(), told(0), move |name, id, content| match name {
                "Compare" => vec![fine(id, json!({ "missing": [], "tips": [], "tags": [] }))],
                "Collect" => {
                    let given =
                        json!({ "Ok": { "Pinned": found(&head, head.as_str()) }, "pins": [[PIN, head.as_str()]] });
                    vec![reply_with(id, json!({ "Answer": given }), &pack)]
                }
                "LackedContents" => vec![fine(id, json!([]))],
                "Read" if content[0]["Content"].is_string() => {
                    vec![reply_with(id, json!({ "Answer": { "Ok": null } }), &endless)]
                }
                name => panic!("{name}"),
            })
            .await;
            refused(&fake.host.collect(&collecting(base)).await.unwrap_err(), words);
        }
    });
}

#[test]
fn p12_what_a_host_tells_is_as_long_as_people_read_and_the_result_of_an_agent_is_whole() {
    within_a_minute(async {
        let world = World::new().await;
        let (base, tree) = (world.id("main").await, world.sh("git rev-parse main^{tree}").await);
        let (head, long) = (base.clone(), "long ".repeat(40_000));
        let fake = Fake::told(&world, Limits::default(), told(0), move |name, id, _| match name {
            "UsedSlots" => vec![fine(id, json!([{ "slot": 1, "label": long }]))],
            "Run" => {
                let mut ended = ended();
                ended[0]["result"] = json!(long);
                ended[0]["end"] = json!({ "infrastructure": { "cause": "spawn", "why": long } });
                vec![answer(id, ended)]
            }
            "Read" => vec![reply_with(id, json!({ "Answer": { "Ok": null } }), b"")],
            "Collect" => {
                let mut found = found(&head, &tree);
                let line = json!({ "name": long, "tip": { "commit": head.as_str(), "tree": tree }, "plain": false });
                let left = |why: &str| json!({ "path": { "Unix": [120] }, "why": why, "place": "/x" });
                found["notes"] = json!(vec!["note"; 5_000]);
                found["holds"] = json!(vec!["hold"; 5_000]);
                found["elsewhere"] = json!(
                    [
                        vec![line; 3],
                        vec![
                            json!({ "name": "x", "tip": { "commit": head.as_str(), "tree": tree }, "plain": false });
                            500
                        ]
                    ]
                    .concat()
                );
                let mut left_out = vec![left("Refused"); 5_000];
                left_out.extend(vec![left("Unread"); 5_000]);
                left_out.push(json!({ "path": { "Unix": [121] }, "why": "Refused", "place": null }));
                found["left_out"] = json!(left_out);
                vec![fine(id, json!({ "Pinned": found }))]
            }
            "Pins" => vec![fine(id, json!([[PIN, head.as_str()]]))],
            "Compare" => vec![fine(id, json!({ "missing": [], "tips": [], "tags": [] }))],
            _ => vec![fine(id, json!(null))],
        })
        .await;
        let label = &fake.host.used_slots().await.unwrap()[0].label;
        assert!(label.starts_with("long long") && label.len() < 20_000, "{}", label.len());
        let ended = fake.host.run(&run(), Start::IfNew, alive(), || ()).await;
        assert_eq!(ended.result.unwrap().len(), 200_000);
        assert!(format!("{:?}", ended.end).len() < 20_000);
        let CollectOutcome::Pinned(found) = fake.host.collect(&collecting(base)).await.unwrap() else {
            panic!("pinned")
        };
        let lengths = [found.holds.len(), found.elsewhere.len(), found.notes.len(), found.left_out.len()];
        assert_eq!(lengths, [100, 100, 101, 200]);
        assert_eq!(found.notes[100], "20004 more lines of its host are left out");
        assert!(found.elsewhere[0].name.len() < 20_000);
        assert_eq!(found.find_stuck().unwrap(), "y", "what is still in the workspace is known");
    });
}
