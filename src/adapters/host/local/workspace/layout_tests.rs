//! What a slot folder is after each call, whatever was there before and wherever an earlier call was cut short.

use super::*;
use std::os::unix::fs::{MetadataExt, symlink};

fn slot() -> (tempfile::TempDir, SlotFolder) {
    let dir = tempfile::tempdir().unwrap();
    let folder = SlotFolder::of(&dir.path().canonicalize().unwrap(), 3, true);
    (dir, folder)
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn the_parts_of_a_slot_are_private_and_made_once() {
    let (_dir, slot) = slot();
    assert_eq!(slot.inspect().unwrap(), Standing::Absent);
    assert!(slot.make().unwrap(), "the clone is new");
    fs::write(slot.work().join("file"), "").unwrap();
    assert!(!slot.make().unwrap());
    assert_eq!(names(slot.parent()), ["home", "tmp", "work"]);
    for part in [slot.parent(), &slot.temporary(), &slot.home()] {
        assert_eq!(fs::metadata(part).unwrap().mode() & 0o7777, 0o700, "{}", part.display());
    }
    fs::remove_dir_all(slot.work()).unwrap();
    assert_eq!(slot.inspect().unwrap(), Standing::Emptied);
    assert!(slot.make().unwrap(), "it has to be made again");
    assert_eq!(slot.inspect().unwrap(), Standing::Ours);
}

#[test]
fn p4_a_slot_whose_making_was_cut_short_is_made() {
    let (_dir, slot) = slot();
    let draft = slot.note_path("new");
    fs::create_dir_all(draft.join(WORK)).unwrap();
    assert!(slot.make().unwrap());
    fs::rename(slot.parent(), &draft).unwrap();
    assert!(slot.make().unwrap(), "noted, and only the name was missing");
    assert_eq!(names(slot.parent()), ["home", "tmp", "work"]);
    assert!(!is_there(&slot.root().join(QUARANTINE)).unwrap());
}

#[test]
fn what_is_beside_the_parts_goes_and_nothing_else_does() {
    let (_dir, slot) = slot();
    slot.make().unwrap();
    for path in ["work/kept", "tmp/a", "home/b", "stray"] {
        fs::write(slot.parent().join(path), "").unwrap();
    }
    assert_eq!(slot.list_strays().unwrap(), [slot.parent().join("stray")]);
    let kept = [OsString::from("a")];
    assert_eq!(slot.clear_but(&kept).unwrap(), Cleared { strays: true, stays: true });
    assert_eq!(names(&slot.temporary()), ["a"]);
    assert_eq!(slot.clear_but(&[]).unwrap(), Cleared { strays: false, stays: false });
    assert_eq!(names(slot.parent()), ["home", "tmp", "work"]);
    assert_eq!(names(&slot.work()), ["kept"]);
    assert!(is_empty(&slot.temporary()).unwrap() && is_empty(&slot.home()).unwrap());
}

#[test]
fn p12_a_part_that_became_something_else_is_made_again_and_not_followed() {
    let (dir, slot) = slot();
    slot.make().unwrap();
    let other = dir.path().canonicalize().unwrap().join("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("file"), "").unwrap();
    for part in [slot.temporary(), slot.home(), slot.work(), slot.parent().to_owned()] {
        remove_any(&part).unwrap();
        symlink(&other, &part).unwrap();
        assert!(part == slot.temporary() || part == slot.home() || slot.inspect().unwrap() == Standing::Replaced(part));
        slot.make().unwrap();
        slot.clear_but(&[]).unwrap();
        assert_eq!(slot.inspect().unwrap(), Standing::Ours);
        assert_eq!(names(&other), ["file"]);
    }
}

#[test]
fn p12_a_folder_that_mc_did_not_make_is_kept_and_not_used() {
    let (dir, slot) = slot();
    slot.make().unwrap();
    let root = dir.path().canonicalize().unwrap();
    for part in [slot.work(), slot.parent().to_owned()] {
        let moved = root.join("moved");
        fs::create_dir(root.join("theirs")).unwrap();
        fs::write(root.join("theirs/file"), "x").unwrap();
        fs::rename(&part, &moved).unwrap();
        fs::rename(root.join("theirs"), &part).unwrap();
        assert_eq!(slot.inspect().unwrap(), Standing::Replaced(part));
        assert!(slot.make().unwrap());
        assert_eq!(slot.inspect().unwrap(), Standing::Ours);
        fs::remove_dir_all(moved).unwrap();
    }
    let kept = root.join(QUARANTINE);
    assert_eq!(names(&kept), ["replaced-slot-3-work.1", "replaced-slot-3.1"]);
    for name in names(&kept) {
        assert!(kept.join(name).join("slot/file").exists());
    }
}
