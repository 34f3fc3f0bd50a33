//! The state of a mission: the fold of its journal, with the questions that rules and views ask of it.

pub(super) mod attempts;
pub(super) mod bookkeeping;
pub(super) mod budget;
pub(super) mod cancel;
pub(super) mod circuit;
pub(super) mod cold;
pub(super) mod fold;
pub(super) mod hosts;
pub(super) mod landing;
pub(super) mod mission;
pub(super) mod moved;
pub(super) mod next_move;
pub(super) mod placement;
pub(super) mod probe;
pub(super) mod ready;
pub(super) mod replay;
pub(super) mod rounds;
pub(super) mod sessions;
pub(super) mod step_failures;
pub(super) mod turns;
pub(super) mod unit_checks;
