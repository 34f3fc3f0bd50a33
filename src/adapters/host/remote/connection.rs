//! One connection to a worker, from its greeting to its loss.

use super::bounds::{ReplyBounds, shorten_texts};
use super::frame::{Bounds, encode, receive, send};
use super::protocol::{Hello, Numbered, Reply, Request, Versions};
use super::transport::{Guard, Output, Reached};
use crate::domain::trouble::{Cause, Trouble};
use serde_json::Value;
use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

/// How long a worker may take to greet: an earlier one for the same engine may have to end first.
const GREETING: Duration = Duration::from_secs(90);

/// A reply, with the bytes that followed it.
type Answer = (Reply, Vec<u8>);

/// Who waits for which reply; once the connection is lost, why.
type Waiting = Result<HashMap<u64, Waiter>, Trouble>;

/// Somebody who waits for a reply.
#[derive(Debug)]
struct Waiter {
    to: mpsc::UnboundedSender<Answer>,
    bounds: ReplyBounds,
    /// Progress is told once.
    began: bool,
}

/// Replies that somebody waits for: no other one has bytes, and none is longer than the longest of these.
struct Expected<'a>(&'a Mutex<Waiting>);

/// A reply that nobody waits for.
const UNEXPECTED: u32 = 64 << 10;

impl Bounds<Numbered<Value>> for Expected<'_> {
    fn message(&self) -> u32 {
        let longest = |waiting: &HashMap<u64, Waiter>| waiting.values().map(|waiter| waiter.bounds.message).max();
        lock(self.0).as_ref().ok().and_then(longest).unwrap_or_default().max(UNEXPECTED)
    }

    fn bytes(&self, reply: &Numbered<Value>) -> u32 {
        let waiting = lock(self.0);
        waiting.as_ref().ok().and_then(|waiting| waiting.get(&reply.id)).map_or(0, |waiter| waiter.bounds.bytes)
    }
}

/// That a worker cannot be reached now: why.
pub(super) fn unreachable(why: impl Into<String>) -> Trouble {
    Trouble::new(Cause::Unreachable, why)
}

/// That an answer is not what was asked for.
pub(super) fn unexpected_answer(why: &serde_json::Error) -> Trouble {
    Trouble::from(format!(
        "a host answers something else than what it was asked ({why}): use the same mc on both sides"
    ))
}

/// When the host last said anything but a refusal.
#[derive(Debug, Clone, Default)]
pub(super) struct Heard(Arc<Mutex<Option<Instant>>>);

