//! `mc worker`: the side of the host. It works for one engine, the one at the other end of its standard input, and ends with it;
//! what it started goes on until its lease is over, or the next worker takes it over.

use super::frame::{AtMost, LONGEST, encode, receive, send};
use super::objects::Mirror;
use super::protocol::{
    CollectAnswer, END, Hello, Limits, Numbered, OutputEnd, PART, RemoteFile, Reply, Request, RunAnswer, Versions,
    put_contents, take_contents,
};
use crate::adapters::git::source::inspect;
use crate::adapters::host::local::machine::host::{HostPlaces, LocalHost};
use crate::adapters::host::local::machine::neighbour::occupy;
use crate::adapters::host::local::machine::outlive::{find_out, give_up};
use crate::adapters::host::local::process::{ChildGuard, LockError, RunLock};
use crate::adapters::host::local::protocol::{ERRORS, OUTPUT};
use crate::adapters::host::local::workspace::tags::Tags;
use crate::adapters::host::local::workspace::{head_ref, kept_ref};
use crate::adapters::host::order::{CollectOrder, CollectOutcome, NotFresh, NotReady, RunOrder};
use crate::adapters::host::{PoolKind, RunKey, UsedSlot};
use crate::adapters::os::clock::new_cookie;
use crate::adapters::os::environment::Environment;
use crate::adapters::os::files;
use crate::adapters::trouble::{Places, cause_of};
use crate::domain::trouble::{Cause, Trouble, chain};
use crate::domain::values::CommitId;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, BufReader};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// How long an earlier worker of the same engine's state directory may take to end, with the git processes it had started.
const PATIENCE: Duration = Duration::from_secs(60);

/// Works for the engine at the other end until that is gone. Everything is in folders below `root`.
///
/// # Errors
/// The stream cannot be read or written, or what comes is no message.
pub async fn serve(
    root: &Path,
    env: Environment,
    from: impl AsyncRead + Unpin,
    to: impl AsyncWrite + Unpin,
) -> io::Result<()> {
    let mut from = BufReader::new(from);
    let (answers, frames) = mpsc::unbounded_channel();
    let writing = write(to, frames);
    tokio::pin!(writing);
    let silence = Limits::default().silence();
    let Some((greeting, _)) = receive::<Value>(&mut from, silence, &AtMost(LONGEST)).await? else { return Ok(()) };
    let id = greeting.get("id").and_then(Value::as_u64).unwrap_or_default();
    let greeted = match read_greeting(greeting) {
        Ok(hello) => Worker::begin(root, env, &hello).await.map(|worker| (Arc::new(worker), hello.limits)),
        Err(trouble) => Err(trouble),
    };
    let (worker, limits) = match greeted {
        Ok(greeted) => greeted,
        Err(trouble) => {
            let _ = answers.send(encode_reply(id, Reply::Refused(trouble), &[], u32::MAX));
            drop(answers);
            writing.await;
            return Ok(());
        }
    };
    let tell = move |id: u64, body: Reply, bytes: &[u8]| {
        let _ = answers.send(encode_reply(id, body, bytes, limits.longest));
    };
    tell(id, json(Versions::own()).map_or(Reply::Answer(Value::Null), Reply::Answer), &[]);
    let (mut tasks, mut beat) = (JoinSet::new(), tokio::time::interval(limits.beat));
    let kills: Arc<Mutex<HashMap<u64, watch::Sender<bool>>>> = Arc::default();
    loop {
        // Half of a message may be read when something else happens: the same read goes on.
        let reading = receive::<Numbered<Value>>(&mut from, limits.silence(), &AtMost(LONGEST));
        tokio::pin!(reading);
        let received = loop {
            tokio::select! {
                received = &mut reading => break received?,
                // Nobody hears the answers any more. It is no task of its own: it goes on while tasks are busy.
                () = &mut writing => return Ok(()),
                Some(_) = tasks.join_next() => {}
                // A long message is on its way: the engine hears nothing else until it is here.
                _ = beat.tick() => tell(0, Reply::Answer(Value::Null), &[]),
            }
        };
        let Some((Numbered { id, body }, bytes)) = received else { return Ok(()) };
        let body = match serde_json::from_value(body) {
            Ok(body) => body,
            Err(e) => {
                let mc = env!("CARGO_PKG_VERSION");
                let why = format!("mc {mc} there does not know what it is asked ({e}): put the mc of the engine there");
                tell(id, Reply::Refused(Trouble::from(why)), &[]);
                continue;
            }
        };
        match body {
            Request::Renew => {
                worker.host.renew();
                tell(0, Reply::Answer(Value::Null), &[]);
            }
            Request::Cancel(id) => {
                if let Some(kill) = kills.lock().unwrap_or_else(PoisonError::into_inner).get(&id) {
                    kill.send_replace(true);
                }
            }
            body => {
                let (send, kill) = watch::channel(false);
                kills.lock().unwrap_or_else(PoisonError::into_inner).insert(id, send);
                let (worker, tell, kills) = (Arc::clone(&worker), tell.clone(), Arc::clone(&kills));
                tasks.spawn(async move {
                    let (answer, bytes) = worker.answer(body, bytes, kill, || tell(id, Reply::Began, &[])).await;
                    kills.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
                    let refused = |e: serde_json::Error| Reply::Refused(Trouble::from(format!("tell its answer: {e}")));
                    tell(id, answer.map_or_else(refused, Reply::Answer), &bytes);
                });
            }
        }
    }
}

