//! `mc init`: propose, try, write.

use super::args::Init;
use super::error::CliError;
use super::{Context, output};
use crate::config::propose::Use;
use crate::engine::setup::init::{Baseline, Proposal, Wish, propose};
use crate::engine::setup::scratch::interruptible;
use crate::report::init::{self as report, Proposed};
use crate::report::text::plain;
use std::path::PathBuf;

pub(super) async fn init(context: &Context, wanted: Init) -> Result<u8, CliError> {
    let loud = !context.global.json && !context.global.quiet;
    if wanted.agent.as_deref().is_some_and(|agent| agent.trim().is_empty()) {
        let hint = "name a known agent (claude, codex, …) or give a command line";
        return Err(CliError::usage("--agent is empty", hint));
    }
    let wish = Wish { agent: wanted.agent, objective: wanted.objective };
    let mut proposal = propose(&context.place(), &wish).await?;
    if wanted.dry_run {
        let (proposed, text) = (proposed(&proposal), proposal.draft.text());
        let tell = || {
            output::put(&report::proposal(&proposed));
            output::line("\n--- mission-control.toml");
            output::put(&shown(&text));
            if let Some(backlog) = &proposal.backlog {
                output::line("\n--- BACKLOG.md");
                output::put(&shown(backlog));
            }
            output::line("\nnothing was run or written")
        };
        return context.show(|| report::json(&proposed, &text, None, "", &[]), tell);
    }
    // Before anything takes time.
    let place = proposal.place(wanted.force)?;
    if loud {
        output::put(&report::proposal(&proposed(&proposal)));
    }
    let ask = !wanted.yes && !context.global.json && output::asks();
    if ask && !output::confirm("Run these lines once in a clean clone, then write the files?") {
        output::line("nothing was run or written");
        return Ok(0);
    }
    let mut baseline = Baseline::default();
    if !wanted.no_baseline {
        if loud && proposal.draft.verifies() {
            output::line(&format!("running on  {} in a clean clone …", proposal.head.commit.short()));
        }
        let (looked, stopped) = interruptible(async |kill| proposal.baseline(kill).await).await?;
        if stopped {
            output::note("interrupted: nothing was written");
            return Ok(130);
        }
        baseline = looked?;
        if loud {
            output::put(&report::baseline(baseline.looked.as_ref(), &baseline.kept, &baseline.refusal));
        }
    }
    let written = proposal.write(&place)?;
    let code = if baseline.refusal.is_empty() && proposal.draft.verifies() { 0 } else { 6 };
    if context.global.json {
        let written: Vec<String> = written.iter().map(|path| path.display().to_string()).collect();
        let (text, looked) = (proposal.draft.text(), baseline.looked.as_ref());
        output::json(&report::json(&proposed(&proposal), &text, looked, &baseline.refusal, &written));
        return Ok(code);
    }
    finish(&proposal, &written, code, wanted.force);
    Ok(code)
}

/// What was written, and what comes next.
fn finish(proposal: &Proposal, written: &[PathBuf], code: u8, force: bool) {
    let names: Vec<String> =
        written.iter().filter_map(|path| Some(plain(&path.file_name()?.to_string_lossy()))).collect();
    for (stage, used) in &proposal.draft.stages {
        if let Use::Off(why) = used {
            output::line(&format!("left out  {}: {}", plain(&stage.name), plain(why)));
        }
    }
    output::line(&format!("wrote     {}", names.join(", ")));
    if force && names.iter().any(|name| name.ends_with(".new")) {
        output::line("next      compare mission-control.toml.new with mission-control.toml, and take what you like");
        return;
    }
    let elsewhere = proposal.elsewhere().map(|top| plain(&top));
    if code != 0 {
        let folder = elsewhere.as_ref().map_or_else(String::new, |top| format!("{top}/"));
        let then = "# until `mc doctor --baseline` is content";
        output::line(&format!("next      $EDITOR {folder}mission-control.toml    {then}"));
    }
    let first = if code == 0 { "next    " } else { "then    " };
    let git = elsewhere.as_ref().map_or_else(|| "git".to_owned(), |top| format!("git -C {top}"));
    output::line(&format!("{first}  {git} add {} && {git} commit -m \"Mission control\"", names.join(" ")));
    if let Some(venv) = proposal.venv {
        let folder = elsewhere.map_or_else(String::new, |top| format!("{top}/"));
        let command = format!(". {folder}{venv}/bin/activate");
        output::line(&format!("          {command:18}  # in every shell that `mc` is started from"));
    }
    for (command, why) in [
        ("mc doctor --gate", "what stands in the way; whether the verification notices a bad change"),
        ("mc plan", "what would be done"),
        ("mc mission start", "Ctrl-C ends it gently"),
    ] {
        output::line(&format!("          {command:18}  # {why}"));
    }
}

/// A file's text with everything that steers a terminal taken out.
fn shown(text: &str) -> String {
    text.lines().map(|line| format!("{}\n", plain(line))).collect()
}

fn proposed(proposal: &Proposal) -> Proposed<'_> {
    let draft = &proposal.draft;
    Proposed {
        survey: &proposal.survey,
        stages: draft.stages.iter().map(|(stage, used)| (&*stage.name, &*stage.run, used.off())).collect(),
        setups: draft.setups.iter().map(|(setup, used)| (setup.run.as_str(), used.off())).collect(),
        agent: draft.agents.iter().find(|agent| !agent.off).map(|agent| agent.command.as_str()),
        branch: &draft.branch,
        notes: &proposal.notes,
    }
}
