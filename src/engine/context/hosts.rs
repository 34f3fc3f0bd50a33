//! The hosts that work is given to: this machine, and those that the settings name.

use crate::adapters::host::Host;
use crate::domain::values::HostId;
use std::future::poll_fn;
use std::ops::Deref;
use std::pin::Pin;
use std::task::Poll;
use tokio::sync::OnceCell;

/// A host with its name, and what the engine keeps in mind of it.
#[derive(Debug)]
pub struct NamedHost {
    /// Its name.
    pub id: HostId,
    /// Slots of units there; those of verifications follow them.
    pub workers: u32,
    /// Whether anything is verified there.
    pub verifies: bool,
    host: Host,
    /// What results of runs of this machine depend on; another one is asked each time, for it may be changed meanwhile.
    pub(super) fingerprint: OnceCell<String>,
}

impl NamedHost {
    /// A host of this name with so many slots of units, and whether anything is verified there.
    pub fn new(id: HostId, workers: u32, verifies: bool, host: Host) -> Self {
        Self { id, workers, verifies, host, fingerprint: OnceCell::new() }
    }
}

impl Deref for NamedHost {
    type Target = Host;

    fn deref(&self) -> &Host {
        &self.host
    }
}

/// By which environment everything of a mission is verified.
#[derive(Debug)]
pub struct Reference {
    /// The host it was found on; absent: it is known from before, and no host has answered since.
    pub host: Option<HostId>,
    /// What results of its runs depend on beside tree and stages.
    pub environment: String,
}

/// A question to one of several hosts.
pub type Asked<'a, T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'a>>;

/// The first good answer, whichever of them gives it.
///
/// # Errors
/// All that were given, in the order of the questions: none was good.
pub async fn find_first<T, E>(asked: Vec<Asked<'_, T, E>>) -> Result<T, Vec<E>> {
    let mut open: Vec<_> = asked.into_iter().map(|question| (Some(question), None)).collect();
    poll_fn(|context| {
        for (question, refusal) in &mut open {
            let Some(polled) = question else { continue };
            match polled.as_mut().poll(context) {
                Poll::Ready(Ok(answer)) => return Poll::Ready(Ok(answer)),
                Poll::Ready(Err(error)) => (*question, *refusal) = (None, Some(error)),
                Poll::Pending => {}
            }
        }
        if open.iter().any(|(question, _)| question.is_some()) {
            return Poll::Pending;
        }
        Poll::Ready(Err(open.iter_mut().filter_map(|(_, refusal)| refusal.take()).collect()))
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, ready};

    #[tokio::test]
    async fn one_that_never_answers_keeps_nobody_waiting() {
        let never: Asked<'_, u8, &str> = Box::pin(pending());
        let refused: Asked<'_, u8, &str> = Box::pin(ready(Err("no")));
        let good: Asked<'_, u8, &str> = Box::pin(ready(Ok(7)));
        assert_eq!(find_first(vec![never, refused, good]).await, Ok(7));
        let all: Vec<Asked<'_, u8, &str>> = vec![Box::pin(ready(Err("one"))), Box::pin(ready(Err("two")))];
        assert_eq!(find_first(all).await, Err(vec!["one", "two"]));
    }
}
