//! Links of a change that leave its tree: refused with their way, noted where the settings say so, left alone where they are
//! green's already.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests touch the world and may panic")]

use crate::support::fence::Fence;
use crate::support::night::{Night, unit};

#[test]
fn p12_new_links_out_of_the_tree_are_refused_before_anything_is_verified() {
    let night = Night::new().within(Fence::Off);
    let outside = night.home().join("outside");
    std::fs::create_dir(&outside).unwrap();
    night.settings("echo run >> $HOME/verified; sh run.sh", "");
    night.sh(&format!(
        "mkdir -p deep/er; echo x > deep/er/x; ln -s {} kept; ln -s er/../x deep/fine; ln -s . here",
        outside.display()
    ));
    night.commit("links");
    let leaves = |id: &str, script: &str| unit(id, &format!("{script}; echo {id} > {id}.txt"));
    let plan = [
        leaves("absolute", &format!("ln -s {} out", outside.display())),
        leaves("above", "ln -s ../.. deep/er/out; ln -s ../../.. deep/er/above"),
        leaves("chain", "ln -s deep/er step; ln -s step/../../../x over"),
        leaves("other", "ln -sfn er/../.. deep/fine; ln -s here/.. root"),
        leaves("moved", "git mv kept taken"),
        leaves("again", "ln -sfn ../elsewhere kept"),
        leaves("git", "ln -s .git/config settings"),
        leaves("bytes", r#"ln -s /etc "$(printf "odd\377")""#),
        // An old link leads out because of a new folder that is none.
        leaves("folder", "git rm -q -r deep/er; ln -s ../here deep/er; ln -s deep/er/.. up"),
        unit("inside", "ln -s deep/er/x near; ln -s ../deep deep/self; ln -sfn er deep/fine"),
        unit("plain", "echo p > p"),
        unit("gone", "sleep 1; git rm -q kept"),
    ];
    night.mission(&plan.join("\n")).exits(3);
    for (id, named) in [
        ("absolute", format!("out -> {}", outside.display())),
        ("above", "deep/er/above -> ../../..".to_owned()),
        ("chain", "over -> step/../../../x".to_owned()),
        ("other", "root -> here/..".to_owned()),
        ("moved", format!("taken -> {}", outside.display())),
        ("again", "kept -> ../elsewhere".to_owned()),
        ("git", "settings -> .git/config".to_owned()),
        ("bytes", "odd\u{fffd} -> /etc".to_owned()),
        ("folder", "up -> deep/er/..".to_owned()),
    ] {
        assert_eq!(night.unit(id), "rejected", "{id}");
        let reason = night.reason(id);
        assert!(reason.contains("links that leave the tree") && reason.contains(&named), "{id}: {reason}");
    }
    assert!(!night.reason("above").contains("deep/er/out"), "{}", night.reason("above"));
    for id in ["inside", "plain", "gone"] {
        assert_eq!(night.unit(id), "landed", "{id}: {}", night.reason(id));
    }
    // The base and three landings.
    assert_eq!(night.sh("wc -l < $HOME/verified"), "4");
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
    night.audit();
}

#[test]
fn p12_links_out_of_the_tree_are_noted_where_the_settings_say_so_and_when_a_person_brings_them() {
    let night = Night::new().within(Fence::Off);
    night.settings("sh run.sh", "[queue]\nlinks = \"note\"");
    night.mission(&unit("one", "ln -s /etc out")).exits(0);
    assert_eq!(night.unit("one"), "landed");
    night.mc(&["report"]).exits(0).says(&["one: it has links that leave the tree: out -> /etc"]);
    night.mc(&["unit", "show", "one"]).exits(0).says(&["out -> /etc"]);
    night.audit();
    // A person's own link is taken in with the target branch, whatever the settings refuse of units.
    night.settings("sh run.sh", "");
    night.sh("ln -s /usr mine");
    night.commit("mine");
    night.mission(&unit("two", "echo 2 > two")).exits(0);
    night.mc(&["report"]).exits(0).says(&["the target branch: it has links that leave the tree: mine -> /usr"]);
    assert!(night.holds("git cat-file -e mc/green:mine"));
    night.audit();
}
