//! A host behind a worker, as the engine sees it. Where the worker cannot be reached, what was asked is asked again ([`super::asking`]); a
//! question that gets no answer for long is trouble and decides nothing, and a run is given up when it has ended by its lease.

use super::bounds::cap_lists;
use super::known::Sent;
use super::line::{Line, Patience};
use super::objects::Pinned;
use super::opening::Opener;
use super::protocol::{
    CollectAnswer, Compared, Hello, KeptEnd, Request, RunAnswer, SourcePlace, Variables, Versions, put_contents,
    take_contents,
};
use super::transport::Transport;
use crate::adapters::git::{Git, GitError, SourceFacts};
use crate::adapters::host::local::operations::facts::incomplete_error;
use crate::adapters::host::local::protocol::{ERRORS, OUTPUT};
use crate::adapters::host::local::workspace::head_ref;
use crate::adapters::host::local::workspace::lfs::LargeFiles;
use crate::adapters::host::local::workspace::pool::refuse_incomplete;
use crate::adapters::host::local::workspace::tags::Tags;
use crate::adapters::host::order::{
    CollectOrder, CollectOutcome, Ended, HostError, HostFacts, NotFresh, NotReady, PrepareOrder, Ready, Release,
    RunKey, RunOrder, RunState, Start, Untracked, UsedSlot, until_killed,
};
use crate::adapters::host::settings::{HostSettings, PoolKind};
use crate::adapters::os::files::{self, if_there};
use crate::adapters::trouble::{Places, cause_of};
use crate::domain::ending::ProcessEnd;
use crate::domain::trouble::{Cause, Trouble, chain};
use crate::domain::values::{CommitId, MissionId, Tip};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, OnceCell, watch};

/// How often the output of a run is brought here while it goes on: at first and as long as there is some, and when there was none for long.
const LOOK: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(30));

/// Settings of a repository that workspaces follow, as git's regular expression.
const FOLLOWED: &str =
    r"^(user\..*|author\..*|committer\..*|submodule\..*\.url|remote\.origin\.url|filter\..*|lfs\.fetch(in|ex)clude)$";

/// A list of ignored files that is longer is not followed.
const LONGEST_LIST: u64 = 1 << 20;

/// What the engine tells of itself.
#[derive(Debug, Clone)]
pub struct EngineCard {
    /// Id of its state directory.
    pub state: String,
    /// Its number.
    pub epoch: u64,
    /// The state directory.
    pub root: PathBuf,
    /// Where output of runs is kept here.
    pub runs: PathBuf,
    /// The folder with what is remembered of sessions, each with a [note of its host](super::late::note_host); absent: any may be anywhere.
    pub sessions: Option<PathBuf>,
    /// The missions it knows of; absent: any may be its own.
    pub missions: Option<Arc<BTreeSet<MissionId>>>,
    /// Variables that runs get with the values which the engine has.
    pub variables: Variables,
}

/// A host behind a worker.
#[derive(Debug)]
pub struct RemoteHost {
    pub(super) transport: Transport,
    pub(super) settings: HostSettings,
    pub(super) engine: EngineCard,
    pub(super) source: Git,
    pub(super) facts: SourceFacts,
    pub(super) tags: Tags,
    pub(super) large: OnceCell<LargeFiles>,
    pub(super) hello: OnceCell<Hello>,
    pub(super) line: Arc<Line>,
    pub(super) opener: Opener,
    /// Nobody waits long for it any more.
    pub(super) hurries: AtomicBool,
    /// Objects go there one transfer at a time: what is known to be there.
    pub(super) sending: Mutex<Option<Sent>>,
    /// Pins that are here by now, and of which the host is told when it is spoken to of their slot.
    brought: std::sync::Mutex<Vec<(String, CommitId)>>,
    /// Whether runs there outlive the connection, once that is known.
    pub(super) outlives: std::sync::Mutex<Option<bool>>,
    /// That is tried once at a time.
    pub(super) trying: Mutex<()>,
    /// Attempts that were told to end: nobody waits long for what they made.
    stopped: std::sync::Mutex<BTreeSet<RunKey>>,
}

impl RemoteHost {
    /// Puts together what is there; nothing is started before something is asked.
    pub fn new(
        transport: Transport,
        settings: HostSettings,
        engine: EngineCard,
        source: Git,
        facts: SourceFacts,
        tags: Tags,
    ) -> Self {
        Self {
            transport,
            settings,
            engine,
            source,
            facts,
            tags,
            large: OnceCell::new(),
            hello: OnceCell::new(),
            line: Arc::default(),
            opener: Opener::default(),
            hurries: AtomicBool::default(),
            sending: Mutex::default(),
            brought: std::sync::Mutex::default(),
            outlives: std::sync::Mutex::default(),
            trying: Mutex::default(),
            stopped: std::sync::Mutex::default(),
        }
    }

