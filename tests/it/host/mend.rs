//! A mirror with damaged objects on a host: what can be saved is saved, the rest is set aside, and nothing of that happens while
//! something uses it, or because a git did not come to its end.

use super::conformance::{prepared, run};
use super::raw_worker::{Worker, hello};
use crate::support::repo::{World, within_a_minute};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Pins work of attempts 1 to 3 in a mirror, each one commit with a file, and has all objects there in one pack.
const PIN: &str = "for n in 1 2 3; do
    blob=$(head -c 60000 /dev/urandom | git hash-object -w --stdin)
    tree=$(printf '100644 blob %s\\tfile\\n' $blob | git mktree)
    head=$(git -c user.name=a -c user.email=a@b commit-tree -m $n $tree)
    git update-ref refs/mc/attempts/m1/u/$n $head
    done; git repack -adq";

fn mirror(world: &World) -> PathBuf {
    world.state().join("worker/s1/mirror.git")
}

/// Files below `objects` of the mirror whose names end so.
async fn files(world: &World, below: &str, end: &str) -> Vec<String> {
    let found =
        world.sh_in(&mirror(world), &format!("find objects -type f -path 'objects/{below}/*' -name '*{end}'")).await;
    found.lines().map(str::to_owned).collect()
}

/// All objects that git can name in the mirror.
async fn objects(world: &World) -> String {
    world.sh_in(&mirror(world), "git cat-file --batch-all-objects --batch-check='%(objectname)' | sort").await
}

