//! Giving back a connection that nobody needs: what holds it (the allocation of a cluster, a session of ssh) is held only while there is
//! work. It is opened anew at the next request.
//!
//! Whoever waits for a reply has work there: a run is waited for from its start to its end. What has ended and was not collected yet,
//! or goes on without anybody waiting, has a slot; so the worker is asked for its slots before the connection is closed.

use super::connection::{Shared, unreachable};
use super::protocol::{Reply, Request};
use super::transport::Transport;
use crate::adapters::host::order::{UsedSlot, is_work};
use crate::domain::trouble::Trouble;
use std::sync::Arc;
use std::time::Duration;

/// Closes a connection when nobody has had work there for as long as its transport says, and all that is kept beside it.
pub(super) async fn close_when_idle(shared: Arc<Shared>, transport: Transport) {
    let mut pause = transport.idle;
    loop {
        tokio::time::sleep(pause).await;
        pause = match shared.unused_for() {
            Some(unused) if unused < transport.idle => transport.idle - unused,
            Some(_) if give_up_quiet(&shared).await == Quiet::GivenUp => break,
            _ => transport.idle,
        };
        pause = pause.max(Duration::from_millis(1));
    }
    tracing::debug!("the connection by {transport} is closed: nothing is to be done there");
    shared.close().await;
    transport.close().await;
}

/// Whether a connection was given up that nobody needs.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Quiet {
    /// It was.
    GivenUp,
    /// Somebody waits for an answer, or it is lost.
    Busy,
    /// Something runs there, or was not collected.
    HasWork,
}

/// Gives the connection up where no slot there is used for work, and nobody asks for anything meanwhile.
pub(super) async fn give_up_quiet(shared: &Shared) -> Quiet {
    let Ok((id, mut replies)) = shared.request(&Request::UsedSlots, &[]) else { return Quiet::Busy };
    let Some((Reply::Answer(told), _)) = replies.recv().await else { return Quiet::Busy };
    let Ok(Ok(used)) = serde_json::from_value::<Result<Vec<UsedSlot>, Trouble>>(told) else { return Quiet::HasWork };
    if used.iter().any(|slot| is_work(&slot.label)) {
        return Quiet::HasWork;
    }
    let why = unreachable("the connection was closed, for nothing was to be done there");
    if shared.give_up_after(id, why) { Quiet::GivenUp } else { Quiet::Busy }
}
