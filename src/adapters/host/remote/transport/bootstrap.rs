//! Bringing `mc` to where a worker is wanted, over the streams that the worker itself will have.
//!
//! The command that runs there is a short one, always the same: it reads a script from its standard input and runs it. The script
//! (`bootstrap.sh`) says in one line what is there. Where the wanted program is, it becomes the worker at once; else the engine
//! answers with the bytes, which get their name only when their hash is right and the program runs. Whatever login scripts print
//! before that line is skipped. Nothing that comes from settings stands on a command line.

use super::executable::{Executable, Identity};
use super::stream::{Input, Output};
use crate::domain::base::text::{one_line, replace_control_chars, shorten};
use crate::domain::trouble::{Cause, Trouble};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

/// What has to be run there by `sh -c`. It has no single quote in it: in single quotes it is one word for every shell.
pub(super) const LINE: &str = r#"IFS= read -r n && eval "$(dd bs=1 count="$n" 2>/dev/null)""#;

const SCRIPT: &str = include_str!("bootstrap.sh");

/// So much may be printed there before the line that counts, in bytes.
const NOISE: u64 = 64 << 10;

/// Bytes that are sent at a time.
const PART: usize = 64 << 10;

/// Characters of what somebody else said that are part of an error.
const SHOWN: usize = 400;

/// The worker that is wanted somewhere else.
#[derive(Debug, Clone)]
pub struct Worker {
    /// Its folder, from `/` or `~/` on.
    pub root: String,
    /// The `mc` that is there already and is to be used, from `/` or `~/` on. Nothing: `executable` is brought there.
    pub program: Option<String>,
    /// What is brought there.
    pub executable: Arc<Executable>,
}

/// Why there is no worker.
#[derive(Debug)]
pub(super) enum Unready {
    /// The stream ended before anything was known; what had been printed until then.
    Ended(Option<String>),
    /// Something is in the way.
    Trouble(Trouble),
}

impl From<Trouble> for Unready {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

/// What the script says.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Facts(Facts),
    Ready,
    Failed(Failure, String),
}

/// What is there.
#[derive(Debug, PartialEq, Eq)]
struct Facts {
    /// Whether the program is to be sent.
    needs_program: bool,
    unpacks: bool,
    hasher: Hasher,
    /// As `uname -s` and `uname -m` name them.
    system: String,
    machine: String,
}

/// By what the bytes are checked there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hasher {
    None,
    Git,
    Sha256,
}

/// What failed there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Failure {
    /// The folder of the worker.
    Folder,
    /// The program that was named.
    Program,
    /// Keeping what was sent.
    Write,
    /// What was sent is not what came.
    Damaged,
    /// Running what was sent.
    Exec,
}

impl Answer {
    /// Reads a line of the script that has this nonce; nothing from any other line.
    fn parse(line: &str, nonce: &str) -> Option<Self> {
        let (word, rest) = line.strip_prefix("mc-")?.split_once(' ')?;
        let rest = rest.strip_prefix(nonce)?.strip_prefix(' ')?;
        match word {
            "ready" => Some(Self::Ready),
            "facts" => {
                let mut words = rest.split(' ');
                let mut next = || words.next().unwrap_or_default();
                let (needs_program, unpacks) = (next() == "need", next() == "gzip");
                let hasher = match next() {
                    "sha256sum" | "shasum" | "openssl" => Hasher::Sha256,
                    "git" => Hasher::Git,
                    _ => Hasher::None,
                };
                let (system, machine) = (next().to_owned(), next().to_owned());
                Some(Self::Facts(Facts { needs_program, unpacks, hasher, system, machine }))
            }
            "fail" => {
                let (word, why) = rest.split_once(' ').unwrap_or((rest, ""));
                let failure = match word {
                    "folder" => Failure::Folder,
                    "program" => Failure::Program,
                    "write" => Failure::Write,
                    "damaged" => Failure::Damaged,
                    _ => Failure::Exec,
                };
                Some(Self::Failed(failure, quote(why)))
            }
            _ => None,
        }
    }
}

/// What somebody else said, fit for an error.
fn quote(text: &str) -> String {
    shorten(&one_line(&replace_control_chars(text)), SHOWN)
}

/// What a person can do where our own program does not run.
const OWN_PROGRAM: &str = "put an mc there that was built for that machine, and name it in the settings of this host: \
                           program = \"/path/to/mc\"";

fn refuse_exec(why: &str) -> Trouble {
    Trouble::from(format!("{why}: {OWN_PROGRAM}"))
}

