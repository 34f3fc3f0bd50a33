//! Asking the host for a workspace: what is copied into it is read here, and what is in the way is pinned first.

use crate::adapters::git::filter::Filtered;
use crate::adapters::host::order::{Home, NotFresh, NotReady, PrepareOrder, Ready, RunKey, Untracked};
use crate::domain::mission::Unverified;
use crate::domain::trouble::{Cause, Trouble};
use crate::domain::values::CommitId;
use crate::engine::context::{ExecutionContext, MissionContext, NamedHost};
use tokio::sync::watch;

/// A slot as somebody wants it.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Its number.
    pub slot: u32,
    /// Who uses it: the folder of its runs, of which `setup` is one.
    pub user: &'a RunKey,
    /// The commit it shall stand at.
    pub base: &'a CommitId,
    /// What is taken out of the commit's tree before anything runs in it.
    pub without: Option<&'a Filtered>,
    /// What may be there beside the tree.
    pub beside: &'a Untracked,
    /// Whether a session begins in it, whose folder is made anew.
    pub session: bool,
}

/// Prepares a slot of a host that holds nobody's work.
///
/// # Errors
/// [`NotFresh::Dirty`] when it does hold something; [`NotFresh`].
pub async fn prepare_fresh(
    execution: &ExecutionContext,
    on: &NamedHost,
    wanted: Wanted<'_>,
    kill: watch::Receiver<bool>,
) -> Result<Ready, NotFresh> {
    let failed = |e: &(dyn std::error::Error + 'static)| NotReady::Failed(execution.to_trouble(e));
    let Wanted { slot, user, base, without, beside, session } = wanted;
    let (copies, environment) = match beside.home() {
        Home::Users => (execution.read_copies().map_err(|e| failed(&e))?, String::new()),
        Home::Slots => {
            let setup = execution.settings().target.setup.is_some();
            let environment =
                if setup { execution.fingerprint(on).await.map_err(|e| failed(&e))? } else { String::new() };
            (execution.copies().map_err(|e| failed(&e))?.to_vec(), environment)
        }
    };
    let order = PrepareOrder {
        slot,
        label: user.to_string(),
        base: base.clone(),
        without: without.cloned(),
        beside: beside.clone(),
        copies,
        environment,
        setup: user.join("setup"),
        session: session.then(|| user.clone()),
    };
    on.prepare(&order, kill).await
}

/// Why nothing is known of what should be verified in a workspace; it quotes what setup said.
pub fn describe_not_ready(execution: &ExecutionContext, not: NotReady) -> Unverified {
    let redactor = execution.redactor();
    match not {
        NotReady::Killed => "killed".to_owned().into(),
        NotReady::Failed(mut trouble) => {
            redactor.clean_trouble(&mut trouble);
            trouble.into()
        }
        NotReady::Setup { code, why } => {
            Unverified { why: redactor.clean(&why), cause: Cause::Setup, setup: Some(code) }
        }
    }
}

/// Prepares a slot of a host for a mission. What an attempt left in the slot is pinned first.
///
/// # Errors
/// [`NotReady`]; the slot keeps its marker.
pub async fn prepare_workspace(
    context: &MissionContext,
    on: &NamedHost,
    wanted: Wanted<'_>,
    kill: watch::Receiver<bool>,
) -> Result<Ready, NotReady> {
    let mut made = prepare_fresh(context, on, wanted, kill.clone()).await;
    if let Err(NotFresh::Dirty(old)) = &made {
        on.recover(wanted.slot, old, wanted.base).await.map_err(NotReady::Failed)?;
        made = prepare_fresh(context, on, wanted, kill).await;
    }
    let odd = |why: String| NotReady::Failed(Trouble::from(why));
    made.map_err(|not| match not {
        NotFresh::NotReady(not) => not,
        NotFresh::Dirty(label) => odd(format!("slot {} still holds the work of {label}", wanted.slot)),
        NotFresh::Busy => odd(format!("use slot {}: another process has it locked", wanted.slot)),
    })
}
