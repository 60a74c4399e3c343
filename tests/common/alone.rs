//! A test program in namespaces of its own: it starts itself again there, as root, so that nothing of the machine is touched.

#![expect(clippy::print_stdout, reason = "a skipped test says why")]

use std::process::{Command, ExitCode};

use libtest_mimic::{Arguments, Trial};

/// Set once the test is in namespaces of its own.
const INSIDE: &str = "CELLBLOCK_TEST_INSIDE";

/// Runs trials, one after the other, in a network and a mount namespace of their own with a /run of their own; says why where that
/// cannot be.
pub fn run(trials: impl FnOnce() -> Vec<Trial>) -> ExitCode {
    if std::env::var_os(INSIDE).is_none() {
        return match alone() {
            Ok(command) => run_again(command),
            Err(why) => {
                println!("skipped, all of it: {why}");
                ExitCode::SUCCESS
            }
        };
    }
    let arguments = Arguments { test_threads: Some(1), ..Arguments::from_args() };
    if libtest_mimic::run(&arguments, trials()).has_failed() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// The command that runs what follows it in namespaces of its own; or why there is none.
fn alone() -> Result<Command, String> {
    let enter = |program: &str| {
        let mut command = Command::new("unshare");
        let script = "mount -t tmpfs tmpfs /run && ip link set lo up && exec \"$0\" \"$@\"";
        command.args(["--net", "--mount", "--propagation", "private", "sh", "-c", script, program]);
        command
    };
    match enter("true").output() {
        Err(error) => Err(format!("unshare(1) cannot be run: {error}")),
        Ok(output) if !output.status.success() => {
            Err(format!("namespaces cannot be made: {}", String::from_utf8_lossy(&output.stderr).trim()))
        }
        Ok(_) => Ok(enter(&std::env::current_exe().map_err(|error| error.to_string())?.to_string_lossy())),
    }
}

fn run_again(mut command: Command) -> ExitCode {
    let status = command.args(std::env::args_os().skip(1)).env(INSIDE, "1").status();
    if status.is_ok_and(|status| status.success()) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
