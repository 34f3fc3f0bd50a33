//! Mounts and fence of a run file, tried before a run depends on them.

use super::limits;
use super::mounts::make;
use super::namespace::{self, enter, settle};
use super::stage::{settings, stage};
use crate::adapters::host::local::protocol::{BROKEN, MOUNTED, Mount};
use crate::adapters::os::files::create_new;
use std::io::{BufReader, Write};
use std::path::Path;

/// Tries the mounts of a run file, each by itself: a line of standard output for each, [`MOUNTED`] or what went wrong; then its
/// fence, if there is one, with a line of its own.
pub(super) fn try_out(file: &Path) -> Result<u8, String> {
    let settings = settings(file)?;
    enter(settings.isolation.flavour().ok_or("no pid namespace")?)?;
    let (said, says) = std::io::pipe().map_err(|e| format!("make a pipe: {e}"))?;
    let (waits, mut gate) = std::io::pipe().map_err(|e| format!("make a pipe: {e}"))?;
    let mut init = stage(file.as_os_str(), "tried");
    let mut child = init.stdin(waits).stdout(says).spawn().map_err(|e| format!("start pid 1: {e}"))?;
    drop(init);
    let mut said = BufReader::new(said);
    loop {
        let line = namespace::answer(child.id(), &mut said, &mut gate)?;
        if line.is_empty() {
            break;
        }
        std::io::stdout().write_all(line.as_bytes()).map_err(|e| e.to_string())?;
    }
    let status = child.wait().map_err(|e| format!("wait for pid 1: {e}"))?;
    if let Some(fence) = settings.fence {
        let _ = limits::leave(&fence.caps, &settings.cookie);
    }
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(BROKEN))
}

/// As the pid 1 of such a trial.
pub(super) fn tried(file: &Path) -> Result<u8, String> {
    let settings = settings(file)?;
    let mut out = std::io::stdout();
    let mut say = |done: Result<(), String>| {
        let said = done.map_or_else(|why| why.replace('\n', " "), |()| MOUNTED.to_owned());
        writeln!(out, "{said}").map_err(|e| e.to_string())
    };
    let mut fenced = Ok(Vec::new());
    settle(|| {
        for wanted in &settings.mounts {
            say(make(wanted).and_then(|()| written(wanted)))?;
        }
        fenced = namespace::raise(&settings);
        Ok(())
    })?;
    if settings.fence.is_some() {
        let gaps = fenced.as_deref().unwrap_or_default().to_vec();
        gaps.into_iter().try_for_each(|gap| say(Err(gap)))?;
        say(fenced.and_then(|_| namespace::lock(&settings)))?;
    }
    Ok(0)
}

/// A mount that can be looked at and not be written to is none for a run.
fn written(made: &Mount) -> Result<(), String> {
    let place = match made {
        Mount::Overlay { target, .. } => target,
        Mount::Bind { to, .. } => to,
    };
    let file = place.join(format!(".mc-{:016x}", fastrand::u64(..)));
    let failed = |e: std::io::Error| format!("write into {}: {e}", place.display());
    create_new(&file, b"").map_err(failed)?;
    std::fs::remove_file(&file).map_err(failed)
}
