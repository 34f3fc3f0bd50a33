//! The rules: what one event leads to.

pub(super) mod acceptance;
pub(super) mod bookkeeping;
pub(super) mod cancel;
pub(super) mod circuit;
pub(super) mod cold;
pub(super) mod collect;
pub(super) mod control;
pub(super) mod decide;
pub(super) mod decision;
pub(super) mod dispatch;
pub(super) mod hosts;
pub(super) mod landing;
pub(super) mod moved;
pub(super) mod outcome;
pub(super) mod rounds;
pub(super) mod step_failures;
pub(super) mod turns;