/// The trouble that a failure there is.
fn trouble_of(failure: Failure, why: &str, is_static: bool) -> Trouble {
    match failure {
        Failure::Folder => {
            Trouble::from(format!("the folder of the worker (`root` of this host) cannot be used: {why}"))
        }
        Failure::Program => Trouble::from(format!("{why} (`program` of this host must name an mc that runs there)")),
        Failure::Write => Trouble::from(format!("the mc that was sent there cannot be kept: {why}")),
        Failure::Damaged => Trouble::new(Cause::Unreachable, format!("the mc that was sent there came damaged: {why}")),
        Failure::Exec if is_static => refuse_exec(&format!("the mc that was sent there cannot be run ({why})")),
        Failure::Exec => Trouble::from(format!(
            "the mc that was sent there cannot be run ({why}): it needs the libraries of this machine. Use a static mc here, \
             which `scripts/build-static` makes of its sources (docs/development.md), or {OWN_PROGRAM}"
        )),
    }
}

/// Whether a program of this machine can run on one that calls itself so.
fn can_run(system: &str, machine: &str) -> bool {
    let machine = match machine {
        "amd64" => "x86_64",
        "arm64" => "aarch64",
        "i386" | "i486" | "i586" | "i686" => "x86",
        other => other,
    };
    let own = std::env::consts::ARCH;
    let family = own == "x86" && machine == "x86_64" || own == "arm" && machine.starts_with("arm");
    system == "Linux" && (machine == own || family)
}

/// Brings the program where it is missing, and has it become the worker: what is sent and read next are messages. Where nothing was
/// said for the `first` time, or nothing is said or taken for as long as `silence` then, that is the end of it. Whether it was missing.
///
/// # Errors
/// [`Unready`].
pub(super) async fn bring_worker(
    stdin: &mut Input,
    stdout: &mut Output,
    worker: &Worker,
    (first, silence): (Duration, Duration),
) -> Result<bool, Unready> {
    let own = match worker.program {
        Some(_) => Identity::default(),
        None => {
            worker.executable.identify().await.map_err(|e| Trouble::from(format!("read the mc to send: {e}")))?.clone()
        }
    };
    let nonce = format!("{:032x}", fastrand::u128(..));
    let script = write_script(&nonce, worker, &own)?;
    let mut answers = Answers { from: stdout, nonce: &nonce, left: NOISE, printed: None };
    // Where it ended already, what it said last tells why.
    send_parts(stdin, &[format!("{}\n{script}", script.len()).as_bytes()], first).await?;
    let facts = match timeout(first, answers.next()).await.map_err(|_| silent_first(first, silence))?? {
        Answer::Facts(facts) => facts,
        Answer::Failed(failure, why) => return Err(trouble_of(failure, &why, own.is_static).into()),
        Answer::Ready => return Ok(false),
    };
    if !facts.needs_program {
        return Ok(false);
    }
    let Facts { system, machine, .. } = &facts;
    if !can_run(system, machine) {
        let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
        return Err(refuse_exec(&format!("that machine is {system} {machine}, and this mc is for {os} {arch}")).into());
    }
    tracing::debug!("send mc {} to a host of {system} {machine}", own.hash);
    let sent = send_program(stdin, &worker.executable, &facts, silence);
    let answer = {
        let mut next = pin!(answers.next());
        // What fails there is told before all is sent.
        tokio::select! {
            biased;
            answer = &mut next => answer?,
            sent = sent => {
                sent?;
                timeout(silence, next).await.map_err(|_| silent(silence))??
            }
        }
    };
    match answer {
        Answer::Failed(failure, why) => Err(trouble_of(failure, &why, own.is_static).into()),
        Answer::Facts(_) | Answer::Ready => Ok(true),
    }
}

/// The script with what it has to know.
fn write_script(nonce: &str, worker: &Worker, own: &Identity) -> Result<String, Trouble> {
    let (program, size) = (worker.program.as_deref().unwrap_or_default(), own.size.to_string());
    let values = [("nonce", nonce), ("root", &worker.root), ("program", program), ("hash", &own.hash), ("size", &size)];
    let mut script = String::new();
    for (name, value) in values {
        if value.chars().any(char::is_control) {
            return Err(Trouble::from(format!("`{name}` of this host has a control character in it")));
        }
        let quoted = shlex::try_quote(value).map_err(|e| Trouble::from(format!("`{name}` of this host: {e}")))?;
        script.push_str(&format!("{name}={quoted}\n"));
    }
    Ok(script + SCRIPT)
}

