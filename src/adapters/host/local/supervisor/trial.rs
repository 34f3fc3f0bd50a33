//! Mounts and fence of a run file, tried before a run depends on them.

use super::error::{StageError, Trying};
use super::limits;
use super::mounts::make;
use super::namespace::{self, enter, settle};
use super::stage::{settings, start};
use crate::adapters::host::local::protocol::{BROKEN, MOUNTED, Mount};
use crate::adapters::os::files::create_new;
use std::io::Write;
use std::path::Path;

/// Tries the mounts of a run file, each by itself: a line of standard output for each, [`MOUNTED`] or what went wrong; then its
/// fence, if there is one, with a line of its own.
pub(super) fn try_out(file: &Path) -> Result<u8, StageError> {
    let settings = settings(file)?;
    enter(settings.isolation.flavour().ok_or("no pid namespace")?)?;
    let (mut child, mut said, mut gate) = start(file.as_os_str(), "tried")?;
    loop {
        let line = namespace::answer(child.id(), &mut said, &mut gate)?;
        if line.is_empty() {
            break;
        }
        std::io::stdout().write_all(line.as_bytes())?;
    }
    let status = child.wait().trying("wait for pid 1")?;
    if let Some(fence) = settings.fence {
        let _ = limits::leave(&fence.caps, &settings.cookie);
    }
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(BROKEN))
}

/// As the pid 1 of such a trial.
pub(super) fn tried(file: &Path) -> Result<u8, StageError> {
    let settings = settings(file)?;
    let mut out = std::io::stdout();
    let mut say = |line: String| writeln!(out, "{}", line.replace('\n', " "));
    let told = |done: Result<(), StageError>| done.map_or_else(|e| e.to_string(), |()| MOUNTED.to_owned());
    let mut fenced = Ok(Vec::new());
    settle(|| {
        for wanted in &settings.mounts {
            say(told(make(wanted).and_then(|()| written(wanted))))?;
        }
        fenced = namespace::raise(&settings);
        Ok(())
    })?;
    if settings.fence.is_some() {
        let gaps = fenced.as_deref().unwrap_or_default().to_vec();
        gaps.into_iter().try_for_each(&mut say)?;
        say(told(fenced.and_then(|_| namespace::lock(&settings))))?;
    }
    Ok(0)
}

/// A mount that can be looked at and not be written to is none for a run.
fn written(made: &Mount) -> Result<(), StageError> {
    let place = match made {
        Mount::Overlay { target, .. } => target,
        Mount::Bind { to, .. } => to,
    };
    let file = place.join(format!(".mc-{:016x}", fastrand::u64(..)));
    let written = create_new(&file, b"").and_then(|_| std::fs::remove_file(&file));
    written.trying(format_args!("write into {}", place.display()))
}
