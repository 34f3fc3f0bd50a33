//! `mc verify`, stages and formats, and other languages.

pub mod ci;
pub mod formats;
pub mod homes;
pub mod identity;
pub mod languages;
pub mod stages;
pub mod trees;