/// What an engine tells of itself, where this worker understands it. The versions are read first, whatever the rest is like.
fn read_greeting(mut greeting: Value) -> Result<Box<Hello>, Trouble> {
    let body = greeting.get_mut("body").map(Value::take).unwrap_or_default();
    let Some(hello) = body.get("Hello") else {
        return Err(Trouble::from("the engine does not greet".to_owned()));
    };
    let unreadable = |e: serde_json::Error| {
        Trouble::from(format!(
            "mc {} there cannot read this engine's greeting ({e}): use the same mc on both sides",
            env!("CARGO_PKG_VERSION")
        ))
    };
    let engine = Versions::deserialize(hello).map_err(unreadable)?;
    Versions::agree(&engine, &Versions::own())?;
    match serde_json::from_value(body).map_err(unreadable)? {
        Request::Hello(hello) => Ok(hello),
        _ => Err(Trouble::from("the engine does not greet".to_owned())),
    }
}

async fn write(mut to: impl AsyncWrite + Unpin, mut frames: mpsc::UnboundedReceiver<Vec<u8>>) {
    while let Some(frame) = frames.recv().await {
        if send(&mut to, &frame).await.is_err() {
            return;
        }
    }
}

/// A reply as it goes over the stream; what cannot go there is refused.
fn encode_reply(id: u64, body: Reply, bytes: &[u8], longest: u32) -> Vec<u8> {
    encode(&Numbered { id, body }, bytes, longest).unwrap_or_else(|e| {
        let body = Reply::Refused(Trouble::from(format!("tell its answer: {e}")));
        encode(&Numbered { id, body }, &[], u32::MAX).unwrap_or_default()
    })
}

/// A worker that has greeted its engine.
pub(super) struct Worker {
    pub(super) host: LocalHost,
    pub(super) mirror: Mirror,
    /// The folder of all state directories here, and that of its engine's.
    pub(super) root: PathBuf,
    pub(super) base: PathBuf,
    /// Tells it from workers before and after it.
    name: String,
    /// Whether there was nothing before it came.
    pub(super) is_first: bool,
    /// Whether something failed since the mirror was known to be sound.
    pub(super) suspect: AtomicBool,
    /// The mirror is used by whoever has this.
    pub(super) using: tokio::sync::RwLock<()>,
    /// Work in progress is pinned in one workspace at a time.
    progress: tokio::sync::Mutex<()>,
    /// Whether its engine takes more with an answer than it asked for.
    gives_more: bool,
    /// Most bytes that follow a message.
    longest: u64,
    _lock: Option<RunLock>,
}

