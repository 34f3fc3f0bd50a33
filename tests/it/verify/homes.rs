//! The HOME and the temporary folder of verifications: what is there, what is not there any more, and what reaches nobody.
//! `${HOME}` and `${TMPDIR}` are those of the run here; a night writes its own home as `~/`.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests touch the world and may panic")]

use crate::support::fence::Fence;
use crate::support::night::{Night, unit};

/// As root, where that is who we are, and as a user without special rights.
fn nights() -> [Night; 2] {
    [Night::new(), Night::of_an_ordinary_user()]
}

/// One worker, so that units are verified one after the other.
const ONE: &str = "[scheduler.parallel]\nnum_workers = 1";

/// Does nothing but what `line` says, and is counted.
fn verified_by(night: &Night, line: &str, more: &str) {
    night.settings(&format!("echo run >> ~/runs; {line}; sh run.sh"), more);
}

#[test]
fn p1_what_a_rejected_unit_left_in_home_and_tmpdir_decides_nothing() {
    for night in nights() {
        night.settings("sh run.sh", ONE);
        let leaves = "printf 'mkdir -p ${HOME}/.lib; echo z | tee ${HOME}/.lib/z ${TMPDIR}/z ${TMPDIR}/../z\\n' > tests/p.sh; rm tests/beta.sh";
        let takes = |place: &str| format!("printf 'test -e {place}\\n' > tests/r.sh");
        let minds = "printf 'test ! -e ${HOME}/.lib -a ! -e ${TMPDIR}/z -a ! -e ${TMPDIR}/../z\\n' > tests/m.sh";
        let plan = [
            unit("leaves", leaves),
            unit("home", &takes("${HOME}/.lib/z")),
            unit("tmp", &takes("${TMPDIR}/z")),
            unit("beside", &takes("${TMPDIR}/../z")),
            unit("minds", minds),
        ];
        night.mission(&plan.concat()).exits(3);
        let states = ["leaves", "home", "tmp", "beside", "minds"].map(|id| night.unit(id));
        assert_eq!(states, ["rejected", "rejected", "rejected", "rejected", "landed"]);
        night.audit();
    }
}

#[test]
fn p1_what_one_verification_writes_into_caches_reaches_neither_the_user_nor_the_next() {
    for night in nights() {
        night.sh("mkdir -p ~/.cache/tool ~/.cargo/registry ~/go/pkg; echo warm | tee ~/.cache/tool/x ~/.cargo/registry/x ~/go/pkg/x");
        // By HOME, and by the path that a program finds elsewhere.
        let each = "for d in ${HOME}/.cache/tool ${HOME}/.cargo/registry ${HOME}/go/pkg ~/go/pkg/.; do \
             grep -q warm $d/x && test ! -e $d/y && touch $d/y || exit 1; rm $d/y; mkdir $d/z 2>/dev/null; done; \
             test -e ~/.cargo/registry/z && touch ~/.cache/by-path; rm -r ${HOME}/.cache/tool; test ! -e ${HOME}/.cargo/new; echo cold > ${HOME}/.cargo/new";
        verified_by(&night, &format!("({each}) || exit 9"), "");
        for _ in 0..2 {
            night.mc(&["verify", "--fresh"]).exits(0).does_not_say(&["your own"]);
        }
        assert_eq!(night.sh("wc -l < ~/runs"), "2");
        night.sh("cat ~/.cache/tool/x ~/.cargo/registry/x ~/go/pkg/x | grep -c warm | grep -qx 3");
        let found = night.sh("find ~/.cache ~/.cargo ~/go -type f | wc -l");
        assert_eq!(found, "3", "{}", night.sh("find ~/.cache ~/.cargo ~/go"));
        // Nothing is left that its owner cannot remove.
        night.sh("rm -r ~/state");
    }
}

#[test]
fn p1_what_setup_made_in_home_stays_as_it_made_it_while_its_result_is_kept() {
    for night in nights() {
        night.sh("mkdir -p ~/.cache; echo warm > ~/.cache/x");
        let setup =
            "echo s >> ~/setups; echo made > ${HOME}/.cache/made; echo own > ${HOME}/own; rm -f ${HOME}/.cache/x";
        let line =
            "cat ${HOME}/.cache/made ${HOME}/own && test ! -e ${HOME}/.cache/x && rm ${HOME}/.cache/made ${HOME}/own";
        verified_by(&night, &format!("{{ {line}; }} || exit 9"), &format!("[target]\nsetup = \"{setup}\""));
        night.mc(&["verify"]).exits(0);
        // Another tree in the same workspace.
        night.write("tests/more.sh", "true\n");
        night.commit("more");
        night.mc(&["verify"]).exits(0);
        assert_eq!([night.sh("wc -l < ~/runs"), night.sh("cat ~/.cache/x")], ["2", "warm"]);
        assert!(night.sh("wc -l < ~/setups").parse::<u32>().unwrap() <= 2);
        assert!(!night.holds("test -e ~/.cache/made"));
    }
}

