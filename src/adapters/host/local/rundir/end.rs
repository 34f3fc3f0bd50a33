//! Ending a run and proving that nothing of it is left, whatever state its directory is in.

use super::records::read_exit;
use super::run::Run;
use crate::adapters::host::local::process::kill::{KillProof, Method, PATIENCE, end_namespace, search_and_kill};
use crate::adapters::host::local::protocol::{KillReason, RunExit, Start};
use crate::adapters::host::local::supervisor;
use rustix::process::Signal;
use std::time::Duration;

impl Run {
    /// Ends the run, whatever state it is in, and proves it. Also to be called after the program ended by itself: what
    /// it left behind is killed without grace. Takes `grace` plus at most some seconds.
    pub async fn end(&self, grace: Duration) -> KillProof {
        self.end_for(KillReason::Wanted, grace).await.0
    }

    /// As [`end`](Self::end), for this reason. How the run ended is what its files say, which whoever asks later reads as well: it may
    /// have ended first, for a reason of its own.
    pub async fn end_for(&self, why: KillReason, grace: Duration) -> (KillProof, RunExit) {
        let run = self.reload();
        run.record_killed(why);
        if let Some(start) = run.start()
            && start.agent.signal_group(Signal::TERM)
        {
            let _ = tokio::time::timeout(grace, start.agent.wait()).await;
        }
        let supposed: Vec<u32> = run.supervisor().map(|s| s.pid).into_iter().collect();
        let ended = tokio::task::spawn_blocking(move || end_blocking(&run)).await;
        // Without a look there is no proof: what may live is named.
        let proof = ended.unwrap_or(KillProof { method: Method::Search, survivors: supposed, killed: 0 });
        (proof, read_exit(self.dir()).unwrap_or(RunExit::Killed(why)))
    }

    /// Removes what limited it, where its supervisor had no time to: before it recorded the end.
    pub(super) fn remove_groups(&self) {
        if let Some(fence) = self.settings().fence.as_ref().filter(|_| !self.dir().join("exit").exists()) {
            supervisor::remove_groups(&fence.caps, &self.settings().cookie);
        }
    }
}

fn end_blocking(run: &Run) -> KillProof {
    let proof = end_any(run);
    run.remove_groups();
    proof
}

fn end_any(run: &Run) -> KillProof {
    if let Some(start) = run.start() {
        return end_started(run, start, 0);
    }
    let proof = search_and_kill(&run.search_criteria(), true);
    let again = run.reload();
    match again.start() {
        // It got past its start while it was being sought.
        Some(start) => end_started(&again, start, proof.killed),
        None => proof,
    }
}

fn end_started(run: &Run, start: &Start, before: u32) -> KillProof {
    let mut proof = match start.init {
        Some((init, space)) => end_namespace(init, space, run.supervisor()),
        None => {
            let sought = run.search_criteria();
            let first = search_and_kill(&sought, false);
            let _ = start.supervisor.wait_blocking(PATIENCE);
            let last = search_and_kill(&run.search_criteria(), true);
            KillProof { killed: first.killed + last.killed, ..last }
        }
    };
    proof.killed += before;
    proof
}