impl Heard {
    fn note(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// That moment.
    pub(super) fn last(&self) -> Option<Instant> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the tasks of a connection share.
#[derive(Debug)]
pub(super) struct Shared {
    to: mpsc::UnboundedSender<Vec<u8>>,
    waiting: Mutex<Waiting>,
    next: AtomicU64,
    longest: u32,
    /// When somebody asked last, or had an answer.
    used: Mutex<Instant>,
    /// The way to the worker; gone when it is being closed.
    way: Mutex<Option<Guard>>,
    /// Says to the worker what is sent. Without it the worker's input ends.
    writing: AbortHandle,
}

/// A connection. Dropped, it is cut and the worker ends.
#[derive(Debug)]
pub(super) struct Connection {
    shared: Arc<Shared>,
    /// What the worker understands.
    pub(super) worker: Versions,
    /// Whether its program had to be sent there first.
    pub(super) sent: bool,
    tasks: JoinSet<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        drop(self.shared.take_way());
    }
}

fn lock(waiting: &Mutex<Waiting>) -> MutexGuard<'_, Waiting> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Hands out replies until there are no more: why.
async fn read(mut from: Output, shared: &Shared, heard: &Heard, silence: Duration) -> Trouble {
    let (waiting, mut patience) = (&shared.waiting, GREETING);
    loop {
        let (Numbered { id, mut body }, bytes) =
            match receive::<Numbered<Value>>(&mut from, patience, &Expected(waiting)).await {
                Ok(Some(received)) => received,
                Ok(None) => return unreachable("the worker ended"),
                Err(e) if e.kind() == io::ErrorKind::InvalidData => {
                    let why = format!("{e}: nothing else may be printed there, and it must be the same mc as here");
                    return Trouble::from(why);
                }
                Err(e) => return unreachable(format!("read what the worker says: {e}")),
            };
        patience = silence;
        let bounds = lock(waiting).as_ref().ok().and_then(|waiting| waiting.get(&id)).map(|waiter| waiter.bounds);
        match bounds {
            Some(bounds) => bounds.shorten_texts(&mut body),
            None => shorten_texts(&mut body),
        }
        let body = serde_json::from_value(body).unwrap_or_else(|e| Reply::Refused(unexpected_answer(&e)));
        if !matches!(body, Reply::Refused(_)) {
            heard.note();
        }
        let mut waiting = lock(waiting);
        let Ok(waiting) = waiting.as_mut() else { return unreachable("the connection was cut") };
        if waiting.contains_key(&id) {
            shared.note_use();
        }
        let progress = matches!(body, Reply::Began);
        if let Some(who) = waiting.get_mut(&id)
            && !(progress && std::mem::replace(&mut who.began, progress))
        {
            let _ = who.to.send((body, bytes));
        }
        if !progress {
            waiting.remove(&id);
        }
    }
}

impl Connection {
    /// Greets a worker that was reached. Every `renewal` it is told that the engine lives.
    pub(super) async fn greet(
        reached: Reached,
        hello: Hello,
        renewal: Duration,
        heard: Heard,
    ) -> Result<Self, Trouble> {
        let Reached { mut stdin, stdout, said, sent, guard } = reached;
        let (to, mut frames) = mpsc::unbounded_channel::<Vec<u8>>();
        let (mut tasks, limits) = (JoinSet::new(), hello.limits);
        let writing = tasks.spawn(async move {
            while let Some(frame) = frames.recv().await {
                if send(&mut stdin, &frame).await.is_err() {
                    break;
                }
            }
        });
        let shared = Arc::new(Shared {
            to,
            waiting: Mutex::new(Ok(HashMap::new())),
            next: AtomicU64::new(1),
            longest: limits.longest,
            used: Mutex::new(Instant::now()),
            way: Mutex::new(Some(guard)),
            writing,
        });
        let told = Arc::clone(&shared);
        tasks.spawn(async move {
            let why = read(stdout, &told, &heard, limits.silence()).await;
            // Whoever waits learns of the loss by the end of its channel.
            told.give_up(why);
        });
        let mut connection = Self { shared, worker: Versions::own(), sent, tasks };
        let (_, mut reply) = connection.request(&Request::Hello(Box::new(hello)), &[])?;
        match reply.recv().await {
            Some((Reply::Refused(why), _)) => return Err(why),
            Some((Reply::Answer(told), _)) => {
                connection.worker = serde_json::from_value(told).map_err(|e| unexpected_answer(&e))?;
                Versions::agree(&Versions::own(), &connection.worker)?;
            }
            Some((Reply::Began, _)) => return Err(Trouble::from("the worker does not greet".to_owned())),
            None => return Err(said.explain(connection.why_lost()).await.while_trying("greet it")),
        }
        let told = Arc::clone(&connection.shared);
        connection.tasks.spawn(async move {
            let mut ticks = tokio::time::interval(renewal.min(limits.beat));
            loop {
                ticks.tick().await;
                if !told.say(Request::Renew) {
                    return;
                }
            }
        });
        Ok(connection)
    }

    /// One at whose other end nobody is.
    #[cfg(test)]
    pub(super) fn to_nobody() -> Self {
        let mut tasks = JoinSet::new();
        let shared = Shared {
            to: mpsc::unbounded_channel().0,
            waiting: Mutex::new(Ok(HashMap::new())),
            next: AtomicU64::new(1),
            longest: 0,
            used: Mutex::new(Instant::now()),
            way: Mutex::new(None),
            writing: tasks.spawn(std::future::ready(())),
        };
        Self { shared: Arc::new(shared), worker: Versions::own(), sent: false, tasks }
    }

