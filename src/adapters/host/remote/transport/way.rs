//! The ways to a worker, and what else a line has.

use super::bootstrap::Worker;
use super::command;
use super::cuts::Cuts;
use super::ssh::Ssh;
use super::stream::Reached;
use crate::adapters::host::remote::protocol::Limits;
use crate::domain::base::FieldHash;
use crate::domain::trouble::Trouble;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// A line to a worker.
#[derive(Debug, Clone)]
pub struct Transport {
    /// The way to it.
    pub way: Way,
    /// So long a question is asked again before that is trouble.
    pub patience: Duration,
    /// What both sides keep to.
    pub limits: Limits,
    /// When the line is cut.
    pub cuts: Cuts,
    /// After so long without work the connection is closed; zero: never.
    pub idle: Duration,
    /// So long the first answer of whatever a command leads to is waited for, beside what [`Limits`] allow for all that follows: it
    /// may wait for a machine itself. Absent: as long as for any other.
    pub first_answer: Option<Duration>,
}

/// So long a question is asked again where nobody says otherwise.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A way to a worker.
#[derive(Debug, Clone)]
pub enum Way {
    /// The worker is a program of this machine.
    Child {
        /// The program.
        program: PathBuf,
        /// Its arguments.
        args: Vec<OsString>,
        /// Its whole environment.
        env: Vec<(OsString, OsString)>,
    },
    /// A command of this machine runs a command line elsewhere, with its input and output passed through.
    Command {
        /// The command, to which `sh -c LINE` is added.
        connect: Vec<String>,
        /// Its whole environment.
        env: Vec<(OsString, OsString)>,
        /// The worker there.
        worker: Worker,
    },
    /// Ssh.
    Ssh(Ssh),
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.way {
            Way::Child { program, args, .. } => {
                write!(f, "`{}", program.display())?;
                args.iter().try_for_each(|word| write!(f, " {}", word.display()))?;
                write!(f, "`")
            }
            Way::Command { connect, .. } => write!(f, "`{}`", connect.join(" ")),
            Way::Ssh(ssh) => ssh.fmt(f),
        }
    }
}

/// Of so many requests of a line that is cut now and then one is cut off.
const CUT_ONE_IN: u32 = 12;

impl Transport {
    /// A line like every other.
    pub fn to(way: Way) -> Self {
        let (limits, cuts) = (Limits::default(), Cuts::default());
        Self { way, patience: PATIENCE, limits, cuts, idle: Duration::ZERO, first_answer: None }
    }

    /// The same line as tests of `mc` itself want it, in words between commas: `cut:SEED` is cut at moments which follow from a number,
    /// of `beat:MS` the sides say something so often, and with `patience:MS` questions are asked again for so long. Nothing
    /// where a word is none of these.
    #[must_use]
    pub fn tune(mut self, words: &str) -> Option<Self> {
        for word in words.split(',') {
            let (name, number) = word.split_once(':')?;
            let number: u64 = number.parse().ok()?;
            match name {
                "cut" => self.cuts = Cuts::random(number, CUT_ONE_IN),
                "beat" => self.limits.beat = Duration::from_millis(number),
                "patience" => self.patience = Duration::from_millis(number),
                _ => return None,
            }
        }
        Some(self)
    }

    /// Reaches a worker: the next bytes there and back are messages.
    ///
    /// # Errors
    /// [`Unreachable`](crate::domain::trouble::Cause::Unreachable) where trying again helps, else what is in the way.
    pub(in crate::adapters::host::remote) async fn start(&self) -> Result<Reached, Trouble> {
        match &self.way {
            Way::Child { program, args, env } => command::start_child(program, args, env),
            Way::Command { connect, env, worker } => {
                let silence = self.limits.silence();
                command::start_command(connect, env, worker, (self.first_answer.unwrap_or(silence), silence)).await
            }
            Way::Ssh(ssh) => ssh.start(self.limits.silence()).await,
        }
    }

    /// Closes what is kept between two connections to a worker.
    pub(in crate::adapters::host::remote) async fn close(&self) {
        if let Way::Ssh(ssh) = &self.way {
            ssh.close().await;
        }
    }

    /// A name for the way, of letters and digits: another one for another way.
    pub(in crate::adapters::host::remote) fn name_way(&self) -> String {
        let mut hash = FieldHash::default();
        hash.add(self.to_string());
        if let Way::Command { connect, .. } = &self.way {
            connect.iter().for_each(|word| hash.add(word));
        }
        hash.finish()[..32].to_owned()
    }
}
