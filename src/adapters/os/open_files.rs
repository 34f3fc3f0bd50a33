//! How many files this process may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Sees to it that so many files may be open at once, as far as the hard limit allows (setrlimit(2)). Programs that are started from now on
/// have that limit, too: it is no higher than what is wanted here. How many may be open, where that is fewer than wanted.
pub fn allow(wanted: u64) -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    let current = limit.current.filter(|current| *current < wanted)?;
    let raised = limit.maximum.map_or(wanted, |most| most.min(wanted));
    let set = setrlimit(Resource::Nofile, Rlimit { current: Some(raised), ..limit });
    Some(if set.is_ok() { raised } else { current }).filter(|now| *now < wanted)
}

/// How many files this process may have open at once; nothing where there is no bound.
pub fn limit() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_grows_as_far_as_it_may() {
        let before = getrlimit(Resource::Nofile);
        let Some(current) = before.current else { return };
        assert_eq!(allow(current), None);
        assert_eq!(getrlimit(Resource::Nofile), before, "it is not lowered, and not raised without need");
        let may_grow = before.maximum.is_none_or(|most| most > current);
        assert_eq!(allow(current + 1), if may_grow { None } else { Some(current) });
        let now = if may_grow { current + 1 } else { current };
        assert_eq!(getrlimit(Resource::Nofile), Rlimit { current: Some(now), ..before });
    }
}
