//! Commands to tasks: each command becomes one task that ends in exactly one event; a panic becomes that event too.

use crate::domain::ending::ProcessEnd;
use crate::domain::mission::{Command, Event, JobId, NoOffer, Refusal, SessionReport};
use crate::domain::trouble::Trouble;
use crate::domain::values::SessionId;
use crate::engine::context::mission::MissionContext;
use crate::engine::error::PRINTED;
use crate::engine::tasks::hosts::{AskOpen, OpenQuestion};
use crate::engine::tasks::queue_verification::check_objective;
use crate::engine::tasks::{bookkeeping, establish, hosts, landing, pins, preflight, queue_verification, session};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tokio::task::{Id, JoinSet};

/// What is said of a task that panicked.
const DEFECT: &str = "a defect of mc ended this task";

/// The running tasks of an engine.
#[derive(Debug)]
pub struct Executor {
    context: Arc<MissionContext>,
    tasks: JoinSet<Event>,
    if_it_panics: HashMap<Id, Event>,
    /// How to cancel each job.
    cancels: HashMap<JobId, watch::Sender<bool>>,
    /// What tasks tell while they are at work.
    news: (mpsc::UnboundedSender<Event>, mpsc::UnboundedReceiver<Event>),
    /// What tasks ask of whoever drives the mission.
    questions: (AskOpen, mpsc::UnboundedReceiver<OpenQuestion>),
}

/// What a task has to say.
#[derive(Debug)]
pub enum Said {
    /// It has ended, or tells something.
    Event(Event),
    /// It asks what is open on a host.
    Question(OpenQuestion),
}

impl Executor {
    /// An executor with nothing running.
    pub fn new(context: Arc<MissionContext>) -> Self {
        Self {
            context,
            tasks: JoinSet::new(),
            if_it_panics: HashMap::new(),
            cancels: HashMap::new(),
            news: mpsc::unbounded_channel(),
            questions: mpsc::unbounded_channel(),
        }
    }

    /// Waits for the next task to end, or to say something. Never resolves while nothing runs.
    pub async fn next(&mut self) -> Said {
        loop {
            let ended = tokio::select! {
                Some(event) = self.news.1.recv() => return Said::Event(event),
                Some(question) = self.questions.1.recv() => return Said::Question(question),
                ended = self.tasks.join_next_with_id() => ended,
            };
            match ended {
                None => std::future::pending::<()>().await,
                Some(Ok((id, event))) => {
                    self.if_it_panics.remove(&id);
                    self.remove_cancel(&event);
                    return Said::Event(event);
                }
                Some(Err(error)) => {
                    tracing::error!("a task failed: {error}");
                    if let Some(event) = self.if_it_panics.remove(&error.id()) {
                        self.remove_cancel(&event);
                        return Said::Event(event);
                    }
                }
            }
        }
    }

    fn remove_cancel(&mut self, event: &Event) {
        if let Some(job) = event.ended_job() {
            self.cancels.remove(&job);
        }
    }

    fn register_cancel(&mut self, job: JobId) -> watch::Receiver<bool> {
        let (send, receive) = watch::channel(false);
        self.cancels.insert(job, send);
        receive
    }

