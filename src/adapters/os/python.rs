//! The Python environments that a run would find, and from which folders outside of them they import. Files are looked at;
//! no Python is started, so nothing of an environment runs.

use super::environment::Environment;
use super::files::{list_dir, read_text};
use crate::domain::detect::imports::{Import, of_direct_url, of_loader, of_pth};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Folders of packages in environments that are no virtual ones, below their prefix.
const PACKAGES: [&str; 2] = ["site-packages", "dist-packages"];

/// Everything that environments on the `PATH`, of `VIRTUAL_ENV` and of the user import from elsewhere. What cannot be read is
/// passed over: a run could not read it either.
pub fn imports(env: &Environment) -> BTreeSet<Import> {
    let mut found: BTreeSet<Import> =
        find_package_dirs(&find_prefixes(env)).iter().flat_map(|project| scan_packages(project)).collect();
    // Which of these a shim or a tool starts is not known, so they only add to what a run searches.
    let pyenv = env.var("PYENV_ROOT").map(PathBuf::from).or_else(|| Some(env.home()?.join(".pyenv")));
    let versions = pyenv.into_iter().flat_map(|root| list_dir(&root.join("versions")));
    let versions = versions.chain(env.var("VIRTUAL_ENV").map(PathBuf::from)).collect();
    let perhaps = find_package_dirs(&versions).into_iter().flat_map(|project| scan_packages(&project));
    found.extend(perhaps.filter(|import| matches!(import, Import::Searched(_))));
    found
}

/// A virtual environment at the top of a work tree that is there and not active: `VIRTUAL_ENV` names none, and the first `python3` of
/// the `PATH` is of none.
pub fn find_inactive_venv(env: &Environment, top: &Path) -> Option<&'static str> {
    let mut folders = env.var("PATH").into_iter().flat_map(std::env::split_paths);
    let python = folders.find(|folder| folder.join("python3").is_file());
    let active = python.as_deref().and_then(Path::parent).is_some_and(|prefix| prefix.join("pyvenv.cfg").is_file());
    if active || env.var("VIRTUAL_ENV").is_some() {
        return None;
    }
    let whole =
        |name: &&str| top.join(name).join("pyvenv.cfg").is_file() && top.join(name).join("bin/python3").exists();
    [".venv", "venv", "env"].into_iter().find(whole)
}

/// The same environment with this virtual one active, as its `activate` makes it.
pub fn activate_venv(env: Environment, venv: &Path) -> Environment {
    let rest = env.var("PATH").map(|path| std::env::split_paths(path).collect::<Vec<_>>()).unwrap_or_default();
    let path = std::env::join_paths(std::iter::once(venv.join("bin")).chain(rest));
    match path {
        Ok(path) => env.with_var("PATH", path).with_var("VIRTUAL_ENV", venv),
        // A folder with a colon in its name can be on no PATH.
        Err(_) => env,
    }
}

fn find_prefixes(env: &Environment) -> BTreeSet<PathBuf> {
    let mut prefixes = BTreeSet::new();
    for folder in env.var("PATH").map(|path| std::env::split_paths(path).collect::<Vec<_>>()).unwrap_or_default() {
        for name in ["python3", "python"] {
            let program = folder.join(name);
            if program.is_file() {
                prefixes.extend(folder.parent().map(Path::to_owned));
                let real = program.canonicalize().ok();
                // An environment has its own packages only, unless it says otherwise.
                let of_its_own = folder.parent().is_some_and(|prefix| prefix.join("pyvenv.cfg").is_file());
                let real = real.filter(|_| !of_its_own);
                prefixes.extend(real.as_deref().and_then(Path::parent).and_then(Path::parent).map(Path::to_owned));
            }
        }
    }
    prefixes.extend(env.home().map(|home| home.join(".local")));
    prefixes
}

/// The folders of packages below these prefixes.
fn find_package_dirs(prefixes: &BTreeSet<PathBuf>) -> BTreeSet<PathBuf> {
    let mut sites = BTreeSet::new();
    for lib in prefixes.iter().flat_map(|prefix| ["lib", "lib64", "local/lib"].map(|lib| prefix.join(lib))) {
        let versions = list_dir(&lib).into_iter();
        let versions =
            versions.filter(|path| path.file_name().is_some_and(|n| n.to_string_lossy().starts_with("python")));
        for project in versions.flat_map(|version| PACKAGES.map(|name| version.join(name))) {
            sites.extend(project.canonicalize().ok());
        }
    }
    sites
}

/// What the packages of one folder are imported from.
fn scan_packages(project: &Path) -> BTreeSet<Import> {
    let (mut found, mut installed) = (BTreeSet::new(), BTreeSet::new());
    for path in list_dir(project) {
        let Some(name) = path.file_name().map(|name| name.to_string_lossy().into_owned()) else { continue };
        let text = |path: &Path| read_text(path).unwrap_or_default();
        if path.is_symlink() {
            // `flit install --symlink`: found where it points to.
            found.extend(path.canonicalize().ok().and_then(|to| Some(Import::Searched(to.parent()?.to_owned()))));
        } else if name.ends_with(".pth") {
            found.extend(of_pth(project, &text(&path)).filter(|import| import.folder().is_absolute()));
        } else if name.ends_with(".py") && name.contains("editable") {
            found.extend(of_loader(&name, &text(&path)));
        } else if name.ends_with(".dist-info") {
            installed.extend(of_direct_url(&text(&path.join("direct_url.json"))));
        }
    }
    // What an environment has of its own is no other place.
    let own = project.parent().and_then(Path::parent).unwrap_or(project);
    found.retain(|import| !import.folder().starts_with(own));
    let told = |folder: &PathBuf| found.iter().any(|import| import.folder().starts_with(folder));
    let untold: Vec<PathBuf> = installed.into_iter().filter(|folder| !told(folder)).collect();
    found.extend(untold.into_iter().map(Import::Fixed));
    found
}
