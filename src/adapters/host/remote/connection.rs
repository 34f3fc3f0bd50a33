//! One connection to a worker, from its greeting to its loss.

use super::frame::{encode, receive, send};
use super::protocol::{Hello, Numbered, Reply, Request};
use super::transport::Transport;
use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Child;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// How long a worker may take to greet: an earlier one for the same engine may have to end first.
const GREETING: Duration = Duration::from_secs(90);

/// A reply, with the bytes that followed it.
pub(super) type Answer = (Reply, Vec<u8>);

/// The connection is lost, or there never was one: why.
#[derive(Debug, Clone)]
pub(super) struct Unreachable(pub(super) String);

/// Who waits for which reply; nothing any more once the connection is lost.
type Waiting = Arc<Mutex<Option<HashMap<u64, mpsc::UnboundedSender<Answer>>>>>;

/// A connection. Dropped, it is cut and the worker ends.
#[derive(Debug)]
pub(super) struct Connection {
    _child: Child,
    to: mpsc::UnboundedSender<Vec<u8>>,
    waiting: Waiting,
    next: AtomicU64,
    _tasks: JoinSet<()>,
}

impl Connection {
    /// Starts a worker and greets it. Every `renewal` it is told that the engine lives.
    pub(super) async fn open(transport: &Transport, hello: &Hello, renewal: Duration) -> Result<Self, Unreachable> {
        let failed = |e: io::Error| Unreachable(format!("start {}: {e}", transport.program.display()));
        let mut child = transport.start().map_err(failed)?;
        let lost = || Unreachable("the worker has no standard input and output".to_owned());
        let (mut stdin, stdout) = child.stdin.take().zip(child.stdout.take()).ok_or_else(lost)?;
        let (to, mut frames) = mpsc::unbounded_channel::<Vec<u8>>();
        let waiting: Waiting = Arc::new(Mutex::new(Some(HashMap::new())));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            while let Some(frame) = frames.recv().await {
                if send(&mut stdin, &frame).await.is_err() {
                    break;
                }
            }
        });
        let told = Arc::clone(&waiting);
        tasks.spawn(async move {
            let mut from = BufReader::new(stdout);
            loop {
                let (Numbered { id, body }, bytes) = match receive::<Numbered<Reply>>(&mut from).await {
                    Ok(Some(received)) => received,
                    Ok(None) => break,
                    Err(e) => {
                        tracing::warn!("read what a worker says: {e}");
                        break;
                    }
                };
                let mut waiting = told.lock().unwrap_or_else(PoisonError::into_inner);
                let Some(waiting) = waiting.as_mut() else { break };
                let progress = matches!(body, Reply::Began);
                if let Some(who) = waiting.get(&id) {
                    let _ = who.send((body, bytes));
                }
                if !progress {
                    waiting.remove(&id);
                }
            }
            // Whoever waits learns of the loss by the end of its channel.
            *told.lock().unwrap_or_else(PoisonError::into_inner) = None;
        });
        if let Some(stderr) = child.stderr.take() {
            tasks.spawn(async move {
                let mut lines = BufReader::new(stderr).lines();
                while let Ok(Some(line)) = lines.next_line().await {
                    tracing::warn!("worker: {line}");
                }
            });
        }
        let connection = Self { _child: child, to, waiting, next: AtomicU64::new(1), _tasks: tasks };
        let (_, mut reply) = connection.request(Request::Hello(Box::new(hello.clone())), &[])?;
        match tokio::time::timeout(GREETING, reply.recv()).await {
            Ok(Some((Reply::Answer(_), _))) => {}
            Ok(Some((Reply::Refused(why), _))) => return Err(Unreachable(why)),
            Ok(Some(_)) => return Err(Unreachable("the worker greets in an unknown way".to_owned())),
            Ok(None) => return Err(Unreachable("the worker ended before it greeted".to_owned())),
            Err(_) => return Err(Unreachable(format!("the worker did not greet within {} s", GREETING.as_secs()))),
        }
        let mut connection = connection;
        let to = connection.to.clone();
        connection._tasks.spawn(async move {
            let mut ticks = tokio::time::interval(renewal);
            loop {
                ticks.tick().await;
                let Ok(frame) = encode(&Numbered { id: 0, body: Request::Renew }, &[]) else { return };
                if to.send(frame).is_err() {
                    return;
                }
            }
        });
        Ok(connection)
    }

    /// Sends a request; its number, and where its replies come.
    pub(super) fn request(
        &self,
        body: Request,
        bytes: &[u8],
    ) -> Result<(u64, mpsc::UnboundedReceiver<Answer>), Unreachable> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (send, receive) = mpsc::unbounded_channel();
        let lost = || Unreachable("the connection to the worker is lost".to_owned());
        match self.waiting.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            Some(waiting) => drop(waiting.insert(id, send)),
            None => return Err(lost()),
        }
        let frame = encode(&Numbered { id, body }, bytes).map_err(|e| Unreachable(e.to_string()))?;
        self.to.send(frame).map_err(|_| lost())?;
        Ok((id, receive))
    }

    /// Asks that a request ends early.
    pub(super) fn cancel(&self, id: u64) {
        if let Ok(frame) = encode(&Numbered { id: 0, body: Request::Cancel(id) }, &[]) {
            let _ = self.to.send(frame);
        }
    }

    /// Whether it is lost.
    pub(super) fn is_lost(&self) -> bool {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }
}
