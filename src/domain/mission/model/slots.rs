//! The places where attempts run: slots of hosts, each used by at most one unit.

use crate::domain::values::{HostId, SlotId};
use std::collections::BTreeMap;

/// One slot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Slot {
    /// Index of the unit whose attempt is in it.
    user: Option<usize>,
    /// Attempts in it, one after the other, that met infrastructure.
    trouble: u32,
}

/// All slots of a mission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::domain::mission) struct Slots(BTreeMap<SlotId, Slot>);

impl Slots {
    /// This many free slots of the machine the engine runs on.
    pub(in crate::domain::mission) fn of_this_machine(number: u32) -> Self {
        let id = |number| SlotId { host: HostId::local(), number };
        Self((0..number).map(|number| (id(number), Slot::default())).collect())
    }

    /// The free slot to use next: one that met infrastructure lately comes last, so that a broken one stops nobody.
    pub(in crate::domain::mission) fn next_free(&self) -> Option<&SlotId> {
        let free = self.0.iter().filter(|(_, slot)| slot.user.is_none());
        free.min_by_key(|(id, slot)| (slot.trouble, *id)).map(|(id, _)| id)
    }

    /// Units whose attempts are in slots, in the order of those.
    pub(in crate::domain::mission) fn occupants(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.values().filter_map(|slot| slot.user)
    }

    /// Folds that an attempt of the unit at `user` begins in a slot.
    pub(in crate::domain::mission) fn take(&mut self, id: &SlotId, user: usize) {
        if let Some(slot) = self.0.get_mut(id) {
            slot.user = Some(user);
        }
    }

    /// Folds that the attempt of the unit at `user` left its slot, whether or not it met infrastructure there.
    pub(in crate::domain::mission) fn release(&mut self, id: &SlotId, user: usize, infrastructure: bool) {
        if let Some(slot) = self.0.get_mut(id).filter(|slot| slot.user == Some(user)) {
            *slot = Slot { user: None, trouble: if infrastructure { slot.trouble + 1 } else { 0 } };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_released_by_the_unit_that_took_it_and_a_broken_one_comes_last() {
        let mut slots = Slots::of_this_machine(2);
        let [first, second] = [0, 1].map(|number| SlotId { host: HostId::local(), number });
        assert_eq!(slots.next_free(), Some(&first));
        slots.take(&first, 7);
        slots.release(&first, 8, false);
        assert_eq!((slots.occupants().collect::<Vec<_>>(), slots.next_free()), (vec![7], Some(&second)));
        slots.release(&first, 7, true);
        assert_eq!(slots.next_free(), Some(&second), "it met infrastructure");
        let elsewhere = SlotId { host: HostId::new("build-1").unwrap(), number: 0 };
        slots.take(&elsewhere, 9);
        assert_eq!(slots.occupants().count(), 0, "no such slot");
    }
}
