//! Cutting the line to a worker at chosen moments: what tests of `mc` itself do to it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// A moment at which the line is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Moment {
    /// Before a request is sent.
    Before,
    /// When it was sent, and the worker is killed.
    During,
    /// When its reply is there, which is lost.
    After,
}

/// When the line to a worker is cut: at the first request of some kinds, or now and then.
#[derive(Debug, Clone, Default)]
pub struct Cuts(Arc<Mutex<Plan>>);

#[derive(Debug, Default)]
struct Plan {
    once: BTreeMap<String, Moment>,
    random: Option<(fastrand::Rng, u32)>,
    done: u32,
}

impl Cuts {
    /// At the next request of this kind.
    pub fn cut_once(&self, kind: &str, moment: Moment) {
        self.plan(|plan| plan.once.insert(kind.to_owned(), moment));
    }

    /// At one of so many requests, at moments that follow from `seed`.
    pub fn random(seed: u64, one_in: u32) -> Self {
        let plan = Plan { random: Some((fastrand::Rng::with_seed(seed), one_in.max(1))), ..Plan::default() };
        Self(Arc::new(Mutex::new(plan)))
    }

    /// How often the line was cut.
    pub fn count_cuts(&self) -> u32 {
        self.plan(|plan| plan.done)
    }

    /// The moment for a request of this kind.
    pub(in crate::adapters::host::remote) fn next(&self, kind: &str) -> Option<Moment> {
        self.plan(|plan| {
            let drawn = plan.random.as_mut().and_then(|(rng, one_in)| {
                let moments = [Moment::Before, Moment::During, Moment::After];
                (rng.u32(..*one_in) == 0).then(|| moments[rng.usize(..moments.len())])
            });
            let moment = plan.once.remove(kind).or(drawn);
            plan.done += u32::from(moment.is_some());
            moment
        })
    }

    fn plan<T>(&self, work: impl FnOnce(&mut Plan) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
