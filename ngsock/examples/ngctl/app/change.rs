//! `connect`, `mkpeer`, `name`, `rmhook`, `shutdown`.

use std::fmt;
use std::io;

use ngsock::generic::{Connect, Join, MkPeer, NewPeer, RemoveHook, SetName, Shutdown};
use ngsock::name::{Name, NameError, Text};
use ngsock::{HookName, Request};

use super::commands::Words;
use super::session::{Failure, Outcome, Session};

/// The node that is meant where none is named: the one of our own socket.
const HERE: &[u8] = b".";

pub fn connect(session: &mut Session<'_>, words: Words<'_>) -> io::Result<Outcome> {
    let (path, peer, ours, theirs) = match words {
        [_, path, peer, ours, theirs] => (path.as_slice(), peer, ours, theirs),
        [_, peer, ours, theirs] => (HERE, peer, ours, theirs),
        _ => return Ok(Outcome::Usage),
    };
    let request = (|| {
        let peer = Text::new(peer).ok_or(Unfit::Long("path", peer.clone()))?;
        Ok(Connect(Join { path: peer, our_hook: hook(ours)?, peer_hook: hook(theirs)? }))
    })();
    send(session, path, request)
}

pub fn mkpeer(session: &mut Session<'_>, words: Words<'_>) -> io::Result<Outcome> {
    let (path, kind, ours, theirs) = match words {
        [_, path, kind, ours, theirs] => (path.as_slice(), kind, ours, theirs),
        [_, kind, ours, theirs] => (HERE, kind, ours, theirs),
        _ => return Ok(Outcome::Usage),
    };
    let request = (|| {
        let kind = fitting("type name", kind)?;
        Ok(MkPeer(NewPeer { kind, our_hook: hook(ours)?, peer_hook: hook(theirs)? }))
    })();
    send(session, path, request)
}

pub fn name(session: &mut Session<'_>, words: Words<'_>) -> io::Result<Outcome> {
    let [_, path, name] = words else { return Ok(Outcome::Usage) };
    send(session, path, fitting("node name", name).map(SetName))
}

pub fn rmhook(session: &mut Session<'_>, words: Words<'_>) -> io::Result<Outcome> {
    let (path, hook) = match words {
        [_, path, hook] => (path.as_slice(), hook),
        [_, hook] => (HERE, hook),
        _ => return Ok(Outcome::Usage),
    };
    send(session, path, fitting("hook name", hook).map(RemoveHook))
}

pub fn shutdown(session: &mut Session<'_>, words: Words<'_>) -> io::Result<Outcome> {
    let [_, path] = words else { return Ok(Outcome::Usage) };
    match session.call(path, &Shutdown) {
        Ok(()) => Ok(Outcome::Done),
        Err(Failure::Send(errno)) => session.fail(format_args!("shutdown: {}", crate::kernel::error_text(errno))),
        Err(failure) => session.fail(format_args!("{failure}")),
    }
}

/// Why a word is not sent.
enum Unfit {
    /// It would be cut.
    Long(&'static str, Vec<u8>),
    /// A hook the kernel would not survive.
    Deadly(Vec<u8>, NameError),
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Long(what, word) => write!(f, "{what} \"{}\" too long", String::from_utf8_lossy(word)),
            Self::Deadly(word, cause) => write!(f, "hook name \"{}\": {cause}", String::from_utf8_lossy(word)),
        }
    }
}

fn fitting(what: &'static str, word: &[u8]) -> Result<Name, Unfit> {
    Name::new(word).ok_or_else(|| Unfit::Long(what, word.to_vec()))
}

fn hook(word: &[u8]) -> Result<Name, Unfit> {
    let name = fitting("hook name", word)?;
    match HookName::try_from(name) {
        Err(cause @ NameError::LinkNumber) => Err(Unfit::Deadly(word.to_vec(), cause)),
        // All else is for the kernel to judge.
        _ => Ok(name),
    }
}

fn send<R: Request<Reply = ()>>(
    session: &mut Session<'_>,
    path: &[u8],
    request: Result<R, Unfit>,
) -> io::Result<Outcome> {
    match request {
        Err(unfit) => session.fail(format_args!("{unfit}")),
        Ok(request) => match session.call(path, &request) {
            Ok(()) => Ok(Outcome::Done),
            Err(failure) => session.fail(format_args!("{failure}")),
        },
    }
}
