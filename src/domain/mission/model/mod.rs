//! The values of a mission, and what they say of themselves.

pub(super) mod answer;
pub(super) mod bookkeeping;
pub(super) mod budget;
pub(super) mod circuit;
pub(super) mod cost;
pub(super) mod end;
pub(super) mod outcome;
pub(super) mod policy;
pub(super) mod report;
pub(super) mod round;
pub(super) mod said;
pub(super) mod session;
pub(super) mod slots;
pub(super) mod turn;
pub(super) mod unit;
pub(super) mod unit_checks;
