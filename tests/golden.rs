//! Plans and commands as text: `tests/golden/NAME/{before.yaml?, after.yaml?, plan.txt, plan.json, commands.txt}`.
//!
//! The plan leads from what `before.yaml` means (nothing without it) to what `after.yaml` means (nothing without it). It
//! is lived through on the simulated kernel: made of what the kernel shows, carried out, and followed by nothing to do;
//! after `down` the kernel is as it was. `UPDATE_GOLDEN=1 cargo test --test golden` writes what it finds; read the
//! difference before you keep it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use cellblock::plan::render;
use libtest_mimic::{Arguments, Failed, Trial};
use support::world::{World, told};

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut folders: Vec<PathBuf> =
        fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    assert!(folders.len() >= 60, "golden plans went missing: {}", folders.len());
    let trials = folders.into_iter().map(|folder| {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        Trial::test(name, move || check(&folder))
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit();
}

/// Up as before, changed as planned, nothing left to do, down, and the kernel as it was.
fn check(folder: &Path) -> Result<(), Failed> {
    let model_of = |file: &str| {
        let path = folder.join(file);
        path.exists().then(|| support::model_of_file(&path))
    };
    let (before, after) = (model_of("before.yaml"), model_of("after.yaml"));
    let lab = before.as_ref().or(after.as_ref()).expect("a file of either name").lab.clone();
    let mut world = World::new();
    let untouched = world.picture();
    if let Some(before) = &before {
        world.up(before)?;
    }
    let plan = match &after {
        Some(after) => world.up(after)?,
        None => world.labs().plan_down(&lab).map_err(told)?,
    };
    world.down(&lab)?;
    same(&untouched, &world.picture())?;
    compare(&folder.join("plan.txt"), &render::text(&plan))?;
    let mut json = serde_json::to_string_pretty(&render::json(&plan)).unwrap();
    json.push('\n');
    compare(&folder.join("plan.json"), &json)?;
    let mut commands = render::commands(&plan).join("\n");
    commands.push('\n');
    compare(&folder.join("commands.txt"), &commands)
}

fn same(before: &[String], after: &[String]) -> Result<(), Failed> {
    let gone: Vec<_> = before.iter().filter(|line| !after.contains(line)).collect();
    let left: Vec<_> = after.iter().filter(|line| !before.contains(line)).collect();
    if before == after { Ok(()) } else { Err(format!("not as before: gone {gone:#?}, left {left:#?}").into()) }
}

fn compare(path: &Path, found: &str) -> Result<(), Failed> {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(path, found).unwrap();
        return Ok(());
    }
    let wanted = fs::read_to_string(path).unwrap_or_default();
    if wanted == found {
        return Ok(());
    }
    let line = wanted.lines().zip(found.lines()).position(|(a, b)| a != b);
    let line = line.unwrap_or_else(|| wanted.lines().count().min(found.lines().count()));
    let at = |text: &str| text.lines().nth(line).unwrap_or("(end)").to_owned();
    Err(format!("{}:{}\nwanted {}\nfound  {}", path.display(), line + 1, at(&wanted), at(found)).into())
}
