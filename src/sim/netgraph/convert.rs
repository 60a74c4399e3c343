//! The kernel's translations between the bytes of a message's argument and the text ngctl(8) takes
//! (`NGM_BINARY2ASCII`, `NGM_ASCII2BINARY`; `sys/netgraph/ng_base.c:2818`).

use ngsock::generic::{CString, Enclosed};
use ngsock::message::Header;
use ngsock::name::Name;
use ngsock::text;

use super::label::Label;
use super::message::{Answer, answer};
use crate::abi::Errno;

/// A message whose payload becomes text.
///
/// # Errors
/// `ENOSYS` if nodes of type `kind` have no such command; `EINVAL` if the payload is too short for it.
pub(super) fn to_text(kind: Label, message: &Enclosed) -> Answer {
    let Header { cookie, command, .. } = *message.header();
    let known = text::command_numbered(type_name(&kind)?, cookie, command).ok_or(Errno::ENOSYS)?;
    let printed = if message.header().is_reply() {
        known.print_reply(message.payload())
    } else {
        known.print_argument(message.payload())
    };
    let printed = CString::new(printed.map_err(|wrong| wrong.errno())?);
    let header = Header { text: Name::new(known.name).unwrap_or_default(), ..*message.header() };
    answer(&Enclosed::new(header, &printed).map_err(|_| Errno::ERANGE)?)
}

/// A message whose payload is text and whose header says the command in words; `index_of` knows the interfaces of
/// the vnet.
///
/// # Errors
/// `ENOSYS` if nodes of type `kind` have no such command, else as ng_parse refuses the text. The scope of an interface
/// that is not there is `EINVAL`; a real kernel goes down.
pub(super) fn from_text(kind: Label, message: &Enclosed, index_of: text::IndexOf<'_>) -> Answer {
    let words = message.payload();
    if words.is_empty() {
        return Err(Errno::EINVAL);
    }
    let name = std::str::from_utf8(message.header().text.as_bytes()).map_err(|_| Errno::ENOSYS)?.to_owned();
    let known = text::command_named(type_name(&kind)?, &name).ok_or(Errno::ENOSYS)?;
    let words = words.split(|byte| *byte == 0).next().unwrap_or_default();
    let form = if message.header().is_reply() { known.reply } else { known.argument };
    let read = form.map_or_else(|| Ok(Vec::new()), |form| form.read_with(words, index_of));
    let header = Header { cookie: known.cookie, command: known.number, ..*message.header() };
    let payload = read.map_err(|wrong| wrong.errno())?;
    answer(&Enclosed::from_bytes(header, payload).map_err(|_| Errno::ERANGE)?)
}

fn type_name(kind: &Label) -> Result<&str, Errno> {
    std::str::from_utf8(kind.as_bytes()).map_err(|_| Errno::ENOSYS)
}