impl Worker {
    async fn begin(root: &Path, env: Environment, hello: &Hello) -> Result<Self, Trouble> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        if hello.state.is_empty() || !hello.state.bytes().all(plain) {
            return Err(Trouble::from(format!("{:?} is no id of a state directory", hello.state)));
        }
        let kind = hello.settings.kind;
        let name = match kind {
            PoolKind::Missions => hello.state.clone(),
            PoolKind::Verifications => format!("{}-verify", hello.state),
        };
        let base = root.join(name);
        let is_first = !base.join("epoch").exists();
        files::make_private_dir(&base).map_err(|e| failed(root, &base, &e))?;
        let base = base.canonicalize().map_err(|e| failed(root, &base, &e))?;
        // Verifications beside missions share what they have with others of the kind; each slot has a lock.
        let lock = match kind {
            PoolKind::Missions => Some(take_lock(&base).await?),
            PoolKind::Verifications => None,
        };
        if lock.is_some() {
            check_epoch(&base, hello.epoch)?;
            occupy(&base, &base.join("runs"), hello.settings.lease())?;
        }
        let guard = lock.as_ref().map_or_else(ChildGuard::none, RunLock::guard);
        let mirror = Mirror::open(&base, hello, guard.clone()).await.map_err(|e| failed(root, &base, &e))?;
        let mut facts = inspect(&mirror.git).await.map_err(|e| failed(root, &base, &e))?;
        let place = hello.place.local_folders();
        if let Some([toplevel, ..]) = place {
            toplevel.clone_into(&mut facts.toplevel);
        }
        let places = HostPlaces { root: base.clone(), runs: base.join("runs"), pool: base.join("pool") };
        // Where the machine has one of the same name, the engine's is the one that the person has set for this.
        let env = hello.variables.0.iter().fold(env, |env, (name, value)| env.with_var(name, value));
        let (git, settings) = (mirror.git.clone(), hello.settings.clone());
        let host = LocalHost::new(git, facts, env, settings, places, guard, Tags::default());
        let host = host.of_mirror(place.map(|[.., state]| state.to_owned()));
        for key in &hello.abandoned {
            let alive = host.end_runs(key).await?;
            if !alive.is_empty() {
                return Err(Trouble::from(format!("processes of the run {key} cannot be ended: {alive:?}")));
            }
        }
        let (gives_more, longest) = (hello.takes_more, hello.limits.longest.into());
        let root = base.parent().unwrap_or(root).to_owned();
        let (suspect, using, progress) = Default::default();
        Ok(Self {
            host,
            mirror,
            root,
            base,
            name: new_cookie(),
            is_first,
            suspect,
            using,
            progress,
            gives_more,
            longest,
            _lock: lock,
        })
    }

    async fn answer(
        &self,
        request: Request,
        bytes: Vec<u8>,
        kill: watch::Receiver<bool>,
        began: impl FnOnce(),
    ) -> (serde_json::Result<Value>, Vec<u8>) {
        let host = &self.host;
        let _using = self.use_mirror(&request).await;
        let reply = match request {
            Request::Hello(_) | Request::Cancel(_) | Request::Renew => Ok(Value::Null),
            Request::Probe => {
                self.mend_mirror().await;
                json(host.probe().await)
            }
            Request::Describe => json(host.describe().await),
            Request::Fingerprint => json(host.make_fingerprint().await),
            Request::Outlive(way) => {
                let found = self.find_way(&way).and_then(|ways| find_out(&ways, &way, &self.name));
                self.encode_result(found)
            }
            Request::GiveUpOutlive(way) => {
                let given_up = self.find_way(&way).and_then(|ways| give_up(&ways, &way));
                self.encode_result(given_up)
            }
            Request::Prepare(mut order, lengths) => {
                put_contents(order.contents(), lengths, &bytes);
                let prepared = host.prepare(&order, kill).await;
                if let Err(NotFresh::NotReady(NotReady::Failed(trouble))) = &prepared {
                    self.note_trouble(trouble);
                }
                json(prepared)
            }
            Request::Run(order, start) => {
                let mut ended = host.run(&order, start, kill, began).await;
                let (lengths, mut bytes) = take_contents(ended.contents());
                let ends = if self.gives_more && ended.log.is_some() {
                    self.read_ends(&order, &mut bytes)
                } else {
                    Vec::new()
                };
                return (json(RunAnswer(ended, lengths, ends)), bytes);
            }
            Request::Collect(order) => return self.collect(&order).await,
            Request::PinProgress(UsedSlot { slot, label }, base) => {
                let _one = self.progress.lock().await;
                json(host.pin_progress(slot, &label, &base).await)
            }
            Request::Release(UsedSlot { slot, label }, release) => json(host.release(slot, &label, &release).await),
            Request::UsedSlots => json(host.used_slots().await),
            Request::Hold(UsedSlot { slot, label }) => json(host.hold(slot, &label).await),
            Request::Adoptable(UsedSlot { slot, label }, first) => {
                json(host.find_adoptable(slot, &label, &first).await)
            }
            Request::Recover(UsedSlot { slot, label }, base) => {
                let recovered = host.recover(slot, &label, &base).await;
                if recovered.is_ok() {
                    self.unpin_progress(slot, &label).await;
                }
                json(recovered)
            }
            Request::Discard(UsedSlot { slot, label }) => json(host.discard(slot, &label).await),
            Request::ListStrays => json(host.list_strays().await),
            Request::RetryQuarantine => json(host.retry_quarantine().await),
            Request::EndRuns(key) => json(host.end_runs(&key).await),
            Request::EndTraceless(key, slot) => json(host.end_traceless(&key, slot).await),
            Request::LookUp(key) => json(host.look_up(&key).await),
            Request::PutAside(key) => json(host.archive_run(&key).await),
            Request::Compare(commits) => self.encode_result(self.mirror.compare(&commits).await),
            Request::Write(file, offset) => self.encode_result(self.mirror.write(&file, offset, &bytes)),
            Request::Import { file, commits, tags, before } => {
                if !bytes.is_empty()
                    && let Err(e) = self.mirror.write(&file, 0, &bytes)
                {
                    return (self.encode_result(Err::<(), _>(e)), Vec::new());
                }
                let imported = self.mirror.import_objects(&file, &commits, &tags, before).await;
                if imported.is_ok() {
                    host.invalidate_tags().await;
                }
                self.encode_result(imported)
            }
            Request::Export(file, wanted, known) => {
                self.encode_result(self.mirror.export_objects(&file, &wanted, &known).await)
            }
            Request::Read(file, offset) => {
                let path = match &file {
                    RemoteFile::Transfer(name) => self.mirror.file(name),
                    RemoteFile::Content(oid) => self.mirror.content(oid),
                    RemoteFile::Output(key) => Ok(host.run_dir(key).join(OUTPUT)),
                    RemoteFile::Errors(key) => Ok(host.run_dir(key).join(ERRORS)),
                };
                return match path.and_then(|path| files::read_from(&path, offset, PART)) {
                    Ok(bytes) => (json(Ok::<(), Trouble>(())), bytes),
                    Err(e) => (self.encode_result(Err::<(), _>(e)), Vec::new()),
                };
            }
            Request::LackedContents(oids) => json(Ok::<_, Trouble>(self.mirror.list_missing(oids))),
            Request::TakeContent(file, oid) => match host.pool().await {
                Ok(pool) => self.encode_result(self.mirror.take_content(&pool.shape.large, &file, &oid)),
                Err(e) => self.encode_result(Err::<(), _>(e)),
            },
            Request::Forget(file) => self.encode_result(self.mirror.delete_file(&file)),
            Request::Pins(prefixes) => self.encode_result(self.mirror.pins(&prefixes).await),
            Request::Brought(pins) => self.encode_result(self.mirror.note_brought(&pins).await),
            Request::Tidy(mission) => self.encode_result(self.mirror.tidy(&mission).await),
            Request::Clean(order) => json(self.clean(order).await),
        };
        (reply, Vec::new())
    }

    /// The ends of what a run has said, whose bytes are added to `bytes`. What cannot be read now is read when it is asked for.
    fn read_ends(&self, order: &RunOrder, bytes: &mut Vec<u8>) -> Vec<OutputEnd> {
        let names: &[&str] = if order.session.is_some() { &[OUTPUT, ERRORS] } else { &[OUTPUT] };
        let mut ends = Vec::new();
        for name in names {
            let path = self.host.run_dir(&order.key).join(name);
            let whole = std::fs::metadata(&path).map_or(0, |meta| meta.len());
            let most = END.min(self.longest.saturating_sub(bytes.len() as u64));
            let Ok(end) = files::read_from(&path, whole.saturating_sub(most), most) else { break };
            ends.push(OutputEnd { whole, sent: end.len() });
            bytes.extend(end);
        }
        ends
    }

    /// Collects an attempt; what is pinned of it, with the objects of that, is part of the answer for an engine that takes it.
    async fn collect(&self, order: &CollectOrder) -> (serde_json::Result<Value>, Vec<u8>) {
        let outcome = self.host.collect(order).await;
        let (mut pins, mut bytes) = (None, Vec::new());
        outcome.as_ref().err().into_iter().for_each(|trouble| self.note_trouble(trouble));
        if matches!(outcome, Ok(CollectOutcome::Pinned(_))) {
            let key = RunKey::of_attempt(&order.mission, &order.unit, order.number);
            self.unpin_progress(order.slot, key.as_str()).await;
            if self.gives_more {
                // What cannot be had now is had when it is asked for.
                pins = self.mirror.pins(&pins_of(order)).await.ok();
                let wanted: Vec<CommitId> = pins.iter().flatten().map(|(_, id)| id.clone()).collect();
                let most = PART.min(self.longest);
                let known = [&order.base, &order.green];
                bytes = self.mirror.pack_short(&wanted, &known, most).await.unwrap_or_default();
            }
        }
        (json(CollectAnswer { outcome, pins }), bytes)
    }

    /// The folder of notes on ways, for a name that can be one of them.
    fn find_way(&self, way: &str) -> io::Result<PathBuf> {
        if way.is_empty() || !way.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(io::Error::other(format!("{way:?} is no name of a way")));
        }
        Ok(self.host.root().join("ways"))
    }

    /// Takes the pin of work in progress away that is pinned as a whole by now; one that stays does no harm.
    async fn unpin_progress(&self, slot: u32, label: &str) {
        let _one = self.progress.lock().await;
        if let Err(trouble) = self.host.unpin_progress(slot, label).await {
            tracing::warn!("take the pin of work in progress away: {trouble}");
        }
    }

    /// What the mirror gives back, as it is sent.
    fn encode_result<T: Serialize>(
        &self,
        done: Result<T, impl std::error::Error + 'static>,
    ) -> serde_json::Result<Value> {
        let done = done.map_err(|e| self.host.classify_error(&e));
        done.as_ref().err().into_iter().for_each(|trouble| self.note_trouble(trouble));
        json(done)
    }

    /// Notes trouble that can come of a damaged mirror.
    fn note_trouble(&self, trouble: &Trouble) {
        if matches!(trouble.cause, Cause::Git | Cause::Workspace | Cause::Missing(_) | Cause::Unknown(_)) {
            self.suspect.store(true, Ordering::Relaxed);
        }
    }
}

