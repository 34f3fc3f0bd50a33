//! HOME and temporary folder of what runs in a slot.
//!
//! Every run in a slot has the slot's folder for temporary files. What works for a unit (its agent, its script, what is looked at
//! in its workspace) has the HOME of the user; verifications have one of their own, made anew with each preparation, in which
//! what `setup` wrote is there as long as its result is kept.

use super::fence::{expand_path, find_containment};
use super::host::LocalHost;
use crate::adapters::host::local::process::procfs::boot_id;
use crate::adapters::host::local::protocol::{Isolation, OURSELVES};
use crate::adapters::host::local::workspace::home::{Census, Homes, Layers, Part, find_parts, take_census};
use crate::adapters::host::local::workspace::layout::{home_folder, layers_folder};
use crate::adapters::host::{Home, HostSettings};
use crate::adapters::os::{Environment, Scratch};
use crate::domain::base::FieldHash;
use crate::domain::base::text::name_first;
use crate::domain::trouble::Trouble;
use std::path::{Path, PathBuf};

impl LocalHost {
    /// What the HOME of verifications is made of here; absent where they have the user's, because the settings want it.
    ///
    /// # Errors
    /// [`Trouble`] with what was tried.
    pub async fn homes(&self) -> Result<Option<&Homes>, Trouble> {
        if !self.settings.have_own_home() {
            return Ok(None);
        }
        self.homes.get_or_try_init(|| find(self)).await.map(Some)
    }
}

/// Finds out what the HOME of verifications is made of on this machine.
async fn find(host: &LocalHost) -> Result<Homes, Trouble> {
    // Folders of tools are made for the fence.
    host.detect_fence().await?;
    let (isolation, pool) = find_containment(host).await?;
    let failed = |e: std::io::Error| host.trouble_at("use the folder of workspaces", &e);
    let scratch = Scratch::create_in(&pool).map_err(failed)?;
    let apart = [host.places.root.clone(), pool, host.facts.common_dir.clone()];
    let homes = find_homes(&apart, &host.env, &host.settings, isolation, scratch.path()).await;
    scratch.remove(&[]).map_err(failed)?;
    Ok(homes)
}

/// The same by hand: what is `apart` is not to be covered; `scratch` is an empty folder where slots are.
pub async fn find_homes(
    apart: &[PathBuf],
    env: &Environment,
    settings: &HostSettings,
    isolation: Isolation,
    scratch: &Path,
) -> Homes {
    let mut parts = env.home().map(|home| find_parts(home, &settings.home, apart)).unwrap_or_default();
    for list in [&mut parts.folders, &mut parts.links, &mut parts.files] {
        list.retain(|part| !env.home().is_some_and(|home| is_kept(part, home, settings)));
    }
    Homes::find(parts, isolation, Path::new(OURSELVES), scratch).await
}

/// Whether a file or folder of the home is one that runs may not read: a copy of it in another HOME would be a way around that.
fn is_kept(part: &Part, home: &Path, settings: &HostSettings) -> bool {
    let sandbox = &settings.sandbox;
    let real = |name: &String| expand_path(name, Some(home.to_owned())).and_then(|path| path.canonicalize().ok());
    let above = |names: &[String]| names.iter().filter_map(real).any(|named| part.real.starts_with(named));
    let asked = settings.home.iter().any(|named| part.name.starts_with(named.trim_end_matches('/')));
    sandbox.is_on() && above(&sandbox.hidden) && !above(&sandbox.readable) && !asked
}

/// Makes the HOME of a slot that was just prepared, with nothing in it of earlier runs but what `setup` made.
///
/// # Errors
/// [`Trouble`] with what was tried.
pub async fn prepare_home(host: &LocalHost, work: &Path) -> Result<(), Trouble> {
    let Some(homes) = host.homes().await? else { return Ok(()) };
    let (folder, layers) = (home_folder(work), layers(work));
    let made = || {
        homes.fill_home(&folder)?;
        match (host.settings.setup.is_some(), homes.is_mounted() && homes.has_folders()) {
            (true, _) => layers.renew(homes),
            (false, true) => layers.drop_made().and_then(|()| layers.renew(homes)),
            (false, false) => layers.remove(),
        }
    };
    made().map_err(|e| host.trouble_at(&format!("make the HOME of verifications in {}", folder.display()), &e))
}

/// The HOME in which `setup` runs.
#[derive(Debug)]
pub struct SetupHome<'a> {
    host: &'a LocalHost,
    homes: &'a Homes,
    folder: PathBuf,
    layers: Layers,
    before: Census,
}

impl<'a> SetupHome<'a> {
    /// That of a slot; absent when `setup` has the user's.
    ///
    /// # Errors
    /// [`Trouble`] with what was tried.
    pub async fn of(host: &'a LocalHost, work: &Path, home: Home) -> Result<Option<Self>, Trouble> {
        let homes = match home {
            Home::Users => None,
            Home::Slots => host.homes().await?,
        };
        Ok(homes.map(|homes| Self {
            host,
            homes,
            folder: home_folder(work),
            layers: layers(work),
            before: Census::default(),
        }))
    }

    /// What the result of `setup` is valid for besides its line and inputs: these folders, and what is not on the disk for sure
    /// before the next start of the machine.
    pub fn stamp(&self) -> String {
        let mut hash = FieldHash::default();
        self.homes
            .overlaid_names()
            .chain(self.homes.linked_names())
            .for_each(|name| hash.add(name.as_os_str().as_encoded_bytes()));
        format!(" home {} {}", &hash.finish()[..16], boot_id())
    }

    /// Whether what it made is there.
    pub fn is_kept(&self) -> bool {
        !self.homes.is_mounted() || self.layers.has_made(self.homes)
    }

    /// Before `setup` runs: drops what it made before.
    ///
    /// # Errors
    /// [`Trouble`] with what was tried.
    pub fn begin(&mut self) -> Result<(), Trouble> {
        self.layers.drop_made().map_err(|e| self.format_error(&e))?;
        if !self.homes.is_mounted() {
            self.before = take_census(&self.folder).map_err(|e| self.format_error(&e))?;
        }
        Ok(())
    }

    /// After `setup`: keeps what it made. False when that cannot be kept apart from what follows: it wrote into a HOME that is
    /// only a folder.
    ///
    /// # Errors
    /// [`Trouble`] with what was tried.
    pub fn end(&self) -> Result<bool, Trouble> {
        if self.homes.is_mounted() {
            return self.layers.save_made(self.homes).map(|()| true).map_err(|e| self.format_error(&e));
        }
        Ok(take_census(&self.folder).map_err(|e| self.format_error(&e))? == self.before)
    }

    fn format_error(&self, e: &std::io::Error) -> Trouble {
        self.host.trouble_at(&format!("keep what target.setup wrote into {}", self.folder.display()), e)
    }
}

pub(super) fn layers(work: &Path) -> Layers {
    Layers::in_folder(layers_folder(work))
}

/// What a report says of the HOME of verifications where they write into folders of the user; absent where they do not.
pub fn describe_shared(homes: &Homes) -> Option<String> {
    let why = homes.trouble()?;
    let names: Vec<_> = homes.linked_names().map(Path::display).collect();
    if names.is_empty() {
        return None;
    }
    let (shown, are) = (name_first(&names, 6), if names.len() == 1 { "is" } else { "are" });
    Some(format!("in the HOME of verifications {shown} {are} your own, and what they write there stays: {why}"))
}
