//! `write`, and frames as they are shown.

use std::fs::File;
use std::io::{self, Read as _, Write};

use super::commands::Words;
use super::session::{Outcome, Session};
use super::{io_text, path};
use crate::kernel::error_text;

/// The longest frame, in bytes.
const LONGEST: usize = 8192;

/// The longest name of a hook, in bytes.
const LONGEST_HOOK: usize = 31;

/// Bytes in a line.
const LINE: usize = 16;

pub fn write(session: &mut Session<'_>, words: Words<'_>) -> io::Result<Outcome> {
    let [_, hook, rest @ ..] = words else { return Ok(Outcome::Usage) };
    let Some(first) = rest.first() else { return Ok(Outcome::Usage) };
    let shown = String::from_utf8_lossy(hook);
    if hook.len() > LONGEST_HOOK {
        return session.fail(format_args!("hook name \"{shown}\" too long"));
    }
    let frame = match (first.as_slice(), rest) {
        (b"-f", [_, file]) => from_file(file),
        (b"-f", _) => return Ok(Outcome::Usage),
        (_, words) => from_words(words),
    };
    let frame = match frame {
        Ok(frame) => frame,
        Err(why) => return session.fail(format_args!("{why}")),
    };
    match session.kernel.send_frame(hook, &frame) {
        Ok(()) => Ok(Outcome::Done),
        Err(errno) => session.fail(format_args!("writing to hook \"{shown}\": {}", error_text(errno))),
    }
}

fn from_file(name: &[u8]) -> Result<Vec<u8>, String> {
    let shown = String::from_utf8_lossy(name);
    let unreadable = |error: io::Error| format!("can't read file \"{shown}\": {}", io_text(&error));
    let mut frame = Vec::new();
    let most = u64::try_from(LONGEST).unwrap_or(u64::MAX);
    File::open(path(name)).map_err(unreadable)?.take(most).read_to_end(&mut frame).map_err(unreadable)?;
    if frame.is_empty() { Err(format!("file \"{shown}\" is empty")) } else { Ok(frame) }
}

fn from_words(words: &[Vec<u8>]) -> Result<Vec<u8>, String> {
    let byte = |word: &Vec<u8>| {
        let value = integer(word).filter(|value| (-128..=255).contains(value));
        // A negative one is the byte of the same bits.
        let [low, ..] =
            value.ok_or_else(|| format!("invalid byte \"{}\"", String::from_utf8_lossy(word)))?.to_le_bytes();
        Ok(low)
    };
    words.iter().take(LONGEST).map(byte).collect()
}

/// scanf(3)'s `%i`: decimal, octal after `0`, hexadecimal after `0x`; what follows does not count.
fn integer(word: &[u8]) -> Option<i32> {
    let (is_negative, digits) = match word.split_first()? {
        (b'-', rest) => (true, rest),
        (b'+', rest) => (false, rest),
        _ => (false, word),
    };
    let (radix, digits) = match digits {
        [b'0', b'x' | b'X', rest @ ..] if rest.first().is_some_and(u8::is_ascii_hexdigit) => (16, rest),
        [b'0', ..] => (8, digits),
        _ => (10, digits),
    };
    let mut values = digits.iter().map_while(|&digit| char::from(digit).to_digit(radix)).peekable();
    values.peek()?;
    let value = values.fold(0_i64, |value, digit| value.saturating_mul(radix.into()).saturating_add(digit.into()));
    // A C int takes the lower half.
    let [a, b, c, d, ..] = (if is_negative { -value } else { value }).to_le_bytes();
    Some(i32::from_le_bytes([a, b, c, d]))
}

impl Session<'_> {
    /// Shows the next frame that came, if there is one.
    pub fn show_frame(&mut self) -> io::Result<()> {
        let mut frame = Vec::new();
        match self.kernel.receive_frame(&mut frame) {
            Ok(None) => Ok(()),
            Ok(Some(hook)) => {
                write!(self.out, "Rec'd data packet on hook \"")?;
                self.out.write_all(&hook)?;
                writeln!(self.out, "\":")?;
                dump(self.out, &frame)
            }
            Err(errno) => self.complain(format_args!("reading hook: {}", error_text(errno))),
        }
    }
}

/// Bytes in hexadecimal and as text.
pub fn dump(out: &mut dyn Write, bytes: &[u8]) -> io::Result<()> {
    for (index, line) in bytes.chunks(LINE).enumerate() {
        let hex: String = line.iter().map(|byte| format!("{byte:02x} ")).collect();
        let text: String = line.iter().map(printable).collect();
        writeln!(out, "{:04x}:  {hex:48} {text:16}", index * LINE)?;
    }
    Ok(())
}

pub fn printable(byte: &u8) -> char {
    if matches!(byte, b' '..=b'~') { char::from(*byte) } else { '.' }
}
