//! The files of a run directory: what the supervisor reads and what it writes, as JSON, but for the word of an end.
//!
//! Reading is total: what is truncated, empty or foreign reads as absent, never as an error.

use super::error::RunError;
use super::fence::Fence;
use super::identity::Identity;
use super::isolation::Isolation;
use super::mounts::Mount;
use super::run::{KillReason, RunExit, RunSpec};
use super::text;
use crate::domain::ending::ProcessExit;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

/// The `run` file: what the supervisor and whoever adopts the run need to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// How it is contained.
    pub isolation: Isolation,
    /// Value of `MC_RUN_COOKIE` in its environment.
    pub cookie: String,
    /// Folders whose users belong to the run.
    #[serde(with = "text")]
    pub search_roots: Vec<PathBuf>,
    /// What is mounted for it, in this order.
    pub mounts: Vec<Mount>,
    /// What it may reach of the machine's files; absent when it may do whatever its user may.
    pub fence: Option<Fence>,
    /// How long it may take; absent where mounts and fence are only tried.
    pub limits: Option<Limits>,
}

/// The `start` file: the supervisor's record of the started run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Start {
    /// The supervisor; leader of a session of its own.
    pub supervisor: Identity,
    /// Boot id of that machine.
    pub boot: String,
    /// Leader of the session and process group of the program, as seen from outside: the program itself, or pid 1 of its
    /// namespace.
    pub agent: Identity,
    /// Pid 1 of the pid namespace as seen from outside, and the namespace's inode.
    pub init: Option<(Identity, u64)>,
}

/// How long a run may take, as its supervisor counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Time between two looks.
    pub tick: Duration,
    /// Time between two looks while it waits for the end of what it has told to end.
    pub step: Duration,
    /// Ticks in all.
    pub timeout: u64,
    /// Steps between TERM and KILL.
    pub grace: u64,
    /// Ticks without a change of the lease.
    pub lease: u64,
}

/// The `command` file: what is to be run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// Working folder.
    #[serde(with = "text")]
    pub cwd: PathBuf,
    /// File for standard input.
    #[serde(with = "text")]
    pub stdin: PathBuf,
    /// Complete environment.
    #[serde(with = "text")]
    pub env: Vec<(OsString, OsString)>,
    /// Program and arguments, at least one.
    #[serde(with = "text")]
    pub argv: Vec<OsString>,
}

/// The variable that a run is known by.
const COOKIE: &str = "MC_RUN_COOKIE";

/// A file as text. Nothing in one can fail to be written; an empty one reads as absent.
pub fn text_of(file: &impl Serialize) -> String {
    serde_json::to_string(file).unwrap_or_default()
}

/// Reads a file; absent when it is empty, truncated or not what it should be.
pub fn parse<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_str(text).ok()
}

impl Program {
    /// What is to be run, with the cookie of the run in its environment.
    ///
    /// # Errors
    /// [`RunError`] for what a program cannot be given.
    pub fn of(spec: &RunSpec) -> Result<Self, RunError> {
        let given = spec.env.iter().filter(|(name, _)| name != COOKIE).cloned();
        let env: Vec<_> = given.chain([(COOKIE.into(), OsString::from(&spec.cookie))]).collect();
        if let Some((name, _)) = env.iter().find(|(name, _)| !is_name(name)) {
            return Err(RunError::Name { name: name.to_string_lossy().into_owned() });
        }
        if spec.argv.is_empty() {
            return Err(RunError::Empty);
        }
        let stdin = spec.stdin.clone().unwrap_or_else(|| "/dev/null".into());
        let has_nul = |value: &OsStr| value.as_bytes().contains(&0);
        let nul = [
            ("the folder", has_nul(spec.cwd.as_os_str())),
            ("the standard input", has_nul(stdin.as_os_str())),
            ("the environment", env.iter().any(|(_, value)| has_nul(value))),
            ("the arguments", spec.argv.iter().any(|arg| has_nul(arg))),
        ];
        match nul.into_iter().find(|(_, found)| *found) {
            Some((what, _)) => Err(RunError::Nul { what }),
            None => Ok(Self { cwd: spec.cwd.clone(), stdin, env, argv: spec.argv.clone() }),
        }
    }
}

