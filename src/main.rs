//! The command line: arguments to command to exit code.

use std::io::Read as _;
use std::process::ExitCode;
use std::time::Instant;

use cellblock::cli::Cli;
use cellblock::commands::{self, Environment};
use cellblock::output::{Failure, Printer, Status, Verbosity};
use clap::Parser as _;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are results; everything else is a wrong command line, which is 64 and not clap's 2.
            let status = if error.use_stderr() { Status::Usage } else { Status::Done };
            let _ = error.print();
            return status.into();
        }
    };
    let verbosity = match (cli.global.quiet, cli.global.verbose) {
        (true, _) => Verbosity::Quiet,
        (false, true) => Verbosity::Verbose,
        (false, false) => Verbosity::Normal,
    };
    let mut printer = Printer::for_process(verbosity);
    let status = commands::run(&cli, &mut environment(), &mut printer).unwrap_or_else(|failure| {
        printer.failure(&failure);
        failure.status
    });
    if let Err(error) = printer.finish() {
        printer.failure(&Failure::new(Status::Refused, format!("cannot write the result: {error}")));
        return Status::Refused.into();
    }
    status.into()
}

/// The world around this process.
fn environment() -> Environment {
    let began = Instant::now();
    Environment {
        variable: Box::new(|name| std::env::var_os(name)),
        stdin: Box::new(std::io::stdin().take(u64::MAX)),
        now: Box::new(move || began.elapsed()),
        entropy: Box::new(|| {
            let mut bytes = [0; 16];
            getrandom::fill(&mut bytes).map(|()| bytes).map_err(|error| error.to_string())
        }),
        is_root: nix::unistd::geteuid().is_root(),
        system: std::env::consts::OS,
        process_id: std::process::id(),
        invocation: std::env::args().skip(1).collect::<Vec<_>>().join(" "),
    }
}
