//! Python environments that import from the repository itself (`pip install -e`): what is verified is the tree that would land.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests touch the world and may panic")]

use crate::support::night::{Night, unit};
use std::path::PathBuf;

const A: &str = "cd ./a && PYTHONPATH=lib python3 -m unittest discover -v -s tests";

/// Two packages of which `b` imports `a`, and an active environment in which both are installed from here by `.pth` files.
fn night(stages: &[(&str, &str)]) -> (Night, PathBuf) {
    let mut night = Night::empty();
    for (name, code) in [("a", "X = 1\n"), ("b", "import pa\nY = pa.X\n")] {
        night.write(&format!("{name}/lib/p{name}/__init__.py"), code);
    }
    let test = |name: &str, says: &str| {
        format!("import unittest\nclass T(unittest.TestCase):\n    def test_{name}(self):\n        {says}\n")
    };
    night.write("a/tests/test_a.py", test("a", "import pa; self.assertTrue(pa.X)"));
    night.write("b/tests/test_b.py", test("b", "import pb; self.assertEqual(pb.Y, 1)"));
    let stage = |(name, run): &(&str, &str)| {
        format!("[[target.verification.stage]]\nname = \"{name}\"\nrun = '{run}'\nformat = \"unittest\"\n")
    };
    night.write("mission-control.toml", stages.iter().map(stage).collect::<String>());
    night.commit("first");
    let project = night.sh("python3 -m venv --without-pip ~/venv && cd ~/venv/lib/python3*/site-packages && pwd");
    let project = PathBuf::from(project.trim());
    for name in ["a", "b"] {
        std::fs::write(project.join(format!("p{name}.pth")), format!("{}/{name}/lib\n", night.repo().display()))
            .unwrap();
    }
    let path = format!("{}/venv/bin:{}", night.home().display(), std::env::var("PATH").unwrap());
    night.var("PATH", &path);
    (night, project)
}

#[test]
fn p1_a_change_is_verified_and_not_what_is_installed_from_the_checkout() {
    let b = A.replace("./a", "./b").replace("PYTHONPATH=lib ", "");
    let (night, _) = night(&[("a", &A.replace("PYTHONPATH=lib ", "")), ("b", &b)]);
    night.without_oracle("a clone by hand finds its folders by PYTHONPATH, as runs do");
    let plan = [unit("brk", "echo X = 2 > a/lib/pa/__init__.py"), unit("fine", "echo Z = 3 >> a/lib/pa/__init__.py")];
    let told =
        "the Python environment imports from this repository (a/lib, b/lib): runs find these folders of their own";
    night.mission(&plan.join("\n")).exits(3).says(&[told]);
    assert_eq!([night.unit("brk"), night.unit("fine")], ["rejected", "landed"]);
    assert!(night.reason("brk").contains("test_b"), "{}", night.reason("brk"));
    night.mc(&["doctor"]).says(&["ok       imports       the Python environment imports from"]);
    night.sh(
        "git checkout -q -b brk && echo X = 2 > a/lib/pa/__init__.py && git commit -qam brk && git checkout -q main",
    );
    night.mc(&["verify", "brk", "--base", "main", "--fresh"]).exits(4).says(&["test_b", told]);
}

#[test]
fn p1_a_stage_that_would_see_the_checkout_is_refused_with_what_helps() {
    let b = A.replace("./a", "./b");
    let (night, project) = night(&[("b-tests", &b)]);
    let why =
        "stage b-tests sets PYTHONPATH without a/lib, which the Python environment imports from this repository itself";
    let helps = "add these folders to the PYTHONPATH of its line, or end it with `:$PYTHONPATH`";
    night.mission(&unit("x", "echo x > x")).exits(6).says(&[why, helps]);
    night.mc(&["doctor"]).exits(6).says(&["problem  imports ", why, helps]);
    night.mc(&["verify"]).exits(6).says(&[why, helps]);
    night.write("mission-control.toml", night.sh("cat mission-control.toml").replace("=lib", "=lib:../a/lib"));
    night.commit("both");
    night.mc(&["verify"]).exits(0);
    // The same is installed for the user, too.
    let user = night.sh(
        "mkdir -p ~/.local/lib; cp -r ~/venv/lib/python3* ~/.local/lib; cd ~/.local/lib/python3*/site-packages; pwd",
    );
    for folder in [&project, &PathBuf::from(user.trim())] {
        let url = format!("{{\"dir_info\": {{\"editable\": true}}, \"url\": \"file://{}/a\"}}", night.repo().display());
        std::fs::create_dir(folder.join("pa-1.dist-info")).unwrap();
        std::fs::write(folder.join("pa-1.dist-info/direct_url.json"), url).unwrap();
    }
    night.mc(&["verify", "--fresh"]).exits(0);
    // A loader that comes before everything else leaves only the refusal.
    std::fs::write(project.join("_pb_editable_loader.py"), format!("install('{}/b/build')\n", night.repo().display()))
        .unwrap();
    let fixed =
        "the Python environment imports from this repository itself (b/build) in a way that nothing can come before";
    night.mc(&["verify"]).exits(6).says(&[fixed, "install it without -e"]);
}
