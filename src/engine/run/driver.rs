//! The loop: one event, one decision, one transaction, then the commands.
//!
//! Sources of events: tasks that end, signals of the operating system, requests of other mc processes (a row in the
//! database and a byte in the FIFO), and the one timer the state asks for. Nothing is polled.

use super::executor::{Executor, Said};
use super::observer::Observer;
use super::signals::Signals;
use crate::adapters::os::clock::EngineClock;
use crate::adapters::store::{Entry, Signal, Wake};
use crate::adapters::trouble::limit_of;
use crate::domain::mission::{Command, EndReason, Event, Mission, Record, Step, StopLevel, decide};
use crate::domain::values::{HostId, UnitId};
use crate::engine::context::mission::MissionContext;
use crate::engine::error::EngineError;
use std::sync::Arc;

/// How an engine begins.
#[derive(Debug)]
pub struct Opening {
    /// What is told before anything else.
    pub early: Vec<Event>,
    /// [`Event::Begun`] or [`Event::Resumed`].
    pub first: Event,
    /// Number of the newest request that was waiting when a person had the mission go on: stops among those are withdrawn.
    pub overtaken: Option<i64>,
}

/// A mission being driven.
pub struct Driver {
    context: Arc<MissionContext>,
    state: Mission,
    executor: Executor,
    observers: Vec<Box<dyn Observer>>,
    clock: EngineClock,
    overtaken: Option<i64>,
}

impl Driver {
    /// A driver of `state`, whose newest journal time is `floor`.
    pub fn new(
        context: Arc<MissionContext>,
        state: Mission,
        observers: Vec<Box<dyn Observer>>,
        clock: EngineClock,
    ) -> Self {
        let executor = Executor::new(Arc::clone(&context));
        Self { context, state, executor, observers, clock, overtaken: None }
    }

    /// Runs from its opening until the mission says to leave; the result is the exit code.
    ///
    /// # Errors
    /// [`EngineError`] when the journal cannot be written or the right to write it is lost: then nothing more is started, and
    /// the mission can be resumed.
    pub async fn run(mut self, opening: Opening) -> Result<u8, EngineError> {
        let Opening { early, first, overtaken } = opening;
        self.overtaken = overtaken;
        let failed = |what: &str, e: &(dyn std::error::Error + 'static)| {
            let limit = limit_of(e).map(|limit| format!("{}: {}", limit.words(), limit.remedy()));
            let mend = limit.unwrap_or_else(|| "mend it".to_owned());
            let what = format!("{what}: {}", crate::domain::trouble::chain(e));
            EngineError::Broken { what, hint: format!("{mend}, then `mc mission resume`") }
        };
        let mut wake = Wake::open(&self.context.state.wake_fifo()).map_err(|e| failed("open the wake-up FIFO", &e))?;
        let mut signals = Signals::new().map_err(|e| failed("listen to signals", &e))?;
        for event in early {
            self.take(event, &[])?;
        }
        if first == Event::Resumed {
            // A request left while no engine ran (`mc unit retry`) counts before it is decided whether anything is left to do.
            self.requests()?;
        }
        if let Some(code) = self.take(first, &[])? {
            return Ok(code);
        }
        if let Some(code) = self.requests()? {
            return Ok(code);
        }
        loop {
            let due = self.state.next_wake().map(|at| self.clock.time_until(at));
            let exit = tokio::select! {
                said = self.executor.next() => match said {
                    Said::Event(event) => self.take(event, &[])?,
                    Said::Question(question) => {
                        question.answer(&self.state);
                        None
                    }
                },
                level = signals.next() => self.take(Event::Stop(level), &[])?,
                heard = wake.wait_for_ring() => {
                    heard.map_err(|e| failed("read the wake-up FIFO", &e))?;
                    self.requests()?
                }
                () = sleep_for(due) => self.take(Event::Tick, &[])?,
            };
            if let Some(code) = exit {
                return Ok(code);
            }
        }
    }

