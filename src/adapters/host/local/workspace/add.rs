//! Putting the files of a workspace into its index: everything git takes, whatever stands in the way, and a list of what it
//! does not take.
//!
//! One file that git refuses, cannot read or cannot convert must not keep the others out. What is left out is named by its
//! bytes, moved to where the attempt's other odd things are, and told: nothing of it is ever deleted.

use super::disk::{open_up, remove_any, remove_special};
use super::error::CollectError;
use super::escape::quote_value;
use super::left_out::{LeftOut, Why, join_names};
use crate::adapters::git::answers::fields;
use crate::adapters::git::{Git, GitError};
use crate::adapters::os::files::{At, create_unnamed, read_if_there, read_whole};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// What became of adding.
#[derive(Debug)]
pub(crate) struct Added {
    /// How git must be called from then on.
    pub(crate) git: Git,
    /// What is no part of the index.
    pub(crate) left_out: Vec<LeftOut>,
}

/// How far one call of `git add` came.
#[derive(PartialEq, Eq)]
enum Reach {
    /// Everything is in the index.
    All,
    /// Everything but some files.
    Most,
    /// It stopped, and nothing is.
    Nothing,
}

async fn add(git: &Git) -> Result<Reach, GitError> {
    let output = git.run(&["add", "--all", "--ignore-errors"]).await?;
    Ok(match output.code() {
        Some(0) => Reach::All,
        Some(1) => Reach::Most,
        _ => Reach::Nothing,
    })
}

/// Attributes by which git takes every file as it is on the disk.
const AS_THEY_ARE: &str = "* -text -eol -ident -filter -working-tree-encoding\n";

/// So many files whose conversion fails are told apart; with more, all files are taken as they are.
const MANY: usize = 50;

/// Puts every file that is not ignored into the index, one obstacle after the other taken away.
pub(crate) async fn add_everything(git: &Git, files: &Path, notes: &mut Vec<String>) -> Result<Added, CollectError> {
    let whole = |git: &Git| Added { git: git.clone(), left_out: Vec::new() };
    if add(git).await? == Reach::All {
        return Ok(whole(git));
    }
    // Files and folders without read permission; pipes and sockets, which hold nothing, in the place of tracked files.
    // What is not ours stays as it is, and git says what it cannot read.
    let _ = open_up(files, 0o400);
    remove_special(files);
    let mut reach = add(git).await?;
    if reach == Reach::All {
        notes.push("some files were not readable and were made so".to_owned());
        return Ok(whole(git));
    }
    let mut called = git.clone();
    if reach == Reach::Nothing {
        let odd = find_unconvertible(git, files).await?;
        if !odd.is_empty() && odd.len() <= MANY {
            disable_conversion(git, files, &odd).await?;
            reach = add(git).await?;
            let names = join_names(odd.iter().map(|path| OsStr::from_bytes(path)));
            notes.push(format!("a filter or an encoding of the attributes failed: {names}, committed as on the disk"));
        }
    }
    if reach == Reach::Nothing {
        // Without attributes the bytes are kept as they are. Nothing can be added at all when this fails too.
        called = git.clone().with_setting("core.attributesFile=/dev/null");
        let own = own_attributes(git, files).await?;
        remove_any(&own).at(&own)?;
        if git.knows_attr_source().await? {
            let empty = git.tree_id(&["hash-object", "-w", "-t", "tree", "/dev/null"]).await?;
            called = called.with_option(&format!("--attr-source={empty}"));
        } else {
            // These count before all that are in files of the tree (gitattributes(5)).
            let above = own.parent().unwrap_or(files);
            let made = fs::create_dir_all(above).and_then(|()| fs::write(&own, AS_THEY_ARE));
            made.at(&own)?;
        }
        reach = add(&called).await?;
        if reach == Reach::Nothing {
            // For its words.
            called.run_text(&["add", "--all"]).await?;
        }
        notes.push(
            "a filter or an encoding of the attributes failed: files are committed as they are on disk".to_owned(),
        );
    }
    let left_out = if reach == Reach::Most { not_added(&called, files).await? } else { Vec::new() };
    Ok(Added { git: called, left_out })
}

