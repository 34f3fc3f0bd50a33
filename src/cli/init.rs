//! `mc init`: propose, try, write.

use super::args::Init;
use super::error::CliError;
use super::{Context, output};
use crate::config::propose::Use;
use crate::engine::setup::init::{Baseline, Proposal, Wish, propose_settings};
use crate::engine::setup::scratch::run_interruptible;
use crate::report::init::{self as report, Proposed};
use crate::report::text::sanitize;
use std::path::PathBuf;

pub(super) async fn init(context: &Context, wanted: Init) -> Result<u8, CliError> {
    let loud = !context.global.json && !context.global.quiet;
    if wanted.agent.as_deref().is_some_and(|agent| agent.trim().is_empty()) {
        let hint = "name a known agent (claude, codex, …) or give a command line";
        return Err(CliError::usage("--agent is empty", hint));
    }
    let wish = Wish { agent: wanted.agent, objective: wanted.objective };
    let mut proposal = propose_settings(&context.place(), &wish).await?;
    if wanted.dry_run {
        let (proposed, text) = (to_proposed(&proposal), proposal.draft.text());
        let tell = || {
            output::write_text(&report::format_proposal(&proposed));
            output::write_line("\n--- mission-control.toml");
            output::write_text(&sanitize_lines(&text));
            if let Some(backlog) = &proposal.backlog {
                output::write_line("\n--- BACKLOG.md");
                output::write_text(&sanitize_lines(backlog));
            }
            output::write_line("\nnothing was run or written")
        };
        return context.show(|| report::json(&proposed, &text, None, "", &[]), tell);
    }
    // Before anything takes time.
    let place = proposal.settings_path(wanted.force)?;
    if loud {
        output::write_text(&report::format_proposal(&to_proposed(&proposal)));
    }
    let ask = !wanted.yes && !context.global.json && output::is_interactive();
    if ask && !output::confirm("Run these lines once in a clean clone, then write the files?") {
        output::write_line("nothing was run or written");
        return Ok(0);
    }
    let mut baseline = Baseline::default();
    if !wanted.no_baseline {
        if loud && proposal.draft.can_verify() {
            output::write_line(&format!("running on  {} in a clean clone …", proposal.head.commit.short_id()));
        }
        let (looked, stopped) = run_interruptible(async |kill| proposal.run_baseline(kill).await).await?;
        if stopped {
            output::write_note("interrupted: nothing was written");
            return Ok(130);
        }
        baseline = looked?;
        if loud {
            output::write_text(&report::format_baseline(baseline.looked.as_ref(), &baseline.kept, &baseline.refusal));
        }
    }
    let written = proposal.write(&place)?;
    let code = if baseline.refusal.is_empty() && proposal.draft.can_verify() { 0 } else { 6 };
    if context.global.json {
        let written: Vec<String> = written.iter().map(|path| path.display().to_string()).collect();
        let (text, looked) = (proposal.draft.text(), baseline.looked.as_ref());
        output::write_json(&report::json(&to_proposed(&proposal), &text, looked, &baseline.refusal, &written));
        return Ok(code);
    }
    print_next_steps(&proposal, &written, code, wanted.force);
    Ok(code)
}

/// What was written, and what comes next.
fn print_next_steps(proposal: &Proposal, written: &[PathBuf], code: u8, force: bool) {
    let names: Vec<String> =
        written.iter().filter_map(|path| Some(sanitize(&path.file_name()?.to_string_lossy()))).collect();
    for (stage, used) in &proposal.draft.stages {
        if let Use::Off(why) = used {
            output::write_line(&format!("left out  {}: {}", sanitize(&stage.name), sanitize(why)));
        }
    }
    output::write_line(&format!("wrote     {}", names.join(", ")));
    if force && names.iter().any(|name| name.ends_with(".new")) {
        output::write_line(
            "next      compare mission-control.toml.new with mission-control.toml, and take what you like",
        );
        return;
    }
    let elsewhere = proposal.quoted_toplevel().map(|top| sanitize(&top));
    if code != 0 {
        let folder = elsewhere.as_ref().map_or_else(String::new, |top| format!("{top}/"));
        let then = "# until `mc doctor --baseline` is content";
        output::write_line(&format!("next      $EDITOR {folder}mission-control.toml    {then}"));
    }
    let first = if code == 0 { "next    " } else { "then    " };
    let git = elsewhere.as_ref().map_or_else(|| "git".to_owned(), |top| format!("git -C {top}"));
    output::write_line(&format!("{first}  {git} add {} && {git} commit -m \"Mission control\"", names.join(" ")));
    if let Some(venv) = proposal.venv {
        let folder = elsewhere.map_or_else(String::new, |top| format!("{top}/"));
        let command = format!(". {folder}{venv}/bin/activate");
        output::write_line(&format!("          {command:18}  # in every shell that `mc` is started from"));
    }
    for (command, why) in [
        ("mc doctor --gate", "what stands in the way; whether the verification notices a bad change"),
        ("mc plan", "what would be done"),
        ("mc mission start", "Ctrl-C ends it gently"),
    ] {
        output::write_line(&format!("          {command:18}  # {why}"));
    }
}

/// A file's text with everything that steers a terminal taken out.
fn sanitize_lines(text: &str) -> String {
    text.lines().map(|line| format!("{}\n", sanitize(line))).collect()
}

fn to_proposed(proposal: &Proposal) -> Proposed<'_> {
    let draft = &proposal.draft;
    Proposed {
        survey: &proposal.survey,
        stages: draft.stages.iter().map(|(stage, used)| (&*stage.name, &*stage.run, used.off_reason())).collect(),
        setups: draft.setups.iter().map(|(setup, used)| (setup.run.as_str(), used.off_reason())).collect(),
        agent: draft.agents.iter().find(|agent| !agent.off).map(|agent| agent.command.as_str()),
        branch: &draft.branch,
        notes: &proposal.notes,
    }
}
