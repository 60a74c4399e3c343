//! What ngctl does with its arguments.
//!
//! Where the base tool would do harm, this one does not: a name or path that does not fit is refused and not cut; a
//! hook that would take the kernel down is refused; a message that comes in between is not taken for a reply.

mod change;
mod commands;
mod data;
mod debug;
mod dot;
mod getopt;
mod help;
mod msg;
pub mod session;
mod show;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::PathBuf;

use self::getopt::{Getopt, Opt};
use self::session::{Outcome, Session};
use crate::kernel::{self, Refusal, Which};

/// What the program reads and writes.
pub struct Streams<'a> {
    pub input: &'a mut dyn BufRead,
    pub out: &'a mut dyn Write,
    pub err: &'a mut dyn Write,
    /// Whether a person is at both ends.
    pub is_terminal: bool,
}

/// `EX_USAGE`, `EX_NOINPUT` of sysexits(3).
const USAGE: u8 = 64;
const NO_INPUT: u8 = 66;

/// What the options say.
#[derive(Default)]
struct Options {
    which: Which,
    jail: Option<Vec<u8>>,
    name: Vec<u8>,
    script: Option<Script>,
    debug: i32,
}

enum Script {
    Input,
    File(File),
}

/// Runs the program; gives its exit status.
pub fn run(arguments: &[Vec<u8>], streams: &mut Streams<'_>) -> u8 {
    match try_run(arguments, streams) {
        Ok(status) => status,
        // Whoever read our output has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
        Err(error) => {
            // There is nobody left to tell.
            let _ = writeln!(streams.err, "ngctl: {}", io_text(&error));
            kernel::SYSTEM_ERROR
        }
    }
}

fn try_run(arguments: &[Vec<u8>], streams: &mut Streams<'_>) -> io::Result<u8> {
    let (options, command) = match parse(arguments, streams.err)? {
        Parsed::Run(options, command) => (options, command),
        Parsed::Exit(status) => return Ok(status),
    };
    if command.is_empty() && options.script.is_none() && !streams.is_terminal {
        return usage(streams.err, Some("no command specified"));
    }
    let jail = options.jail.as_deref().map(String::from_utf8_lossy);
    let mut kernel = match kernel::open(&options.which, jail.as_deref(), &options.name) {
        Ok(kernel) => kernel,
        Err(refusal) => return refused(streams.err, &refusal),
    };
    let mut session = Session::new(&mut *kernel, streams.out, streams.err, options.debug);
    let outcome = match (command, options.script) {
        ([], Some(Script::File(file))) => session.read_lines(&mut BufReader::new(file)),
        ([], Some(Script::Input)) => session.read_lines(streams.input),
        ([], None) => session.interact(streams.input),
        (command, _) => session.command(command),
    };
    let outcome = outcome.and_then(|outcome| streams.out.flush().map(|()| outcome));
    // What was done is kept, whatever became of the telling.
    let closed = kernel.close();
    match (outcome?, closed) {
        (_, Err(refusal)) => refused(streams.err, &refusal),
        (Outcome::Done | Outcome::Quit, Ok(())) => Ok(0),
        (Outcome::Usage, Ok(())) => Ok(USAGE),
        (Outcome::Failed, Ok(())) => Ok(kernel::SYSTEM_ERROR),
    }
}

fn refused(err: &mut dyn Write, refusal: &Refusal) -> io::Result<u8> {
    writeln!(err, "ngctl: {}", refusal.text)?;
    Ok(refusal.status)
}

/// What the arguments come to.
enum Parsed<'a> {
    /// The options and the command that follows them.
    Run(Options, &'a [Vec<u8>]),
    Exit(u8),
}

fn parse<'a>(arguments: &'a [Vec<u8>], err: &mut dyn Write) -> io::Result<Parsed<'a>> {
    let mut options = Options { name: format!("ngctl{}", std::process::id()).into_bytes(), ..Options::default() };
    let mut getopt = Getopt::new(arguments, "df:j:n:");
    loop {
        if let Some(which) = simulated(&mut getopt) {
            options.which = which;
            continue;
        }
        match getopt.next() {
            None => break,
            Some(Opt::Flag(_)) => options.debug += 1,
            Some(Opt::Value('f', file)) if file == b"-" => options.script = Some(Script::Input),
            Some(Opt::Value('f', file)) => match File::open(path(file)) {
                Ok(opened) => options.script = Some(Script::File(opened)),
                Err(error) => {
                    writeln!(err, "ngctl: {}: {}", String::from_utf8_lossy(file), io_text(&error))?;
                    return Ok(Parsed::Exit(NO_INPUT));
                }
            },
            Some(Opt::Value('j', jail)) => options.jail = Some(jail.to_vec()),
            Some(Opt::Value(_, name)) => options.name = name.to_vec(),
            Some(Opt::Wrong(complaint)) => {
                writeln!(err, "ngctl: {complaint}")?;
                return usage(err, None).map(Parsed::Exit);
            }
        }
    }
    if options.jail.as_deref() == Some(b"") {
        return usage(err, Some("invalid jail name")).map(Parsed::Exit);
    }
    Ok(Parsed::Run(options, getopt.rest()))
}

/// `--sim`, `--sim=FILE`, and `--sim FILE` if the file has a `/`, which no command has.
fn simulated(getopt: &mut Getopt<'_>) -> Option<Which> {
    let word = getopt.whole_word()?;
    if let Some(file) = word.strip_prefix(b"--sim=") {
        getopt.skip();
        return Some(Which::Kept(kernel::state_file(path(file))));
    }
    if word != b"--sim" {
        return None;
    }
    getopt.skip();
    match getopt.whole_word() {
        Some(file) if file.contains(&b'/') => {
            getopt.skip();
            Some(Which::Kept(kernel::state_file(path(file))))
        }
        _ => Some(Which::Fresh),
    }
}

fn usage(err: &mut dyn Write, complaint: Option<&str>) -> io::Result<u8> {
    if let Some(complaint) = complaint {
        writeln!(err, "ngctl: {complaint}")?;
    }
    writeln!(err, "usage: ngctl [-j jail] [-d] [-f filename] [-n nodename] [command [argument ...]]")?;
    writeln!(err, "       ngctl --sim[=state] [option ...] [command [argument ...]]")?;
    Ok(USAGE)
}

/// A path as the user wrote it.
fn path(bytes: &[u8]) -> PathBuf {
    #[cfg(unix)]
    let path = std::os::unix::ffi::OsStrExt::from_bytes(bytes);
    #[cfg(unix)]
    let path: &std::ffi::OsStr = path;
    #[cfg(not(unix))]
    let path = String::from_utf8_lossy(bytes).into_owned();
    PathBuf::from(path)
}

/// strerror(3) of an error of files.
fn io_text(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error ").next().unwrap_or_default().to_owned()
}
