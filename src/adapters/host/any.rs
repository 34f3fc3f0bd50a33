//! A host of either kind: this machine, or another one behind a worker. Whoever uses one does not see which.

use super::description::Description;
use super::local::machine::host::LocalHost;
use super::local::process::kill::KillProof;
use super::order::{
    CollectOrder, CollectOutcome, Ended, HostError, HostFacts, NotFresh, NotReady, PrepareOrder, Ready, Release,
    RunKey, RunOrder, RunState, Start, Strays, UsedSlot,
};
use super::remote::client::RemoteHost;
use super::remote::protocol::Request;
use crate::domain::trouble::Trouble;
use crate::domain::values::CommitId;
use std::path::PathBuf;
use tokio::sync::watch;

/// Where workspaces are and runs go on.
#[derive(Debug)]
pub enum Host {
    /// The machine of the engine.
    Local(Box<LocalHost>),
    /// Another one, or another process on this one.
    Remote(Box<RemoteHost>),
}

/// The same question to a host of either kind.
macro_rules! on {
    ($self:ident, $host:ident.$($call:tt)+) => {
        match $self {
            Self::Local($host) => $host.$($call)+,
            Self::Remote($host) => $host.$($call)+,
        }
    };
}

/// What a host of either kind does without more than asking: a call here, a request there.
macro_rules! ask {
    ($self:ident, $call:ident($($argument:expr),*), $request:expr) => {
        match $self {
            Self::Local(host) => host.$call($($argument),*).await,
            Self::Remote(host) => host.query($request).await?,
        }
    };
}

/// A slot, with who uses it.
fn used_slot(slot: u32, label: &str) -> UsedSlot {
    UsedSlot { slot, label: label.to_owned() }
}

impl Host {
    /// Tries out what runs there need: a pool, containment, HOME and fence.
    ///
    /// # Errors
    /// [`HostError`] with what is missing and what helps.
    pub async fn probe(&self) -> Result<HostFacts, HostError> {
        on!(self, host.probe().await)
    }

    /// The machine at this moment.
    ///
    /// # Errors
    /// [`Cause::Unreachable`](crate::domain::trouble::Cause).
    pub async fn describe(&self) -> Result<Description, Trouble> {
        match self {
            Self::Local(host) => Ok(host.describe().await),
            Self::Remote(host) => host.query(Request::Describe).await,
        }
    }

    /// A hash of what results of runs there depend on beside tree, stages, copied files and tags.
    ///
    /// # Errors
    /// [`HostError`] when it cannot be made.
    pub async fn fingerprint(&self) -> Result<String, HostError> {
        match self {
            Self::Local(host) => host.fingerprint().await.map(str::to_owned),
            Self::Remote(host) => host.query(Request::Fingerprint).await?,
        }
    }

    /// Makes a slot ready that holds nobody's work; asked again, it begins anew.
    ///
    /// # Errors
    /// [`NotFresh`]; the slot keeps its marker.
    pub async fn prepare(&self, order: &PrepareOrder, kill: watch::Receiver<bool>) -> Result<Ready, NotFresh> {
        on!(self, host.prepare(order, kill).await)
    }

    /// Runs an order to its proven end; one that was begun is taken over. `began` is told once it is on record.
    pub async fn run(
        &self,
        order: &RunOrder,
        start: Start,
        kill: watch::Receiver<bool>,
        began: impl FnOnce() + Send,
    ) -> Ended {
        on!(self, host.run(order, start, kill, began).await)
    }

    /// Collects the workspace of an attempt, whose run must be dead.
    ///
    /// # Errors
    /// What around it failed; the slot keeps its marker.
    pub async fn collect(&self, order: &CollectOrder) -> Result<CollectOutcome, Trouble> {
        on!(self, host.collect(order).await)
    }

    /// Gives the slot of whoever has this label back, or sets it aside. A slot that somebody else has is only let go.
    ///
    /// # Errors
    /// Why it could not be given back; it keeps its marker.
    pub async fn release(&self, slot: u32, label: &str, release: &Release) -> Result<(), Trouble> {
        on!(self, host.release(slot, label, release).await)
    }

    /// The slots that somebody uses or has not given back.
    ///
    /// # Errors
    /// The pool cannot be read.
    pub async fn used_slots(&self) -> Result<Vec<UsedSlot>, Trouble> {
        ask!(self, used_slots(), Request::UsedSlots)
    }

    /// Locks a slot that an earlier engine gave to this label; its workspace, or nothing where it is not that label's any more.
    ///
    /// # Errors
    /// Somebody else has it locked, or the pool cannot be read.
    pub async fn hold(&self, slot: u32, label: &str) -> Result<Option<PathBuf>, Trouble> {
        ask!(self, hold(slot, label), Request::Hold(used_slot(slot, label)))
    }

