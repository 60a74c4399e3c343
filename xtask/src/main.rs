//! Chores: `cargo xtask vm` and `cargo xtask remote HOST` carry the program and its tests to a real FreeBSD kernel, run
//! them there, and bring back what they found.

#![expect(clippy::print_stderr, clippy::print_stdout, reason = "a chore speaks to whoever runs it")]

mod bundle;
mod dialogue;
mod machine;
mod remote;
mod results;
mod vm;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

/// Runs the tests that need a FreeBSD kernel on one.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// In a virtual machine that is started for it, by qemu.
    Vm(VmArguments),
    /// On a machine that is reached by ssh. Everything it makes there it removes.
    Remote(RemoteArguments),
}

#[derive(Debug, Args)]
struct VmArguments {
    #[command(flatten)]
    machine: machine::Machine,
    #[command(flatten)]
    work: Work,
}

#[derive(Debug, Args)]
struct RemoteArguments {
    /// The machine, as ssh(1) takes it.
    host: String,
    /// What makes a command root there: `doas`, `sudo`. Not needed when ssh logs in as root.
    #[arg(long = "become", value_name = "COMMAND")]
    become_root: Option<String>,
    #[command(flatten)]
    work: Work,
}

/// What is to be done there.
#[derive(Debug, Args)]
struct Work {
    /// Only these: `conformance`, `topologies`, `shell`, `service`, `faults`, `bench`, `securelevel`. The last one raises
    /// the securelevel of the machine, which stays so until its next boot: it is done only when it is named.
    #[arg(long, value_delimiter = ',', value_name = "SUITE")]
    only: Vec<String>,
    /// Only what has this in its name.
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Measure as well: the floor, `up` and `down` of stars, shell scripts. Builds with optimisation.
    #[arg(long)]
    bench: bool,
    /// Sizes of the stars.
    #[arg(long, value_delimiter = ',', default_values_t = [64, 128, 256], value_name = "NODES")]
    sizes: Vec<u32>,
    /// Where results and logs go.
    #[arg(long, default_value = "target/guest", value_name = "DIRECTORY")]
    results: PathBuf,
    /// Minutes after which the work is given up.
    #[arg(long, default_value_t = 60, value_name = "MINUTES")]
    limit: u64,
    /// A bundle that was made before, instead of building one.
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
}

impl Work {
    /// The arguments of the program that does the work there.
    fn arguments(&self) -> Vec<String> {
        let mut arguments = vec!["--results".to_owned(), "results".to_owned()];
        let mut only = self.only.clone();
        if self.bench {
            if only.is_empty() {
                only = ["conformance", "topologies", "shell", "service", "faults"].map(str::to_owned).to_vec();
            }
            only.push("bench".to_owned());
        }
        if !only.is_empty() {
            arguments.extend(["--only".to_owned(), only.join(",")]);
        }
        if let Some(filter) = &self.filter {
            arguments.extend(["--filter".to_owned(), filter.clone()]);
        }
        if self.benches() {
            let sizes: Vec<String> = self.sizes.iter().map(u32::to_string).collect();
            arguments.extend(["--sizes".to_owned(), sizes.join(",")]);
        }
        arguments
    }

    fn benches(&self) -> bool {
        self.bench || self.only.iter().any(|suite| suite == "bench")
    }

    fn limit(&self) -> Duration {
        Duration::from_secs(self.limit.saturating_mul(60))
    }
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().chore {
        Chore::Vm(given) => vm::run(&given.machine, &given.work),
        Chore::Remote(given) => remote::run(&given.host, given.become_root.as_deref(), &given.work),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::from(70)
        }
    }
}

/// A text as one word of a shell.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./,=:@".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work(arguments: &[&str]) -> Work {
        let given = ["xtask", "vm"].iter().chain(arguments);
        match Arguments::try_parse_from(given).unwrap().chore {
            Chore::Vm(given) => given.work,
            Chore::Remote(_) => panic!("not asked for"),
        }
    }

    #[test]
    fn the_work_is_told_in_arguments() {
        assert_eq!(work(&[]).arguments(), ["--results", "results"]);
        let some = work(&["--only", "faults,topologies", "--filter", "a b"]);
        assert_eq!(some.arguments(), ["--results", "results", "--only", "faults,topologies", "--filter", "a b"]);
        assert!(!some.benches());
        let bench = work(&["--bench", "--sizes", "8,16"]);
        assert!(bench.benches());
        let only = "conformance,topologies,shell,service,faults,bench";
        assert_eq!(bench.arguments(), ["--results", "results", "--only", only, "--sizes", "8,16"]);
    }

    #[test]
    fn words_of_a_shell() {
        assert_eq!(quoted("--only"), "--only");
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
        assert_eq!(quoted("$(x)"), "'$(x)'");
    }

    #[test]
    fn a_remote_needs_a_host() {
        assert!(Arguments::try_parse_from(["xtask", "remote"]).is_err());
        assert!(Arguments::try_parse_from(["xtask", "remote", "root@there", "--become", "doas"]).is_ok());
    }
}
