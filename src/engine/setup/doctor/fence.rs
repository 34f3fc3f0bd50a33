//! The check of the fence: whether what runs can write more than its own folders.

use crate::adapters::host::local::machine::fence::Machine;
use crate::adapters::host::local::machine::fenced::Fenced;
use crate::adapters::host::local::protocol::Isolation;
use crate::adapters::host::settings::PoolKind;
use crate::adapters::os::machine::Scratch;
use crate::config::Settings;
use crate::domain::detect::checks::Check;
use crate::domain::trouble::chain;
use crate::engine::context::{Project, host_settings};

/// Raises one where the state directory is, and takes it away again.
pub async fn check_fence(project: &Project, settings: &Settings, isolation: Isolation, checks: &mut Vec<Check>) {
    let parents = [project.state.root().join("scratch"), project.state.root().to_owned()];
    let Ok(scratch) = Scratch::create_in(&parents[0]) else { return };
    let pool = project.state.pool_in(settings.parallel.pool_dir.as_deref());
    let told = host_settings(settings, PoolKind::Missions);
    let closed = [project.state.root(), pool.as_path()];
    let machine = Machine { closed, facts: &project.facts, env: &project.env, settings: &told, isolation };
    let fenced = machine.try_out(scratch.path()).await;
    let left = scratch.remove(&parents);
    checks.push(match fenced {
        Ok(fenced) => match (fenced.describe_gaps(), fenced) {
            (Some(told), Fenced::Off) => Check::ok("fence", told),
            (None, _) => Check::ok(
                "fence",
                "what runs can write their own folders and what [sandbox] writable names, and read no key that [sandbox] hidden names",
            ),
            (Some(told), _) => Check::warning("fence", told, HELP),
        },
        Err(e) => Check::warning("fence", format!("whether a fence holds here cannot be said: {}", chain(&e)), HELP),
    });
    if let Err(e) = left {
        checks.push(Check::warning("fence", format!("remove {}: {e}", parents[0].display()), "remove it by hand"));
    }
}

/// What a fence takes.
const HELP: &str = "a fence needs Linux 5.2 and root, or user namespaces: where AppArmor keeps them from programs it does not know \
                    (Ubuntu 24.04: sysctl kernel.apparmor_restrict_unprivileged_userns=0), allow them; [sandbox] mode = \"off\" \
                    goes without";
