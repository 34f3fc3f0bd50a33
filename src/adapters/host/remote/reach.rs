//! Reaching a host before something is asked there, for as long as whoever asks wants to wait, and letting go of it.

use super::client::RemoteHost;
use super::connection::{Connection, unreachable};
use super::opening::{Unanswered, open};
use super::protocol::Request;
use super::transport::Transport;
use crate::adapters::host::order::{NotReady, UsedSlot, is_killed};
use crate::domain::trouble::Trouble;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::watch;

fn not_waited_for() -> Unanswered {
    Unanswered::Ended(unreachable("the host is not waited for any longer"))
}

impl RemoteHost {
    /// The connection that there is, or a new one.
    pub(super) async fn connect(&self) -> Result<Arc<Connection>, Unanswered> {
        if let Some(connection) = self.line.live() {
            return Ok(connection);
        }
        let hello = self.load_hello().await.map_err(|e| self.classify_error(&e))?;
        let renewal = (self.settings.lease() / 4).max(Duration::from_millis(100));
        let hurries = self.hurries.load(Ordering::Relaxed);
        if hurries && self.transport.first_answer.is_some() && self.line.number() == 0 {
            return Err(not_waited_for());
        }
        let first_answer = self.transport.first_answer.filter(|_| !hurries);
        let transport = Transport { first_answer, ..self.transport.clone() };
        let mut outcome = self.opener.join(open(Arc::clone(&self.line), transport, hello.clone(), renewal));
        let made = match outcome.wait_for(Option::is_some).await {
            Ok(made) => made.clone(),
            Err(_) => None,
        };
        match made {
            Some(Ok(made)) => Ok(made.upgrade().ok_or_else(|| unreachable("the connection is lost"))?),
            Some(Err(trouble)) => Err(Unanswered::Failed(trouble)),
            None => Err(not_waited_for()),
        }
    }

    /// Makes sure that there is a connection. A kill ends the wait for it at once.
    ///
    /// # Errors
    /// [`NotReady`]; nothing was begun there.
    pub async fn reach(&self, mut kill: watch::Receiver<bool>) -> Result<(), NotReady> {
        if self.line.live().is_some() {
            return Ok(());
        }
        let asked = self.query::<Result<Vec<UsedSlot>, Trouble>>(Request::UsedSlots);
        tokio::select! {
            answer = asked => answer.map(drop).map_err(NotReady::Failed),
            true = is_killed(&mut kill) => Err(NotReady::Killed),
        }
    }

    /// The same where others wait for what is to be done: no longer than for any answer. That a connection is made goes on.
    ///
    /// # Errors
    /// [`Unreachable`](crate::domain::trouble::Cause::Unreachable).
    pub async fn reach_soon(&self) -> Result<(), Trouble> {
        let longest = self.transport.limits.silence();
        match tokio::time::timeout(longest, self.connect()).await {
            Ok(Err(Unanswered::Ended(trouble))) => Err(trouble),
            // What is wrong is found out by what is asked next, and asked again as long as that helps.
            Ok(_) => Ok(()),
            Err(_) => Err(unreachable(format!("the host behind {} is still waited for", self.transport))),
        }
    }

    /// Nobody waits long for the host any more: a connection that is being made by a command which may stand in a queue is given up,
    /// and no other is made but to where something was begun, which has to answer soon.
    pub fn stop_waiting(&self) {
        self.hurries.store(true, Ordering::Relaxed);
        if self.transport.first_answer.is_some() {
            self.opener.end();
        }
    }

    /// Ends the connection well, if there is one, and what is kept beside it. The next request opens another one.
    pub async fn close(&self) {
        self.opener.end();
        if let Some(connection) = self.line.take() {
            connection.close().await;
        }
        self.transport.close().await;
    }

    /// Ends this connection well, and what is kept beside it unless a newer one uses that.
    pub(super) async fn close_this(&self, connection: &Arc<Connection>) {
        let last = self.line.take_this(connection) && !self.opener.is_opening();
        connection.close().await;
        if last {
            self.transport.close().await;
        }
    }
}
