//! Plans and commands as text: `tests/golden/NAME/{before.yaml?, after.yaml?, plan.txt, commands.txt}`.
//!
//! The plan leads from what `before.yaml` means (nothing without it) to what `after.yaml` means (nothing without it).
//! `UPDATE_GOLDEN=1 cargo test --test golden` writes what it finds; read the difference before you keep it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cellblock::graph::{self, Graph, Numbering};
use cellblock::plan::{self, Plan, render};
use libtest_mimic::{Arguments, Failed, Trial};

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut folders: Vec<PathBuf> =
        fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    assert!(folders.len() >= 12, "golden plans went missing: {}", folders.len());
    let trials = folders.into_iter().map(|folder| {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        Trial::test(name, move || check(&folder))
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit();
}

fn check(folder: &Path) -> Result<(), Failed> {
    let plan = plan_of(folder);
    compare(&folder.join("plan.txt"), &render::text(&plan))?;
    let mut commands = render::commands(&plan).join("\n");
    commands.push('\n');
    compare(&folder.join("commands.txt"), &commands)
}

fn plan_of(folder: &Path) -> Plan {
    let mut numbering = Numbering::default();
    let mut graph_of = |file: &str| {
        let path = folder.join(file);
        path.exists().then(|| {
            let model = support::model_of_file(&path);
            (model.lab.clone(), Arc::new(graph::build(&model, &mut numbering).unwrap()))
        })
    };
    let (before, after) = (graph_of("before.yaml"), graph_of("after.yaml"));
    let lab = before.as_ref().or(after.as_ref()).expect("a file of either name").0.clone();
    let nothing = || (lab.clone(), Arc::new(Graph::empty(lab.clone())));
    plan::build(after.unwrap_or_else(nothing).1, before.unwrap_or_else(nothing).1)
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
