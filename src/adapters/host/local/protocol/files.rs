//! The files of a run directory as text: what the supervisor reads and what it writes.
//!
//! Values are written so that the shell can read them as data: every byte outside a small safe set becomes `\0ooo`.
//! Reading is total: what is truncated, empty or foreign reads as absent, never as an error.

use super::error::RunError;
use super::fence::Fence;
use super::identity::Identity;
use super::isolation::Isolation;
use super::mounts::Mount;
use super::run::{KillReason, RunExit, RunSpec};
use super::text::{decode, encode};
use crate::domain::ending::ProcessExit;
use std::collections::HashMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

/// What stays on record about a run: how to find and end it after a restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How it is contained.
    pub isolation: Isolation,
    /// Value of `MC_RUN_COOKIE` in its environment.
    pub cookie: String,
    /// Folders whose users belong to the run.
    pub search_roots: Vec<PathBuf>,
    /// What is mounted for it, in this order.
    pub mounts: Vec<Mount>,
    /// What it may reach of the machine's files; absent when it may do whatever its user may.
    pub fence: Option<Fence>,
}

/// The supervisor's record of the started run.
#[derive(Debug, Clone, PartialEq, Eq)]
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
#[derive(Debug, Clone, Copy, PartialEq)]
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

/// What is to be run, read back from the `command` file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Working folder.
    pub cwd: PathBuf,
    /// File for standard input.
    pub stdin: Option<PathBuf>,
    /// Complete environment.
    pub env: Vec<(OsString, OsString)>,
    /// Program and arguments, at least one.
    pub argv: Vec<OsString>,
}

/// Text of the `command` file: folder, standard input, environment and arguments.
///
/// # Errors
/// [`RunError`] for what a program cannot be given.
pub fn command_text(spec: &RunSpec) -> Result<String, RunError> {
    let mut text = format!("cwd {}\n", encode("the folder", spec.cwd.as_os_str())?);
    if let Some(path) = &spec.stdin {
        text += &format!("stdin {}\n", encode("the standard input", path.as_os_str())?);
    }
    let cookie = (OsString::from("MC_RUN_COOKIE"), OsString::from(&spec.cookie));
    for (name, value) in spec.env.iter().filter(|(name, _)| *name != cookie.0).chain([&cookie]) {
        let shown = name.to_string_lossy();
        if name.is_empty() || name.as_bytes().iter().any(|b| matches!(b, 0 | b'=')) {
            return Err(RunError::Name { name: shown.into_owned() });
        }
        text += &format!("env {shown} {}\n", encode("the environment", value)?);
    }
    if spec.argv.is_empty() {
        return Err(RunError::Empty);
    }
    for arg in &spec.argv {
        text += &format!("arg {}\n", encode("the arguments", arg)?);
    }
    Ok(text + "end\n")
}

/// Text of the `run` file: settings for the supervisor and for whoever adopts the run.
///
/// # Errors
/// [`RunError`] for a cookie that could be mistaken, and a path with a NUL byte.
pub fn settings_text(spec: &RunSpec) -> Result<String, RunError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if spec.cookie.is_empty() || !spec.cookie.bytes().all(plain) {
        return Err(RunError::Cookie { cookie: spec.cookie.clone() });
    }
    let (tick, step) = (tick(spec), step(spec));
    let ticks = |d: Duration, tick: Duration| d.as_millis().div_ceil(tick.as_millis());
    let mut text = format!(
        "isolation {}\ntick {}\nstep {}\ntimeout {}\ngrace {}\nlease {}\ncookie {}\n",
        spec.isolation.word(),
        tick.as_secs_f32(),
        step.as_secs_f32(),
        ticks(spec.timeout, tick).max(1),
        ticks(spec.grace, step),
        ticks(spec.lease, tick).max(1),
        spec.cookie
    );
    for root in &spec.search_roots {
        text += &format!("root {}\n", encode("a search root", root.as_os_str())?);
    }
    for mount in &spec.mounts {
        text += &mount.line()?;
    }
    if let Some(fence) = &spec.fence {
        text += &fence.lines()?;
    }
    Ok(text + "end\n")
}

