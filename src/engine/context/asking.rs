//! Who asks which `accept` of which tree just now: the same is asked once at a time.

use crate::domain::unit::UnitSpec;
use crate::domain::values::{Tip, TreeId};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::sync::OwnedMutexGuard;

/// Who asks which `accept` of which tree just now: whoever comes second waits, and finds the answer stored.
#[derive(Debug, Default)]
pub struct Asking(Mutex<HashMap<Asked, Weak<Turn>>>);

/// Green's tree and the line that is asked.
type Asked = (TreeId, Option<String>);

/// Held by whoever asks.
type Turn = tokio::sync::Mutex<()>;

impl Asking {
    /// Waits until nobody else asks the same; others wait until what is returned is dropped.
    pub(in crate::engine) async fn wait_turn(&self, green: &Tip, unit: &UnitSpec) -> OwnedMutexGuard<()> {
        let one = {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            all.retain(|_, one| one.strong_count() > 0);
            let slot = all.entry((green.tree.clone(), unit.accept.clone())).or_default();
            slot.upgrade().unwrap_or_else(|| {
                let one = Arc::default();
                *slot = Arc::downgrade(&one);
                one
            })
        };
        one.lock_owned().await
    }
}