/// The pins of an attempt.
fn pins_of(order: &CollectOrder) -> [String; 2] {
    [head_ref, kept_ref].map(|name| name(&order.mission, &order.unit, order.number))
}

/// What an operation gives back, as it is sent.
fn json(given: impl Serialize) -> serde_json::Result<Value> {
    serde_json::to_value(given)
}

/// What stands in the way of working in a folder below `root`.
fn failed(root: &Path, base: &Path, error: &(dyn std::error::Error + 'static)) -> Trouble {
    let places = Places { source: "/".into(), state: root.to_owned() };
    Trouble::new(cause_of(error, &places), format!("use {}: {}", base.display(), chain(error)))
}

/// Waits until an earlier worker, and its git processes, are gone.
async fn take_lock(base: &Path) -> Result<RunLock, Trouble> {
    let begun = Instant::now();
    loop {
        let path = base.join("worker.lock");
        let taken = tokio::task::spawn_blocking(move || RunLock::acquire(&path, PATIENCE)).await;
        match taken.map_err(|e| Trouble::from(e.to_string()))? {
            Ok(lock) => return Ok(lock),
            Err(LockError::Held { .. }) if begun.elapsed() < PATIENCE => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Err(e @ (LockError::Held { .. } | LockError::Orphans { .. })) => {
                return Err(Trouble::new(Cause::Unreachable, format!("wait for an earlier worker there: {e}")));
            }
            Err(e) => return Err(failed(base, base, &e)),
        }
    }
}

/// That no newer engine was here; notes this one.
fn check_epoch(base: &Path, epoch: u64) -> Result<(), Trouble> {
    let path = base.join("epoch");
    let failed = |e: io::Error| failed(base, &path, &e);
    let known = files::read_own(&path).map_err(failed)?.unwrap_or_default();
    let known: u64 = String::from_utf8_lossy(&known).trim().parse().unwrap_or(0);
    if known > epoch {
        let why =
            format!("a newer engine (number {known}) works with this host; this one has number {epoch} and must end");
        return Err(Trouble::from(why));
    }
    files::replace_own(&path, format!("{epoch}\n").as_bytes()).map_err(failed)
}
