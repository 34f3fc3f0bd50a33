//! An attempt in a slot whose agent is a shell script.

use super::repo::World;
use mission_control::adapters::host::local::workspace::collect::{Attempt, Collected, collect};
use mission_control::adapters::host::local::workspace::pool::Pool;
use mission_control::adapters::host::local::workspace::slot::Ignored;
use mission_control::domain::values::{CommitId, MissionId, UnitId};
use std::path::PathBuf;

/// Attempt 1 of unit `u1` in slot 1.
pub struct Work {
    pub world: World,
    pub pool: Pool,
    pub slot: PathBuf,
    pub attempt: Attempt,
}

impl Work {
    pub async fn start() -> Self {
        Self::start_with(":").await
    }

    /// Runs a script in the source before the pool is opened.
    pub async fn start_with(script: &str) -> Self {
        let world = World::new().await;
        world.sh(script).await;
        let base = world.id("main").await;
        let pool = Pool::open(&world.state().join("pool"), &world.source(), Ignored::Keep).await.unwrap();
        let slot = pool.prepare(1, "m1/u1/1", &base).await.unwrap();
        let run_dir = world.state().join("runs/1");
        std::fs::create_dir_all(&run_dir).unwrap();
        let (mission, unit) = (MissionId::new("m1").unwrap(), UnitId::new("u1").unwrap());
        let attempt = Attempt {
            mission,
            unit,
            number: 1,
            green: base.clone(),
            base,
            run_dir,
            late: false,
            take_elsewhere: false,
        };
        Self { world, pool, slot, attempt }
    }

    /// Runs a script in the slot.
    pub async fn agent(&self, script: &str) -> String {
        self.world.sh_in(&self.slot, script).await
    }

    pub async fn collect(&self) -> Collected {
        collect(&self.pool, 1, &self.attempt).await.unwrap()
    }

    pub async fn slot_id(&self, rev: &str) -> CommitId {
        CommitId::new(&self.agent(&format!("git rev-parse '{rev}'")).await).unwrap()
    }

    pub async fn source_id(&self, rev: &str) -> CommitId {
        self.world.id(rev).await
    }

    /// Everything pinned is whole without the slot.
    pub async fn alone(&self) {
        self.pool.release(1).unwrap();
        self.pool.discard_idle(1).unwrap();
        self.world
            .sh("git rev-list --objects --quiet --all && git -c gc.auto=0 fsck --connectivity-only --no-dangling")
            .await;
    }
}