fn is_name(name: &OsStr) -> bool {
    !name.is_empty() && !name.as_bytes().iter().any(|b| matches!(b, 0 | b'='))
}

impl Settings {
    /// What is on record about a run.
    ///
    /// # Errors
    /// [`RunError::Cookie`] for one that could be mistaken.
    pub fn of(spec: &RunSpec) -> Result<Self, RunError> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        if spec.cookie.is_empty() || !spec.cookie.bytes().all(plain) {
            return Err(RunError::Cookie { cookie: spec.cookie.clone() });
        }
        let (tick, step) = (tick(spec), step(spec));
        let ticks =
            |d: Duration, tick: Duration| u64::try_from(d.as_millis().div_ceil(tick.as_millis())).unwrap_or(u64::MAX);
        let limits = Limits {
            tick,
            step,
            timeout: ticks(spec.timeout, tick).max(1),
            grace: ticks(spec.grace, step),
            lease: ticks(spec.lease, tick).max(1),
        };
        Ok(Self {
            isolation: spec.isolation,
            cookie: spec.cookie.clone(),
            search_roots: spec.search_roots.clone(),
            mounts: spec.mounts.clone(),
            fence: spec.fence.clone(),
            limits: Some(limits),
        })
    }

    /// Only mounts and a fence to be tried. Its groups are its own, as those of a run are.
    pub fn trial(isolation: Isolation, mounts: Vec<Mount>, fence: Option<Fence>) -> Self {
        let cookie = format!("trial-{:016x}", fastrand::u64(..));
        Self { isolation, cookie, search_roots: Vec::new(), mounts, fence, limits: None }
    }
}

/// How often the supervisor counts: 64 agents at a time are not rare.
fn tick(spec: &RunSpec) -> Duration {
    let shortest = spec.timeout.min(spec.lease);
    match shortest.as_secs() {
        ..5 => Duration::from_millis(100),
        5..600 => Duration::from_secs(1),
        _ => Duration::from_secs(10),
    }
}

/// How often the supervisor looks while it waits for the end of what it has told to end.
fn step(spec: &RunSpec) -> Duration {
    match spec.timeout.min(spec.lease).min(spec.grace) < Duration::from_secs(5) {
        true => Duration::from_millis(100),
        false => Duration::from_secs(1),
    }
}

