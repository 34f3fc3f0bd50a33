//! Refusals in words: what stands in the way of whoever does something, and what helps.

use crate::adapters::git::{GitError, OwnerRecord};
use crate::adapters::trouble::{ROOM, is_full, limit_of};
use crate::domain::mission::Refusal;
use crate::domain::trouble::chain;

/// What a person does who may be refused: what helps names what they do again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Starts a mission, or looks where there is none.
    Start,
    /// Goes on with the unfinished one.
    Resume,
    /// Does something to the unfinished one, which no start goes past.
    Unfinished,
    /// Something else.
    Other,
}

impl Act {
    /// What is done again once the reason is mended.
    pub(in crate::engine) fn retry_hint(self) -> &'static str {
        match self {
            Self::Start => "start again",
            Self::Resume => "`mc mission resume`",
            Self::Unfinished | Self::Other => "try again",
        }
    }

    /// How the repository is taken over from `machine`.
    pub(in crate::engine) fn take_over(self, machine: &str) -> String {
        match self {
            Self::Start | Self::Other => format!("start with --take-over {machine}"),
            Self::Resume | Self::Unfinished => format!("`mc mission resume --take-over {machine}`"),
        }
    }
}

/// Git cannot work on the repository, said to somebody who starts a mission.
pub(in crate::engine) fn git_refusal(e: GitError) -> Refusal {
    git_refusal_for(&e, Act::Start)
}

/// The same, said to somebody who does `act`.
pub(in crate::engine) fn git_refusal_for(e: &GitError, act: Act) -> Refusal {
    match e {
        GitError::Io(file) if file.path == std::env::temp_dir() => {
            error_refusal(e, "let TMPDIR name a folder that exists and can be written, or unset it")
        }
        _ => error_refusal(e, &format!("mend the repository, then {}", act.retry_hint())),
    }
}

/// An error of the environment; `hint` helps unless its cause is a full disk or a limit of this process.
pub(in crate::engine) fn error_refusal(e: &(dyn std::error::Error + 'static), hint: &str) -> Refusal {
    match limit_of(e) {
        Some(limit) => environment(format!("{}: {}", limit.words(), chain(e)), limit.remedy()),
        None => environment(chain(e), if is_full(e) { ROOM } else { hint }),
    }
}

pub(in crate::engine) fn usage(reason: String, hint: String) -> Refusal {
    Refusal { reason, hint, exit: 2 }
}

pub(in crate::engine) fn environment(reason: String, hint: &str) -> Refusal {
    Refusal { reason, hint: hint.to_owned(), exit: 6 }
}

/// Others are faster each time.
pub(in crate::engine) fn contested_refusal() -> Refusal {
    let reason = "others claim this repository again and again".to_owned();
    Refusal { reason, hint: "let one mc work on it at a time".to_owned(), exit: 5 }
}

/// The state directory of `card` owns the repository, and not that of `own`; `asked` is the machine a person takes it over from.
pub(in crate::engine) fn foreign_owner_refusal(
    card: &OwnerRecord,
    own: &OwnerRecord,
    asked: Option<&str>,
    act: Act,
) -> Refusal {
    let machine = if card.engine.host.is_empty() { &card.engine.machine } else { &card.engine.host };
    let not = asked.map(|asked| format!(", not to one on {asked}")).unwrap_or_default();
    let reason = format!("this repository belongs to the state directory {} on {machine}{not}", card.path);
    let take_over = act.take_over(machine);
    if card.is_lost(own) {
        let reason = format!("{reason}, and what that one held is not there any more, its journal neither");
        let without = format!("{take_over} to go on without them: green and all pins stay as they are");
        return Refusal { reason, hint: format!("put its contents back from a backup, or {without}"), exit: 5 };
    }
    let hint = format!("work from there (MC_STATE_DIR names a state directory), or {take_over} when it is given up");
    Refusal { reason, hint, exit: 5 }
}

/// An engine of another state directory lives on this machine.
pub(in crate::engine) fn living_engine_refusal(card: &OwnerRecord) -> Refusal {
    let (pid, path) = (card.engine.pid, &card.path);
    let reason = format!("another mc (pid {pid}) works on this repository, with the state directory {path}");
    let hint = format!(
        "`MC_STATE_DIR={path} mc status` shows what it does, `MC_STATE_DIR={path} mc mission stop` ends it; nobody takes \
         over from an mc that lives"
    );
    Refusal { reason, hint, exit: 5 }
}