/// Writes over the middle of an object in the pack.
async fn damage(world: &World, object: &str) {
    let text = format!(
        "id=$(git rev-parse {object}) && chmod u+w objects/pack/* && pack=$(echo objects/pack/*.pack)
         lines=$({{ git show-index < ${{pack%.pack}}.idx; echo $(($(wc -c < $pack) - 20)) end; }} | sort -n | grep -A1 $id)
         from=$(echo \"$lines\" | sed -n '1s/ .*//p') to=$(echo \"$lines\" | sed -n '2s/ .*//p')
         printf damaged | dd of=$pack bs=1 seek=$(((from + to) / 2 - 3)) conv=notrunc status=none"
    );
    world.sh_in(&mirror(world), &text).await;
}

/// Has a request fail that may fail for damaged objects, and the host asked whether it can be used.
async fn fail_and_probe(worker: &mut Worker) {
    let exported = worker.ask("Export", json!(["t-1", ["1".repeat(40)], []])).await;
    assert!(exported.get("Err").is_some(), "{exported}");
    worker.ask("Probe", Value::Null).await;
}

#[test]
fn p2_what_can_be_read_of_a_damaged_pack_is_saved_and_the_rest_is_set_aside() {
    within_a_minute(async {
        let world = World::new().await;
        let mut worker = Worker::greeted(&world, hello()).await;
        let at = mirror(&world);
        world.sh_in(&at, PIN).await;
        let (before, packs) = (objects(&world).await, files(&world, "pack", ".pack").await);
        let lost = world.sh_in(&at, "git rev-parse refs/mc/attempts/m1/u/1:file refs/mc/attempts/m1/u/3").await;
        for object in lost.lines() {
            damage(&world, object).await;
        }
        fail_and_probe(&mut worker).await;
        // All but the two, as loose objects: nothing else names them.
        let saved: Vec<String> = before.lines().filter(|id| !lost.contains(*id)).map(str::to_owned).collect();
        assert_eq!(objects(&world).await, saved.join("\n"));
        world.sh_in(&at, "git rev-list --objects --quiet refs/mc/attempts/m1/u/2 && git fsck --connectivity-only refs/mc/attempts/m1/u/2").await;
        // The commit of the first can be read, that of the third cannot.
        let pins = world.sh_in(&at, "git for-each-ref --format='%(refname)' refs/mc/attempts").await;
        assert_eq!(pins, "refs/mc/attempts/m1/u/1\nrefs/mc/attempts/m1/u/2");
        let aside = files(&world, "damaged-*/pack", ".pack").await;
        assert_eq!((packs.len(), aside.len()), (1, 1), "{packs:?} {aside:?}");
        assert!(files(&world, "pack", ".pack").await.is_empty());
        let cleaned = worker.done("Clean", json!({ "dry_run": true })).await;
        let kept = cleaned["kept"].to_string();
        assert!(kept.contains("objects/damaged-") && kept.contains("refs/mc/attempts/m1/u/3"), "{kept}");
        // Once is enough.
        fail_and_probe(&mut worker).await;
        assert_eq!(files(&world, "damaged-*/pack", ".pack").await, aside);
    });
}

#[test]
fn p2_a_damaged_loose_object_is_set_aside_and_one_without_an_index_is_read_from_its_beginning() {
    within_a_minute(async {
        let world = World::new().await;
        let mut worker = Worker::greeted(&world, hello()).await;
        let at = mirror(&world);
        world.sh_in(&at, PIN).await;
        let before = objects(&world).await;
        let damage =
            "id=$(echo loose | git hash-object -w --stdin); f=objects/$(echo $id | cut -c1-2)/$(echo $id | cut -c3-)
            chmod u+w $f objects/pack/*; echo x > $f; for i in objects/pack/*.idx; do echo x > $i; done";
        world.sh_in(&at, damage).await;
        fail_and_probe(&mut worker).await;
        assert_eq!(objects(&world).await, before);
        let pins = world.sh_in(&at, "git for-each-ref --format='%(refname)' refs/mc/attempts").await;
        assert_eq!(pins.lines().count(), 3, "{pins}");
        assert_eq!(files(&world, "damaged-*", "*").await.iter().filter(|path| !path.contains("/pack/")).count(), 2);
    });
}

/// Folders with a `git` first that does not come to its end while it verifies a pack as `~/kill` or `~/fail` say.
fn unsteady(world: &World) -> std::ffi::OsString {
    let folder = world.home().join("unsteady");
    std::fs::create_dir(&folder).unwrap();
    let path = std::env::var("PATH").unwrap();
    let text = format!(
        "#!/bin/sh\nPATH={path}\ncase \" $* \" in *' --verify '*|*' verify-pack '*)
         if [ -e ~/kill ]; then kill -s KILL $$; fi\nif [ -e ~/fail ]; then rm ~/fail; exit 128; fi;; esac\nexec git \"$@\"\n"
    );
    std::fs::write(folder.join("git"), text).unwrap();
    std::fs::set_permissions(folder.join("git"), std::fs::Permissions::from_mode(0o755)).unwrap();
    format!("{}:{path}", folder.display()).into()
}

#[test]
fn p2_a_git_that_does_not_come_to_its_end_costs_no_object() {
    within_a_minute(async {
        let world = World::new().await;
        let mut worker = Worker::start_with(&world, &unsteady(&world));
        worker.ask("Hello", hello()).await;
        world.sh_in(&mirror(&world), PIN).await;
        let before = (objects(&world).await, files(&world, "pack", "*").await);
        let flag = |name: &str| world.home().join(name);
        std::fs::write(flag("kill"), "").unwrap();
        fail_and_probe(&mut worker).await;
        assert_eq!((objects(&world).await, files(&world, "pack", "*").await), before);
        assert!(files(&world, "damaged-*", "*").await.is_empty());
        std::fs::remove_file(flag("kill")).unwrap();
        // What is taken for damaged although it is not is saved as a whole.
        std::fs::write(flag("fail"), "").unwrap();
        fail_and_probe(&mut worker).await;
        assert!(!flag("fail").exists());
        assert_eq!(objects(&world).await, before.0);
        let pins = world.sh_in(&mirror(&world), "git for-each-ref --format='%(refname)' refs/mc/attempts").await;
        assert_eq!(pins.lines().count(), 3, "{pins}");
    });
}

#[test]
fn p2_a_mirror_is_not_mended_while_something_there_uses_it() {
    within_a_minute(async {
        let world = World::new().await;
        let (mut worker, ..) = prepared(&world, hello()).await;
        world.sh_in(&mirror(&world), PIN).await;
        let id = worker.request("Run", run("until test -e ~/go; do sleep 0.02; done", "IfNew"), &[]).await;
        assert_eq!(worker.reply(id).await.0, json!("Began"));
        damage(&world, "refs/mc/attempts/m1/u/1:file").await;
        let stays = async |why: &str| {
            assert_eq!(files(&world, "pack", ".pack").await.len(), 1, "{why}");
            assert!(files(&world, "damaged-*", "*").await.is_empty(), "{why}");
        };
        fail_and_probe(&mut worker).await;
        stays("it is asked for").await;
        worker.end().await;
        let mut worker = Worker::greeted(&world, hello()).await;
        fail_and_probe(&mut worker).await;
        stays("nobody asks for it, and it lives").await;
        std::fs::write(world.home().join("go"), "").unwrap();
        let exit = world.state().join("worker/s1/runs/m1/u/1/run/exit");
        until(&exit).await;
        worker.ask("Probe", Value::Null).await;
        assert_eq!(files(&world, "damaged-*/pack", ".pack").await.len(), 1, "what was to be looked for is remembered");
    });
}

async fn until(there: &Path) {
    while !there.exists() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
