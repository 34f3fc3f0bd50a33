//! Commands to tasks: each command becomes one task that ends in exactly one event; a panic becomes that event too.

use super::shop::Shop;
use super::{attempt, books, ground, landing, pins, preflight, verification};
use crate::domain::mission::{AttemptReport, Command, Event, Refusal, RunEnd};
use crate::domain::values::UnitId;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::{Id, JoinSet};

/// What can be killed by request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Target {
    Attempt(UnitId, u32),
    Verification(u64),
    Check(u32),
}

/// The running tasks of an engine.
#[derive(Debug)]
pub struct Executor {
    shop: Arc<Shop>,
    tasks: JoinSet<Event>,
    if_it_panics: HashMap<Id, Event>,
    kills: HashMap<Target, watch::Sender<bool>>,
}

impl Executor {
    /// An executor with nothing running.
    #[must_use]
    pub fn new(shop: Arc<Shop>) -> Self {
        Self { shop, tasks: JoinSet::new(), if_it_panics: HashMap::new(), kills: HashMap::new() }
    }

    /// Waits for the next task to end. Never resolves while nothing runs.
    pub async fn next(&mut self) -> Event {
        loop {
            match self.tasks.join_next_with_id().await {
                None => std::future::pending::<()>().await,
                Some(Ok((id, event))) => {
                    self.if_it_panics.remove(&id);
                    self.forget(&event);
                    return event;
                }
                Some(Err(error)) => {
                    tracing::error!("a task failed: {error}");
                    if let Some(event) = self.if_it_panics.remove(&error.id()) {
                        self.forget(&event);
                        return event;
                    }
                }
            }
        }
    }

    fn forget(&mut self, event: &Event) {
        match event {
            Event::AttemptEnded { unit, n, .. } => {
                self.kills.remove(&Target::Attempt(unit.clone(), *n));
            }
            Event::Verified { run, .. } => {
                self.kills.remove(&Target::Verification(*run));
            }
            Event::ObjectiveChecked { round, .. } => {
                self.kills.remove(&Target::Check(*round));
            }
            _ => {}
        }
    }

    fn killable(&mut self, target: Target) -> watch::Receiver<bool> {
        let (send, receive) = watch::channel(false);
        self.kills.insert(target, send);
        receive
    }

    fn kill(&self, target: &Target) {
        if let Some(kill) = self.kills.get(target) {
            kill.send_replace(true);
        }
    }

    /// Starts one command.
    pub fn start(&mut self, command: Command) {
        let shop = Arc::clone(&self.shop);
        let broken = || "a defect of mc ended this task".to_owned();
        let refused = || Refusal { reason: broken(), hint: "see the log".to_owned(), exit: 6 };
        match command {
            Command::Preflight => self.spawn(Event::Preflight(Err(refused())), async move {
                Event::Preflight(preflight::preflight(&shop).await)
            }),
            Command::Establish { tip, create } => self.spawn(Event::Established(Err(refused())), async move {
                Event::Established(ground::establish(&shop, &tip, create).await)
            }),
            Command::CheckTarget { green } => self.spawn(Event::TargetChecked(None), async move {
                Event::TargetChecked(ground::target(&shop, &green).await)
            }),
            Command::ReadBacklog { green, outside } => self.spawn(Event::BacklogRead(Err(broken())), async move {
                Event::BacklogRead(ground::read_backlog(&shop, &green, outside.as_ref()).await)
            }),
            Command::Start(order) | Command::Adopt(order) if self.busy(&order.spec.id, order.n) => {
                tracing::error!("attempt {} of {} was asked twice", order.n, order.spec.id);
            }
            Command::Start(order) => {
                let (unit, n) = (order.spec.id.clone(), order.n);
                let kill = self.killable(Target::Attempt(unit.clone(), n));
                self.spawn(failed_attempt(&unit, n, &broken()), async move {
                    let report = Box::new(attempt::start(&shop, order, kill).await);
                    Event::AttemptEnded { unit, n, report }
                });
            }
            Command::Adopt(order) => {
                let (unit, n) = (order.spec.id.clone(), order.n);
                let kill = self.killable(Target::Attempt(unit.clone(), n));
                self.spawn(failed_attempt(&unit, n, &broken()), async move {
                    let report = Box::new(attempt::adopt(&shop, order, kill).await);
                    Event::AttemptEnded { unit, n, report }
                });
            }
            Command::Kill { unit, n } => self.kill(&Target::Attempt(unit, n)),
            Command::KillVerification { run } => self.kill(&Target::Verification(run)),
            Command::KillCheck { round } => self.kill(&Target::Check(round)),
            Command::Integrate { token, onto, head, source, title } => {
                self.spawn(Event::Integrated { token, result: Err(broken()) }, async move {
                    let result = landing::integrate(&shop, token, &onto, &head, &source, &title).await;
                    Event::Integrated { token, result }
                });
            }
            Command::WriteBooks { token, onto, books } => {
                self.spawn(Event::Integrated { token, result: Err(broken()) }, async move {
                    Event::Integrated { token, result: books::write(&shop, token, &onto, &books).await }
                });
            }
            Command::Verify(order) => {
                let run = order.run;
                let kill = self.killable(Target::Verification(run));
                self.spawn(Event::Verified { run, result: Err(broken().into()) }, async move {
                    Event::Verified { run, result: verification::verify(&shop, order, kill).await.map(Box::new) }
                });
            }
            Command::Land { token, candidate, expected, .. } => {
                self.spawn(Event::LandEnded { token, result: Err(broken()) }, async move {
                    Event::LandEnded { token, result: landing::land(&shop, token, &candidate, &expected).await }
                });
            }
            Command::CheckObjective { round, green, pins } => {
                let kill = self.killable(Target::Check(round));
                self.spawn(Event::ObjectiveChecked { round, met: false, pins: Vec::new() }, async move {
                    let pins = pins::restore(&shop, pins).await;
                    if let Err(why) = landing::checkpoint(&shop, round, &green).await {
                        tracing::warn!("pin the checkpoint of round {round}: {why}");
                    }
                    let Some(line) = shop.settings().target.check.clone() else {
                        return Event::ObjectiveChecked { round, met: true, pins };
                    };
                    let met = verification::check(&shop, &line, &green, &round.to_string(), kill).await;
                    if let Err(why) = &met {
                        tracing::warn!("check the objective: {why}");
                    }
                    Event::ObjectiveChecked { round, met: met == Ok(true), pins }
                });
            }
            Command::Exit { .. } => {}
        }
    }

    fn busy(&self, unit: &UnitId, n: u32) -> bool {
        self.kills.contains_key(&Target::Attempt(unit.clone(), n))
    }

    fn spawn(&mut self, if_it_panics: Event, task: impl Future<Output = Event> + Send + 'static) {
        let handle = self.tasks.spawn(task);
        self.if_it_panics.insert(handle.id(), if_it_panics);
    }
}

fn failed_attempt(unit: &UnitId, n: u32, why: &str) -> Event {
    let report = Box::new(AttemptReport::bare(RunEnd::Infrastructure(why.to_owned())));
    Event::AttemptEnded { unit: unit.clone(), n, report }
}
