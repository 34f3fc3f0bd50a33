//! A host behind a worker, as the engine sees it. Where the worker cannot be reached, what was asked is asked again; a question
//! that gets no answer for long is trouble and decides nothing, and a run is waited for as long as it takes.

use super::connection::{Connection, unreachable};
use super::objects::{BROUGHT, name_brought};
use super::protocol::{Hello, PROTOCOL, Reply, Request, SourcePlace, put_contents, take_contents};
use super::transport::{Moment, Transport};
use crate::adapters::git::{Git, GitError, SourceFacts};
use crate::adapters::host::local::operations::facts::incomplete_error;
use crate::adapters::host::local::protocol::{ERRORS, OUTPUT};
use crate::adapters::host::local::workspace::lfs::LargeFiles;
use crate::adapters::host::local::workspace::pool::refuse_incomplete;
use crate::adapters::host::local::workspace::tags::Tags;
use crate::adapters::host::order::{
    CollectOrder, CollectOutcome, Ended, HostError, HostFacts, NotFresh, NotReady, PrepareOrder, Ready, RunKey,
    RunOrder, Start, Untracked, UsedSlot, attempt_of, is_killed,
};
use crate::adapters::host::settings::{HostSettings, PoolKind};
use crate::adapters::os::files::{self, if_there};
use crate::adapters::trouble::{Places, cause_of};
use crate::domain::ending::ProcessEnd;
use crate::domain::trouble::{Cause, Trouble, chain};
use crate::domain::values::CommitId;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, OnceCell, watch};

/// Pauses between two tries.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

/// How often the output of a run is brought here while it goes on.
const LOOK: Duration = Duration::from_secs(2);

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
    line: Mutex<Line>,
    /// Objects go there one transfer at a time.
    pub(super) sending: Mutex<()>,
}