    /// The slot of a verification that an earlier engine had begun with the run `first`, when its runs can go on in it.
    ///
    /// # Errors
    /// The pool cannot be read.
    pub async fn find_adoptable(&self, slot: u32, label: &str, first: &RunKey) -> Result<Option<Ready>, Trouble> {
        ask!(self, find_adoptable(slot, label, first), Request::Adoptable(used_slot(slot, label), first.clone()))
    }

    /// Pins what an attempt nobody waits for any more left in a slot, and frees it.
    ///
    /// # Errors
    /// What around it failed; the slot stays as it is.
    pub async fn recover(&self, slot: u32, label: &str, base: &CommitId) -> Result<(), Trouble> {
        on!(self, host.recover(slot, label, base).await)
    }

    /// Frees a slot in which nobody's work is, after ending what was left running there; false when somebody else has it.
    ///
    /// # Errors
    /// The pool cannot be read or written.
    pub async fn discard(&self, slot: u32, label: &str) -> Result<bool, Trouble> {
        ask!(self, discard(slot, label), Request::Discard(used_slot(slot, label)))
    }

    /// What is in workspaces and is no part of their commits.
    ///
    /// # Errors
    /// One cannot be looked at.
    pub async fn list_strays(&self) -> Result<Strays, Trouble> {
        ask!(self, list_strays(), Request::ListStrays)
    }

    /// Tries once more to collect what is in quarantine.
    ///
    /// # Errors
    /// What around it failed.
    pub async fn retry_quarantine(&self) -> Result<(), Trouble> {
        on!(self, host.retry_quarantine().await)
    }

    /// Ends every run at or below a key, and proves it; the processes that live on.
    ///
    /// # Errors
    /// [`Cause::Unreachable`](crate::domain::trouble::Cause): nothing is known of them.
    pub async fn end_runs(&self, key: &RunKey) -> Result<Vec<u32>, Trouble> {
        ask!(self, end_runs(key), Request::EndRuns(key.clone()))
    }

    /// Ends what may still run of a run whose directory is gone, in this slot.
    ///
    /// # Errors
    /// The pool cannot be opened.
    pub async fn end_traceless(&self, key: &RunKey, slot: u32) -> Result<KillProof, Trouble> {
        ask!(self, end_traceless(key, slot), Request::EndTraceless(key.clone(), slot))
    }

    /// What is known of a run.
    ///
    /// # Errors
    /// [`Cause::Unreachable`](crate::domain::trouble::Cause).
    pub async fn look_up(&self, key: &RunKey) -> Result<RunState, Trouble> {
        ask!(self, look_up(key), Request::LookUp(key.clone()))
    }

    /// What is known of a run that an earlier engine began. A host that is out of reach is waited for as long as for the run itself, which
    /// is given up then.
    ///
    /// # Errors
    /// [`Cause::Unreachable`](crate::domain::trouble::Cause).
    pub async fn find_run(&self, key: &RunKey, kill: watch::Receiver<bool>) -> Result<RunState, Trouble> {
        match self {
            Self::Local(host) => host.look_up(key).await,
            Self::Remote(host) => host.find_run(key, kill).await,
        }
    }

    /// Ends an earlier run of this key and keeps its directory beside, so that the key can be used for a new one.
    ///
    /// # Errors
    /// It cannot be moved, or something of it cannot be ended.
    pub async fn archive_run(&self, key: &RunKey) -> Result<(), Trouble> {
        on!(self, host.archive_run(key).await)
    }

    /// Makes sure that it can be asked something, where that may have to be waited for; a kill ends the wait.
    ///
    /// # Errors
    /// [`NotReady`]; nothing was begun there.
    pub async fn reach(&self, kill: watch::Receiver<bool>) -> Result<(), NotReady> {
        match self {
            Self::Local(_) => Ok(()),
            Self::Remote(host) => host.reach(kill).await,
        }
    }

    /// The same where others wait for what is to be done there: not for long.
    ///
    /// # Errors
    /// [`Cause::Unreachable`](crate::domain::trouble::Cause).
    pub async fn reach_soon(&self) -> Result<(), Trouble> {
        match self {
            Self::Local(_) => Ok(()),
            Self::Remote(host) => host.reach_soon().await,
        }
    }

    /// Waits no longer for a machine that is yet to be had; what is asked there already goes on.
    pub fn stop_waiting(&self) {
        if let Self::Remote(host) = self {
            host.stop_waiting();
        }
    }

    /// Ends what connects it with this process, and lets the other side end well; the next question connects anew.
    pub async fn close(&self) {
        if let Self::Remote(host) = self {
            host.close().await;
        }
    }
}
