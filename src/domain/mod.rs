//! Every rule of the product: values in, values out.
//!
//! No file, no clock, no environment, no randomness, no tokio, no SQL. Text formats that are pure
//! functions of a string (Markdown, backlog, plan files, TAP) are parsed here.

pub mod base;

pub mod values;

pub mod agent;
pub mod fence;
pub mod trouble;

pub mod ending;
pub mod links;

pub mod unit;

pub mod plan;

pub mod markdown;

pub mod backlog;
pub mod progress;

pub mod verify;

pub mod queue;

pub mod mission;

pub mod handoff;

pub mod detect;
