//! `mc completions` and `mc man`: for shells and for `man`, out of the same definitions as the help.

use super::args::Cli;
use super::error::CliError;
use super::{Context, output};
use crate::engine::error::EngineError;
use crate::engine::views;
use crate::report::words::count;
use clap::CommandFactory;
use clap_complete::Shell;
use serde_json::json;
use std::path::Path;

pub(super) fn completions(context: &Context, shell: Shell) -> Result<u8, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "mc", &mut script);
    if context.global.json {
        let script = String::from_utf8_lossy(&script);
        output::json(&json!({"schema": 1, "shell": shell.to_string(), "script": script}));
    } else {
        output::put_bytes(&script);
    }
    Ok(0)
}

/// Name and text of the manual page of every command, `mc` itself first.
fn pages() -> Result<Vec<(String, Vec<u8>)>, CliError> {
    let mut root = Cli::command().disable_help_subcommand(true);
    root.build();
    let mut pages = Vec::new();
    let mut open = vec![root];
    while let Some(command) = open.pop() {
        let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
        open.extend(command.get_subcommands().filter(|sub| !sub.is_hide_set()).cloned());
        let mut text = Vec::new();
        clap_mangen::Man::new(command)
            .render(&mut text)
            .map_err(|e| EngineError::Broken { what: format!("write the page of {name}: {e}"), hint: String::new() })?;
        pages.push((format!("{name}.1"), text));
    }
    Ok(pages)
}

pub(super) fn man(context: &Context, folder: Option<&Path>) -> Result<u8, CliError> {
    let pages = pages()?;
    let Some(folder) = folder else {
        if context.global.json {
            let names: Vec<&str> = pages.iter().map(|(name, _)| name.as_str()).collect();
            output::json(&json!({"schema": 1, "pages": names}));
        } else if let Some((_, text)) = pages.first() {
            output::put_bytes(text);
        }
        return Ok(0);
    };
    let written = views::write_files(folder, &pages)?;
    if context.global.json {
        output::json(&json!({"schema": 1, "pages": written}));
    } else {
        let (number, folder) = (count(written.len() as u64, "page"), folder.display().to_string());
        output::line(&format!("{number} in {}", crate::report::text::plain(&folder)));
        output::line("next: `man -l` reads one, for example `man -l mc-mission-start.1` there");
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every command and argument that people see, by the whole name of its command.
    fn all(command: &clap::Command, found: &mut Vec<clap::Command>) {
        found.push(command.clone());
        command.get_subcommands().filter(|sub| !sub.is_hide_set()).for_each(|sub| all(sub, found));
    }

    #[test]
    fn every_command_has_a_page_and_everything_in_it_has_help() {
        let mut root = Cli::command().disable_help_subcommand(true);
        root.build();
        let mut commands = Vec::new();
        all(&root, &mut commands);
        let pages = pages().unwrap();
        assert_eq!(pages.len(), commands.len());
        assert!(pages.len() > 30, "{}", pages.len());
        for command in &commands {
            let name = command.get_display_name().unwrap_or("mc").to_owned();
            assert!(command.get_about().is_some(), "{name} says nothing about itself");
            for argument in command.get_arguments().filter(|a| !a.is_hide_set()) {
                assert!(argument.get_help().is_some(), "{name}: {} has no help", argument.get_id());
            }
            let page = pages.iter().find(|(page, _)| *page == format!("{name}.1"));
            let page = String::from_utf8(page.unwrap_or_else(|| panic!("no page of {name}")).1.clone()).unwrap();
            assert!(page.contains(".SH SYNOPSIS") && page.contains(".SH DESCRIPTION"), "{name}:\n{page}");
        }
        let names: Vec<&str> = pages.iter().map(|(name, _)| name.as_str()).collect();
        assert!(names[0] == "mc.1" && names.contains(&"mc-mission-start.1"), "{names:?}");
    }

    #[test]
    fn completions_know_the_commands_in_every_shell() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::Elvish, Shell::PowerShell] {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "mc", &mut script);
            let script = String::from_utf8(script).unwrap();
            for word in ["mission", "rollback", "units-per-round", "cancel"] {
                assert!(script.contains(word), "{shell}: {word}");
            }
        }
    }
}
