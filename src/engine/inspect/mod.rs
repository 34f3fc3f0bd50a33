//! Looking without changing anything: journals, views, plans.

pub mod history;
pub mod hosts;
pub mod orphans;
pub mod overview;
pub mod plans;
pub mod terminal;
pub mod views;
pub mod work;
pub use history::History;
pub use views::MissionStatus;
