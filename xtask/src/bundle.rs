//! What is carried into the guest: a tar archive with programs linked for FreeBSD, topologies, and what is measured against.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::Work;

/// Programs of the bundle: cargo's kind of target, its name, and whether only measurements need it.
const PROGRAMS: [(&str, &str, bool); 4] =
    [("bin", "cellblock", false), ("test", "conformance", false), ("test", "guest", false), ("bench", "freebsd", true)];

/// The repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new(".")).to_owned()
}

/// Makes a bundle at `target`, or takes the one that was given.
///
/// # Errors
/// What was built does not link, or cannot be packed.
pub fn provide(work: &Work, target: &Path) -> Result<PathBuf> {
    if let Some(bundle) = &work.bundle {
        ensure!(bundle.is_file(), "there is no bundle {}", bundle.display());
        return Ok(bundle.clone());
    }
    let programs = build(work.benches())?;
    let file = File::create(target).with_context(|| target.display().to_string())?;
    let mut archive = tar::Builder::new(file);
    for (name, path) in &programs {
        archive.append_path_with_name(path, name).with_context(|| path.display().to_string())?;
    }
    archive.append_dir_all("topologies", root().join("topologies"))?;
    archive.append_path_with_name(root().join("benches/freebsd/base-tools.sh"), "base-tools.sh")?;
    archive.append_path_with_name(root().join("packaging/freebsd/files/cellblock.in"), "cellblock.in")?;
    if let Some(shared) = std::env::var_os("CELLBLOCK_SHARED") {
        let folder = Path::new(&shared).join("bench/freebsd");
        ensure!(folder.is_dir(), "CELLBLOCK_SHARED is set, and there is no {}", folder.display());
        archive.append_dir_all("peers", folder)?;
    }
    archive.finish()?;
    Ok(target.to_owned())
}

/// Links the programs for FreeBSD; their names and files.
fn build(benches: bool) -> Result<Vec<(String, PathBuf)>> {
    let mut command = Command::new(root().join(".ci/cross-freebsd"));
    command.arg("build").current_dir(root()).stdout(Stdio::piped());
    for (kind, name, _) in PROGRAMS.iter().filter(|(_, _, measures)| benches || !measures) {
        command.args([format!("--{kind}"), (*name).to_owned()]);
    }
    if benches {
        command.arg("--release");
    }
    // A guest needs no symbols, and reads its disk slowly.
    command.args(["--message-format", "json-render-diagnostics"]).env("CARGO_PROFILE_DEV_STRIP", "true");
    command.env("CARGO_PROFILE_RELEASE_STRIP", "true");
    let output = command.output().context(".ci/cross-freebsd cannot be run")?;
    ensure!(output.status.success(), ".ci/cross-freebsd ended with {}", output.status);
    let built = executables(&String::from_utf8_lossy(&output.stdout));
    for (kind, name, _) in PROGRAMS.iter().filter(|(_, _, measures)| benches || !measures) {
        if !built.iter().any(|(other, _)| other == name) {
            bail!("cargo did not say where it put {kind} {name}");
        }
    }
    Ok(built)
}

/// The executables that cargo's messages name.
fn executables(messages: &str) -> Vec<(String, PathBuf)> {
    let message = |line: &str| serde_json::from_str::<Value>(line).ok();
    let executable = |message: Value| {
        let file = message.get("executable")?.as_str()?;
        let name = message.get("target")?.get("name")?.as_str()?;
        Some((name.to_owned(), PathBuf::from(file)))
    };
    messages.lines().filter_map(message).filter_map(executable).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executables_are_found_among_cargos_messages() {
        let messages = concat!(
            "{\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"libc\"},\"executable\":null}\n",
            "{\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"guest\"},\"executable\":\"/t/guest-1\"}\n",
            "not json\n{\"reason\":\"build-finished\",\"success\":true}\n"
        );
        assert_eq!(executables(messages), [("guest".to_owned(), PathBuf::from("/t/guest-1"))]);
    }

    #[test]
    fn the_repository_is_found() {
        assert!(root().join("topologies").is_dir() && root().join("xtask").is_dir());
    }
}
