//! The line from the engine to one host: the connection that there is, runs that were given up, and how long the host was silent.

use super::connection::{Connection, Heard};
use crate::adapters::host::order::RunKey;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The way to a worker.
#[derive(Debug, Default)]
pub(super) struct Line {
    state: Mutex<State>,
    /// When the host last answered.
    pub(super) heard: Heard,
}

#[derive(Debug, Default)]
struct State {
    connection: Option<Arc<Connection>>,
    /// How many there were.
    count: u64,
    /// Runs of whose end nobody was told; the next worker ends them.
    abandoned: BTreeSet<RunKey>,
}

impl Line {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection, where there is one.
    pub(super) fn live(&self) -> Option<Arc<Connection>> {
        self.state().connection.as_ref().filter(|connection| !connection.is_lost()).map(Arc::clone)
    }

    /// The number of the last connection, from 1.
    pub(super) fn number(&self) -> u64 {
        self.state().count
    }

    /// Drops what is left of the connection, so that the old worker ends before the next one is started. Runs that the next one
    /// ends before anything else.
    pub(super) fn begin(&self) -> BTreeSet<RunKey> {
        let mut state = self.state();
        state.connection = None;
        state.abandoned.clone()
    }

    /// A connection whose worker has ended these runs is the one that there is; nothing where more were given up meanwhile, which end
    /// before anything else too.
    pub(super) fn publish(&self, made: Connection, ended: &BTreeSet<RunKey>) -> Option<Arc<Connection>> {
        let mut state = self.state();
        if state.abandoned != *ended {
            return None;
        }
        state.abandoned.clear();
        state.count += 1;
        Some(Arc::clone(state.connection.insert(Arc::new(made))))
    }

    /// Gives the connection up, and a run.
    pub(super) fn cut(&self, abandoned: Option<&RunKey>) {
        let mut state = self.state();
        state.abandoned.extend(abandoned.cloned());
        if let Some(connection) = state.connection.take() {
            connection.cut();
        }
    }

    /// Takes the connection, if there is one, to close it.
    pub(super) fn take(&self) -> Option<Arc<Connection>> {
        self.state().connection.take()
    }

    /// Takes the connection where it is this one; whether there is none after that. A newer one stays.
    pub(super) fn take_this(&self, this: &Arc<Connection>) -> bool {
        let mut state = self.state();
        state.connection.take_if(|connection| Arc::ptr_eq(connection, this));
        state.connection.is_none()
    }

    /// How long the host has said nothing, counted from `begun` at the earliest.
    pub(super) fn silence_since(&self, begun: Instant) -> Duration {
        self.heard.last().map_or(begun, |heard| heard.max(begun)).elapsed()
    }
}

/// How long something is asked again.
#[derive(Debug, Clone, Copy)]
pub(super) enum Patience {
    /// For so long since it was asked.
    Asked(Duration),
    /// As long as the host was not silent for so long.
    Silence(Duration),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_connection_that_is_meant_is_taken() {
        let line = Line::default();
        let publish = || line.publish(Connection::to_nobody(), &line.begin()).unwrap();
        let (old, new) = (publish(), publish());
        assert!(!line.take_this(&old));
        assert!(Arc::ptr_eq(&line.live().unwrap(), &new));
        assert!(line.take_this(&new) && line.live().is_none());
        assert!(line.take_this(&old));
    }
}
