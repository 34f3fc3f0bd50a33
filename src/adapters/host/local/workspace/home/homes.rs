//! What the HOME of each verification is made of, and the layers over the folders of tools in it.

use super::parts::{LARGEST_FILE, Part, Parts};
use crate::adapters::host::local::process::command::{ChildGuard, CommandLine};
use crate::adapters::host::local::protocol::{FLAG, Isolation, MOUNTED, Mount, RunError, Settings, text_of};
use crate::adapters::host::local::workspace::disk::remove_any;
use crate::adapters::os::files::{At, if_there, list_dir, make_private_dir};
use crate::domain::trouble::chain;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

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
    pub async fn find(parts: Parts, isolation: Isolation, program: &Path, scratch: &Path) -> Self {
        let found = Self::from_parts(parts, isolation, program, scratch).await;
        // The kernel leaves folders in it that nobody may look into.
        let _ = remove_any(&scratch.join("layers"));
        found
    }

    async fn from_parts(parts: Parts, isolation: Isolation, program: &Path, scratch: &Path) -> Self {
        let Parts { folders, links, files } = parts;
        let mut homes = Self { overlaid: folders, linked: links, files, mounts: true, trouble: None };
        let refused = match isolation.is_namespace() {
            true => homes.try_mounts(isolation, program, scratch).await.unwrap_or_else(|e| vec![Some(chain(&e))]),
            false => vec![Some(format!("{} makes no mount namespace", isolation.word()))],
        };
        let mut refused = refused.into_iter();
        match refused.next().flatten() {
            Some(why) => {
                homes.mounts = false;
                homes.linked.append(&mut homes.overlaid);
                homes.trouble = Some(why);
            }
            None => {
                for (part, why) in std::mem::take(&mut homes.overlaid).into_iter().zip(refused) {
                    let list = if why.is_none() { &mut homes.overlaid } else { &mut homes.linked };
                    list.push(part);
                    homes.trouble = homes.trouble.or(why);
                }
            }
        }
        homes
    }

    /// What was said against the mount of HOME, and then against those of the folders unless HOME's was refused.
    async fn try_mounts(
        &self,
        isolation: Isolation,
        program: &Path,
        scratch: &Path,
    ) -> Result<Vec<Option<String>>, RunError> {
        let home = scratch.join("home");
        let layers = Layers::in_folder(scratch.join("layers"));
        DirBuilder::new().mode(0o700).create(&home).at(scratch)?;
        layers.renew(self).at(scratch)?;
        let mounts = self.build_mounts(Some(&home), &layers);
        let file = scratch.join("run");
        let wanted = mounts.len();
        fs::write(&file, text_of(&Settings::trial(isolation, mounts, None))).at(scratch)?;
        let command = CommandLine::new(program).arg(FLAG).arg(&file).arg("try");
        let output = command.env("LC_ALL", "C").deadline(Duration::from_secs(20)).run(&ChildGuard::none()).await?;
        let said = String::from_utf8_lossy(&output.stdout);
        let said: Vec<_> = said.lines().map(|line| (line != MOUNTED).then(|| line.to_owned())).collect();
        if output.success() && said.len() == wanted {
            return Ok(said);
        }
        let told = String::from_utf8_lossy(&output.stderr);
        Ok(vec![Some(told.lines().next().unwrap_or("trying a mount ended without a word").to_owned())])
    }

    /// Whether HOME can be mounted, so that what setup leaves in it can be kept and what follows cannot change that.
    pub fn is_mounted(&self) -> bool {
        self.mounts
    }

    /// Why folders of tools are the user's own; absent when none is that could be something else.
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Names of the folders that are seen, and what is written to them dropped.
    pub fn overlaid_names(&self) -> impl Iterator<Item = &Path> {
        self.overlaid.iter().map(|part| part.name.as_path())
    }

    /// Names of the folders and files that are the user's own.
    pub fn linked_names(&self) -> impl Iterator<Item = &Path> {
        self.linked.iter().map(|part| part.name.as_path())
    }

    /// Fills the empty folder `home`: links to the folders of tools, copies of the files with settings.
    ///
    /// # Errors
    /// The system's reason.
    pub fn fill_home(&self, home: &Path) -> io::Result<()> {
        for part in self.overlaid.iter().chain(&self.linked) {
            let place = home.join(&part.name);
            make_private_dir(place.parent().unwrap_or(home))?;
            symlink(&part.real, place)?;
        }
        for part in &self.files {
            // Somebody may have tidied up meanwhile.
            if_there(copy(&part.real, &home.join(&part.name)))?;
        }
        Ok(())
    }

    /// Whether something is mounted for each run even where HOME need not be.
    pub fn has_folders(&self) -> bool {
        !self.overlaid.is_empty()
    }

    /// What is mounted for one run; HOME, too, where it is given: what is written there can be kept apart then.
    pub fn build_mounts(&self, home: Option<&Path>, layers: &Layers) -> Vec<Mount> {
        if !self.mounts {
            return Vec::new();
        }
        let folders = self.overlaid.iter().map(|part| (part.name.as_path(), part.real.as_path()));
        home.map(|home| (Path::new(HOME), home))
            .into_iter()
            .chain(folders)
            .map(|(name, folder)| Mount::Overlay {
                target: folder.to_owned(),
                upper: layers.upper_dir(name),
                work: layers.work_dir(name),
                lowers: layers.made_dir(name).into_iter().chain([folder.to_owned()]).collect(),
            })
            .collect()
    }
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    make_private_dir(to.parent().unwrap_or(to))?;
    let mode = fs::metadata(from)?.mode() & 0o700;
    let mut bytes = Vec::new();
    fs::File::open(from)?.take(LARGEST_FILE).read_to_end(&mut bytes)?;
    OpenOptions::new().write(true).create_new(true).mode(mode | 0o600).open(to)?.write_all(&bytes)
}

