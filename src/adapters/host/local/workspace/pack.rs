//! Objects on their way from one repository to another: packed in one, taken over by the other, where git computes each id anew.

use crate::adapters::git::{Git, GitError};
use crate::adapters::os::files::At;
use crate::domain::values::CommitId;
use std::fs::File;
use std::io::{self, Seek, Write};
use std::path::Path;
use std::sync::Arc;

/// So many bytes are unpacked object by object; more stay a pack.
const FEW_BYTES: u64 = 4 << 20;

/// Packs what `wanted` need beyond `known` into a file that has no name; `folder` is where it is, and what errors name. Nothing
/// when git cannot.
pub(crate) async fn pack(
    git: &Git,
    folder: &Path,
    wanted: &[&CommitId],
    known: &[&CommitId],
) -> Result<Option<Arc<File>>, GitError> {
    let scratch = || tempfile::tempfile_in(folder).at(folder);
    let (mut names, pack) = (scratch()?, Arc::new(scratch()?));
    let lines = wanted.iter().map(|id| format!("{id}\n")).chain(known.iter().map(|id| format!("^{id}\n")));
    names.write_all(lines.collect::<String>().as_bytes()).and_then(|()| names.rewind()).at(folder)?;
    let packing = ["pack-objects", "-q", "--revs", "--thin", "--stdout", "--delta-base-offset"];
    if !git.run_piped(&packing, &Arc::new(names), Some(&pack)).await? {
        return Ok(None);
    }
    (&*pack).rewind().at(folder)?;
    Ok(Some(pack))
}

/// Who made a file of objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The engine, from the repository as it is.
    Ours,
    /// A host: each object is checked as one that comes from a server (`transfer.fsckObjects`).
    Foreign,
}

/// Takes the objects of such a file over; whether all of them could be. Where that was tried `before` and did not do, the file is kept as
/// it is whatever its length.
pub(crate) async fn unpack(git: &Git, pack: &Arc<File>, origin: Origin, before: bool) -> Result<bool, GitError> {
    let strict: &[&str] = if origin == Origin::Foreign { &["--strict"] } else { &[] };
    let length = |pack: &File| -> io::Result<u64> {
        (&mut &*pack).rewind()?;
        Ok(pack.metadata()?.len())
    };
    // What cannot be measured is kept as it is.
    match length(pack) {
        Ok(length) if length <= FEW_BYTES && !before => {
            git.run_piped(&[&["unpack-objects", "-q"], strict].concat(), pack, None).await
        }
        // It names the pack it made, which is of no use to anybody.
        _ => {
            let said = tempfile::tempfile().map(Arc::new);
            let said = said.at(std::env::temp_dir())?;
            git.run_piped(&[&["index-pack", "--stdin", "--fix-thin"], strict].concat(), pack, Some(&said)).await
        }
    }
}
