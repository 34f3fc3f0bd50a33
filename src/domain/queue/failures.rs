//! Failures of steps in a row: of one landing, or of green's own runs.

/// How often a step has failed since one succeeded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Failures {
    /// How many there were since a step succeeded.
    pub row: u32,
    /// What was said when the setup command failed the last step, if a step failed last and that is why.
    pub setup: Option<String>,
}

impl Failures {
    /// Folds one more; `setup`: what was said, where the setup command is what failed.
    pub(super) fn add(&mut self, setup: Option<&str>) {
        self.row += 1;
        self.setup = setup.map(str::to_owned);
    }

    /// Folds a success.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}