/// Stands for HOME itself among the names of folders in it.
pub(super) const HOME: &str = ".";

/// The layers of one slot.
#[derive(Debug, Clone)]
pub struct Layers(PathBuf);

impl Layers {
    /// Those in this folder, made when needed.
    pub fn in_folder(folder: PathBuf) -> Self {
        Self(folder)
    }

    /// Drops what runs wrote; afterwards each run of these homes finds its folders. What nobody touched stays: on some file
    /// systems a folder costs more than a mount.
    ///
    /// # Errors
    /// The system's reason.
    pub fn renew(&self, homes: &Homes) -> io::Result<()> {
        let wanted: Vec<PathBuf> = match homes.is_mounted() {
            true => std::iter::once(Path::new(HOME))
                .chain(homes.overlaid_names())
                .map(|name| self.upper_dir(name))
                .collect(),
            false => Vec::new(),
        };
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        for folder in ["run", "work"].map(|folder| self.0.join(folder)) {
            if !fs::symlink_metadata(&folder).is_ok_and(|meta| meta.is_dir()) {
                remove_any(&folder)?;
                builder.create(&folder)?;
            }
        }
        for entry in fs::read_dir(self.0.join("run"))? {
            let path = entry?.path();
            if !wanted.contains(&path) || !is_untouched(&path) {
                remove_any(&path)?;
            }
        }
        self.tidy();
        wanted.iter().try_for_each(|upper| builder.create(upper))
    }

    /// Takes away what the kernel left of runs that have ended: folders that their owner may not enter, and that no other
    /// mount may use.
    pub fn tidy(&self) {
        for work in list_dir(&self.0.join("work")) {
            for left in list_dir(&work) {
                // Where it stays, the next mount says why.
                let _ = remove_any(&left);
            }
        }
    }

    /// Removes all of it.
    ///
    /// # Errors
    /// The system's reason.
    pub fn remove(&self) -> io::Result<()> {
        remove_any(&self.0)
    }

    /// Keeps what was written since [`Layers::renew`] as what `setup` made.
    ///
    /// # Errors
    /// The system's reason.
    pub fn save_made(&self, homes: &Homes) -> io::Result<()> {
        self.drop_made()?;
        fs::rename(self.0.join("run"), self.0.join("made"))?;
        self.renew(homes)
    }

    /// Drops what `setup` made.
    ///
    /// # Errors
    /// The system's reason.
    pub fn drop_made(&self) -> io::Result<()> {
        remove_any(&self.0.join("made"))
    }

    /// Whether what `setup` made is there, for all of these homes.
    pub fn has_made(&self, homes: &Homes) -> bool {
        std::iter::once(Path::new(HOME)).chain(homes.overlaid_names()).all(|name| self.made_dir(name).is_some())
    }

    pub(super) fn upper_dir(&self, name: &Path) -> PathBuf {
        self.0.join("run").join(word(name))
    }

    pub(super) fn work_dir(&self, name: &Path) -> PathBuf {
        self.0.join("work").join(word(name))
    }

    pub(super) fn made_dir(&self, name: &Path) -> Option<PathBuf> {
        let folder = self.0.join("made").join(word(name));
        fs::symlink_metadata(&folder).is_ok_and(|meta| meta.is_dir()).then_some(folder)
    }
}

/// Whether an upper folder is as it was made: empty, with the mode and without attributes but the kernel's own.
fn is_untouched(upper: &Path) -> bool {
    let as_made = |meta: fs::Metadata| meta.is_dir() && meta.mode() & 0o7777 == 0o700;
    let mut names = vec![0_u8; 4096];
    let length = match rustix::fs::llistxattr(upper, &mut names[..]) {
        Ok(length) => length,
        Err(rustix::io::Errno::OPNOTSUPP) => 0,
        Err(_) => return false,
    };
    let own = |name: &[u8]| name.is_empty() || name.starts_with(b"user.overlay.");
    fs::symlink_metadata(upper).is_ok_and(as_made)
        && names[..length].split(|byte| *byte == 0).all(own)
        && fs::read_dir(upper).is_ok_and(|mut entries| entries.next().is_none())
}

/// The name of a folder as one word, which no other name has.
fn word(name: &Path) -> String {
    let mut word = String::from("_");
    for byte in name.as_os_str().as_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' => word.push(char::from(*byte)),
            other => word += &format!("%{other:02x}"),
        }
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_words_of_their_own() {
        assert_eq!(
            [".", ".local/share/uv", "a b"].map(|name| word(Path::new(name))),
            ["_.", "_.local%2fshare%2fuv", "_a%20b"]
        );
    }
}
