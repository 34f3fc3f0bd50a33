//! Whether runs on a host outlive the connection to it. It is found out once for each way to a host, by closing the connection while
//! nothing is done there, and noted there.
//!
//! Where they do not, a run that is gone after its connection was lost went with that: the host was out of reach, and no unit is to blame.

use super::client::RemoteHost;
use super::idle::{Quiet, give_up_quiet};
use super::protocol::Request;
use super::transport::Way;
use crate::adapters::host::local::machine::outlive::FRESH;
use crate::adapters::host::order::Ended;
use crate::domain::ending::ProcessEnd;
use crate::domain::trouble::{Cause, Trouble};
use std::sync::PoisonError;
use std::time::{Duration, Instant};

/// How long the questions of others are waited for before the connection is closed.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often is looked.
const LOOK: Duration = Duration::from_millis(50);

impl RemoteHost {
    /// Whether runs there outlive the connection; nothing where that cannot be found out now.
    pub(super) async fn find_out_outliving(&self) -> Option<bool> {
        let _one = self.trying.lock().await;
        let begun = Instant::now();
        match self.ask_outliving().await? {
            Some(known) => Some(known),
            None if self.close_quietly().await => {
                let found = match self.ask_outliving().await? {
                    Some(found) => found,
                    // A place where nothing is known of the last connection keeps nothing of it.
                    None if begun.elapsed() < FRESH => false,
                    None => return None,
                };
                self.note_outliving(found);
                Some(found)
            }
            None => {
                let way = self.transport.name_way();
                // It ends by itself where nobody can be told.
                let told = self.query::<Result<(), Trouble>>(Request::GiveUpOutlive(way)).await.and_then(|told| told);
                if let Err(trouble) = told {
                    tracing::debug!("give up a try on {}: {trouble}", self.transport);
                }
                None
            }
        }
    }

    /// What is known there; nothing inside where a try was begun, nothing at all where nobody answers that.
    async fn ask_outliving(&self) -> Option<Option<bool>> {
        let way = match &self.transport.way {
            Way::Child { .. } => return Some(Some(true)),
            _ => self.transport.name_way(),
        };
        let known = *self.outlives.lock().unwrap_or_else(PoisonError::into_inner);
        if known.is_some() {
            return Some(known);
        }
        let found = self.query::<Result<Option<bool>, Trouble>>(Request::Outlive(way)).await.and_then(|found| found);
        match found {
            Ok(found) => {
                found.into_iter().for_each(|found| self.note_outliving(found));
                Some(found)
            }
            Err(trouble) => {
                tracing::debug!("find out whether runs outlive the connection by {}: {trouble}", self.transport);
                None
            }
        }
    }

    /// Whether it is known that runs there end with the connection.
    pub(super) fn ends_with_connection(&self) -> bool {
        *self.outlives.lock().unwrap_or_else(PoisonError::into_inner) == Some(false)
    }

    fn note_outliving(&self, found: bool) {
        *self.outlives.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
    }

    /// Closes the connection as soon as nobody waits for anything there; false where that does not come, or there is work.
    async fn close_quietly(&self) -> bool {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            let Some(connection) = self.line.live() else { return true };
            match give_up_quiet(&connection.shared()).await {
                Quiet::GivenUp => {
                    // Somebody who did not wait for that may have made another one by now.
                    self.close_this(&connection).await;
                    return true;
                }
                Quiet::HasWork => return false,
                Quiet::Busy => tokio::time::sleep(LOOK).await,
            }
        }
        false
    }

    /// The end of a run as it is to be taken: one that nobody saw the end of went with the connection, where runs do not outlive that.
    pub(super) async fn explain_loss(&self, ended: &mut Ended) {
        let ProcessEnd::Infrastructure(trouble) = &ended.end else { return };
        if ended.unseen && trouble.cause == Cause::LostRun && self.ask_outliving().await == Some(Some(false)) {
            let why = format!("the connection by {} was lost, and what ran there went with it", self.transport);
            ended.end = ProcessEnd::Infrastructure(Trouble::new(Cause::Unreachable, why));
        }
    }
}
