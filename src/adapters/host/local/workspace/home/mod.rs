//! The HOME of verifications: what of the user's home is seen in it, and where goes what is written there.
//!
//! Promises: nothing a verification writes into its HOME, or into the folders of tools in the user's home, reaches the user's
//! own or a later verification, where overlays can be mounted; where they cannot, those folders are the user's own, and
//! [`Homes::trouble`] says why. Nothing is mounted outside the mount namespace of a run.

mod layers;
mod parts;
mod short;

pub use layers::Layers;
pub use parts::{Part, Parts, look};
pub use short::{LONGEST, forget_short, shorten};

use crate::adapters::host::local::process::command::{ChildGuard, CommandLine};
use crate::adapters::host::local::protocol::{FLAG, Isolation, MOUNTED, Mount};
use crate::adapters::host::local::rundir::trial_text;
use crate::adapters::host::local::workspace::disk::remove_any;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A larger file is no settings of a tool, and is linked.
const LARGEST_FILE: u64 = 1 << 20;

/// What the HOME of each verification is made of, on this machine.
#[derive(Debug, Clone, Default)]
pub struct Homes {
    overlaid: Vec<Part>,
    linked: Vec<Part>,
    files: Vec<Part>,
    mounts: bool,
    trouble: Option<String>,
}

impl Homes {
    /// Finds out by mounting once, with `program` as `mc`, what is mounted for each run; `scratch` is an empty folder where slots are.
    #[must_use]
    pub async fn find(parts: Parts, isolation: Isolation, program: &Path, scratch: &Path) -> Self {
        let found = Self::found(parts, isolation, program, scratch).await;
        // The kernel leaves folders in it that nobody may look into.
        let _ = remove_any(&scratch.join("layers"));
        found
    }

    async fn found(parts: Parts, isolation: Isolation, program: &Path, scratch: &Path) -> Self {
        let Parts { folders, links, files } = parts;
        let mut homes = Self { overlaid: folders, linked: links, files, mounts: true, trouble: None };
        let refused = match isolation.is_ours() {
            true => homes.tried(isolation, program, scratch).await,
            false => Err(format!("{} makes no mount namespace", isolation.word())),
        };
        let (mut refused, home) = match refused {
            Ok(mut refused) if !refused.is_empty() => {
                let home = refused.remove(0);
                (refused, home)
            }
            Ok(_) => (Vec::new(), Some("nothing was tried".to_owned())),
            Err(why) => (Vec::new(), Some(why)),
        };
        if let Some(why) = home {
            homes.mounts = false;
            homes.linked.append(&mut homes.overlaid);
            homes.trouble = Some(why);
            return homes;
        }
        for part in std::mem::take(&mut homes.overlaid) {
            match refused.remove(0) {
                None => homes.overlaid.push(part),
                Some(why) => {
                    homes.trouble = homes.trouble.or(Some(why));
                    homes.linked.push(part);
                }
            }
        }
        homes
    }

    /// What was said against each mount: that of HOME, then those of the folders.
    async fn tried(&self, isolation: Isolation, program: &Path, scratch: &Path) -> Result<Vec<Option<String>>, String> {
        let home = scratch.join("home");
        let layers = Layers::at(scratch.join("layers"));
        let failed = |e: io::Error| format!("use {}: {e}", scratch.display());
        DirBuilder::new().mode(0o700).create(&home).map_err(failed)?;
        layers.renew(self).map_err(failed)?;
        let mounts = self.mounts(Some(&home), &layers);
        let file = scratch.join("run");
        let text = trial_text(isolation, &mounts, None).map_err(|e| e.to_string())?;
        fs::write(&file, text).map_err(failed)?;
        let command = CommandLine::new(program).arg(FLAG).arg(&file).arg("try");
        let output = command.env("LC_ALL", "C").deadline(Duration::from_secs(20)).run(&ChildGuard::none()).await;
        let output = output.map_err(|e| e.to_string())?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let said: Vec<_> = said.lines().map(|line| (line != MOUNTED).then(|| line.to_owned())).collect();
        match output.success() && said.len() == mounts.len() {
            true => Ok(said),
            false => {
                let told = String::from_utf8_lossy(&output.stderr);
                Err(told.lines().next().unwrap_or("trying a mount ended without a word").to_owned())
            }
        }
    }

