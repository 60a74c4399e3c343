//! `shell`: a program on a terminal of its own in a node, /bin/sh if nothing else is named.

use std::io::{self, BufRead as _, BufReader, IsTerminal as _, Read};
use std::os::fd::AsFd as _;
use std::time::Duration;

use super::context::Context;
use super::exec::{self, ended};
use super::{sight, site, target};
use crate::cli::{Format, ShellArgs};
use crate::lab::{EngineKind, Site};
use crate::model::{Exec, LabName, NodeName};
use crate::output::{Failure, Printer, Status};
use crate::terminal::{Over, Pty, Raw, User, ended_within, relay};

/// How long a program may take to end when its terminal is gone; then it is killed.
const PATIENCE: Duration = Duration::from_secs(5);
const SIGHUP: u8 = 1;
/// Longest line of a simulated shell.
const LONGEST_LINE: u64 = 64 << 10;

pub(super) fn run(context: &mut Context<'_>, args: &ShellArgs) -> Result<Status, Failure> {
    context.format(&[Format::Table])?;
    let node = target::node_ref(&args.node)?;
    let lab = sight::lab_of(context, node.lab)?;
    let mut site = site::open_to_run(context, &lab).map_err(exec::before_running)?;
    let simulated = site.engine() == EngineKind::Sim;
    let outcome = if !args.command.is_empty() && (simulated || !io::stdin().is_terminal()) {
        exec::execute(&mut site, (&lab, &node.node), &args.command, context.printer)
    } else if simulated {
        by_lines(&mut site, (&lab, &node.node), &mut context.environment.stdin, context.printer)
    } else if io::stdin().is_terminal() {
        on_a_terminal(&mut site, (&lab, &node.node), &command(args))
    } else {
        exec::execute(&mut site, (&lab, &node.node), &command(args), context.printer)
    };
    site::close(site, outcome)
}

fn command(args: &ShellArgs) -> Vec<String> {
    if args.command.is_empty() { vec!["/bin/sh".to_owned()] } else { args.command.clone() }
}

/// The user's terminal is raw while the program runs: every key goes to the program's own terminal.
fn on_a_terminal(site: &mut Site, (lab, node): (&LabName, &NodeName), command: &[String]) -> Result<Status, Failure> {
    let (input, output) = (io::stdin(), io::stdout());
    let refused = |error: io::Error| Failure::new(Status::ExecFailed, format!("no terminal for `{node}`: {error}"));
    let pty = Pty::open(input.as_fd()).map_err(refused)?;
    let running = site.start_program(lab, node, command, pty.program_side());
    let running = running.map_err(|error| exec::not_run(error, node, command))?;
    let ours = pty.into_ours();
    let raw = Raw::enter(input.as_fd()).map_err(refused)?;
    let user = User { input: input.as_fd(), output: output.as_fd() };
    let over = relay(user, ours.as_fd(), running.ended());
    drop(raw);
    // Closing its terminal hangs the program up, if it is still there.
    drop(ours);
    let over = over.map_err(refused)?;
    if over == Over::HungUp && !ended_within(running.ended(), PATIENCE).map_err(refused)? {
        return Ok(Status::Command(128 + SIGHUP));
    }
    Ok(ended(running.wait().map_err(refused)?))
}

/// A simulated node has no shell, but programs: each line is one, as `exec` takes it.
fn by_lines(
    site: &mut Site,
    (lab, node): (&LabName, &NodeName),
    input: &mut dyn Read,
    printer: &mut Printer,
) -> Result<Status, Failure> {
    // Whether there is such a node is said before anything is asked.
    site.station(lab, node).map_err(site::failure)?;
    let prompts = io::stdin().is_terminal();
    let mut lines = BufReader::new(input);
    let mut last = 0;
    loop {
        if prompts {
            printer.result(format!("{node}# "));
        }
        printer.flush();
        let mut line = Vec::new();
        let read = (&mut lines).take(LONGEST_LINE).read_until(b'\n', &mut line);
        match read {
            Ok(0) => return Ok(Status::Command(last)),
            Ok(_) => {}
            Err(error) => {
                return Err(Failure::new(Status::ExecFailed, format!("cannot read standard input: {error}")));
            }
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        match Exec::read(text, None) {
            Ok(exec) => match word(&exec.words, printer) {
                Some(Said::Exit(code)) => return Ok(Status::Command(code.unwrap_or(last))),
                Some(Said::Help) => last = 0,
                None => last = one(site, (lab, node), &exec.words, printer)?,
            },
            Err(error) => {
                printer.error_bytes(format!("sh: {error}\n").as_bytes());
                last = 2;
            }
        }
    }
}

/// What a simulated shell does itself.
enum Said {
    Exit(Option<u8>),
    Help,
}

fn word(words: &[String], printer: &mut Printer) -> Option<Said> {
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["exit"] => Some(Said::Exit(None)),
        ["exit", code] => Some(Said::Exit(Some(code.parse().unwrap_or(2)))),
        ["help"] => {
            let programs = crate::lab::simulated_programs().join(" ");
            printer.result(format!("{programs}\nexit [STATUS] or the end of input leaves\n"));
            Some(Said::Help)
        }
        _ => None,
    }
}

fn one(
    site: &mut Site,
    (lab, node): (&LabName, &NodeName),
    words: &[String],
    printer: &mut Printer,
) -> Result<u8, Failure> {
    let exit = exec::execute(site, (lab, node), words, printer);
    match exit {
        Ok(status) => Ok(status.code()),
        Err(failure) if matches!(failure.status, Status::CommandNotFound | Status::NotExecutable) => {
            printer.error_bytes(format!("sh: {}: not found; `help` lists what there is\n", words[0]).as_bytes());
            Ok(failure.status.code())
        }
        Err(failure) => Err(failure),
    }
}
