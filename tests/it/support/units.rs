//! Units of a plan for [`super::world::World`].

/// One unit of a plan file.
#[derive(Debug, Clone)]
pub struct Unit {
    pub id: String,
    pub depends: Vec<String>,
    /// Its script, or what the agent does when it is given to one.
    pub run: String,
    pub agent: bool,
}

/// A unit that runs a script, witnessed: its start and its end are lines in a file outside the tree.
pub fn unit(id: &str, script: &str) -> Unit {
    let seen = |what: &str| format!("echo \"$MC_UNIT $MC_ATTEMPT $$ {what}\" >> \"$HOME/said/witness\"");
    let run = format!("{}\n{script}\n{}\n", seen("start"), seen("end"));
    Unit { id: id.to_owned(), depends: Vec::new(), run, agent: false }
}

impl Unit {
    pub fn after(mut self, ids: &[&str]) -> Self {
        self.depends = ids.iter().map(|id| (*id).to_owned()).collect();
        self
    }

    /// Given to the agent, which does the same as the script.
    pub fn by_agent(mut self) -> Self {
        self.agent = true;
        self
    }
}

/// The script of a unit that works for `seconds`, then changes a file of its own and adds a test for it.
pub fn own_file(id: &str, seconds: f32) -> String {
    format!(
        "sleep {seconds}\nmkdir -p units tests\necho 'made by {id}' > units/{id}\necho 'test -f units/{id}' > tests/{id}.sh"
    )
}
