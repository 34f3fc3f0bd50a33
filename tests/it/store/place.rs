//! Where the state directory is, and where it may not be.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "helpers of tests")]

use crate::store::world::in_time;
use mission_control::adapters::os::environment::Environment;
use mission_control::adapters::store::place::{PlaceError, StateDir};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// A folder with a repository `app`, a linked work tree `linked` and a home; made by hand, no git needed.
struct World {
    _dir: tempfile::TempDir,
    root: PathBuf,
    common: PathBuf,
}

fn world() -> World {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap();
    let common = root.join("app/.git");
    std::fs::create_dir_all(common.join("worktrees/linked")).unwrap();
    std::fs::write(common.join("worktrees/linked/commondir"), "../..\n").unwrap();
    std::fs::create_dir_all(root.join("linked/src")).unwrap();
    let git_dir = format!("gitdir: {}\n", common.join("worktrees/linked").display());
    std::fs::write(root.join("linked/.git"), git_dir).unwrap();
    std::fs::create_dir_all(root.join("home")).unwrap();
    World { _dir: dir, root, common }
}

impl World {
    fn env(&self) -> Environment {
        Environment::empty(&self.root)
    }

    fn locate(&self, env: &Environment) -> Result<StateDir, PlaceError> {
        StateDir::locate(&self.common, env)
    }

    fn at(&self, place: impl AsRef<Path>) -> Result<StateDir, PlaceError> {
        self.locate(&self.env().with_var("MC_STATE_DIR", place.as_ref()))
    }
}

#[test]
fn the_variable_wins_over_xdg_and_xdg_over_home() {
    in_time(|| {
        let world = world();
        let home = world.env().with_var("HOME", world.root.join("home"));
        let by_home = world.locate(&home).unwrap();
        assert_eq!(by_home.root().parent().unwrap(), world.root.join("home/.local/state/mission-control"));
        let name = by_home.root().file_name().unwrap().to_str().unwrap().to_owned();
        assert!(name.starts_with("app-") && name.len() == 16, "{name}");

        let xdg = home.clone().with_var("XDG_STATE_HOME", world.root.join("xdg"));
        assert_eq!(world.locate(&xdg).unwrap().root(), world.root.join("xdg/mission-control").join(&name));
        let relative = home.clone().with_var("XDG_STATE_HOME", "xdg");
        assert_eq!(world.locate(&relative).unwrap(), by_home, "a relative one is ignored, as its specification says");
        let named = xdg.with_var("MC_STATE_DIR", "some/where");
        assert_eq!(world.locate(&named).unwrap().root(), world.root.join("some/where"));
        let empty = home.with_var("MC_STATE_DIR", "");
        assert_eq!(world.locate(&empty).unwrap(), by_home);
        assert!(matches!(world.locate(&world.env()).unwrap_err(), PlaceError::NoHome));
        assert!(!world.root.join("home/.local").exists(), "locating makes nothing");
    });
}

#[test]
fn one_repository_has_one_place_by_whatever_path_it_is_reached() {
    in_time(|| {
        let world = world();
        symlink(world.root.join("app"), world.root.join("alias")).unwrap();
        let env = world.env().with_var("HOME", world.root.join("home"));
        let direct = StateDir::locate(&world.common, &env).unwrap();
        assert_eq!(StateDir::locate(&world.root.join("alias/.git"), &env).unwrap(), direct);
        assert_eq!(StateDir::locate(Path::new("app/.git"), &env).unwrap(), direct);
    });
}

#[test]
fn p6_a_place_inside_the_repository_is_refused() {
    in_time(|| {
        let world = world();
        symlink(world.root.join("app"), world.root.join("alias")).unwrap();
        let inside = [
            "app",
            "app/state",
            "app/.git/mc",
            "app/a/b/c",
            "linked/src/state",
            "alias/new",
            "home/../app/x",
            "no/../app",
        ];
        for place in inside {
            let refused = world.at(world.root.join(place)).unwrap_err();
            assert!(matches!(refused, PlaceError::InsideRepository { .. }), "{place}: {refused:?}");
            assert!(refused.to_string().contains("set MC_STATE_DIR"), "{refused}");
        }
        for place in ["state", "app-state", "home/x"] {
            world.at(world.root.join(place)).unwrap();
        }
    });
}

#[test]
fn a_repository_of_ones_home_is_refused_the_default_place() {
    in_time(|| {
        let world = world();
        let common = world.root.join("home/.git");
        std::fs::create_dir(&common).unwrap();
        let env = world.env().with_var("HOME", world.root.join("home"));
        let refused = StateDir::locate(&common, &env).unwrap_err();
        assert!(matches!(refused, PlaceError::InsideRepository { .. }), "{refused:?}");
        world.locate(&env).unwrap();
    });
}

#[test]
fn folders_are_made_private_and_those_that_exist_keep_their_mode() {
    in_time(|| {
        let world = world();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        let given = world.root.join("given");
        std::fs::create_dir(&given).unwrap();
        std::fs::set_permissions(&given, std::fs::Permissions::from_mode(0o755)).unwrap();
        let state = world.at(given.join("own")).unwrap();
        state.create().unwrap();
        state.create().unwrap();
        assert_eq!(mode(&given), 0o755);
        for dir in [state.root(), &state.pool(), &state.runs(), &state.logs()] {
            assert_eq!(mode(dir), 0o700, "{}", dir.display());
        }
    });
}

#[test]
fn the_state_id_is_random_and_stays() {
    in_time(|| {
        let world = world();
        let (one, two) = (world.at("one").unwrap(), world.at("two").unwrap());
        one.create().unwrap();
        two.create().unwrap();
        let id = one.state_id().unwrap();
        assert_eq!((id.len(), one.state_id().unwrap()), (32, id.clone()));
        assert_ne!(two.state_id().unwrap(), id);
        std::fs::write(one.root().join("state-id"), "").unwrap();
        one.state_id().unwrap_err();
    });
}

#[test]
fn two_repositories_do_not_share_a_place_but_a_moved_one_keeps_its_own() {
    in_time(|| {
        let world = world();
        world.at("state").unwrap().create().unwrap();
        let other = world.root.join("other/.git");
        std::fs::create_dir_all(&other).unwrap();
        let env = world.env().with_var("MC_STATE_DIR", "state");
        let refused = StateDir::locate(&other, &env).unwrap().create().unwrap_err();
        assert!(matches!(refused, PlaceError::OtherRepository { .. }), "{refused:?}");
        std::fs::rename(world.root.join("app"), world.root.join("moved")).unwrap();
        StateDir::locate(&world.root.join("moved/.git"), &env).unwrap().create().unwrap();
        StateDir::locate(&other, &env).unwrap().create().unwrap_err();
    });
}

#[test]
fn p2_two_state_directories_told_to_use_one_pool_folder_do_not_share_workspaces() {
    in_time(|| {
        let world = world();
        let (one, two) = (world.at(world.root.join("one")).unwrap(), world.at(world.root.join("two")).unwrap());
        let shared = world.root.join("pool");
        let of = |state: &StateDir| state.pool_in(Some(&shared));
        assert!(of(&one) != of(&two) && of(&one).starts_with(&shared) && of(&two).starts_with(&shared));
        assert_eq!(of(&one), of(&world.at(world.root.join("one")).unwrap()));
        symlink(world.root.join("one"), world.root.join("link")).unwrap();
        std::fs::create_dir_all(one.root()).unwrap();
        assert_eq!(of(&one), of(&world.at(world.root.join("link")).unwrap()), "by whatever path it is named");
        assert_eq!(one.pool_in(None), one.pool());
    });
}
