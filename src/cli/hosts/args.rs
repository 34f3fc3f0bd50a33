//! What the command line says of hosts. The doc comments here are the help.

use clap::{Args, Subcommand};

/// `mc hosts …`
#[derive(Debug, Subcommand)]
pub enum HostsCommand {
    /// List the hosts of the settings, how each stands in the mission and what runs there; connects to none
    List,
    /// Connect to hosts at once and say what each is like; exit 6 if one cannot be used
    ///
    /// A mission that runs on them meanwhile is not disturbed. What the check makes there goes with it; the program that was sent stays.
    Check(Check),
    /// Take away what hosts keep for this repository, when no mission is unfinished; exit 6 if something stays
    ///
    /// What ended missions left is ended, pinned and brought here first. Where something could not be kept it stays, and is named.
    Clean(Clean),
    /// Start nothing new on a host until `mc hosts resume`; what runs there goes on to its end
    ///
    /// `local` is this machine: units start on the other hosts then, and it verifies only what none of those can.
    Drain {
        /// Name of the host
        host: String,
    },
    /// Take a drained host back into use
    Resume {
        /// Name of the host
        host: String,
    },
}

/// `mc hosts check`
#[derive(Debug, Args)]
pub struct Check {
    /// Names of hosts; without them all of the settings
    #[arg(value_name = "HOST")]
    pub hosts: Vec<String>,
    /// Longest time for one host
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub timeout: u64,
}

/// `mc hosts clean`
#[derive(Debug, Args)]
pub struct Clean {
    /// Names of hosts; without them all of the settings
    #[arg(value_name = "HOST")]
    pub hosts: Vec<String>,
    /// Show what would go; removes nothing
    #[arg(long)]
    pub dry_run: bool,
}
