//! What a run in a slot sees of this machine: HOME, temporary folder, mounts and fence.

use super::fence::{Machine, canonicalize_existing, find_containment};
use super::fenced::Reach;
use super::homes::layers;
use super::host::LocalHost;
use super::imports::PYTHONPATH;
use crate::adapters::host::local::protocol::{Fence, Mount};
use crate::adapters::host::local::workspace::home::{LONGEST, create_short_name};
use crate::adapters::host::local::workspace::layout::{home_folder, slot_of, temporary_folder};
use crate::adapters::host::order::Home;
use crate::adapters::host::settings::HOME;
use crate::domain::trouble::Trouble;
use std::ffi::OsString;
use std::path::Path;

/// The fence of a job in the slot whose clone is `cwd`; absent where there is none. What has the user's HOME, because the settings
/// want it, writes what agents write; and where a folder of tools cannot be covered, it is the user's own that is written.
async fn fence_around(host: &LocalHost, cwd: &Path, home: Home, reach: &Reach) -> Result<Option<Fence>, Trouble> {
    if !host.detect_fence().await?.is_active() {
        return Ok(None);
    }
    let (isolation, pool) = find_containment(host).await?;
    let machine = Machine::of(host, isolation, &pool);
    let (mut home, mut reach) = (home, reach.clone());
    match host.homes().await? {
        None => home = Home::Users,
        Some(homes) if home == Home::Slots => {
            let users = host.env.home().into_iter().flat_map(|users| homes.linked_names().map(|part| users.join(part)));
            reach.writable.extend(canonicalize_existing(users));
        }
        Some(_) => {}
    }
    Ok(Some(machine.build_fence(slot_of(cwd), &temporary_folder(cwd), home, &reach)))
}

/// What a run in a slot sees besides what its job says.
#[derive(Debug, Default)]
pub struct Around {
    /// Variables that take the place of those of the job.
    pub env: Vec<(OsString, OsString)>,
    /// What is mounted for it.
    pub mounts: Vec<Mount>,
    /// What it may reach.
    pub fence: Option<Fence>,
}

/// What a run in the folder `cwd` sees whose job has `given`; nothing of its own where that is no slot. HOME itself is mounted only where what `setup`
/// wrote there has to stay as it is.
///
/// # Errors
/// [`Trouble`] with what was tried.
pub async fn build_surroundings(
    host: &LocalHost,
    cwd: &Path,
    home: Home,
    reach: &Reach,
    given: &[(OsString, OsString)],
) -> Result<Around, Trouble> {
    let mut around = Around::default();
    if slot_of(cwd) == cwd {
        return Ok(around);
    }
    let given = given.iter().find(|(name, _)| name == PYTHONPATH).map(|(_, value)| value.as_os_str());
    around
        .env
        .extend(host.imports().path(&host.facts, &host.places.pool, cwd, given).map(|path| (PYTHONPATH.into(), path)));
    let mounting = host.isolation().await.map_err(|e| host.classify_error(&e))?.is_namespace();
    around.fence = fence_around(host, cwd, home, reach).await?;
    let temporary = temporary_folder(cwd);
    let mut seen = temporary.clone();
    let private = around.fence.iter().filter(|_| mounting).flat_map(|fence| &fence.private);
    if let Some((_, place)) = private.into_iter().find(|(_, place)| place.as_os_str().len() <= LONGEST) {
        // It is seen there as well, by everybody who does not ask for TMPDIR.
        seen.clone_from(place);
    } else if let Some(short) = create_short_name(&temporary).filter(|_| mounting) {
        host.record_shortened(&temporary);
        around.mounts.push(Mount::Bind { from: temporary, to: short.clone() });
        seen = short;
    }
    around.env.push(("TMPDIR".into(), seen.into()));
    if let (Home::Slots, Some(homes)) = (home, host.homes().await?) {
        let folder = home_folder(cwd);
        let (layers, whole) = (layers(cwd), host.settings.setup.is_some());
        // An engine that was killed left this to us.
        layers.tidy();
        around.mounts.extend(homes.build_mounts(Some(folder.as_path()).filter(|_| whole), &layers));
        around.env.push((HOME.into(), folder.into()));
    }
    Ok(around)
}

/// Takes away what the mounts of a run that has ended left.
pub fn tidy_layers(cwd: &Path) {
    if slot_of(cwd) != cwd {
        layers(cwd).tidy();
    }
}
