//! `mc completions` and `mc man`: for shells and for `man`, out of the same definitions as the help.

use super::args::Cli;
use super::error::CliError;
use super::{Context, output};
use crate::engine::error::EngineError;
use crate::engine::inspect::views;
use crate::report::{count, sanitize};
use clap::CommandFactory;
use clap_complete::Shell;
use serde_json::json;
use std::path::Path;

pub(super) fn completions(context: &Context, shell: Shell) -> Result<u8, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "mc", &mut script);
    let text = String::from_utf8_lossy(&script);
    context.show(|| json!({"schema": 1, "shell": shell.to_string(), "script": text}), || output::write_bytes(&script))
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
        clap_mangen::Man::new(command.clone())
            .render(&mut text)
            .map_err(|e| EngineError::broken(format!("write the page of {name}: {e}"), ""))?;
        pages.push((format!("{name}.1"), with_values(&command, &String::from_utf8_lossy(&text)).into_bytes()));
    }
    Ok(pages)
}

/// The page with the name of its value after each option of the synopsis that takes one, which are left out there.
fn with_values(command: &clap::Command, page: &str) -> String {
    let valued = command.get_arguments().filter(|arg| !arg.is_positional() && arg.get_action().takes_values());
    valued.fold(page.to_owned(), |page, arg| {
        let Some(value) = arg.get_value_names().and_then(<[_]>::first) else { return page };
        let (bare, option) = match (arg.get_short(), arg.get_long()) {
            (Some(short), None) => (format!("\\-{short} "), format!("\\-{short}")),
            (None, Some(long)) => {
                let long = format!("\\-\\-{}", long.replace('-', "\\-"));
                (long.clone(), long)
            }
            _ => return page,
        };
        page.replacen(&format!("[\\fB{bare}\\fR]"), &format!("[\\fB{option}\\fR \\fI{value}\\fR]"), 1)
    })
}

/// The page of a command as a person names it.
fn find_page<'p>(pages: &'p [(String, Vec<u8>)], command: &str) -> Option<&'p (String, Vec<u8>)> {
    let wanted = format!("{}.1", command.strip_suffix(".1").unwrap_or(command));
    pages.iter().find(|(name, _)| *name == wanted || *name == format!("mc-{wanted}"))
}

pub(super) fn man(context: &Context, wanted: Option<&Path>) -> Result<u8, CliError> {
    let pages = pages()?;
    let word = wanted.and_then(Path::to_str).filter(|word| !word.contains('/') && !matches!(*word, "." | ".."));
    if let Some(word) = word {
        let Some((name, text)) = find_page(&pages, word) else {
            return Err(CliError::usage(
                format!("there is no command {}", sanitize(word)),
                format!("`mc help` lists them; a folder for all pages is a path with a slash, for example ./{word}"),
            ));
        };
        let body = || json!({"schema": 1, "page": name, "text": String::from_utf8_lossy(text)});
        return context.show(body, || output::write_bytes(text));
    }
    let Some(folder) = wanted else {
        let names: Vec<&str> = pages.iter().map(|(name, _)| name.as_str()).collect();
        return context.show(
            || json!({"schema": 1, "pages": names}),
            || pages.first().is_some_and(|(_, text)| output::write_bytes(text)),
        );
    };
    let written = views::write_files(folder, &pages)?;
    let tell = || {
        let number = count(written.len() as u64, "page");
        output::write_line(&format!("{number} in {}", sanitize(&folder.display().to_string())));
        output::write_line("next: `man -l` reads one, for example `man -l mc-mission-start.1` there")
    };
    context.show(|| json!({"schema": 1, "pages": written}), tell)
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
