//! `mc demo`: a whole mission in a minute, in a repository made for it.

use super::console::Console;
use super::error::CliError;
use super::{Context, output};
use crate::domain::mission::UnitState;
use crate::domain::values::UnitId;
use crate::engine::demo::Demo;
use crate::engine::mission::{self, StartOptions};
use crate::engine::views;
use crate::report::mission as reports;
use std::collections::BTreeSet;

pub(super) async fn demo(context: &Context, keep: bool) -> Result<u8, CliError> {
    let demo = Demo::make().await?;
    let console = Console::new(&context.global);
    let people = !context.global.json && !context.global.quiet;
    if people {
        output::line("Five units, no agent: one breaks a test and repairs itself, one breaks it for good.");
    }
    let run = console.during(mission::start(&demo.site, &StartOptions::default(), vec![console.observer()])).await;
    let look = views::look(&demo.site, None).await?;
    let landed: BTreeSet<UnitId> =
        views::landed(&demo.site, &look.green).await?.into_iter().map(|(unit, _)| unit).collect();
    if let Some(view) = look.view().filter(|_| !context.global.json) {
        output::line("");
        output::put(&reports::text(&view, &look.green, &landed));
    }
    // One unit is there to be rejected: that is the demonstration, not a failure of it.
    let shown = look
        .view()
        .is_some_and(|view| view.state.count(UnitState::Landed) == 4 && view.state.count(UnitState::Rejected) == 1);
    if keep {
        let (repository, state) = demo.keep();
        output::note(&format!(
            "kept: cd {} && export MC_STATE_DIR={}",
            quoted(&repository.to_string_lossy()),
            quoted(&state.to_string_lossy())
        ));
    } else if people {
        output::line("\nthe repository is deleted again; `mc demo --keep` leaves it to look at");
    }
    match run? {
        3 if shown => Ok(0),
        code => Ok(code),
    }
}

fn quoted(text: &str) -> String {
    shlex::try_quote(text).map_or_else(|_| text.to_owned(), |text| text.into_owned())
}