/// Text of a run file that says only what is mounted and fenced off, and how its namespace is made. Its groups are its
/// own, as those of a run are.
///
/// # Errors
/// [`RunError::Nul`] for a path with a NUL byte.
pub fn trial_text(isolation: Isolation, mounts: &[Mount], fence: Option<&Fence>) -> Result<String, RunError> {
    let lines: Result<String, RunError> = mounts.iter().map(Mount::line).collect();
    let fence = fence.map(Fence::lines).transpose()?.unwrap_or_default();
    let mark = fastrand::u64(..);
    Ok(format!("isolation {}\ncookie trial-{mark:016x}\n{}{fence}end\n", isolation.word(), lines?))
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

/// Reads the limits of the `run` file; absent when one is missing or no limit.
pub fn parse_limits(text: &str) -> Option<Limits> {
    let pairs: HashMap<&str, &str> = complete(text)?.filter_map(|line| line.split_once(' ')).collect();
    let seconds = |key| Duration::try_from_secs_f64(pairs.get(key)?.parse().ok()?).ok().filter(|d| !d.is_zero());
    let count = |key| pairs.get(key)?.parse().ok();
    let (tick, step) = (seconds("tick")?, seconds("step")?);
    Some(Limits { tick, step, timeout: count("timeout")?, grace: count("grace")?, lease: count("lease")? })
}

/// Reads the `command` file back; absent when it is incomplete.
pub fn parse_command(text: &str) -> Option<Program> {
    let (mut cwd, mut stdin, mut env, mut argv) = (None, None, Vec::new(), Vec::new());
    for line in complete(text)? {
        match line.split_once(' ')? {
            ("cwd", word) => cwd = Some(PathBuf::from(decode(word))),
            ("stdin", word) => stdin = Some(PathBuf::from(decode(word))),
            ("env", pair) => {
                let (name, value) = pair.split_once(' ')?;
                env.push((OsString::from(name), decode(value)));
            }
            ("arg", word) => argv.push(decode(word)),
            _ => return None,
        }
    }
    Some(Program { cwd: cwd?, stdin, env, argv }).filter(|program| !program.argv.is_empty())
}

/// Reads the `run` file back; absent when it is incomplete.
pub fn parse_settings(text: &str) -> Option<Settings> {
    let (mut isolation, mut cookie, mut search_roots, mut mounts) = (None, None, Vec::new(), Vec::new());
    let mut fence = None;
    for line in complete(text)? {
        match line.split_once(' ')? {
            ("isolation", word) => isolation = Isolation::from_word(word),
            ("cookie", word) => cookie = Some(word.to_owned()),
            ("root", word) => search_roots.push(PathBuf::from(decode(word))),
            (kind @ ("overlay" | "bind"), words) => mounts.push(Mount::of_line(kind, words)?),
            (word, rest) => {
                Fence::read_line(&mut fence, word, rest);
            }
        }
    }
    Some(Settings { isolation: isolation?, cookie: cookie?, search_roots, mounts, fence })
}

/// Text of the `start` file.
pub fn start_text(start: &Start) -> String {
    let (own, agent) = (start.supervisor, start.agent);
    let mut text = format!("supervisor {} {} {}\nboot {}\n", own.pid, own.pid, own.born, start.boot);
    text += &format!("agent {} {}\n", agent.pid, agent.born);
    if let Some((init, space)) = start.init {
        text += &format!("init {} {} {space}\n", init.pid, init.born);
    }
    text + "end\n"
}

/// Reads the `start` file; absent when it is empty or truncated.
pub fn parse_start(text: &str) -> Option<Start> {
    let (mut supervisor, mut boot, mut agent, mut init) = (None, None, None, None);
    for line in complete(text)? {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |at: usize| words.get(at)?.parse::<u64>().ok();
        let identity = |born| Some(Identity { pid: u32::try_from(number(1)?).ok()?, born: number(born)? });
        match *words.first()? {
            "supervisor" => supervisor = identity(3),
            "boot" => boot = words.get(1).map(|w| (*w).to_owned()),
            "agent" => agent = identity(2),
            "init" => init = Some((identity(2)?, number(3)?)),
            _ => {}
        }
    }
    Some(Start { supervisor: supervisor?, boot: boot?, agent: agent?, init })
}

/// Reads the `exit` file; absent when it is empty or truncated.
///
/// The program's end is the number of [`ProcessExit::number`].
pub fn parse_exit(text: &str) -> Option<RunExit> {
    match complete(text)?.next()?.split_once(' ') {
        Some(("code", number)) => match ProcessExit::of_number(number.parse().ok()?) {
            ProcessExit::Code(code) => Some(RunExit::Code(code)),
            ProcessExit::Signal(signal) => Some(RunExit::Signal(signal)),
        },
        Some(_) => None,
        None => match text.lines().next()? {
            "timeout" => Some(RunExit::Timeout),
            "lease" => Some(RunExit::LeaseExpired),
            word => KillReason::of_word(word).map(RunExit::Killed),
        },
    }
}

/// The lines before the closing `end` line, if that is there.
fn complete(text: &str) -> Option<impl Iterator<Item = &str>> {
    Some(text.strip_suffix("end\n").filter(|t| t.ends_with('\n'))?.lines())
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
            let value = OsString::from_vec(bytes);
            let text = encode("x", &value).unwrap();
            let meaningful = b"'\"$`;&|<>(){}*?~#! ";
            let plain = text.bytes().all(|b| b.is_ascii_graphic() && !meaningful.contains(&b));
            prop_assert!(plain);
            prop_assert_eq!(decode(&text), value);
        }

        #[test]
        fn p4_a_file_cut_anywhere_reads_as_absent(cut in 0_usize..200) {
            let start = "supervisor 7 7 100\nboot aaaa\nagent 9 101\ninit 8 101 4026\nend\n";
            for (text, full) in [(start, parse_start(start).is_some()), ("code 3\nend\n", true), ("timeout\nend\n", true)] {
                prop_assert!(full);
                let cut = cut % text.len();
                prop_assert_eq!(parse_start(&text[..cut]), None);
                prop_assert_eq!(parse_exit(&text[..cut]), None);
            }
        }
    }

    #[test]
    fn what_is_written_for_the_supervisor_is_what_it_reads() {
        let spec = RunSpec {
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
        };
        let read = parse_command(&command_text(&spec).unwrap()).unwrap();
        let env = [spec.env.clone(), vec![("MC_RUN_COOKIE".into(), "c".into())]].concat();
        assert_eq!(read, Program { cwd: spec.cwd.clone(), stdin: spec.stdin.clone(), env, argv: spec.argv.clone() });
        let (tick, step) = (Duration::from_secs(10), Duration::from_secs(1));
        let limits = Limits { tick, step, timeout: 360, grace: 5, lease: 180 };
        assert_eq!(parse_limits(&settings_text(&spec).unwrap()), Some(limits));
        let settings = parse_settings(&settings_text(&spec).unwrap()).unwrap();
        assert_eq!((settings.search_roots, settings.mounts), (spec.search_roots.clone(), spec.mounts.clone()));
        assert_eq!(settings.fence, spec.fence);
        assert_eq!(parse_command("cwd /\nend\n"), None, "no program");
        let one = Identity { pid: 7, born: 9 };
        let start =
            Start { supervisor: one, boot: "b".into(), agent: Identity { pid: 8, born: 10 }, init: Some((one, 3)) };
        assert_eq!(parse_start(&start_text(&start)), Some(start));
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
