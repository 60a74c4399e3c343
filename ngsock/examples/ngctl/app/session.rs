//! One run: commands from lines, calls to the kernel, what is said of failures.

use std::collections::VecDeque;
use std::fmt::{self, Arguments};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _, Write};
use std::time::Duration;

use ngsock::message::{COMMAND_HAS_REPLY, FLAG_REPLY, Header, Message, Payload, Request, encode};
use ngsock::{Errno, Malformed, NodeId};

use super::commands::{Words, find};
use super::debug::Debug;
use super::{help, io_text, path};
use crate::kernel::{Kernel, error_text};

/// What became of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// Its arguments were not understood.
    Usage,
    Failed,
    Quit,
}

/// Longer command lines are cut, in words.
const MOST_WORDS: usize = 511;

/// Longer lines are not read, in bytes.
const LONGEST_LINE: u64 = 1 << 20;

/// How long a reply that must come may take; hardly any takes longer than its request.
const PATIENCE: Duration = Duration::from_secs(5);

/// So many messages that nobody asked for are kept until they are shown.
const MOST_STRAYS: usize = 1024;

/// A message and where it came from.
pub struct Received {
    pub from: Vec<u8>,
    pub datagram: Vec<u8>,
}

/// Why a call failed.
#[derive(Debug)]
pub enum Failure {
    /// When the request was sent.
    Send(Errno),
    /// When the reply was to be received.
    Receive(Errno),
    /// What came is no reply to it, or the request is too long for a message.
    Malformed(Malformed),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Send(errno) => write!(f, "send msg: {}", error_text(*errno)),
            Self::Receive(errno) => write!(f, "recv msg: {}", error_text(*errno)),
            Self::Malformed(cause) => write!(f, "recv msg: {cause}"),
        }
    }
}

pub struct Session<'a> {
    pub kernel: &'a mut dyn Kernel,
    pub out: &'a mut dyn Write,
    err: &'a mut dyn Write,
    pub debug: Debug,
    token: u32,
    /// Messages that came while a reply was looked for.
    strays: VecDeque<Received>,
}

impl<'a> Session<'a> {
    pub fn new(kernel: &'a mut dyn Kernel, out: &'a mut dyn Write, err: &'a mut dyn Write, debug: i32) -> Self {
        Self { kernel, out, err, debug: Debug(debug), token: 0, strays: VecDeque::new() }
    }

    /// warnx(3): a line about what went wrong.
    pub fn complain(&mut self, what: Arguments<'_>) -> io::Result<()> {
        self.out.flush()?;
        writeln!(self.err, "ngctl: {what}")
    }

    /// The same, for a command that goes no further.
    pub fn fail(&mut self, what: Arguments<'_>) -> io::Result<Outcome> {
        self.complain(what)?;
        Ok(Outcome::Failed)
    }

    /// Carries out a command.
    pub fn command(&mut self, words: Words<'_>) -> io::Result<Outcome> {
        let Some(word) = words.first().filter(|word| !word.is_empty()) else { return Ok(Outcome::Done) };
        let command = match find(word) {
            Ok(command) => command,
            Err(why) => return self.fail(format_args!("\"{}\": {why}", String::from_utf8_lossy(word))),
        };
        let outcome = (command.run)(self, words)?;
        if outcome == Outcome::Usage {
            self.complain(format_args!("usage: {}", command.usage))?;
        }
        Ok(outcome)
    }

    /// Carries out a line.
    fn line(&mut self, line: &[u8]) -> io::Result<Outcome> {
        let is_space = |byte: &u8| byte.is_ascii_whitespace() || *byte == 0x0b;
        let words = line.split(is_space).filter(|word| !word.is_empty()).take(MOST_WORDS);
        self.command(&words.map(<[u8]>::to_vec).collect::<Vec<_>>())
    }

    /// Carries out lines up to the first that is not well.
    pub fn read_lines(&mut self, input: &mut dyn BufRead) -> io::Result<Outcome> {
        for number in 1.. {
            let line = match next_line(input) {
                Ok(Some(line)) => line,
                Ok(None) => break,
                Err(error) => return self.fail(format_args!("{}", io_text(&error))),
            };
            if line.starts_with(b"#") {
                continue;
            }
            let outcome = self.line(&line)?;
            if outcome != Outcome::Done {
                self.complain(format_args!("line {number}: error in file"))?;
                return Ok(outcome);
            }
        }
        Ok(Outcome::Done)
    }

    /// `read`.
    pub fn read(&mut self, words: Words<'_>) -> io::Result<Outcome> {
        let [_, name] = words else { return Ok(Outcome::Usage) };
        match File::open(path(name)) {
            Ok(file) => self.read_lines(&mut BufReader::new(file)),
            Err(error) => self.fail(format_args!("{}: {}", String::from_utf8_lossy(name), io_text(&error))),
        }
    }

