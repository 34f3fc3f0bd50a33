//! What the command line says of hosts. The doc comments here are the help.

use clap::Subcommand;

/// `mc hosts …`
#[derive(Debug, Subcommand)]
pub enum HostsCommand {
    /// List the hosts of the settings, how each stands in the mission and what runs there; connects to none
    List,
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
