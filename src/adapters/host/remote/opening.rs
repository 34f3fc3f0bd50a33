//! Making a connection: by one task for everybody who wants it, which goes on when one of them gives up. What stands in a queue there
//! (the allocation of a cluster) keeps its place, and is waited for once.

use super::connection::{Connection, Heard};
use super::idle::close_when_idle;
use super::line::Line;
use super::protocol::Hello;
use super::transport::Transport;
use crate::domain::trouble::Trouble;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Why there was no answer.
#[derive(Debug)]
pub(super) enum Unanswered {
    /// The making of a connection was ended: whoever asks once more waits anew.
    Ended(Trouble),
    /// It failed.
    Failed(Trouble),
}

impl From<Trouble> for Unanswered {
    fn from(trouble: Trouble) -> Self {
        Self::Failed(trouble)
    }
}

impl Unanswered {
    /// What is to be said of it.
    pub(super) fn into_trouble(self) -> Trouble {
        match self {
            Self::Ended(trouble) | Self::Failed(trouble) => trouble,
        }
    }
}

/// What came of it, once it is known. A connection belongs to the line.
pub(super) type Outcome = Option<Result<Weak<Connection>, Trouble>>;

/// A connection that is being made. Dropped, that ends.
#[derive(Debug)]
struct Opening {
    outcome: watch::Receiver<Outcome>,
    _task: JoinSet<()>,
}

impl Opening {
    fn is_pending(&self) -> bool {
        // One without an outcome whose sender is gone was ended.
        self.outcome.borrow().is_none() && self.outcome.has_changed().is_ok()
    }
}

/// Makes connections, one at a time.
#[derive(Debug, Default)]
pub(super) struct Opener(Mutex<Option<Opening>>);

impl Opener {
    /// What comes of the connection that is being made, or else of this one.
    pub(super) fn join(
        &self,
        open: impl Future<Output = Result<Weak<Connection>, Trouble>> + Send + 'static,
    ) -> watch::Receiver<Outcome> {
        let mut current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(opening) = current.as_ref().filter(|opening| opening.is_pending()) {
            return opening.outcome.clone();
        }
        let ((tell, outcome), mut task) = (watch::channel(None), JoinSet::new());
        task.spawn(async move { drop(tell.send_replace(Some(open.await))) });
        current.insert(Opening { outcome, _task: task }).outcome.clone()
    }

    /// Whether a connection is being made.
    pub(super) fn is_opening(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).as_ref().is_some_and(Opening::is_pending)
    }

    /// Ends what is being made; whoever waits for it is told.
    pub(super) fn end(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Makes a connection and gives it to the line.
///
/// # Errors
/// Why there is none.
pub(super) async fn open(
    line: Arc<Line>,
    transport: Transport,
    hello: Hello,
    renewal: Duration,
) -> Result<Weak<Connection>, Trouble> {
    loop {
        // The old worker ends before the next one is started.
        line.begin();
        let reached = transport.start().await?;
        // Who was given up meanwhile ends before anything else too.
        let abandoned = line.begin();
        let hello = Hello { abandoned: abandoned.iter().cloned().collect(), ..hello.clone() };
        let heard: Heard = line.heard.clone();
        let mut made = Connection::greet(reached, hello, renewal, heard).await?;
        if !transport.idle.is_zero() {
            let transport = transport.clone();
            made.accompany(|shared| close_when_idle(shared, transport));
        }
        if let Some(connection) = line.publish(made, &abandoned) {
            return Ok(Arc::downgrade(&connection));
        }
    }
}
