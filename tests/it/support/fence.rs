//! What runs of a test may write beside their slots.

use std::path::Path;
use std::process::Command;

/// The fence of a machine.
#[derive(Debug, Clone, Copy, Default)]
pub enum Fence {
    /// All of the test's home but its repository and state: there runs count and note, verifications as well.
    #[default]
    Home,
    /// These folders of it, or at their own paths.
    Folders(&'static [&'static str]),
    /// Nothing, as the defaults are.
    Defaults,
    /// Whatever their user can: what has to hold without a fence.
    Off,
}

impl Fence {
    /// Tells a command of it.
    pub fn tell(self, command: &mut Command, home: &Path) {
        // No folders of tools are made in this home: tests have names of their own there.
        if !matches!(self, Self::Defaults) {
            command.env("MC_SANDBOX_WRITABLE", "~/.cache");
        }
        match self {
            Self::Home => command.env("MC_SANDBOX_SHARED", home),
            Self::Folders(names) => {
                let paths: Vec<String> = names
                    .iter()
                    .map(|name| home.join(name).display().to_string().trim_end_matches('/').to_owned())
                    .collect();
                command.env("MC_SANDBOX_SHARED", paths.join(","))
            }
            Self::Defaults => command,
            Self::Off => command.env("MC_SANDBOX_MODE", "off"),
        };
    }
}