    /// What is told of it to whoever accompanies it.
    pub(super) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    /// Does something as long as the connection is kept.
    pub(super) fn accompany<F: Future<Output = ()> + Send + 'static>(&mut self, work: impl FnOnce(Arc<Shared>) -> F) {
        self.tasks.spawn(work(Arc::clone(&self.shared)));
    }

    /// Sends a request; its number, and where its replies come.
    pub(super) fn request(
        &self,
        body: &Request,
        bytes: &[u8],
    ) -> Result<(u64, mpsc::UnboundedReceiver<Answer>), Trouble> {
        self.shared.request(body, bytes)
    }

    /// Asks that a request ends early.
    pub(super) fn cancel(&self, id: u64) {
        self.shared.say(Request::Cancel(id));
    }

    /// Gives it up, for everybody who waits.
    pub(super) fn cut(&self) {
        self.shared.give_up(unreachable("the connection was cut"));
    }

    /// Gives it up and lets worker and way end by themselves, as far as they do so in time.
    pub(super) async fn close(&self) {
        self.shared.close().await;
    }

    /// Whether it is lost.
    pub(super) fn is_lost(&self) -> bool {
        lock(&self.shared.waiting).is_err()
    }

    /// Why it is lost.
    pub(super) fn why_lost(&self) -> Trouble {
        self.shared.why_lost()
    }
}

impl Shared {
    /// As [`Connection::request`].
    pub(super) fn request(
        &self,
        body: &Request,
        bytes: &[u8],
    ) -> Result<(u64, mpsc::UnboundedReceiver<Answer>), Trouble> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let frame = encode(&Numbered { id, body }, bytes, self.longest).map_err(|e| Trouble::from(e.to_string()))?;
        let (to, receive) = mpsc::unbounded_channel();
        let waiter = Waiter { to, bounds: ReplyBounds::of(body, self.longest), began: false };
        self.note_use();
        lock(&self.waiting).as_mut().map_err(|why| why.clone())?.insert(id, waiter);
        self.to.send(frame).map_err(|_| self.why_lost())?;
        Ok((id, receive))
    }

    /// Says what has no reply of its own; false where nobody hears it.
    fn say(&self, body: Request) -> bool {
        encode(&Numbered { id: 0, body }, &[], self.longest).is_ok_and(|frame| self.to.send(frame).is_ok())
    }

    fn note_use(&self) {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// For how long nobody has waited for anything; nothing where somebody does.
    pub(super) fn unused_for(&self) -> Option<Duration> {
        let nobody = lock(&self.waiting).as_ref().is_ok_and(HashMap::is_empty);
        nobody.then(|| self.used.lock().unwrap_or_else(PoisonError::into_inner).elapsed())
    }

    /// Gives it up where nobody waits for anything and nobody has asked since the request of this number; whether that is so.
    pub(super) fn give_up_after(&self, last: u64, why: Trouble) -> bool {
        let mut waiting = lock(&self.waiting);
        let unused = waiting.as_ref().is_ok_and(HashMap::is_empty) && self.next.load(Ordering::Relaxed) == last + 1;
        if unused {
            *waiting = Err(why);
        }
        unused
    }

    fn give_up(&self, why: Trouble) {
        let mut waiting = lock(&self.waiting);
        if waiting.is_ok() {
            *waiting = Err(why);
        }
    }

    /// As [`Connection::close`]; a closing that is dropped ends the way at once.
    pub(super) async fn close(&self) {
        self.give_up(unreachable("the connection was closed"));
        self.writing.abort();
        if let Some(way) = self.take_way() {
            way.close().await;
        }
    }

    fn take_way(&self) -> Option<Guard> {
        self.way.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn why_lost(&self) -> Trouble {
        lock(&self.waiting)
            .as_ref()
            .err()
            .cloned()
            .unwrap_or_else(|| unreachable("the connection to the worker is lost"))
    }
}
