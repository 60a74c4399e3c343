//! `debug` and `-d`: what libnetgraph says of each message. From level 1 failures, from 2 messages, from 3 in words.

use std::io::{self, Write};

use ngsock::message::Message;
use ngsock::{Errno, text};

use super::commands::Words;
use super::data::printable;
use super::session::{Outcome, Session};
use crate::kernel::error_text;

/// The level; never negative.
#[derive(Clone, Copy, Debug)]
pub struct Debug(pub i32);

/// Bytes in a line.
const LINE: usize = 16;

/// What stands before a path in a socket address, and the NUL behind it, in bytes.
const ADDRESS_OVERHEAD: usize = 3;

pub fn set(session: &mut Session<'_>, words: Words<'_>) -> io::Result<Outcome> {
    let Debug(level) = session.debug;
    let level = match words {
        [_] => {
            writeln!(session.out, "Current debug level is {level}")?;
            return Ok(Outcome::Done);
        }
        [_, word] => match word.as_slice() {
            b"+" => level.saturating_add(1),
            b"-" => (level - 1).max(0),
            word => match number(word) {
                level if level < 0 => return Ok(Outcome::Usage),
                level => level,
            },
        },
        _ => return Ok(Outcome::Usage),
    };
    session.debug = Debug(level);
    Ok(Outcome::Done)
}

/// atoi(3).
fn number(word: &[u8]) -> i32 {
    let (sign, digits) = match word.split_first() {
        Some((b'-', rest)) => (-1, rest),
        Some((b'+', rest)) => (1, rest),
        _ => (1, word),
    };
    let digits = digits.iter().map_while(|&digit| char::from(digit).to_digit(10));
    let value = digits.fold(0_i32, |value, digit| value.saturating_mul(10).saturating_add(digit.cast_signed()));
    sign * value
}

impl Debug {
    pub fn failure(self, err: &mut dyn Write, call: &str, errno: Errno) -> io::Result<()> {
        if self.0 >= 1 { writeln!(err, "ngctl: {call}: {}", error_text(errno)) } else { Ok(()) }
    }

    /// A message that is sent or was received.
    pub fn message(self, err: &mut dyn Write, verb: &str, path: &[u8], datagram: &[u8]) -> io::Result<()> {
        let Ok(message) = Message::parse(datagram).map_err(|_| ()) else { return Ok(()) };
        if self.0 < 2 {
            return Ok(());
        }
        let header = &message.header;
        let shown = String::from_utf8_lossy(path);
        let family = ngsock::SockaddrNg::FAMILY;
        let len = path.len() + ADDRESS_OVERHEAD;
        writeln!(err, "ngctl: {verb} {}:", if header.is_reply() { "RESPONSE" } else { "MESSAGE" })?;
        writeln!(err, "ngctl: SOCKADDR: {{ fam={family} len={len} addr=\"{shown}\" }}")?;
        writeln!(err, "ngctl: NG_MESG :")?;
        writeln!(err, "ngctl:   vers   {}", ngsock::message::VERSION)?;
        writeln!(err, "ngctl:   arglen {}", message.payload.len())?;
        writeln!(err, "ngctl:   flags  {:x}", header.flags)?;
        writeln!(err, "ngctl:   token  {}", header.token)?;
        writeln!(err, "ngctl:   cookie {} ({})", cookie_name(header.cookie), header.cookie)?;
        let command = header.command.cast_signed();
        // The base tool has the node translate, which a path that begins at another socket would not find.
        if self.0 > 2 && path.contains(&b':') {
            match in_words(&message) {
                Ok((name, words)) => {
                    writeln!(err, "ngctl:   cmd    {name} ({command})")?;
                    return writeln!(err, "ngctl:   args   {words}");
                }
                Err(errno) => writeln!(err, "ngctl:   [error decoding message: {}]", error_text(errno))?,
            }
        }
        writeln!(err, "ngctl:   cmd    {command}")?;
        writeln!(err, "ngctl:   args ({} bytes)", message.payload.len())?;
        bytes(err, message.payload)
    }
}

fn in_words(message: &Message<'_>) -> Result<(&'static str, String), Errno> {
    let command = text::find(message.header.cookie, message.header.command).ok_or(Errno::ENOSYS)?;
    let words = if message.header.is_reply() {
        command.print_reply(message.payload)
    } else {
        command.print_argument(message.payload)
    };
    words.map(|words| (command.name, words)).map_err(|error| error.errno())
}

fn bytes(err: &mut dyn Write, bytes: &[u8]) -> io::Result<()> {
    for (index, line) in bytes.chunks(LINE).enumerate() {
        let hex: String = line.iter().map(|byte| format!("{byte:02x} ")).collect();
        let text: String = line.iter().map(printable).collect();
        let rest = "  ".repeat(LINE - line.len());
        writeln!(err, "ngctl: {:04x}:  {hex:48}  {text}{rest}", index * LINE)?;
    }
    Ok(())
}

/// `NGM_NAME_COOKIE` of each header there is.
const COOKIES: [(u32, &str); 45] = [
    (884_639_499, "UI"),
    (886_473_717, "ASYNC"),
    (944_100_792, "BPF"),
    (1_569_321_993, "BRIDGE"),
    (1_173_648_034, "CAR"),
    (860_707_227, "CISCO"),
    (1_166_642_656, "DEFLATE"),
    (1_091_129_178, "DEVICE"),
    (884_298_942, "ECHO"),
    (948_105_892, "EIFACE"),
    (983_084_516, "ETF"),
    (917_786_906, "ETHER"),
    (1_230_155_201, "ETHER_ECHO"),
    (872_148_478, "FRAMERELAY"),
    (994_115_727, "GIF"),
    (995_567_329, "GIF_DEMUX"),
    (1_137_070_366, "GENERIC"),
    (915_433_206, "HOLE"),
    (1_082_189_597, "HUB"),
    (1_108_312_559, "IFACE"),
    (994_874_907, "IP_INPUT"),
    (1_105_988_990, "IPFW"),
    (942_710_669, "KSOCKET"),
    (1_091_515_793, "L2TP"),
    (867_184_133, "LMI"),
    (942_886_745, "MPPC"),
    (1_107_718_711, "NAT"),
    (1_365_756_954, "NETFLOW"),
    (1_100_897_444, "ONE2MANY"),
    (1_262_445_509, "PATCH"),
    (200_708_191, "PIPE"),
    (940_897_795, "PPP"),
    (1_089_893_072, "PPPOE"),
    (1_082_548_365, "PPTPGRE"),
    (1_166_902_612, "PRED1"),
    (1_086_947_474, "RFC1490"),
    (851_601_233, "SOCKET"),
    (1_110_646_684, "SOURCE"),
    (949_409_402, "SPLIT"),
    (1_149_771_193, "TAG"),
    (1_097_623_478, "TCPMSS"),
    (916_107_047, "TEE"),
    (1_226_109_660, "TTY"),
    (868_219_210, "VJC"),
    (1_068_486_472, "VLAN"),
];

fn cookie_name(cookie: u32) -> &'static str {
    COOKIES.iter().find(|(known, _)| *known == cookie).map_or("??", |(_, name)| name)
}
