//! Everything that can wake a mission, in one closed list.
//!
//! An event is a fact from outside: what a command came to, what a person asked for, or that time passed. Each command
//! ends in exactly one of these; ids of landings, runs and sessions let [`decide`](crate::domain::mission::decide) drop late and doubled ones.

use crate::domain::backlog::Offer;
use crate::domain::mission::model::{
    Baseline, Integration, LandResult, NoOffer, PinFault, Refusal, SessionReport, StopLevel, Unverified, Verification,
};
use crate::domain::trouble::Trouble;
use crate::domain::values::{HostId, LandingId, Millis, RunId, SessionId, Tip, UnitId};

/// A fact from outside the decision function.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The mission was just made.
    Begun,
    /// A new engine took over an unfinished mission; open intents are asked again.
    Resumed,
    /// Told before [`Event::Resumed`]: green stands elsewhere than the journal says, and still contains all that landed.
    GreenSeen(Tip),
    /// Told before [`Event::Resumed`]: what results of this engine's runs depend on beside tree and stages.
    EnvironmentSeen(String),
    /// The time named by [`State::next_wake`](crate::domain::mission::State::next_wake) has come.
    Tick,
    /// A person or signal asked to stop.
    Stop(StopLevel),
    /// Told before [`Event::Resumed`]: a person resumes the mission, so that the stop they asked for earlier, at this time, which
    /// no engine has taken, counts no more.
    WithdrawStop {
        /// When the stop was asked for.
        asked: Millis,
    },
    /// A person asked that nothing new starts.
    Pause,
    /// A person asked to go on.
    Unpause,
    /// A person gives one unit a fresh start (held, failed, rejected or cancelled ones).
    RetryUnit {
        /// The unit.
        unit: UnitId,
        /// What the person says to its next attempt; may be empty.
        answer: String,
    },
    /// A person gives one unit up: it is killed, taken out of the queue or not begun; its work stays pinned.
    CancelUnit(UnitId),
    /// A person takes a host out of use: what runs there goes on to its end, and nothing new starts there.
    DrainHost(HostId),
    /// A person takes a drained host back into use.
    ResumeHost(HostId),
    /// Answer to [`Command::ProbeHost`](super::command::Command::ProbeHost).
    HostSeen {
        /// The host.
        host: HostId,
        /// What results of its runs depend on beside tree and stages; `Err`: it does not answer, or nothing can run there.
        result: Result<String, Trouble>,
    },
    /// Answer to [`Command::Preflight`](super::command::Command::Preflight).
    Preflight(Result<Baseline, Refusal>),
    /// Answer to [`Command::Establish`](super::command::Command::Establish).
    Established(Result<(), Refusal>),
    /// Answer to [`Command::CheckTarget`](super::command::Command::CheckTarget): the target's head when green does not contain it.
    TargetChecked(Result<Option<Tip>, Trouble>),
    /// Answer to [`Command::ReadBacklog`](super::command::Command::ReadBacklog): units as written, and ids landed on green by earlier missions.
    BacklogRead(Result<Offer, NoOffer>),
    /// Answer to [`Command::Start`](super::command::Command::Start) and [`Command::Adopt`](super::command::Command::Adopt).
    SessionEnded {
        /// The session.
        session: SessionId,
        /// What was found.
        report: Box<SessionReport>,
    },
    /// Told while a session is at work: its workspace is prepared and its program runs.
    SessionBegan(SessionId),
    /// The other answer to them: the session has ended, and what it made cannot be kept yet. It is asked for again by
    /// [`Command::Adopt`](super::command::Command::Adopt).
    NotCollected {
        /// The session.
        session: SessionId,
        /// What stands in the way.
        trouble: Trouble,
    },
    /// Answer to [`Command::Integrate`](super::command::Command::Integrate).
    Integrated {
        /// The landing's landing.
        landing: LandingId,
        /// What came of it; `Err` is infrastructure.
        result: Result<Integration, Trouble>,
    },
    /// Answer to [`Command::Verify`](super::command::Command::Verify).
    Verified {
        /// Number of the verification.
        run: RunId,
        /// What came of it; `Err` says that nothing is known of the tree.
        result: Result<Box<Verification>, Unverified>,
    },
    /// Answer to [`Command::Land`](super::command::Command::Land).
    LandEnded {
        /// The landing's landing.
        landing: LandingId,
        /// What came of it; `Err` is infrastructure.
        result: Result<LandResult, Trouble>,
    },
    /// Answer to [`Command::CheckObjective`](super::command::Command::CheckObjective).
    ObjectiveChecked {
        /// The round.
        round: u32,
        /// Whether the check passed; means nothing without one.
        met: Result<bool, Trouble>,
        /// Pins of ended attempts that were not what the journal says.
        pins: Vec<PinFault>,
        /// Green, when somebody else moved it forward.
        moved: Option<Tip>,
    },
}