    /// Carries out what a person types, and shows what comes meanwhile.
    pub fn interact(&mut self, input: &mut dyn BufRead) -> io::Result<Outcome> {
        help::summary(self.out)?;
        loop {
            let mut ready = self.kernel.poll(false)?;
            ready.control |= !self.strays.is_empty();
            if !ready.control && !ready.data {
                write!(self.out, "+ ")?;
                self.out.flush()?;
                ready = self.kernel.poll(true)?;
            }
            if !ready.input {
                writeln!(self.out)?;
            }
            if ready.control {
                self.show_message()?;
            }
            if ready.data {
                self.show_frame()?;
            }
            if ready.input {
                let Some(line) = next_line(input)? else {
                    writeln!(self.out)?;
                    return Ok(Outcome::Quit);
                };
                if self.line(&line)? == Outcome::Quit {
                    return Ok(Outcome::Quit);
                }
            }
        }
    }

    /// Sends a request and reads the reply. Other messages are kept.
    pub fn call<R: Request>(&mut self, path: &[u8], request: &R) -> Result<R::Reply, Failure> {
        let header = Header::request::<R>(self.next_token());
        self.send(path, &header, request)?;
        match R::Reply::absent() {
            // A reply type without content is that of a command without reply.
            Some(nothing) if size_of::<R::Reply>() == 0 => Ok(nothing),
            absent => self.reply(&header, absent),
        }
    }

    fn reply<T: Payload>(&mut self, request: &Header, absent: Option<T>) -> Result<T, Failure> {
        let mut patience = if is_answered(request) { PATIENCE } else { Duration::ZERO };
        loop {
            let Some(received) = self.receive()? else {
                match self.kernel.wait(patience).map_err(Failure::Receive)? {
                    Some(left) => patience = left,
                    None => return absent.ok_or(Failure::Receive(Errno::EAGAIN)),
                }
                continue;
            };
            match Message::parse(&received.datagram) {
                Ok(message) if message.header.answers(request) => {
                    return T::decode(message.payload).map_err(Failure::Malformed);
                }
                _ if self.strays.len() == MOST_STRAYS => {}
                _ => self.strays.push_back(received),
            }
        }
    }

    /// Sends a message.
    pub fn send(&mut self, path: &[u8], header: &Header, payload: &impl Payload) -> Result<(), Failure> {
        let mut datagram = Vec::new();
        encode(&mut datagram, header, payload).map_err(Failure::Malformed)?;
        // What cannot be told is no reason not to do it.
        let _ = self.debug.message(self.err, "SENDING", path, &datagram);
        let sent = self.kernel.send(path, &datagram);
        sent.map_err(|errno| {
            let _ = self.debug.failure(self.err, &format!("sendto({})", String::from_utf8_lossy(path)), errno);
            Failure::Send(errno)
        })
    }

    /// Waits for a message, where one must come.
    pub fn wait(&mut self) -> Result<(), Failure> {
        if self.strays.is_empty() {
            self.kernel.wait(PATIENCE).map_err(Failure::Receive)?;
        }
        Ok(())
    }

    /// The next message that waits.
    fn receive(&mut self) -> Result<Option<Received>, Failure> {
        let mut datagram = Vec::new();
        match self.kernel.receive(&mut datagram) {
            Ok(None) => Ok(None),
            Ok(Some(from)) => {
                let _ = self.debug.message(self.err, "RECEIVED", &from, &datagram);
                Ok(Some(Received { from, datagram }))
            }
            Err(errno) => {
                let _ = self.debug.failure(self.err, "recvfrom", errno);
                Err(Failure::Receive(errno))
            }
        }
    }

    /// The oldest message that nobody asked for.
    pub fn unasked(&mut self) -> Result<Option<Received>, Failure> {
        match self.strays.pop_front() {
            None => self.receive(),
            stray => Ok(stray),
        }
    }

    /// The sign bit stays free; 0 is what nodes send unasked.
    pub fn next_token(&mut self) -> u32 {
        self.token = self.token % 0x7fff_ffff + 1;
        self.token
    }
}

/// A line with its end, or `None` at the end.
fn next_line(input: &mut dyn BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let len = input.take(LONGEST_LINE).read_until(b'\n', &mut line)?;
    Ok((len > 0).then_some(line))
}

/// `[2b]:`
pub fn address(id: NodeId) -> Vec<u8> {
    format!("{id}:").into_bytes()
}

/// Whether a command's number says that it is answered; so it is with what is generic.
pub fn is_answered(header: &Header) -> bool {
    header.command & COMMAND_HAS_REPLY != 0 && header.flags & FLAG_REPLY == 0
}
