//! The program that is brought to hosts: what it is, and its bytes on their way. Each is found out once.

use crate::adapters::host::local::protocol::OURSELVES;
use crate::domain::base::to_hex;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, OnceLock};
use tokio::process::Command;
use tokio::sync::OnceCell;

/// A program that is brought to hosts.
#[derive(Debug)]
pub struct Executable {
    path: PathBuf,
    identity: OnceCell<Identity>,
    packed: OnceCell<Option<Vec<u8>>>,
    blob: OnceCell<Option<String>>,
}

/// What a program is known by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// Its SHA-256.
    pub hash: String,
    /// Its length in bytes.
    pub size: u64,
    /// Whether it needs nothing of the machine it runs on but the kernel. A script does need more.
    pub is_static: bool,
}

impl Executable {
    /// A file of this machine.
    pub fn new(path: impl Into<PathBuf>) -> Arc<Self> {
        let (identity, packed, blob) = (OnceCell::new(), OnceCell::new(), OnceCell::new());
        Arc::new(Self { path: path.into(), identity, packed, blob })
    }

    /// The program of this process, one for all of it. That its file was replaced since changes nothing.
    pub fn of_process() -> Arc<Self> {
        static OWN: OnceLock<Arc<Executable>> = OnceLock::new();
        Arc::clone(OWN.get_or_init(|| Self::new(OURSELVES)))
    }

    /// What it is.
    ///
    /// # Errors
    /// It cannot be read.
    pub async fn identify(&self) -> io::Result<&Identity> {
        self.identity
            .get_or_try_init(|| async {
                let path = self.path.clone();
                let work = tokio::task::spawn_blocking(move || read_identity(&File::open(path)?));
                work.await.map_err(io::Error::other)?
            })
            .await
    }

    /// What git calls it in a repository of SHA-1, for a machine that has no other tool for hashes.
    pub(super) async fn name_blob(&self) -> Option<&str> {
        let blob = self.blob.get_or_init(|| async {
            let mut command = Command::new("git");
            command.args(["hash-object", "--no-filters", "--stdin"]);
            command.env("GIT_DIR", "/nonexistent").env("GIT_DEFAULT_HASH", "sha1");
            let output = run_over(command, &self.path).await?;
            String::from_utf8(output).ok().map(|text| text.trim().to_owned())
        });
        blob.await.as_deref()
    }

    /// Its bytes packed by `gzip`; nothing where this machine has no such program.
    pub(super) async fn pack(&self) -> Option<&[u8]> {
        let packed = self.packed.get_or_init(|| async {
            let mut command = Command::new("gzip");
            command.arg("-c");
            run_over(command, &self.path).await
        });
        packed.await.as_deref()
    }

    /// Its bytes as they are.
    ///
    /// # Errors
    /// It cannot be read.
    pub(super) async fn read(&self) -> io::Result<Vec<u8>> {
        tokio::fs::read(&self.path).await
    }
}

/// What a program makes of a file on its standard input; nothing where it fails.
async fn run_over(mut command: Command, path: &Path) -> Option<Vec<u8>> {
    command.stdin(File::open(path).ok()?).stderr(Stdio::null()).kill_on_drop(true);
    let output = command.output().await.ok()?;
    output.status.success().then_some(output.stdout)
}

fn read_identity(mut file: &File) -> io::Result<Identity> {
    let (mut hash, mut part, mut size) = (Sha256::new(), vec![0; 1 << 16], 0);
    loop {
        match file.read(&mut part)? {
            0 => return Ok(Identity { hash: to_hex(&hash.finalize()), size, is_static: is_static(file) }),
            read => {
                hash.update(&part[..read]);
                size += read as u64;
            }
        }
    }
}

/// The kind of segment that names the program which loads the libraries of this one (PT_INTERP of elf(5)).
const INTERPRETER: [u8; 4] = 3_u32.to_ne_bytes();

/// Whether a file is a program of this kind of machine, of 64 bits, without such a segment.
fn is_static(file: &File) -> bool {
    let mut head = [0; 64];
    if file.read_exact_at(&mut head, 0).is_err() || !head.starts_with(b"\x7fELF\x02") {
        return false;
    }
    let number = |at: usize| u64::from(u16::from_ne_bytes([head[at], head[at + 1]]));
    let (mut first, size, count) = ([0; 8], number(54), number(56));
    first.copy_from_slice(&head[32..40]);
    let first = u64::from_ne_bytes(first);
    (0..count).all(|n| {
        let mut kind = [0; 4];
        file.read_exact_at(&mut kind, first.saturating_add(n * size)).is_ok() && kind != INTERPRETER
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_program_is_known_by_its_bytes_however_it_is_asked() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, "hello\n").unwrap();
        let file = Executable::new(&path);
        let identity = file.identify().await.unwrap();
        assert_eq!(identity.hash, "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03");
        assert_eq!((identity.size, identity.is_static), (6, false));
        assert_eq!(file.name_blob().await, Some("ce013625030ba8dba906f756967f9e9ca394464a"));
        assert!(file.pack().await.unwrap().starts_with(b"\x1f\x8b"));
        // Programs of tests are linked to libraries.
        assert!(!Executable::of_process().identify().await.unwrap().is_static);
        assert!(Executable::new("/nonexistent").identify().await.is_err());
    }
}