/// Reads the `exit` file; absent when it is empty or truncated.
///
/// The program's end is the number of [`ProcessExit::number`].
pub fn parse_exit(text: &str) -> Option<RunExit> {
    let told = text.strip_suffix("\nend\n")?;
    match told.split_once(' ') {
        Some(("code", number)) => match ProcessExit::of_number(number.parse().ok()?) {
            ProcessExit::Code(code) => Some(RunExit::Code(code)),
            ProcessExit::Signal(signal) => Some(RunExit::Signal(signal)),
        },
        Some(_) => None,
        None => match told {
            "timeout" => Some(RunExit::Timeout),
            "lease" => Some(RunExit::LeaseExpired),
            word => KillReason::of_word(word).map(RunExit::Killed),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::host::local::protocol::Caps;
    use proptest::prelude::*;
    use std::os::unix::ffi::OsStringExt;

    proptest! {
        #[test]
        fn any_bytes_come_back(bytes in prop::collection::vec(1_u8.., 0..40)) {
            let word = OsString::from_vec(bytes);
            let env = vec![("A".into(), word.clone())];
            let program = Program { cwd: word.clone().into(), stdin: word.clone().into(), env, argv: vec![word] };
            prop_assert_eq!(parse(&text_of(&program)), Some(program));
        }

        #[test]
        fn p4_a_file_cut_anywhere_reads_as_absent(cut in any::<prop::sample::Index>()) {
            let spec = spec();
            let (command, run) = (text_of(&Program::of(&spec).unwrap()), text_of(&Settings::of(&spec).unwrap()));
            let start = text_of(&started());
            let cut = |text: &str| text[..cut.index(text.len())].to_owned();
            prop_assert_eq!(parse::<Program>(&cut(&command)), None);
            prop_assert_eq!(parse::<Settings>(&cut(&run)), None);
            prop_assert_eq!(parse::<Start>(&cut(&start)), None);
            for text in ["code 3\nend\n", "timeout\nend\n"] {
                prop_assert_eq!(parse_exit(&cut(text)), None);
            }
        }
    }

    fn spec() -> RunSpec {
        RunSpec {
            dir: "/runs/1".into(),
            cwd: "/a b".into(),
            argv: vec!["sh".into(), OsString::from_vec(vec![1, 255, b' ', b'\n']), "".into()],
            env: vec![("A".into(), "".into()), ("B".into(), " x\\ ".into())],
            stdin: Some("/in put".into()),
            errors_apart: false,
            timeout: Duration::from_secs(3600),
            grace: Duration::from_secs(5),
            lease: Duration::from_secs(1800),
            isolation: Isolation::Search,
            cookie: "c".into(),
            search_roots: vec!["/a b".into()],
            mounts: vec![
                Mount::Overlay {
                    target: "/home/a b/.cache".into(),
                    upper: "/u".into(),
                    work: "/w".into(),
                    lowers: vec!["/made".into(), "/home/a b/.cache".into()],
                },
                Mount::Bind { from: "/slot/tmp".into(), to: "/tmp/x".into() },
            ],
            fence: Some(Fence {
                private: vec![("/slot/a tmp".into(), "/tmp".into())],
                memory: vec!["/dev/shm".into()],
                closed: vec!["/state x".into()],
                writable: vec!["/slot".into(), "/dev/null".into()],
                readable: vec!["/repo/.git".into()],
                hidden: vec!["/home/a b/.netrc".into()],
                caps: Caps { memory: Some(1 << 30), processes: Some(64) },
            }),
            program: "mc".into(),
        }
    }

    fn started() -> Start {
        let one = Identity { pid: 7, born: 9 };
        Start { supervisor: one, boot: "b".into(), agent: Identity { pid: 8, born: 10 }, init: Some((one, 3)) }
    }

    #[test]
    fn what_is_written_for_the_supervisor_is_what_it_reads() {
        let spec = spec();
        let env = [spec.env.clone(), vec![("MC_RUN_COOKIE".into(), "c".into())]].concat();
        let wanted = Program { cwd: spec.cwd.clone(), stdin: "/in put".into(), env, argv: spec.argv.clone() };
        assert_eq!(parse(&text_of(&Program::of(&spec).unwrap())), Some(wanted));
        let (tick, step) = (Duration::from_secs(10), Duration::from_secs(1));
        let limits = Some(Limits { tick, step, timeout: 360, grace: 5, lease: 180 });
        let settings: Settings = parse(&text_of(&Settings::of(&spec).unwrap())).unwrap();
        assert_eq!((settings.search_roots, settings.mounts), (spec.search_roots, spec.mounts));
        assert_eq!((settings.fence, settings.limits), (spec.fence, limits));
        assert_eq!(parse(&text_of(&started())), Some(started()));
        let unknown = text_of(&Settings::trial(Isolation::Search, Vec::new(), None));
        assert!(parse::<Settings>(&unknown).is_some());
        assert_eq!(parse::<Settings>(&unknown.replace("Search", "Hope")), None);
        assert_eq!(parse::<Settings>(&unknown.replace("\"fence\"", "\"hedge\"")), None);
    }

    #[test]
    fn exits_are_read() {
        assert_eq!(parse_exit("code 0\nend\n"), Some(RunExit::Code(0)));
        assert_eq!(parse_exit("code 255\nend\n"), Some(RunExit::Code(255)));
        assert_eq!(parse_exit("code 137\nend\n"), Some(RunExit::Signal(9)));
        assert_eq!(parse_exit("lease\nend\n"), Some(RunExit::LeaseExpired));
        for reason in [KillReason::Wanted, KillReason::Stalled, KillReason::Overstayed] {
            assert_eq!(parse_exit(&format!("{}\nend\n", reason.word())), Some(RunExit::Killed(reason)));
        }
        assert_eq!(parse_exit("nonsense\nend\n"), None);
        assert_eq!(parse_exit(""), None);
    }
}
