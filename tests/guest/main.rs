//! What is done inside a FreeBSD machine to prove the program on its kernel: the conformance suite, the life of every
//! topology, faults at every call and killed processes, measurements. `cargo xtask vm` carries it there with what it needs
//! beside it, and takes the results home; by hand it is `./guest --results DIRECTORY`, as root.
//!
//! Elsewhere it says so and does nothing: the same things are tested on the simulated kernel by tests of their own.

#![expect(clippy::print_stdout, reason = "whoever watches the machine wants to see where it is")]
#![allow(clippy::unwrap_used, reason = "a picture that cannot be taken has failed")]

mod faults;
mod killed;
mod life;
mod mishaps;
mod narrow;
mod outcome;
#[path = "../support/picture.rs"]
#[expect(dead_code, reason = "the simulator has more to show")]
mod picture;
mod roots;
mod service;
mod sweep;
mod terminal;
mod topologies;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output, Stdio};

use cellblock::engine::freebsd::doors::Doors;
use outcome::Suite;

/// What was asked for.
#[derive(Debug)]
struct Wanted {
    results: PathBuf,
    only: Vec<String>,
    filter: Option<String>,
    sizes: String,
    /// State directories whose labs are to go, and nothing else is to be done.
    sweep: Option<PathBuf>,
}

impl Wanted {
    fn wants(&self, suite: &str) -> bool {
        // Measuring takes long, and a securelevel stays: they are done when they are asked for.
        if self.only.is_empty() {
            !["bench", "securelevel"].contains(&suite)
        } else {
            self.only.iter().any(|only| only == suite)
        }
    }

    fn fits(&self, name: &str) -> bool {
        self.filter.as_ref().is_none_or(|filter| name.contains(filter.as_str()))
    }
}

fn main() -> ExitCode {
    let wanted = match arguments(std::env::args().skip(1)) {
        Ok(wanted) => wanted,
        Err(why) => {
            println!("guest: {why}");
            return ExitCode::from(64);
        }
    };
    run(&wanted)
}

#[cfg(target_os = "freebsd")]
fn run(wanted: &Wanted) -> ExitCode {
    use cellblock::engine::freebsd::sys::KernelDoors;
    work(wanted, &mut KernelDoors::new, &|| true)
}

#[cfg(not(target_os = "freebsd"))]
fn run(wanted: &Wanted) -> ExitCode {
    use cellblock::sim::{Kernel, SimDoors};
    // The compiler sees the same code as on FreeBSD; it runs there only.
    work(wanted, &mut || SimDoors::new(Kernel::boot(1)), &|| false)
}

fn arguments(mut given: impl Iterator<Item = String>) -> Result<Wanted, String> {
    let mut wanted = Wanted {
        results: PathBuf::from("results"),
        only: Vec::new(),
        filter: None,
        sizes: "64,128,256".to_owned(),
        sweep: None,
    };
    while let Some(word) = given.next() {
        let mut value = || given.next().ok_or_else(|| format!("{word} wants a value"));
        match word.as_str() {
            "--results" => wanted.results = PathBuf::from(value()?),
            "--only" => wanted.only = value()?.split(',').map(str::to_owned).collect(),
            "--filter" => wanted.filter = Some(value()?),
            "--sizes" => wanted.sizes = value()?,
            "--sweep" => wanted.sweep = Some(PathBuf::from(value()?)),
            other => return Err(format!("`{other}` is not known here")),
        }
    }
    Ok(wanted)
}

fn work<D: Doors + std::fmt::Debug + 'static>(
    wanted: &Wanted,
    doors: &mut dyn FnMut() -> D,
    here: &dyn Fn() -> bool,
) -> ExitCode {
    if !here() {
        println!("guest: not inside FreeBSD, nothing is done; `cargo xtask vm` carries this program there");
        return ExitCode::SUCCESS;
    }
    if let Some(folder) = &wanted.sweep {
        return if sweep::run(folder, doors) { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    if let Err(error) = std::fs::create_dir_all(&wanted.results) {
        println!("guest: {}: {error}", wanted.results.display());
        return ExitCode::from(73);
    }
    let mut good = true;
    if wanted.wants("conformance") {
        let json = wanted.results.join("conformance.json");
        let mut command = beside("conformance");
        command.args(["--kernel", "--json"]).arg(json).args(&wanted.filter);
        good &= logged(command, &wanted.results.join("conformance.log"));
    }
    let mut suites: Vec<Suite> = Vec::new();
    if wanted.wants("topologies") {
        suites.push(topologies::run(wanted, doors));
        suites.push(roots::run(wanted, doors));
    }
    if wanted.wants("shell") {
        suites.push(terminal::run(wanted));
        suites.push(life::run(wanted, doors));
    }
    if wanted.wants("service") {
        suites.push(service::run(wanted, doors));
    }
    if wanted.wants("faults") {
        suites.push(mishaps::run(wanted, doors));
        suites.push(narrow::run(wanted, doors));
        suites.push(killed::run(wanted, doors));
        suites.push(faults::run(wanted, doors));
    }
    if wanted.wants("securelevel") {
        suites.push(narrow::securelevel(wanted));
    }
    for suite in &suites {
        good &= suite.is_good();
        if let Err(error) = suite.write(&wanted.results) {
            println!("guest: {error}");
            good = false;
        }
    }
    if wanted.wants("bench") {
        let mut command = beside("freebsd");
        command.args(["all", "--sizes", &wanted.sizes]);
        good &= logged(command, &wanted.results.join("bench.log"));
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A program of the bundle.
fn beside(name: &str) -> Command {
    let folder = std::env::current_exe().ok().and_then(|own| own.parent().map(Path::to_owned)).unwrap_or_default();
    let mut command = Command::new(folder.join(name));
    command.stdin(Stdio::null()).env("CELLBLOCK_BESIDE", &folder);
    command
}

/// The program under test, with its engine and a state directory of its own.
fn cellblock(state: &Path, arguments: &[&str]) -> Output {
    let mut command = beside("cellblock");
    command.args(["--engine", "freebsd", "--load-modules", "--state-dir"]).arg(state).args(arguments);
    match command.output() {
        Ok(output) => output,
        Err(error) => Output { status: Default::default(), stdout: Vec::new(), stderr: error.to_string().into_bytes() },
    }
}

/// Everything a program said.
fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    format!("{}: {} {}", output.status, text(&output.stdout), text(&output.stderr))
}

/// Runs a program to its end, shows what it says and keeps it.
fn logged(mut command: Command, log: &Path) -> bool {
    let output = match command.output() {
        Ok(output) => output,
        Err(error) => {
            println!("{command:?}: {error}");
            return false;
        }
    };
    let mut text = output.stdout;
    text.extend(output.stderr);
    print!("{}", String::from_utf8_lossy(&text));
    if let Err(error) = std::fs::write(log, text) {
        println!("{}: {error}", log.display());
        return false;
    }
    output.status.success()
}