async fn send_program(
    stdin: &mut Input,
    program: &Executable,
    facts: &Facts,
    silence: Duration,
) -> Result<(), Trouble> {
    let blob = match facts.hasher {
        Hasher::Sha256 => None,
        Hasher::Git => program.name_blob().await,
        Hasher::None => {
            let why = "what is sent there cannot be checked: it has none of sha256sum, shasum, openssl and git";
            return Err(Trouble::from(why.to_owned()));
        }
    };
    let packed = if facts.unpacks { program.pack().await } else { None };
    let read;
    let (how, bytes) = match packed {
        Some(packed) => ("gzip", packed),
        None => {
            read = program.read().await.map_err(|e| Trouble::from(format!("read the mc to send: {e}")))?;
            ("raw", read.as_slice())
        }
    };
    // No hash has a sign like that in it.
    let head = format!("{how} {} {}\n", bytes.len(), blob.unwrap_or("-none-"));
    send_parts(stdin, &[head.as_bytes(), bytes], silence).await
}

fn silent(silence: Duration) -> Trouble {
    Trouble::new(Cause::Unreachable, format!("nothing was said there for {silence:?}"))
}

/// The same of whatever should say something first, which may be waited for longer than for all that follows.
fn silent_first(first: Duration, silence: Duration) -> Trouble {
    let trouble = silent(first);
    match first > silence {
        true => Trouble {
            why: format!("{} (`connect_timeout` of this host is how long that is waited for)", trouble.why),
            ..trouble
        },
        false => trouble,
    }
}

/// Sends bytes. That nobody takes them any more is no error: whoever reads the answer learns why.
async fn send_parts(stdin: &mut Input, bytes: &[&[u8]], silence: Duration) -> Result<(), Trouble> {
    let stalled =
        |_| Trouble::new(Cause::Unreachable, format!("nothing of what is sent there was taken for {silence:?}"));
    for part in bytes.iter().flat_map(|bytes| bytes.chunks(PART)) {
        if timeout(silence, stdin.write_all(part)).await.map_err(stalled)?.is_err() {
            return Ok(());
        }
    }
    let _ = timeout(silence, stdin.flush()).await.map_err(stalled)?;
    Ok(())
}

/// Reads what the script says, and skips what others print.
struct Answers<'a> {
    from: &'a mut Output,
    nonce: &'a str,
    /// So many bytes may still be printed.
    left: u64,
    /// The first line of what was.
    printed: Option<String>,
}

impl Answers<'_> {
    async fn next(&mut self) -> Result<Answer, Unready> {
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = (&mut *self.from).take(self.left.max(1)).read_until(b'\n', &mut line).await.unwrap_or(0);
            let text = String::from_utf8_lossy(&line);
            if let Some(answer) = Answer::parse(text.trim_end(), self.nonce) {
                return Ok(answer);
            }
            if self.printed.is_none() && !text.trim().is_empty() {
                self.printed = Some(quote(&text));
            }
            if read == 0 {
                return Err(Unready::Ended(self.printed.take()));
            }
            self.left = self.left.saturating_sub(read as u64);
            if self.left == 0 {
                let printed = self.printed.take().unwrap_or_default();
                let why = format!(
                    "{NOISE} bytes were printed there before the worker could begin: nothing that runs at a login may \
                     print on standard output (it begins: {printed})"
                );
                return Err(Trouble::from(why).into());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_one_word_in_single_quotes_for_every_shell() {
        assert!(!LINE.contains(['\'', '!', '\n']));
    }

    #[test]
    fn only_a_line_with_the_nonce_counts() {
        let facts = Facts {
            needs_program: true,
            unpacks: false,
            hasher: Hasher::Git,
            system: "Linux".to_owned(),
            machine: "x86_64".to_owned(),
        };
        assert_eq!(Answer::parse("mc-facts n1 need raw git Linux x86_64 ", "n1"), Some(Answer::Facts(facts)));
        assert_eq!(Answer::parse("mc-facts n2 need raw git Linux x86_64 ", "n1"), None);
        assert_eq!(Answer::parse("say mc-ready n1 ", "n1"), None);
        let failed = Answer::Failed(Failure::Write, "no room".to_owned());
        assert_eq!(Answer::parse("mc-fail n1 write no\troom", "n1"), Some(failed));
    }

    #[test]
    fn nothing_of_the_settings_is_a_word_of_the_shell() {
        let executable = Executable::new("/nonexistent");
        let worker = |root: &str| Worker { root: root.to_owned(), program: None, executable: Arc::clone(&executable) };
        let script = write_script("n", &worker("~/a b; $(touch x)'`y`"), &Identity::default()).unwrap();
        let line = script.lines().nth(1).unwrap();
        assert_eq!(shlex::split(line).unwrap(), ["root=~/a b; $(touch x)'`y`"]);
        assert!(write_script("n", &worker("a\nb"), &Identity::default()).is_err());
    }

    #[test]
    fn machines_are_told_apart() {
        assert!(can_run("Linux", std::env::consts::ARCH));
        assert!(!can_run("Linux", "sparc64") && !can_run("Darwin", std::env::consts::ARCH));
    }
}
