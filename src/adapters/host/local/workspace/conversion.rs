//! What decides, beside the tree, how the files of a workspace come out: the user's settings and attributes, and the umask.
//!
//! Files that an earlier checkout wrote count as unchanged only where all of it, and every attribute file of the tree, is
//! as it was then (see [`super::slot`]).

use crate::adapters::git::answers::fields;
use crate::adapters::git::{Git, GitError, Special};
use crate::adapters::os::files::{Stamp, stamp_of};
use crate::adapters::os::machine;
use crate::domain::base::FieldHash;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Settings that can decide what is written to a file, by the beginning of their names.
const SECTIONS: [&str; 5] = ["core.", "filter.", "lfs.fetch", "attr.", "extensions."];

/// The settings as they were read last, with the files they were read from.
#[derive(Debug, Default)]
pub(crate) struct Conversion(Mutex<Option<Read>>);

#[derive(Debug, Clone)]
struct Read {
    files: Vec<(PathBuf, Option<Stamp>)>,
    settings: String,
    attributes: PathBuf,
}

impl Conversion {
    /// All of it in some words that are the same where the files of a tree come out the same. `git` works on a slot whose own
    /// settings are those of `mc`.
    pub(crate) async fn print(&self, git: &Git, special: &Special) -> Result<String, GitError> {
        let read = self.settings(git).await?;
        let mut hash = FieldHash::default();
        let mut field = |bytes: &[u8]| hash.add(bytes);
        field(read.settings.as_bytes());
        for path in [&read.attributes, Path::new("/etc/gitattributes")] {
            field(&fs::read(path).unwrap_or_default());
        }
        field(&machine::read_umask().to_be_bytes());
        for (path, blob) in &special.attributes {
            field(path);
            field(blob.as_bytes());
        }
        Ok(hash.finish())
    }

    /// Asks git again only when one of the files it read has changed.
    async fn settings(&self, git: &Git) -> Result<Read, GitError> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(known) = known.filter(|read| read.files.iter().all(|(path, then)| read_stamp(path) == *then)) {
            return Ok(known);
        }
        let mut files: Vec<PathBuf> =
            vec!["/etc/gitconfig".into(), home().join(".gitconfig"), user_config_dir().join("config")];
        let before: Vec<Option<Stamp>> = files.iter().map(|path| read_stamp(path)).collect();
        let said = git.run_bytes(&["config", "--list", "--show-origin", "--includes", "-z"]).await?;
        let (mut settings, mut attributes) = (Vec::new(), user_config_dir().join("attributes"));
        let mut parts = fields(&said);
        while let (Some(origin), Some(setting)) = (parts.next(), parts.next()) {
            // What we say ourselves is no setting of the user.
            if origin.starts_with(b"command line:") {
                continue;
            }
            let origin = PathBuf::from(OsStr::from_bytes(origin.strip_prefix(b"file:").unwrap_or_default()));
            if origin.is_absolute() && !files.contains(&origin) {
                files.push(origin.clone());
            }
            let text = String::from_utf8_lossy(setting).into_owned();
            let (key, value) = text.split_once('\n').unwrap_or((&text, ""));
            if key == "core.attributesfile" {
                attributes = expand_home(value);
            }
            // One that is not there yet may come.
            if key.starts_with("include") && key.ends_with(".path") {
                files.push(origin.parent().unwrap_or(Path::new("/")).join(expand_home(value)));
            }
            if SECTIONS.iter().any(|section| key.starts_with(section)) {
                settings.push(text);
            }
        }
        // Those of the slot itself are written anew each time and say the same.
        files.retain(|path| !path.ends_with(".git/config"));
        let later = files.iter().skip(before.len()).map(|path| read_stamp(path)).collect::<Vec<_>>();
        let stamps = before.into_iter().chain(later);
        let read =
            Read { files: files.iter().cloned().zip(stamps).collect(), settings: settings.join("\n"), attributes };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(read.clone());
        Ok(read)
    }
}

fn read_stamp(path: &Path) -> Option<Stamp> {
    fs::metadata(path).ok().map(|meta| stamp_of(&meta))
}

fn expand_home(value: &str) -> PathBuf {
    value.strip_prefix("~/").map_or_else(|| value.into(), |rest| home().join(rest))
}

fn home() -> PathBuf {
    std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default()
}

/// Where the user's settings and attributes of git are when nothing else is said (git-config(1), gitattributes(5)).
fn user_config_dir() -> PathBuf {
    let chosen = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    chosen.unwrap_or_else(|| home().join(".config")).join("git")
}
