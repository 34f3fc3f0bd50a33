//! Questions to a host: asked until there is an answer, over a connection that is made anew when it is lost.
//!
//! Nothing is decided by silence. A run is waited for as long as its host says anything; where that says nothing for the lease of its
//! runs and a [window](RemoteHost::longest_silence) more, the run has ended there by itself or is ended when the host is back. A
//! verification is given up as soon as a question would be.

use super::bounds::longest_work;
use super::client::RemoteHost;
use super::connection::{unexpected_answer, unreachable};
use super::line::Patience;
use super::opening::Unanswered;
use super::protocol::{Reply, Request};
use super::transport::Moment;
use crate::adapters::host::order::{RunKey, is_killed};
use crate::domain::trouble::{Cause, Trouble};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Pauses between two tries.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

impl RemoteHost {
    /// For questions: so long each is asked again.
    pub(super) fn short_patience(&self) -> Patience {
        Patience::Asked(self.transport.patience)
    }

    /// A host that said nothing for so long has ended its runs by their lease: a tenth of it and the patience of a question are
    /// for the ticks of its supervisors and for what was on its way.
    pub(super) fn longest_silence(&self) -> Duration {
        if self.ends_with_connection() {
            // They are ended by now; only an answer may be late.
            return self.transport.patience;
        }
        let lease = self.settings.lease();
        lease.saturating_add(lease / 10).saturating_add(self.transport.patience)
    }

    /// For so long the host of this run may say nothing before it is given up. Work is waited for until its lease has ended it; in a
    /// verification there is none, and everything that lands waits for it: another host begins it again.
    pub(super) fn silence_of(&self, run: &RunKey) -> Duration {
        if run.is_of_verification() { self.transport.patience } else { self.longest_silence() }
    }

    /// Gives the connection up.
    fn cut(&self) -> Trouble {
        self.line.cut(None);
        unreachable("the connection was cut")
    }

    /// Asks once.
    async fn try_request(
        &self,
        request: &Request,
        bytes: &[u8],
        kill: &mut watch::Receiver<bool>,
        progress: &mut (dyn FnMut() + Send),
    ) -> Result<(Value, Vec<u8>), Unanswered> {
        let connection = self.connect().await?;
        let cut = self.transport.cuts.next(&kind_of(request));
        if cut == Some(Moment::Before) {
            return Err(self.cut().into());
        }
        let (id, mut replies) = connection.request(request, bytes)?;
        if cut == Some(Moment::During) {
            // Some of it may have happened.
            tokio::time::sleep(Duration::from_millis(fastrand::u64(..40))).await;
            return Err(self.cut().into());
        }
        let mut told = false;
        loop {
            tokio::select! {
                reply = replies.recv() => match reply {
                    Some((Reply::Began, _)) => progress(),
                    Some(_) if cut == Some(Moment::After) => return Err(self.cut().into()),
                    Some((Reply::Answer(given), bytes)) => return Ok((given, bytes)),
                    Some((Reply::Refused(trouble), _)) => return Err(trouble.into()),
                    None => return Err(connection.why_lost().into()),
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

    /// Asks until there is an answer, as long as there is patience. What asking again does not mend comes back at once.
    pub(super) async fn send_request<T: DeserializeOwned>(
        &self,
        request: Request,
        bytes: &[u8],
        patience: Patience,
        mut kill: watch::Receiver<bool>,
        progress: &mut (dyn FnMut() + Send),
    ) -> Result<(T, Vec<u8>), Trouble> {
        let (begun, mut pause, mut last) = (Instant::now(), PAUSES.0, None);
        // Since when it fails: what took long while its host was heard is asked again like all else when its line is lost.
        let mut failing: Option<Instant> = None;
        let mut stop = kill.clone();
        let silent = self.wait_for_silence(begun, patience, &mut stop);
        tokio::pin!(silent);
        let work = longest_work(&request, self.settings.session_timeout);
        let longest = work.saturating_add(self.transport.limits.answer);
        let longest = longest.saturating_add(self.transport.first_answer.unwrap_or_default());
        loop {
            let tried_at = Instant::now();
            let tried = tokio::select! {
                tried = self.try_request(&request, bytes, &mut kill, progress) => tried,
                silent = &mut silent => return Err(self.describe_silence(silent, last)),
                () = tokio::time::sleep(longest) => {
                    self.cut();
                    Err(unreachable(format!("it lives and has not answered for {longest:?}")).into())
                }
            };
            let by = || format!("ask the host behind {}", self.transport);
            let trouble = match tried {
                Ok((given, bytes)) => {
                    return serde_json::from_value(given)
                        .map(|given| (given, bytes))
                        .map_err(|e| unexpected_answer(&e));
                }
                // What goes on there is waited for all the same.
                Err(Unanswered::Ended(trouble)) if matches!(patience, Patience::Asked(_)) => {
                    return Err(trouble.while_trying(&by()));
                }
                Err(unanswered) => unanswered.into_trouble(),
            };
            let asked = if let Patience::Asked(asked) = patience { asked.min(longest) } else { longest };
            let since = *failing.insert(failing.filter(|_| tried_at.elapsed() < asked).unwrap_or_else(Instant::now));
            let mute = self.line.silence_since(begun) >= asked;
            let over = mute || since.elapsed() >= asked || begun.elapsed() >= longest;
            if over || !may_pass(&trouble.cause) {
                return Err(trouble.while_trying(&by()));
            }
            tracing::debug!("ask a host again: {trouble}");
            last = Some(trouble);
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                silent = &mut silent => return Err(self.describe_silence(silent, last)),
            }
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    /// Ends when the host was silent for too long: for how long. Whoever wants an early end has the patience of a question.
    async fn wait_for_silence(&self, begun: Instant, patience: Patience, stop: &mut watch::Receiver<bool>) -> Duration {
        let Patience::Silence(longest) = patience else { return std::future::pending().await };
        let mut told = false;
        loop {
            let longest = if *stop.borrow() { longest.min(self.transport.patience) } else { longest };
            let silent = self.line.silence_since(begun);
            if silent >= longest {
                return silent;
            }
            tokio::select! {
                () = tokio::time::sleep(longest - silent) => {}
                _ = is_killed(stop), if !told => told = true,
            }
        }
    }

    fn describe_silence(&self, silent: Duration, last: Option<Trouble>) -> Trouble {
        let last = last.map(|trouble| format!(" ({trouble})")).unwrap_or_default();
        let silent = silent.as_secs_f64();
        unreachable(format!("the host behind {} gave no answer for {silent:.0} s{last}", self.transport))
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
        self.send_request(request, bytes, self.short_patience(), no_kill_signal(), &mut || ()).await
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

/// The word for a request in plans of tests: the name of its variant.
fn kind_of(request: &Request) -> String {
    let text = format!("{request:?}");
    text.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default().to_owned()
}