    /// Starts one command.
    pub fn start(&mut self, command: Command) {
        let context = Arc::clone(&self.context);
        let defect = || Trouble::from(DEFECT.to_owned());
        let refused = || Refusal { reason: DEFECT.to_owned(), hint: PRINTED.to_owned(), exit: 6 };
        match command {
            Command::Preflight => self.spawn(Event::Preflight(Err(refused())), async move {
                Event::Preflight(preflight::preflight(&context).await)
            }),
            Command::Establish { tip, create } => self.spawn(Event::Established(Err(refused())), async move {
                Event::Established(establish::establish_green(&context, &tip, create).await)
            }),
            Command::CheckTarget(green) => self.spawn(Event::TargetChecked(Err(defect())), async move {
                Event::TargetChecked(establish::find_new_target(&context, &green).await)
            }),
            Command::ReadBacklog { green, outside } => self
                .spawn(Event::BacklogRead(Err(NoOffer::Trouble(defect()))), async move {
                    Event::BacklogRead(establish::read_backlog(&context, &green, outside.as_ref()).await)
                }),
            Command::Start(order) | Command::Adopt(order)
                if self.cancels.contains_key(&JobId::Session(order.session)) =>
            {
                tracing::error!("attempt {} of {} was asked twice", order.n, order.spec.id);
            }
            Command::Start(order) => {
                let (session, news) = (order.session, self.news.0.clone());
                self.spawn_session(session, async move |kill| {
                    let began = Event::SessionBegan(session);
                    session::start(&context, order, kill, || drop(news.send(began))).await
                });
            }
            Command::Adopt(order) => {
                self.spawn_session(order.session, async move |kill| session::adopt(&context, order, kill).await)
            }
            Command::Cancel(job) => {
                if let Some(cancel) = self.cancels.get(&job) {
                    cancel.send_replace(true);
                }
            }
            Command::Integrate { landing, onto, head, source, title, contested } => {
                self.spawn(Event::Integrated { landing, result: Err(defect()) }, async move {
                    let merged = landing::integrate(&context, landing, &onto, &head, &source, &title).await;
                    let result = landing::with_contested(&context, &onto, merged, &contested).await;
                    Event::Integrated { landing, result }
                });
            }
            Command::WriteBookkeeping { landing, onto, bookkeeping } => {
                self.spawn(Event::Integrated { landing, result: Err(defect()) }, async move {
                    Event::Integrated {
                        landing,
                        result: bookkeeping::write(&context, landing, &onto, &bookkeeping).await,
                    }
                });
            }
            Command::Verify(order) => {
                let run = order.run;
                let kill = self.register_cancel(JobId::Run(run));
                self.spawn(Event::Verified { run, result: Err(defect().into()) }, async move {
                    let result = queue_verification::verify(&context, order, kill).await.map(Box::new);
                    Event::Verified { run, result }
                });
            }
            Command::Land { landing, candidate, expected, ask_only, .. } => {
                self.spawn(Event::LandEnded { landing, result: Err(defect()) }, async move {
                    let result = landing::land(&context, landing, &candidate, &expected, ask_only).await;
                    Event::LandEnded { landing, result }
                });
            }
            Command::CheckObjective { round, green, host, pins } => {
                let kill = self.register_cancel(JobId::Check(round));
                let failed = Event::ObjectiveChecked { round, met: Err(defect()), pins: Vec::new(), moved: None };
                self.spawn(failed, async move {
                    let pins = pins::restore(&context, pins).await;
                    let moved = establish::find_advanced_green(&context, &green).await;
                    if let Err(why) = landing::pin_checkpoint(&context, round, &green).await {
                        tracing::warn!("pin the checkpoint of round {round}: {why}");
                    }
                    let met = match &context.settings().target.check {
                        Some(line) => check_objective(&context, line, (&green, &host), round, kill).await,
                        None => Ok(true),
                    };
                    if let Err(why) = &met {
                        tracing::warn!("check the objective: {why}");
                    }
                    Event::ObjectiveChecked { round, met, pins, moved }
                });
            }
            Command::ProbeHost(host) => {
                let failed = Event::HostSeen { host: host.clone(), result: Err(defect()) };
                let ask = self.questions.0.clone();
                self.spawn(failed, async move {
                    let result = hosts::probe(&context, &host, &ask).await;
                    Event::HostSeen { host, result }
                });
            }
            Command::Exit { .. } => {}
        }
    }

    fn spawn_session<F>(&mut self, session: SessionId, run: impl FnOnce(watch::Receiver<bool>) -> F)
    where
        F: Future<Output = Result<SessionReport, Trouble>> + Send + 'static,
    {
        let run = run(self.register_cancel(JobId::Session(session)));
        let report = SessionReport::from_end(ProcessEnd::Infrastructure(DEFECT.to_owned().into()));
        self.spawn(Event::of_session(session, Ok(report)), async move { Event::of_session(session, run.await) });
    }

    fn spawn(&mut self, if_it_panics: Event, task: impl Future<Output = Event> + Send + 'static) {
        let handle = self.tasks.spawn(task);
        self.if_it_panics.insert(handle.id(), if_it_panics);
    }
}
