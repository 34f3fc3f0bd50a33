//! Renders what people and programs read: text and JSON out of domain values, nothing else.

pub mod text;
pub mod view;
pub mod words;

pub mod doctor;
pub mod init;
pub mod plan;

pub mod access;
pub mod cost;
pub mod hosts;
pub mod hosts_check;
pub mod lines;
pub mod live;
pub mod unit_checks;

pub mod account;
pub mod claims;
pub mod markdown;
pub mod mission;
pub mod mission_json;
pub mod progress;
pub mod prometheus;
pub mod skipped;

pub mod needs;
pub mod status;
pub mod units;
mod waits;

pub mod verify;
pub mod verify_json;

pub mod github;
pub mod junit;

pub use account::{describe_contradiction, find_missing};
pub use claims::{Claim, Findings};
pub use lines::source_name;
pub use skipped::name_items;
pub use text::sanitize;
pub use view::{GreenRef, Left, View};
pub use words::{attempt_ref, count, format_shown_sum, span, stamp, tests, to_one_line, word};
