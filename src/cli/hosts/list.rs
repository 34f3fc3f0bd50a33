//! `mc hosts list|drain|resume`: what is known of hosts, and taking them out of use; connects to none.

use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::mission::print_asked;
use crate::cli::output::write_text;
use crate::engine::inspect::{hosts, views};
use crate::engine::run::mission::Asked;
use crate::report::hosts as rows;
use crate::report::sanitize;

pub async fn list(context: &Context) -> Result<u8, CliError> {
    let project = context.project().await?;
    let look = views::read_status(&project, None).await?;
    let view = look.view();
    let all = hosts::list_hosts(&project.settings()?, view.as_ref().map(|view| view.state));
    let unused = project.layers.explain_unused_hosts().map(|(why, help)| format!("{why}; {help}"));
    let text = || write_text(&rows::list(&all, view.as_ref(), unused.as_deref()));
    context.show(|| rows::list_json(&all, view.as_ref()), text)
}

pub async fn drain(context: &Context, host: &str) -> Result<u8, CliError> {
    let project = context.project().await?;
    let asked = hosts::request_drain(&project, host, true).await?;
    let host = sanitize(host);
    let text = match &asked {
        Asked::Told(id) => {
            format!(
                "mission {id}: told to start nothing new on {host}; what runs there goes on, `mc hosts list` looks on"
            )
        }
        Asked::NoEngine(id) => format!("mission {id}: no engine works on it; {host} is drained by `mc mission resume`"),
        Asked::Nothing => format!(
            "nothing to drain {host} for: there is no unfinished mission; `max_workers = 0` in the settings keeps the next one from it"
        ),
    };
    print_asked(context, &asked, &text)
}

pub async fn resume(context: &Context, host: &str) -> Result<u8, CliError> {
    let project = context.project().await?;
    let asked = hosts::request_drain(&project, host, false).await?;
    let host = sanitize(host);
    let text = match &asked {
        Asked::Told(id) => format!("mission {id}: told to use {host} again"),
        Asked::NoEngine(id) => {
            format!("mission {id}: no engine works on it; {host} is used again by `mc mission resume`")
        }
        Asked::Nothing => "nothing to take back into use: there is no unfinished mission".to_owned(),
    };
    print_asked(context, &asked, &text)
}
