//! Settings: built-in defaults, one file, the environment and flags, each value with its source.
//!
//! Promises: no io here (texts and maps come in, values and errors go out); a key that is not known, or not built yet,
//! is an error that names its place and the nearest valid name; what `mc config show` prints is what runs.
//!
//! Precedence, lowest first: default, file, environment, flag.

pub mod schema;

mod branches;
mod checks;
pub mod duration;
mod file;
mod problem;
pub mod value;

pub mod layers;
pub mod stages;

pub mod backend;
pub mod hosts;

pub mod settings;

pub mod propose;

pub mod changes;

pub use backend::{Backend, HostConfig, Reach};
pub use file::{FILE_NAME, find_settings_file};
pub use layers::{Inputs, Layers};
pub use problem::{ConfigError, Problem, Source};
pub use settings::Settings;