    pub(super) fn classify_error(&self, error: &(dyn std::error::Error + 'static)) -> Trouble {
        let places = Places { source: self.facts.common_dir.clone(), state: self.engine.root.clone() };
        Trouble::new(cause_of(error, &places), chain(error))
    }

    pub(super) async fn load_hello(&self) -> Result<&Hello, GitError> {
        self.hello
            .get_or_try_init(|| async {
                let said = self.source.settings(FOLLOWED).await?;
                // What git-lfs is set up for, it is set up for there; other settings of a person are those of that machine.
                let large = |key: &str| key.starts_with("filter.lfs.") || key.starts_with("lfs.");
                let followed = said.iter().filter(|setting| setting.own || large(&setting.key));
                let pairs = followed.filter_map(|it| Some((it.key.clone(), String::from_utf8(it.value.clone()).ok()?)));
                let read = |path: PathBuf| files::read_from(&path, 0, LONGEST_LIST).unwrap_or_default();
                let users = self.source.run_query(&["config", "--path", "--get", "core.excludesFile"]).await?;
                let users = users.map(|path| String::from_utf8_lossy(&path).trim_end_matches('\n').to_owned());
                let users = users.filter(|path| !path.is_empty()).map(|path| read(self.facts.toplevel.join(path)));
                Ok(Hello {
                    versions: Versions::own(),
                    state: self.engine.state.clone(),
                    epoch: self.engine.epoch,
                    settings: self.settings.clone(),
                    place: SourcePlace::of(&self.facts.toplevel, &self.facts.common_dir, &self.engine.root),
                    object_format: self.facts.object_format.clone(),
                    config: pairs.collect(),
                    shallow: if self.facts.shallow { read(self.facts.common_dir.join("shallow")) } else { Vec::new() },
                    ignores: [read(self.facts.common_dir.join("info/exclude")), users.unwrap_or_default()],
                    limits: self.transport.limits,
                    abandoned: Vec::new(),
                    variables: self.engine.variables.clone(),
                    takes_more: true,
                })
            })
            .await
    }

    /// As [`super::super::any::Host::probe`], like all that follow.
    ///
    /// # Errors
    /// [`HostError`].
    pub async fn probe(&self) -> Result<HostFacts, HostError> {
        let cut = self.settings.kind == PoolKind::Verifications;
        refuse_incomplete(&self.facts, cut).map_err(|e| incomplete_error(&e))?;
        let facts: HostFacts = self.query::<Result<HostFacts, HostError>>(Request::Probe).await??;
        // What was damaged in its mirror is not there any more.
        self.forget_sent().await;
        Ok(HostFacts { outlives: self.find_out_outliving().await, ..facts })
    }

    /// A workspace; the commits it needs are sent first. Whoever wants an early end waits for no sending, and for the answer of the host
    /// as long as for a question.
    ///
    /// # Errors
    /// [`NotFresh`].
    pub async fn prepare(&self, order: &PrepareOrder, kill: watch::Receiver<bool>) -> Result<Ready, NotFresh> {
        let failed = |trouble| NotFresh::NotReady(NotReady::Failed(trouble));
        let landed = match &order.beside {
            Untracked::OfLanded(commit) => Some(commit),
            Untracked::Ignored | Untracked::Nothing => None,
        };
        let commits: Vec<CommitId> = [&order.base].into_iter().chain(landed).cloned().collect();
        let mut order = order.clone();
        let (lengths, bytes) = take_contents(order.contents());
        let (base, setup) = (order.base.clone(), order.setup.clone());
        let request = Request::Prepare(Box::new(order), lengths);
        let ask = async || {
            let sending = async {
                self.send(&commits).await?;
                self.send_contents(std::slice::from_ref(&base)).await
            };
            tokio::select! {
                sent = sending => sent.map_err(failed)?,
                () = until_killed(kill.clone()) => return Err(NotFresh::from(NotReady::Killed)),
            }
            let (patience, mut progress) = (self.short_patience(), || ());
            let asked = self.send_request(request.clone(), &bytes, patience, kill.clone(), &mut progress);
            let give_up = async {
                until_killed(kill.clone()).await;
                tokio::time::sleep(self.transport.patience).await;
            };
            tokio::select! {
                asked = asked => asked.map(|(prepared, _)| prepared).map_err(failed),
                () = give_up => {
                    self.line.cut(Some(&setup));
                    Err(NotReady::Killed.into())
                }
            }
        };
        let prepared = ask().await?;
        let has_failed = matches!(prepared, Err(NotFresh::NotReady(NotReady::Failed(_))));
        if has_failed && self.lacks(&commits).await { ask().await? } else { prepared }
    }

    /// A run; its output is brought here while it goes on. It is given up where its host was [silent](Self::silence_of) for too long:
    /// the next worker there ends it before anything else.
    pub async fn run(
        &self,
        order: &RunOrder,
        start: Start,
        kill: watch::Receiver<bool>,
        began: impl FnOnce() + Send,
    ) -> Ended {
        let mut began = Some(began);
        let mut progress = || {
            if let Some(began) = began.take() {
                began();
            }
        };
        let request = Request::Run(Box::new(order.clone()), start);
        let answer = {
            let patience = Patience::Silence(self.silence_of(&order.key));
            let asked = self.send_request::<RunAnswer>(request, &[], patience, kill.clone(), &mut progress);
            // The run is asked about while output is on its way: it may be told to end.
            let follow = async {
                let mut pause = LOOK.0;
                loop {
                    tokio::time::sleep(pause).await;
                    pause = match self.bring_logs(&order.key, order.session.is_some(), &[]).await {
                        Ok(true) => LOOK.0,
                        Ok(false) => (pause * 2).min(LOOK.1),
                        Err(trouble) => {
                            tracing::debug!("bring output of a run here: {trouble}");
                            LOOK.1
                        }
                    };
                }
            };
            tokio::select! {
                answer = asked => answer,
                never = follow => never,
                never = self.follow_progress(order) => never,
            }
        };
        if let Some(session) = order.session.as_ref().filter(|_| *kill.borrow()) {
            self.stopped().insert(session.key.clone());
        }
        let (RunAnswer(mut ended, lengths, ends), bytes) = match answer {
            Ok(answer) => answer,
            Err(trouble) => return self.give_up(order, trouble),
        };
        let reports = bytes.len().min(lengths.iter().sum());
        let ends = KeptEnd::split(&ends, &bytes[reports..]);
        if ended.ran.is_some() {
            // What was told of its start may have been lost.
            progress();
        }
        put_contents(ended.contents(), lengths, &bytes);
        self.explain_loss(&mut ended).await;
        if ended.log.is_some() {
            // What is judged is all of it.
            let begun = Instant::now();
            while let Err(trouble) = self.bring_logs(&order.key, order.session.is_some(), &ends).await {
                let bound = if *kill.borrow() { self.transport.patience } else { self.silence_of(&order.key) };
                if trouble.cause != Cause::Unreachable || begun.elapsed() >= bound {
                    ended.end = ProcessEnd::Infrastructure(trouble.while_trying("bring its output here"));
                    break;
                }
            }
            ended.log = Some(self.log_file(&order.key));
        }
        ended
    }

    /// Waits for a run no longer. It may live, and nothing may be done to its workspace as long as it does.
    fn give_up(&self, order: &RunOrder, trouble: Trouble) -> Ended {
        self.line.cut(Some(&order.key));
        let trouble = match trouble.cause {
            Cause::Unreachable => trouble.while_trying(&format!("the run {} is given up", order.key)),
            _ => trouble,
        };
        Ended::from_end(ProcessEnd::Infrastructure(trouble))
    }

    /// As [`super::super::any::Host::find_run`].
    ///
    /// # Errors
    /// [`Cause::Unreachable`]: it is given up.
    pub async fn find_run(&self, key: &RunKey, kill: watch::Receiver<bool>) -> Result<RunState, Trouble> {
        let patience = Patience::Silence(self.longest_silence());
        let request = Request::LookUp(key.clone());
        match self.send_request::<Result<RunState, Trouble>>(request, &[], patience, kill, &mut || ()).await {
            Ok((known, _)) => known,
            Err(trouble) => {
                self.line.cut(Some(key));
                Err(trouble.while_trying(&format!("find out what became of the run {key}")))
            }
        }
    }

    fn stopped(&self) -> std::sync::MutexGuard<'_, BTreeSet<RunKey>> {
        self.stopped.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// As [`super::super::any::Host::archive_run`]. What was brought here of that run is the host's to keep: the next one's output begins anew.
    ///
    /// # Errors
    /// It cannot be moved, or something of it cannot be ended.
    pub async fn archive_run(&self, key: &RunKey) -> Result<(), Trouble> {
        self.query::<Result<(), Trouble>>(Request::PutAside(key.clone())).await??;
        for name in [OUTPUT, ERRORS] {
            let gone = if_there(std::fs::remove_file(self.log_file(key).with_file_name(name)));
            gone.map_err(|e| self.classify_error(&e))?;
        }
        Ok(())
    }

    /// The work of an attempt; what is pinned there is pinned here before this returns. A host that is out of reach is waited
    /// for as long as for a run.
    ///
    /// # Errors
    /// What around it failed.
    pub async fn collect(&self, order: &CollectOrder) -> Result<CollectOutcome, Trouble> {
        let key = RunKey::of_attempt(&order.mission, &order.unit, order.number);
        let begun = Instant::now();
        loop {
            let trouble = match self.try_collect(order).await {
                Err(trouble) if trouble.cause == Cause::Unreachable => trouble,
                done => {
                    self.stopped().remove(&key);
                    return done;
                }
            };
            let (silent, told) = (self.line.silence_since(begun), self.stopped().contains(&key));
            // Where it answers, asking for long does not help.
            let waits = silent >= self.transport.patience / 2 && silent < self.longest_silence();
            if told || !waits {
                return Err(trouble);
            }
        }
    }

    async fn try_collect(&self, order: &CollectOrder) -> Result<CollectOutcome, Trouble> {
        let known = [order.base.clone(), order.green.clone()];
        self.send(&known).await?;
        let (answer, pack) = self.exchange::<CollectAnswer>(Request::Collect(order.clone()), &[]).await?;
        let CollectAnswer { outcome, pins } = answer;
        if outcome.is_err() {
            self.forget_sent().await;
        }
        let mut kept = outcome?;
        if let CollectOutcome::Pinned(found) = &mut kept {
            cap_lists(found);
        }
        if let CollectOutcome::Pinned(found) = &kept {
            let of = Pinned { mission: &order.mission, unit: &order.unit, number: order.number, late: false };
            match pins {
                Some(pins) => {
                    let brought = self.bring_pins(of, pins, &known, &pack).await?;
                    self.brought().extend(brought);
                }
                None => self.fetch_pins(of, &known).await?,
            }
            self.check_pinned(order, &found.head).await?;
            self.unpin_progress(&order.mission, &order.unit, order.number).await;
        }
        Ok(kept)
    }

    /// That what a host tells of an attempt is what it has pinned.
    async fn check_pinned(&self, order: &CollectOrder, told: &Tip) -> Result<(), Trouble> {
        let pin = head_ref(&order.mission, &order.unit, order.number);
        let pinned = self.source.ref_value(&pin).await.map_err(|e| self.classify_error(&e))?;
        if pinned.as_ref() != Some(&told.commit) {
            let why = format!("a host tells of {} as the work of {pin}, which is not what it has pinned", told.commit);
            return Err(Trouble::from(why));
        }
        if self.source.tree_of(&told.commit).await.map_err(|e| self.classify_error(&e))? != told.tree {
            return Err(Trouble::from(format!("a host tells of another tree than {} has", told.commit)));
        }
        Ok(())
    }

    fn brought(&self) -> std::sync::MutexGuard<'_, Vec<(String, CommitId)>> {
        self.brought.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// As [`super::super::any::Host::release`]. In the same breath the host learns which of its pins are here.
    ///
    /// # Errors
    /// Why it could not be given back.
    pub async fn release(&self, slot: u32, label: &str, release: &Release) -> Result<(), Trouble> {
        let request = Request::Release(UsedSlot { slot, label: label.to_owned() }, release.clone());
        let ((), released) = tokio::join!(self.tell_brought(), self.query::<Result<(), Trouble>>(request));
        released?
    }

    /// Tells the host which of its pins are here. What it does not hear now, it hears the next time.
    pub(super) async fn tell_brought(&self) {
        let pins = std::mem::take(&mut *self.brought());
        if pins.is_empty() {
            return;
        }
        let told = self.query::<Result<(), Trouble>>(Request::Brought(pins.clone())).await;
        if let Err(trouble) | Ok(Err(trouble)) = told {
            tracing::warn!("tell a host which pins are here: {trouble}");
            self.brought().extend(pins);
        }
    }

    /// Whether the mirror lacks some of these commits, of which it was thought that it has them.
    async fn lacks(&self, commits: &[CommitId]) -> bool {
        self.forget_sent().await;
        let compared = self.query::<Result<Compared, Trouble>>(Request::Compare(commits.to_vec())).await;
        matches!(compared, Ok(Ok(compared)) if !compared.missing.is_empty())
    }
}

/// A name for a file that nobody else uses.
pub(super) fn new_name() -> String {
    format!("t-{:016x}", fastrand::u64(..))
}
