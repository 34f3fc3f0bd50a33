//! Report files of a stage: clearing old ones away before it, reading what it left.

use crate::adapters::host::local::machine::host::LocalHost;
use crate::adapters::host::local::workspace::reports::{self, Before, Found};
use crate::adapters::host::order::ReportOrder;
use crate::domain::plan::globs::Globs;
use crate::domain::trouble::Trouble;
use std::path::Path;

/// Makes the workspace ready for a run with reports: what an earlier run left is no report of this one. Where it may already be
/// at work (`begun`), nothing is touched, and what is there and tracked does not count.
pub(super) async fn clear(
    host: &LocalHost,
    work: &Path,
    order: Option<&ReportOrder>,
    begun: bool,
) -> Result<Before, Trouble> {
    let Some(order) = order else { return Ok(Before::default()) };
    let wanted = globs(order)?;
    let tracked = host.source.files_of(&order.tree).await.map_err(|e| host.classify_error(&e))?.into_iter().collect();
    let root = work.to_owned();
    let cleared =
        run_blocking(move || reports::clear_old_reports(&root, |path| wanted.matches(path), &tracked, begun)).await?;
    cleared.map_err(|e| host.trouble_at(&format!("stage `{}`: clear old reports away", order.stage), &e))
}

/// The reports a run left.
pub(super) async fn read(work: &Path, order: Option<&ReportOrder>, old: Before) -> Result<Vec<Found>, Trouble> {
    let Some(order) = order else { return Ok(Vec::new()) };
    let (wanted, root, named) = (globs(order)?, work.to_owned(), order.globs.clone());
    let read = move || {
        let found = reports::read(&root, |path| wanted.matches(path), &old);
        let link = if found.is_empty() { reports::link_in_the_way(&root, &named) } else { None };
        (found, link)
    };
    let (mut found, link) = run_blocking(read).await?;
    found.extend(link.map(|link| {
        let why =
            "it is a symbolic link, and none is followed; let the stage copy its reports to a folder of the workspace";
        (link, Err(why.into()))
    }));
    Ok(found)
}

fn globs(order: &ReportOrder) -> Result<Globs, Trouble> {
    Globs::new(&order.globs).map_err(|bad| format!("stage `{}`: reports: {bad}", order.stage).into())
}

async fn run_blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Trouble> {
    tokio::task::spawn_blocking(work).await.map_err(|e| e.to_string().into())
}