#[test]
fn where_nothing_can_be_mounted_caches_are_the_users_own_and_reports_say_so() {
    let mut night = Night::new().within(Fence::Off);
    night.without_oracle("its verification wants the caches of this home");
    night.var("MC_SCHEDULER_ISOLATION", "search");
    night.sh("mkdir -p ~/.cache/tool; echo warm > ~/.cache/tool/x");
    let line = "grep -q warm ${HOME}/.cache/tool/x && test ! -e ${HOME}/left -a ! -e ${TMPDIR}/left && touch ${HOME}/.cache/y ${HOME}/left ${TMPDIR}/left";
    let setup = "echo s >> ~/setups; touch ${HOME}/made";
    verified_by(
        &night,
        &format!("{{ {line} && rm ${{HOME}}/made; }} || exit 9"),
        &format!("[target]\nsetup = \"{setup}\""),
    );
    let told = "in the HOME of verifications .cache is your own, and what they write there stays: search makes no mount namespace";
    night.mc(&["verify", "--fresh"]).exits(0).says(&[told]);
    night.mission(&unit("a", "touch a")).exits(0);
    night.mc(&["report"]).exits(0).says(&[told]);
    night.mc(&["doctor"]).says(&[told]);
    // What setup made in such a HOME cannot be kept apart from what follows.
    assert!(night.sh("wc -l < ~/setups").parse::<u32>().unwrap() >= 3);
    assert!(night.holds("test -e ~/.cache/y -a ! -e ~/left"));
}

#[test]
fn settings_of_git_and_what_is_named_are_there_and_are_no_way_back() {
    for night in nights() {
        night.sh("mkdir -p ~/tools ~/.config/git; echo tool > ~/tools/t; echo '*.o' > ~/.config/git/ignore; echo k > ~/.key; ln -s tools ~/.npm");
        let line = "test \"$(git config --global user.name)\" = Ada && git config --global user.name Eve && test \"$(git config --global user.name)\" = Eve && \
             test -e ${HOME}/.config/git/ignore -a -e ${HOME}/tools/t -a -e ${HOME}/.npm/t && test ! -e ${HOME}/.key -a ! -e ${HOME}/repo && \
             echo worse > ${HOME}/tools/t && cd ${HOME} && test \"$(pwd -P)\" = \"$(pwd)\"";
        night.settings(&format!("({line}) || exit 9; sh run.sh"), "home = [\"tools/\", \"absent\"]");
        night.mc(&["verify"]).exits(0);
        assert_eq!([night.sh("git config user.name"), night.sh("cat ~/tools/t")], ["Ada", "tool"]);
        night.mc(&["doctor"]).says(&["verifications have a HOME of their own", "tools"]);
    }
    let night = Night::new();
    night.settings("sh run.sh", "home = [\"../x\"]");
    night.mc(&["verify"]).exits(2).says(&["target.verification.home", "`../x` is not"]);
    night.settings("touch ${HOME}/by-hand; sh run.sh", "env = [\"HOME\"]");
    night.mc(&["verify"]).exits(0);
    night.mc(&["doctor"]).says(&["verifications have your own HOME"]);
    assert!(night.holds("test -e ~/by-hand"));
}

#[test]
fn units_keep_the_home_of_the_user_and_have_the_temporary_folder_of_their_slot() {
    let night = Night::new().within(Fence::Off);
    night.settings("sh run.sh", ONE);
    let sees = "test ${HOME} = $(dirname ~/x) && case $TMPDIR in */slot-0/tmp) touch $TMPDIR/left;; *) exit 1;; esac; test ! -e $TMPDIR/other";
    night
        .mission(
            &(unit("a", &format!("{sees}; touch a")) + &unit("b", "test ! -e $TMPDIR/left; touch $TMPDIR/other b")),
        )
        .exits(0);
}

#[test]
fn a_long_state_directory_leaves_room_for_sockets_and_nothing_is_left_of_the_short_name() {
    // A fence shows it as /tmp.
    for mut night in nights().map(|night| night.within(Fence::Off)) {
        let state = night.home().join("s".repeat(70));
        night.var("MC_STATE_DIR", state.to_str().unwrap());
        verified_by(
            &night,
            "{ test ${#TMPDIR} -lt 40 && echo $TMPDIR > ~/short && touch $TMPDIR/left; } || exit 9",
            "",
        );
        night.mc(&["verify", "--fresh"]).exits(0);
        assert!(night.holds("test ! -e $(cat ~/short)"));
        assert!(night.holds("find ~/sss*/pool -name left | grep -q slot-0/tmp/left"));
    }
}

#[test]
fn caches_around_workspaces_are_covered_in_parts() {
    for mut night in nights() {
        let state = night.home().join(".cache/deep/mc");
        night.var("MC_STATE_DIR", state.to_str().unwrap());
        night.sh("mkdir -p ~/.cache/deep/tool ~/.cache/pip");
        verified_by(
            &night,
            "mkdir -p ${HOME}/.cache/pip ${HOME}/.cache/deep/tool; touch ${HOME}/.cache/pip/x ${HOME}/.cache/deep/tool/x ${HOME}/.cache/new",
            "",
        );
        night.mission(&unit("a", "touch a")).exits(0);
        assert_eq!(night.sh("find ~/.cache/pip ~/.cache/deep/tool ~/.cache/new -type f 2>/dev/null || true"), "");
    }
}

#[test]
fn p5_a_killed_engine_leaves_no_mount_and_resume_verifies_in_the_same_home() {
    let night = Night::new();
    night.sh("mkdir ~/.cache");
    let line = "if [ -e a ]; then mkdir -p ${HOME}/.cache; touch ${HOME}/.cache/mine ~/begun; until [ -e ~/go ]; do sleep 0.02; done; test -e ${HOME}/.cache/mine; fi";
    verified_by(&night, line, "");
    let plan = night.plan(&unit("a", "touch a"));
    let mission = night.begin(&["mission", "start", "--plan", &plan]);
    night.until("test -e ~/begun");
    let none = "! grep -F \"$(dirname ~/x)\" /proc/self/mountinfo && test ! -e ~/.cache/mine";
    assert!(night.holds(none));
    mission.signal("KILL");
    mission.wait();
    night.sh("touch ~/go");
    night.mc(&["mission", "resume"]).exits(0);
    assert!(night.holds(none));
    night.audit();
}
