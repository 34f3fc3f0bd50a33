//! Hosts: places where workspaces are and where agents and verifications run ([`any`]). The machine of the engine is one ([`local`]);
//! others are behind a worker ([`remote`]). What is asked and answered are values ([`order`], [`settings`]).

pub mod any;
pub mod description;
pub mod error;
pub mod local;
pub mod order;
pub mod remote;
pub mod settings;
pub use any::Host;
pub use order::{
    CollectOrder, Copied, Home, NotFresh, PrepareOrder, Ready, Release, RunKey, RunOrder, Start, Untracked, UsedSlot,
};
pub use settings::{HostSettings, PoolKind};