/// The way to a worker.
#[derive(Debug, Default)]
struct Line {
    connection: Option<Arc<Connection>>,
    /// Runs of whose end nobody was told; the next worker ends them.
    abandoned: Vec<RunKey>,
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
        let (large, hello, line, sending) = (OnceCell::new(), OnceCell::new(), Mutex::default(), Mutex::default());
        Self { transport, settings, engine, source, facts, tags, large, hello, line, sending }
    }

    pub(super) fn classify_error(&self, error: &(dyn std::error::Error + 'static)) -> Trouble {
        let places = Places { source: self.facts.common_dir.clone(), state: self.engine.root.clone() };
        Trouble::new(cause_of(error, &places), chain(error))
    }

    async fn load_hello(&self) -> Result<&Hello, GitError> {
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
                    protocol: PROTOCOL,
                    version: env!("CARGO_PKG_VERSION").to_owned(),
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
                })
            })
            .await
    }

    /// The connection that there is, or a new one.
    async fn connect(&self) -> Result<Arc<Connection>, Trouble> {
        let mut line = self.line.lock().await;
        if let Some(connection) = line.connection.as_ref().filter(|connection| !connection.is_lost()) {
            return Ok(Arc::clone(connection));
        }
        // The old worker ends before the next one is started.
        line.connection = None;
        let hello = self.load_hello().await.map_err(|e| self.classify_error(&e))?;
        let hello = Hello { abandoned: line.abandoned.clone(), ..hello.clone() };
        let renewal = (self.settings.lease() / 4).max(Duration::from_millis(100));
        let connection = Arc::new(Connection::open(&self.transport, hello, renewal).await?);
        *line = Line { connection: Some(Arc::clone(&connection)), abandoned: Vec::new() };
        Ok(connection)
    }

    /// Gives the connection up, and a run.
    async fn cut(&self, abandoned: Option<&RunKey>) -> Trouble {
        let mut line = self.line.lock().await;
        line.abandoned.extend(abandoned.cloned());
        if let Some(connection) = line.connection.take() {
            connection.cut();
        }
        unreachable("the connection was cut")
    }

    /// Asks once.
    async fn try_request(
        &self,
        request: &Request,
        bytes: &[u8],
        kill: &mut watch::Receiver<bool>,
        progress: &mut (dyn FnMut() + Send),
    ) -> Result<(Value, Vec<u8>), Trouble> {
        let connection = self.connect().await?;
        let cut = self.transport.cuts.next(&kind_of(request));
        if cut == Some(Moment::Before) {
            return Err(self.cut(None).await);
        }
        let (id, mut replies) = connection.request(request, bytes)?;
        if cut == Some(Moment::During) {
            // Some of it may have happened.
            tokio::time::sleep(Duration::from_millis(fastrand::u64(..40))).await;
            return Err(self.cut(None).await);
        }
        let mut told = false;
        loop {
            tokio::select! {
                reply = replies.recv() => match reply {
                    Some((Reply::Began, _)) => progress(),
                    Some(_) if cut == Some(Moment::After) => return Err(self.cut(None).await),
                    Some((Reply::Answer(given), bytes)) => return Ok((given, bytes)),
                    Some((Reply::Refused(trouble), _)) => return Err(trouble),
                    None => return Err(connection.why_lost()),
                },
                wanted = is_killed(kill), if !told => {
                    told = true;
                    if wanted {
                        connection.cancel(id);
                    }
                }
            }
        }
    }

    /// Asks until there is an answer, at most so long. What asking again does not mend comes back at once.
    async fn send_request<T: DeserializeOwned>(
        &self,
        request: Request,
        bytes: &[u8],
        patience: Option<Duration>,
        mut kill: watch::Receiver<bool>,
        progress: &mut (dyn FnMut() + Send),
    ) -> Result<(T, Vec<u8>), Trouble> {
        let (begun, mut pause) = (Instant::now(), PAUSES.0);
        loop {
            let trouble = match self.try_request(&request, bytes, &mut kill, progress).await {
                Ok((given, bytes)) => {
                    return serde_json::from_value(given).map(|given| (given, bytes)).map_err(unexpected_answer);
                }
                Err(trouble) => trouble,
            };
            if !may_pass(&trouble.cause) || patience.is_some_and(|patience| begun.elapsed() >= patience) {
                return Err(trouble.while_trying(&format!("ask the host behind {}", self.transport)));
            }
            tracing::debug!("ask a host again: {trouble}");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    /// Asks what nobody cancels.
    pub(in crate::adapters::host) async fn query<T: DeserializeOwned>(&self, request: Request) -> Result<T, Trouble> {
        self.exchange(request, &[]).await.map(|(given, _)| given)
    }

    /// The same with the bytes that go with it both ways.
    pub(super) async fn exchange<T: DeserializeOwned>(
        &self,
        request: Request,
        bytes: &[u8],
    ) -> Result<(T, Vec<u8>), Trouble> {
        self.send_request(request, bytes, Some(self.transport.patience), no_kill_signal(), &mut || ()).await
    }

    /// As [`super::super::any::Host::probe`], like all that follow.
    ///
    /// # Errors
    /// [`HostError`].
    pub async fn probe(&self) -> Result<HostFacts, HostError> {
        let cut = self.settings.kind == PoolKind::Verifications;
        refuse_incomplete(&self.facts, cut).map_err(|e| incomplete_error(&e))?;
        self.query(Request::Probe).await?
    }

    /// A workspace; the commits it needs are sent first.
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
        self.send(&commits).await.map_err(failed)?;
        self.send_contents(std::slice::from_ref(&order.base)).await.map_err(failed)?;
        let mut order = order.clone();
        let (lengths, bytes) = take_contents(order.contents());
        let request = Request::Prepare(Box::new(order), lengths);
        self.send_request(request, &bytes, Some(self.transport.patience), kill, &mut || ()).await.map_err(failed)?.0
    }

    /// A run; its output is brought here while it goes on.
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
            let asked = self.send_request::<(Ended, Vec<usize>)>(request, &[], None, kill, &mut progress);
            // The run is asked about while output is on its way: it may be told to end.
            let follow = async {
                loop {
                    tokio::time::sleep(LOOK).await;
                    if let Err(trouble) = self.bring_logs(&order.key, order.session.is_some()).await {
                        tracing::debug!("bring output of a run here: {trouble}");
                    }
                }
            };
            tokio::select! {
                answer = asked => answer,
                never = follow => never,
            }
        };
        let (mut ended, lengths, bytes) = match answer {
            Ok(((ended, lengths), bytes)) => (ended, lengths, bytes),
            Err(trouble) => {
                // It may live, and nothing may be done to its workspace as long as it does.
                self.cut(Some(&order.key)).await;
                return Ended::from_end(ProcessEnd::Infrastructure(trouble));
            }
        };
        if ended.ran.is_some() {
            // What was told of its start may have been lost.
            progress();
        }
        put_contents(ended.contents(), lengths, &bytes);
        if ended.log.is_some() {
            // What is judged is all of it, however long a host cannot be reached.
            while let Err(trouble) = self.bring_logs(&order.key, order.session.is_some()).await {
                if trouble.cause != Cause::Unreachable {
                    ended.end = ProcessEnd::Infrastructure(trouble);
                    break;
                }
            }
            ended.log = Some(self.log_file(&order.key));
        }
        ended
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

    /// The work of an attempt; what is pinned there is pinned here before this returns.
    ///
    /// # Errors
    /// What around it failed.
    pub async fn collect(&self, order: &CollectOrder) -> Result<CollectOutcome, Trouble> {
        self.send(&[order.base.clone(), order.green.clone()]).await?;
        let kept = self.query::<Result<CollectOutcome, Trouble>>(Request::Collect(order.clone())).await??;
        if matches!(kept, CollectOutcome::Pinned(_)) {
            let known = [order.base.clone(), order.green.clone()];
            self.fetch_pins(&order.mission, &order.unit, order.number, &known, false).await?;
        }
        Ok(kept)
    }

    /// What was left in a slot, pinned there and here.
    ///
    /// # Errors
    /// What around it failed.
    pub async fn recover(&self, slot: u32, label: &str, base: &CommitId) -> Result<(), Trouble> {
        self.send(std::slice::from_ref(base)).await?;
        let request = Request::Recover(UsedSlot { slot, label: label.to_owned() }, base.clone());
        self.query::<Result<(), Trouble>>(request).await??;
        if let Some((mission, unit, number)) = attempt_of(label) {
            self.fetch_pins(&mission, &unit, number, std::slice::from_ref(base), true).await?;
        }
        Ok(())
    }

    /// What is in quarantine, tried once more; all that is pinned there and not here is brought here.
    ///
    /// # Errors
    /// What around it failed.
    pub async fn retry_quarantine(&self) -> Result<(), Trouble> {
        self.query::<Result<(), Trouble>>(Request::RetryQuarantine).await??;
        const PINS: [&str; 2] = ["refs/mc/attempts/", "refs/mc/kept/"];
        let pins = self.pins_there([PINS[0], PINS[1], BROUGHT].map(str::to_owned).to_vec()).await?;
        let pins: BTreeSet<_> = pins.into_iter().collect();
        // What was brought here and is here no more was taken away on purpose.
        let late = pins.iter().filter(|(name, id)| !pins.contains(&(name_brought(name), id.clone())));
        let late: BTreeSet<_> = late
            .filter_map(|(name, _)| attempt_of(PINS.iter().find_map(|prefix| name.strip_prefix(prefix))?))
            .collect();
        for (mission, unit, number) in late {
            self.fetch_pins(&mission, &unit, number, &[], true).await?;
        }
        Ok(())
    }
}

/// A signal to end that never comes.
fn no_kill_signal() -> watch::Receiver<bool> {
    watch::channel(false).1
}

/// Whether asking again can help: the worker may be there again, or its machine have room.
fn may_pass(cause: &Cause) -> bool {
    cause.is_shared() && !matches!(cause, Cause::Missing(_) | Cause::Denied(_))
}

fn unexpected_answer(why: serde_json::Error) -> Trouble {
    Trouble::from(format!(
        "a host answers something else than what it was asked ({why}): use the same mc on both sides"
    ))
}

/// A name for a file that nobody else uses.
pub(super) fn new_name() -> String {
    format!("t-{:016x}", fastrand::u64(..))
}

/// The word for a request in plans of tests: the name of its variant.
fn kind_of(request: &Request) -> String {
    let text = format!("{request:?}");
    text.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default().to_owned()
}
