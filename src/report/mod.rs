//! Renders what people and programs read: text and JSON out of domain values, nothing else.

pub mod plan;
pub mod text;
