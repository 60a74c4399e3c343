//! Wrong files and what is said about them: every folder of `tests/cases` has a `topology.yaml` and an `expected.txt`.
//!
//! `args.txt`, where there is one, has `-s key=value` and `--name NAME`, one on a line. Set `CELLBLOCK_BLESS=1` to write
//! `expected.txt` anew, then read what changed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use cellblock::diagnostic::Diagnostic;
use cellblock::model;
use cellblock::output::diagnostic::{Style, render_all};
use cellblock::topology::{DiskReader, FileReader, Input, LoadOptions, Loaded, load};
use libtest_mimic::{Arguments, Failed, Trial};

fn main() {
    let arguments = Arguments::from_args();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut folders: Vec<_> = fs::read_dir(&root)
        .expect("tests/cases can be read")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    let name = |folder: &Path| folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let trials = folders.into_iter().map(|folder| Trial::test(name(&folder), move || run(&folder))).collect();
    libtest_mimic::run(&arguments, trials).exit();
}

fn run(folder: &Path) -> Result<(), Failed> {
    let said = diagnose(folder)?;
    let expected = folder.join("expected.txt");
    if std::env::var_os("CELLBLOCK_BLESS").is_some() {
        fs::write(&expected, &said)?;
        return Ok(());
    }
    let wanted = fs::read_to_string(&expected).map_err(|error| format!("{}: {error}", expected.display()))?;
    if said == wanted {
        return Ok(());
    }
    Err(format!("--- expected\n{wanted}\n--- said\n{said}\n--- CELLBLOCK_BLESS=1 writes it anew").into())
}

/// What a user would read, or `ok` if there is nothing to say.
fn diagnose(folder: &Path) -> Result<String, Failed> {
    let files = Folder(folder.to_owned());
    let Loaded { sources, draft, mut diagnostics } =
        load(Input::Path("topology.yaml".into()), &options(folder)?, &files);
    if draft.is_none() && !diagnostics.iter().any(Diagnostic::is_error) {
        return Err("there is no draft, and no error says why".into());
    }
    if let Some(draft) = draft {
        match model::resolve(draft) {
            Ok((_, warnings)) => diagnostics.extend(warnings),
            Err(errors) => diagnostics.extend(errors),
        }
    }
    if diagnostics.is_empty() {
        return Ok("ok\n".into());
    }
    Ok(render_all(&diagnostics, &sources, Style::Plain))
}

fn options(folder: &Path) -> Result<LoadOptions, Failed> {
    let mut options = LoadOptions::default();
    let path = folder.join("args.txt");
    if !path.exists() {
        return Ok(options);
    }
    for line in fs::read_to_string(path)?.lines() {
        match line.split_once(' ') {
            Some(("-s", pair)) => {
                let (key, value) = pair.split_once('=').ok_or("`-s` takes key=value")?;
                options.overrides.push((key.into(), value.into()));
            }
            Some(("--name", name)) => options.name = Some(name.into()),
            _ => return Err(format!("args.txt: `{line}` is neither `-s` nor `--name`").into()),
        }
    }
    Ok(options)
}

/// Files under names relative to a case, so that what is said does not depend on where the project is.
#[derive(Debug)]
struct Folder(PathBuf);

impl FileReader for Folder {
    fn read(&self, path: &Path, limit: usize) -> io::Result<Vec<u8>> {
        DiskReader.read(&self.0.join(path), limit)
    }

    fn identity(&self, path: &Path) -> PathBuf {
        DiskReader.identity(&self.0.join(path))
    }
}