    /// Takes what other mc processes asked for.
    fn requests(&mut self) -> Result<Option<u8>, EngineError> {
        self.context.check_ownership()?;
        let waiting = self.context.store().signals_waiting()?;
        let old = |signal: &&Signal| self.overtaken.is_some_and(|newest| signal.id <= newest) && is_stop(signal);
        let withdrawn: Vec<i64> = waiting.iter().filter(old).map(|signal| signal.id).collect();
        for signal in waiting {
            let event = match request(&signal.kind, &signal.body) {
                // Who asked twice is told once.
                Some(_) if withdrawn.last() == Some(&signal.id) => Event::WithdrawStop { asked: signal.at },
                Some(event) if !withdrawn.contains(&signal.id) => event,
                _ => Event::Tick,
            };
            if let Some(code) = self.take(event, &[signal.id])? {
                return Ok(Some(code));
            }
        }
        Ok(None)
    }

    /// One decision: decide, make it durable, show it, start what it asks for. The exit code, if it says to leave.
    fn take(&mut self, event: Event, answered: &[i64]) -> Result<Option<u8>, EngineError> {
        self.context.check_ownership()?;
        let now = self.clock.now();
        let step = decide(&mut self.state, now, event);
        self.persist_step(now, &step, answered)?;
        for record in &step.records {
            for observer in &mut self.observers {
                observer.on_record(now, record, &self.state);
            }
        }
        if step.records.iter().any(ends_waits) {
            self.context.stop_waiting();
        }
        if !step.commands.is_empty() {
            self.context.check_ownership()?;
        }
        let mut exit = None;
        for command in step.commands {
            match command {
                Command::Exit { code } => exit = Some(code),
                command => self.executor.start(command),
            }
        }
        Ok(exit)
    }

    fn persist_step(&self, now: u64, step: &Step, answered: &[i64]) -> Result<(), EngineError> {
        if step.records.is_empty() && answered.is_empty() {
            return Ok(());
        }
        let entries = step.records.iter().map(entry).collect::<Result<Vec<_>, _>>()?;
        self.context.store().append_answering(&self.context.mission, now, &entries, answered)?;
        Ok(())
    }
}

/// Whether nothing is waited for any more that was not begun: a person has the mission end, or everything is to end now. What a cap
/// lets finish may wait for its host.
fn ends_waits(record: &Record) -> bool {
    matches!(record, Record::StopRequested { level, why, .. } if *level > StopLevel::Drain || *why == EndReason::Person)
}

/// A record as a journal entry.
///
/// # Errors
/// [`EngineError::Record`] when it does not serialise, which would be a defect.
pub fn entry(record: &crate::domain::mission::Record) -> Result<Entry, EngineError> {
    let body = serde_json::to_string(record).map_err(|e| EngineError::Record { seq: 0, reason: e.to_string() })?;
    Ok(Entry { kind: record.kind(), body })
}

fn is_stop(signal: &Signal) -> bool {
    matches!(request(&signal.kind, &signal.body), Some(Event::Stop(_)))
}

/// What a request means; unknown kinds come from a newer mc and mean nothing here.
pub fn request(kind: &str, body: &str) -> Option<Event> {
    match kind {
        "stop" => Some(Event::Stop(StopLevel::Drain)),
        "stop-now" => Some(Event::Stop(StopLevel::Now)),
        "pause" => Some(Event::Pause),
        "resume" => Some(Event::Unpause),
        "retry-unit" => {
            let (id, answer) = body.split_once('\n').unwrap_or((body, ""));
            UnitId::new(id).ok().map(|unit| Event::RetryUnit { unit, answer: answer.to_owned() })
        }
        "drain-host" => HostId::new(body).ok().map(Event::DrainHost),
        "resume-host" => HostId::new(body).ok().map(Event::ResumeHost),
        "cancel-unit" => UnitId::new(body).ok().map(Event::CancelUnit),
        _ => None,
    }
}

async fn sleep_for(due: Option<std::time::Duration>) {
    match due {
        Some(due) => tokio::time::sleep(due).await,
        None => std::future::pending().await,
    }
}
