//! How a worker is reached: a command whose standard input and output lead to it. For tests the line to it can be cut at chosen
//! moments.

use super::protocol::Limits;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::process::{Child, Command};

/// A command that leads to a worker.
#[derive(Debug, Clone)]
pub struct Transport {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Its whole environment.
    pub env: Vec<(OsString, OsString)>,
    /// So long a question is asked again before that is trouble.
    pub patience: Duration,
    /// What both sides keep to.
    pub limits: Limits,
    /// When the line is cut.
    pub cuts: Cuts,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}", self.program.display())?;
        self.args.iter().try_for_each(|word| write!(f, " {}", word.display()))?;
        write!(f, "`")
    }
}

/// So long a question is asked again where nobody says otherwise.
pub const PATIENCE: Duration = Duration::from_secs(60);

impl Transport {
    /// Starts the command. It ends when its standard input does, and at the latest with what is returned.
    pub(super) fn start(&self) -> std::io::Result<Child> {
        let mut command = Command::new(&self.program);
        command.args(&self.args).env_clear().envs(self.env.iter().map(|(name, value)| (name, value)));
        command.current_dir("/").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A signal for the engine's terminal is none for its workers.
        command.process_group(0).kill_on_drop(true).spawn()
    }
}

/// A moment at which the line is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Moment {
    /// Before a request is sent.
    Before,
    /// When it was sent, and the worker is killed.
    During,
    /// When its reply is there, which is lost.
    After,
}

/// When the line to a worker is cut: at the first request of some kinds, or now and then.
#[derive(Debug, Clone, Default)]
pub struct Cuts(Arc<Mutex<Plan>>);

#[derive(Debug, Default)]
struct Plan {
    once: BTreeMap<String, Moment>,
    random: Option<(fastrand::Rng, u32)>,
    done: u32,
}

impl Cuts {
    /// At the next request of this kind.
    pub fn cut_once(&self, kind: &str, moment: Moment) {
        self.plan(|plan| plan.once.insert(kind.to_owned(), moment));
    }

    /// At one of so many requests, at moments that follow from `seed`.
    pub fn random(seed: u64, one_in: u32) -> Self {
        let plan = Plan { random: Some((fastrand::Rng::with_seed(seed), one_in.max(1))), ..Plan::default() };
        Self(Arc::new(Mutex::new(plan)))
    }

    /// How often the line was cut.
    pub fn count_cuts(&self) -> u32 {
        self.plan(|plan| plan.done)
    }

    /// The moment for a request of this kind.
    pub(super) fn next(&self, kind: &str) -> Option<Moment> {
        self.plan(|plan| {
            let drawn = plan.random.as_mut().and_then(|(rng, one_in)| {
                let moments = [Moment::Before, Moment::During, Moment::After];
                (rng.u32(..*one_in) == 0).then(|| moments[rng.usize(..moments.len())])
            });
            let moment = plan.once.remove(kind).or(drawn);
            plan.done += u32::from(moment.is_some());
            moment
        })
    }

    fn plan<T>(&self, work: impl FnOnce(&mut Plan) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
