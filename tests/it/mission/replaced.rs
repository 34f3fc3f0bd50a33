//! Folders of `mc` replaced by links and other folders while missions run: nothing is followed, nothing of others is
//! rewritten, the other units go on.

use crate::support::fence::Fence;
use crate::support::night::{Night, unit};

/// The user's repository and two places that have nothing to do with it, as an agent must leave them.
struct Others {
    night: Night,
    before: String,
}

/// Everything about them: refs that are not of `mc`, settings, files, history.
const LOOK: &str = "
    for d in . ../other; do
      git -C $d for-each-ref --format='%(refname) %(objectname)' | grep -v 'refs/mc/\\|heads/mc/' || true
      cat $d/.git/HEAD $d/.git/config; git -C $d status --porcelain; git -C $d fsck --connectivity-only --no-dangling 2>&1
      ls -A $d $d/.git | grep -v '^objects$\\|ORIG_HEAD\\|packed-refs'
      cat $d/.git/objects/info/alternates 2>/dev/null || true
    done
    ls -AR ../plain; cat ../plain/*";

impl Others {
    fn of(night: Night, settings: &str) -> Self {
        night.settings("sh run.sh", &format!("[scheduler]\nmax_infrastructure_retries = 0\n{settings}"));
        night
            .sh("git init -q ../other && cd ../other && echo o > o && git add o && git commit -qm o && git branch side
             echo edited > o && echo new > untracked && mkdir ../plain && echo p > ../plain/p");
        let before = night.sh(LOOK);
        Self { night, before }
    }

    #[track_caller]
    fn are_left_alone(&self, what: &str) {
        assert_eq!(self.night.sh(LOOK), self.before, "{what}");
    }
}

/// Puts what `$T` names in the place of `$W`, as a link.
const LINK: &str = "rm -rf \"$W\"; ln -s \"$T\" \"$W\"";

/// Where things are, for a script in a workspace.
const PLACES: &str = "H=${MC_RESULT%/state/*}; S=$H/repo; P=${MC_WORKSPACE%/slot-*}; ";

fn attacks() -> Vec<(&'static str, String)> {
    let link = |target: &str, place: &str| format!("{PLACES} T={target}; W={place}; cd ../..; {LINK}");
    vec![
        ("source", link("$S", "$MC_WORKSPACE")),
        ("source-git", link("$S/.git", "$MC_WORKSPACE")),
        ("other", link("$H/other", "$MC_WORKSPACE")),
        ("plain", link("$H/plain", "$MC_WORKSPACE")),
        ("slot-source", link("$S", "${MC_WORKSPACE%/work}")),
        ("slot-plain", link("$H/plain", "${MC_WORKSPACE%/work}")),
        ("tmp", link("$H/plain", "${MC_WORKSPACE%work}tmp")),
        (
            "moved",
            format!(
                "{PLACES} mv \"$MC_WORKSPACE\" $H/moved-work; mkdir \"$MC_WORKSPACE\"; echo x > \"$MC_WORKSPACE/x\""
            ),
        ),
        ("slot-moved", format!("{PLACES} mv \"${{MC_WORKSPACE%/work}}\" $H/moved-slot")),
        ("pool", format!("{PLACES} mv $P $H/moved-pool; ln -s $H/plain $P")),
        ("pool-other", format!("{PLACES} mv $P $H/moved-pool-2; cp -a $H/moved-pool-2 $P")),
        ("pool-gone", format!("{PLACES} mv $P $H/moved-pool-3")),
    ]
}

fn nothing_is_followed(night: Night) {
    let others = Others::of(night, "");
    let night = &others.night;
    let attacks = attacks();
    let mut plan: Vec<String> = attacks.iter().map(|(name, run)| unit(name, run)).collect();
    plan.push(unit("last", "touch last"));
    night.mission_with(&plan.join("\n"), &["--workers", "1"]).exits(3);
    others.are_left_alone("after the mission");
    for (name, _) in &attacks {
        let expected = if *name == "tmp" { "no-op" } else { "failed" };
        assert_eq!(night.unit(name), expected, "{name}: {}", night.reason(name));
    }
    assert_eq!(night.unit("last"), "landed");
    // What was put there and is no link is kept.
    assert_eq!(night.sh("cat ../moved-pool/quarantine/replaced-slot-*-work.1/slot/x"), "x");
    night.mission(&unit("again", "touch again")).exits(0);
    others.are_left_alone("after another mission");
    // Nothing of those attempts is pinned, and the audit says so.
    let said = night.mc(&["audit"]).exits(4).text();
    for (name, _) in attacks.iter().filter(|(name, _)| *name != "tmp") {
        assert!(said.contains(&format!(" {name} attempt 1: what it left is not pinned")), "{name}: {said}");
    }
    assert_eq!(said.matches("is not pinned").count(), attacks.len() - 1, "{said}");
}

#[test]
fn p2_p6_p12_nothing_that_replaces_a_folder_of_the_pool_is_followed_or_rewritten() {
    nothing_is_followed(Night::new().within(Fence::Off));
}

#[test]
fn p2_p6_p12_nothing_that_replaces_a_folder_of_the_pool_is_followed_for_an_ordinary_user() {
    nothing_is_followed(Night::of_an_ordinary_user().within(Fence::Off));
}

#[test]
fn p6_p12_a_verification_that_replaces_its_workspace_harms_nobody() {
    let others = Others::of(Night::new().within(Fence::Off), "");
    let night = &others.night;
    let plan = [
        unit(
            "evil",
            "printf '%s\\n' 'W=$PWD; cd ../..; P=$PWD; rm -rf \"$W\"; ln -s \"${P%/state/*}/repo\" \"$W\"' > tests/evil.sh",
        ),
        unit("good", "touch good"),
    ];
    night.mission_with(&plan.join("\n"), &["--workers", "1"]);
    others.are_left_alone("after the mission");
    assert_eq!(night.unit("good"), "landed", "{}", night.reason("good"));
    night.sh("git cat-file -e mc/green:good && git fsck --connectivity-only");
}

#[test]
fn p12_run_folders_and_their_files_that_became_links_are_not_followed() {
    let others = Others::of(Night::new().within(Fence::Off), "");
    let night = &others.night;
    night.sh("echo 'code 0' > ../plain/exit; echo end >> ../plain/exit; mkfifo ../plain/pipe");
    let before = night.sh("ls -l --time-style=+ ../plain; cat ../plain/p ../plain/exit");
    let run = "R=${MC_RESULT%/*}; H=${MC_RESULT%/state/*}; ";
    let files =
        "for f in exit reason lease lease.tmp start sessions; do rm -rf $R/run/$f; ln -s $H/plain/p $R/run/$f; done";
    let plan = [
        unit("dir", &format!("{run} mv $R/run $R/away; ln -s $H/plain $R/run; touch dir")),
        unit("files", &format!("{run} {files}; rm -f $MC_RESULT; ln -s $H/plain/pipe $MC_RESULT; touch files")),
        unit(
            "pipes",
            &format!(
                "{run} for f in out.log exit reason; do rm -f $R/run/$f; mkfifo $R/run/$f; done; mkfifo $MC_RESULT; touch pipes"
            ),
        ),
        unit(
            "refs",
            &format!(
                "{run} S=$H/state/sessions/$MC_MISSION/$MC_UNIT/$MC_ATTEMPT; for f in report.json collected.json; do ln -sf $H/plain/p $S/$f; done; ln -sf $H/plain/p $R/brief.md; touch refs"
            ),
        ),
        // The folder of another unit's attempt, made in advance.
        unit("ahead", &format!("{run} mkdir -p $R/../../next; ln -s $H/plain $R/../../next/1; touch ahead")),
        unit("next", "touch next"),
        unit("last", "touch last"),
    ];
    night.mission_with(&plan.join("\n"), &["--workers", "1"]);
    assert_eq!(night.sh("ls -l --time-style=+ ../plain; cat ../plain/p ../plain/exit"), before);
    for name in ["ahead", "next", "last"] {
        assert_eq!(night.unit(name), "landed", "{name}: {}", night.reason(name));
    }
    night.mission(&unit("again", "touch again")).exits(0);
}
