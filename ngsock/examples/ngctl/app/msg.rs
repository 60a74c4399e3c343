//! `msg`, `config`, `status`, and messages as they are shown.

use std::io::{self, Write};

use ngsock::generic::{BinaryToText, CString, Enclosed, GetTextStatus, TextConfig, TextToBinary};
use ngsock::message::{FLAG_REPLY, Header, Message, Payload};
use ngsock::name::Name;
use ngsock::{Errno, Request};

use super::commands::Words;
use super::data::dump;
use super::session::{Failure, Outcome, Received, Session, is_answered};

/// `NG_TEXTRESPONSE`: the longest text of `config` with its NUL, in bytes.
const LONGEST_CONFIG: usize = 1024;

/// So many messages are shown after one command at most.
const MOST_SHOWN: usize = 1024;

pub fn msg(session: &mut Session<'_>, words: Words<'_>) -> io::Result<Outcome> {
    let [_, path, command @ ..] = words else { return Ok(Outcome::Usage) };
    if command.is_empty() {
        return Ok(Outcome::Usage);
    }
    // The node itself turns the words into a message, which is then sent to it.
    let sent = enclosed(&command.join(&b' ')).and_then(|text| {
        let message = session.call(path, &TextToBinary(text))?;
        let header = Header { token: session.next_token(), ..*message.header() };
        session.send(path, &header, &message.payload().to_vec())?;
        if is_answered(&header) {
            session.wait()?;
        }
        Ok(header)
    });
    let header = match sent {
        Ok(header) => header,
        Err(failure) => return session.fail(format_args!("{failure}")),
    };
    let shown = session.show_all()?;
    if shown == 0 && is_answered(&header) {
        return session.fail(format_args!("{}", Failure::Receive(Errno::EAGAIN)));
    }
    Ok(Outcome::Done)
}

/// A command and its argument in words, as a message whose header has the one and whose payload has the other.
fn enclosed(line: &[u8]) -> Result<Enclosed, Failure> {
    let is_space = |byte: &u8| byte.is_ascii_whitespace() || *byte == 0x0b;
    let trimmed = |text: &[u8]| {
        let begin = text.iter().position(|byte| !is_space(byte)).unwrap_or(text.len());
        text.get(begin..).unwrap_or_default().to_vec()
    };
    let line = trimmed(line);
    let end = line.iter().position(is_space).unwrap_or(line.len());
    let (command, argument) = line.split_at(end);
    // No command has a longer name, so none is meant.
    let text = Name::new(command).ok_or(Failure::Send(Errno::ENOSYS))?;
    let header = Header { cookie: 0, command: 0, flags: 0, token: 0, text };
    Enclosed::new(header, &CString::new(trimmed(argument))).map_err(Failure::Malformed)
}

pub fn config(session: &mut Session<'_>, words: Words<'_>) -> io::Result<Outcome> {
    let [_, path, arguments @ ..] = words else { return Ok(Outcome::Usage) };
    let text = arguments.join(&b' ');
    if text.len() >= LONGEST_CONFIG {
        return Ok(Outcome::Usage);
    }
    let reply = if text.is_empty() {
        session.call(path, &AskConfig)
    } else {
        session.call(path, &TextConfig(CString::new(text)))
    };
    in_words(session, "config", "Config", path, reply)
}

pub fn status(session: &mut Session<'_>, words: Words<'_>) -> io::Result<Outcome> {
    let [_, path] = words else { return Ok(Outcome::Usage) };
    let reply = session.call(path, &GetTextStatus).map(Some);
    in_words(session, "status", "Status", path, reply)
}

/// `NGM_TEXT_CONFIG` without a payload: asks and changes nothing.
struct AskConfig;

impl Payload for AskConfig {
    fn encode(&self, _: &mut Vec<u8>) {}

    fn decode(_: &[u8]) -> Result<Self, ngsock::Malformed> {
        Ok(Self)
    }
}

impl Request for AskConfig {
    const COOKIE: u32 = TextConfig::COOKIE;
    const COMMAND: u32 = TextConfig::COMMAND;
    const NAME: &'static str = TextConfig::NAME;
    type Reply = Option<CString>;
}

fn in_words(
    session: &mut Session<'_>,
    what: &str,
    title: &str,
    path: &[u8],
    reply: Result<Option<CString>, Failure>,
) -> io::Result<Outcome> {
    let text = match reply {
        Ok(text) => text,
        Err(Failure::Send(Errno::EINVAL) | Failure::Receive(_) | Failure::Malformed(_)) => None,
        Err(failure) => return session.fail(format_args!("{failure}")),
    };
    let out = &mut *session.out;
    match text {
        None => {
            write!(out, "No {what} available for \"")?;
            out.write_all(path)?;
            writeln!(out, "\"")?;
        }
        Some(text) => {
            write!(out, "{title} for \"")?;
            out.write_all(path)?;
            writeln!(out, "\":")?;
            out.write_all(text.as_bytes())?;
            writeln!(out)?;
        }
    }
    Ok(Outcome::Done)
}

impl Session<'_> {
    /// Shows what waits; gives how many messages that were.
    fn show_all(&mut self) -> io::Result<usize> {
        let mut shown = 0;
        while shown < MOST_SHOWN && self.show_message()? {
            shown += 1;
        }
        Ok(shown)
    }

    /// Shows the next message that nobody asked for, if there is one: in words, if its node has words for it.
    pub fn show_message(&mut self) -> io::Result<bool> {
        let received = match self.unasked() {
            Ok(Some(received)) => received,
            Ok(None) => return Ok(false),
            Err(Failure::Receive(errno)) => {
                let text = crate::kernel::error_text(errno);
                self.complain(format_args!("recv incoming message: {text}"))?;
                return Ok(false);
            }
            Err(failure) => {
                self.complain(format_args!("{failure}"))?;
                return Ok(false);
            }
        };
        let Received { from, datagram } = received;
        let message = match Message::parse(&datagram) {
            Ok(message) => message,
            Err(cause) => {
                self.complain(format_args!("recv incoming message: {cause}"))?;
                return Ok(true);
            }
        };
        let text = Enclosed::decode(&datagram).map_err(Failure::Malformed);
        match text.and_then(|text| self.call(&from, &BinaryToText(text))) {
            Ok(text) => show_text(self.out, &from, &text)?,
            Err(_) => show_bytes(self.out, &from, &message)?,
        }
        Ok(true)
    }
}

fn kind(header: &Header) -> &'static str {
    if header.flags & FLAG_REPLY != 0 { "response" } else { "command" }
}

fn show_text(out: &mut dyn Write, from: &[u8], text: &Enclosed) -> io::Result<()> {
    let header = text.header();
    write!(out, "Rec'd {} \"", kind(header))?;
    out.write_all(header.text.as_bytes())?;
    write!(out, "\" ({}) from \"", header.command.cast_signed())?;
    out.write_all(from)?;
    writeln!(out, "\":")?;
    let arguments = text.payload().split(|&byte| byte == 0).next().unwrap_or_default();
    if arguments.is_empty() {
        return writeln!(out, "No arguments");
    }
    write!(out, "Args:\t")?;
    out.write_all(arguments)?;
    writeln!(out)
}

fn show_bytes(out: &mut dyn Write, from: &[u8], message: &Message<'_>) -> io::Result<()> {
    write!(out, "Rec'd {} {} from \"", kind(&message.header), message.header.command.cast_signed())?;
    out.write_all(from)?;
    writeln!(out, "\":")?;
    if message.payload.is_empty() {
        return writeln!(out, "No arguments");
    }
    dump(out, message.payload)
}