    /// Whether HOME can be mounted, so that what setup leaves in it can be kept and what follows cannot change that.
    #[must_use]
    pub fn is_mounted(&self) -> bool {
        self.mounts
    }

    /// Why folders of tools are the user's own; absent when none is that could be something else.
    #[must_use]
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Names of the folders that are seen, and what is written to them dropped.
    pub fn overlaid(&self) -> impl Iterator<Item = &Path> {
        self.overlaid.iter().map(|part| part.name.as_path())
    }

    /// Names of the folders and files that are the user's own.
    pub fn linked(&self) -> impl Iterator<Item = &Path> {
        self.linked.iter().map(|part| part.name.as_path())
    }

    /// Fills the empty folder `home`: links to the folders of tools, copies of the files with settings.
    ///
    /// # Errors
    /// The system's reason.
    pub fn furnish(&self, home: &Path) -> io::Result<()> {
        for part in self.overlaid.iter().chain(&self.linked) {
            let place = home.join(&part.name);
            above(&place)?;
            symlink(&part.real, place)?;
        }
        for part in &self.files {
            match copy(&part.real, &home.join(&part.name)) {
                // Somebody tidied up meanwhile.
                Err(e) if e.kind() == ErrorKind::NotFound => {}
                done => done?,
            }
        }
        Ok(())
    }

    /// Whether something is mounted for each run even where HOME need not be.
    #[must_use]
    pub fn has_folders(&self) -> bool {
        !self.overlaid.is_empty()
    }

    /// What is mounted for one run; HOME, too, where it is given: what is written there can be kept apart then.
    #[must_use]
    pub fn mounts(&self, home: Option<&Path>, layers: &Layers) -> Vec<Mount> {
        if !self.mounts {
            return Vec::new();
        }
        let folders = self.overlaid.iter().map(|part| (part.name.as_path(), part.real.as_path()));
        home.map(|home| (Path::new(layers::HOME), home))
            .into_iter()
            .chain(folders)
            .map(|(name, folder)| Mount::Overlay {
                target: folder.to_owned(),
                upper: layers.upper(name),
                work: layers.work(name),
                lowers: layers.made(name).into_iter().chain([folder.to_owned()]).collect(),
            })
            .collect()
    }
}

fn above(place: &Path) -> io::Result<()> {
    match place.parent() {
        Some(folder) => DirBuilder::new().recursive(true).mode(0o700).create(folder),
        None => Ok(()),
    }
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    above(to)?;
    let mode = fs::metadata(from)?.mode() & 0o700;
    let mut bytes = Vec::new();
    fs::File::open(from)?.take(LARGEST_FILE).read_to_end(&mut bytes)?;
    OpenOptions::new().write(true).create_new(true).mode(mode | 0o600).open(to)?.write_all(&bytes)
}

/// What lies below a folder, as far as a change of it shows: paths with time of the last change and size.
pub type Census = Vec<(PathBuf, i64, i64, u64)>;

/// Looks through a folder; no link is followed.
///
/// # Errors
/// The system's reason.
pub fn census(folder: &Path) -> io::Result<Census> {
    let (mut found, mut todo) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(dir) = todo.pop() {
        for entry in fs::read_dir(&dir)? {
            let entry = entry?;
            let meta = entry.metadata()?;
            if meta.is_dir() {
                todo.push(entry.path());
            }
            found.push((entry.path(), meta.mtime(), meta.mtime_nsec(), meta.len()));
        }
    }
    found.sort();
    Ok(found)
}