/// What `git add` has not taken: files it still calls untracked or changed.
async fn not_added(git: &Git, files: &Path) -> Result<Vec<LeftOut>, CollectError> {
    let args = ["status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=all", "--ignore-submodules=all"];
    let status = git.run_bytes(&args).await?;
    let mut found = Vec::new();
    for field in fields(&status) {
        let (Some(state), Some(path)) = (field.get(..2), field.get(3..)) else { continue };
        if state != b"??" && matches!(state[1], b' ' | b'D') {
            continue;
        }
        let path = path.strip_suffix(b"/").unwrap_or(path);
        found.extend(find_reason(&files.join(OsStr::from_bytes(path))).map(|why| LeftOut::new(path, why)));
    }
    Ok(found)
}

/// Why git does not take what is at `path`; `None`: nothing is lost without it.
fn find_reason(path: &Path) -> Option<Why> {
    let meta = fs::symlink_metadata(path).ok()?;
    if meta.is_symlink() || meta.is_dir() {
        return Some(Why::Refused);
    }
    if !meta.is_file() {
        return None;
    }
    match open(path).and_then(|mut file| file.read(&mut [0])) {
        Ok(_) => Some(Why::Refused),
        Err(_) => Some(Why::Unread),
    }
}

fn open(path: &Path) -> io::Result<File> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    fs::OpenOptions::new().read(true).custom_flags(i32::try_from(flags.bits()).unwrap_or(0)).open(path)
}

/// The files whose content git cannot convert as the attributes say. It stops at each of them, so that the number of answers
/// names it, whatever bytes its name has.
async fn find_unconvertible(git: &Git, files: &Path) -> Result<Vec<Vec<u8>>, CollectError> {
    let listing = ["ls-files", "-z", "--others", "--modified", "--exclude-standard"];
    let listed = match git.run(&listing).await? {
        output if output.success() => output.stdout,
        _ => git.run_bytes(&["ls-files", "-z", "--others", "--cached", "--exclude-standard"]).await?,
    };
    let regular = |path: &&[u8]| {
        let path = files.join(OsStr::from_bytes(path));
        fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_file()) && open(&path).is_ok()
    };
    let paths: Vec<&[u8]> = fields(&listed).filter(regular).collect();
    let (mut odd, mut next) = (Vec::new(), 0);
    while next < paths.len() && odd.len() <= MANY {
        let lines: Vec<u8> = paths[next..].iter().flat_map(|path| [quote_value(path), vec![b'\n']].concat()).collect();
        let (names, answers) = (create_unnamed(&lines).at(files)?, create_unnamed(b"").at(files)?);
        if git.run_piped(&["hash-object", "-w", "--stdin-paths"], &names, Some(&answers)).await? {
            break;
        }
        let said = read_whole(&answers).at(files)?;
        next += said.iter().filter(|byte| **byte == b'\n').count();
        odd.extend(paths.get(next).map(|path| path.to_vec()));
        next += 1;
    }
    Ok(odd)
}

/// Has git take these files as they are on the disk, by the attributes that stand above all others.
async fn disable_conversion(git: &Git, files: &Path, paths: &[Vec<u8>]) -> Result<(), CollectError> {
    let own = own_attributes(git, files).await?;
    own.parent().map_or(Ok(()), fs::create_dir_all).at(&own)?;
    let mut text = read_if_there(&own).at(&own)?.unwrap_or_default();
    for path in paths {
        // A pattern first, then a quoted string of it.
        let mut pattern = b"/".to_vec();
        for byte in path {
            if matches!(byte, b'\\' | b'*' | b'?' | b'[') {
                pattern.push(b'\\');
            }
            pattern.push(*byte);
        }
        text.extend(quote_value(&pattern));
        text.extend(b" -text !eol !crlf !filter !ident !working-tree-encoding\n");
    }
    Ok(fs::write(&own, text).at(&own)?)
}

/// The file of attributes that belongs to the repository itself.
async fn own_attributes(git: &Git, files: &Path) -> Result<PathBuf, GitError> {
    let path = git.run_bytes(&["rev-parse", "--git-path", "info/attributes"]).await?;
    Ok(files.join(OsStr::from_bytes(path.strip_suffix(b"\n").unwrap_or(&path))))
}
