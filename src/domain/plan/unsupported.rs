//! Keys that are understood but have no effect yet: a mission that would ignore them is refused instead.

use crate::domain::plan::{Finding, Key};
use crate::domain::unit::UnitSpec;

/// One finding per unit and key of a feature that is not built yet. Checking a backlog names these keys; starting a
/// mission refuses them.
pub fn find_unsupported(units: &[UnitSpec]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for unit in units {
        let keys =
            [(Key::Agent, unit.agent.is_some()), (Key::Gate, unit.gate.is_some()), (Key::Checkpoint, unit.checkpoint)];
        for (key, _) in keys.into_iter().filter(|(_, set)| *set) {
            let message =
                format!("`{}` is not supported in this version; remove it from unit `{}`", key.name(), unit.id);
            findings.push(Finding::new(unit.line, message));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::values::UnitId;

    #[test]
    fn p7_keys_of_later_features_are_refused() {
        let mut unit = UnitSpec::new(UnitId::new("a").unwrap(), "A");
        assert!(find_unsupported(std::slice::from_ref(&unit)).is_empty());
        unit.verify = Some("make".to_owned());
        unit.accept = Some("make".to_owned());
        unit.labels = vec!["gpu".to_owned()];
        assert!(find_unsupported(std::slice::from_ref(&unit)).is_empty());
        unit.agent = Some("x".to_owned());
        unit.gate = Some("ask".to_owned());
        unit.checkpoint = true;
        unit.line = 7;
        let found = find_unsupported(&[unit]);
        assert_eq!(found.len(), 3);
        assert_eq!(found[0].to_string(), "line 7: `agent` is not supported in this version; remove it from unit `a`");
    }
}
