//! A kernel behind its doors while a script runs: who acts, which sockets are held, what names stand for.

use std::collections::BTreeMap;
use std::time::Duration;

use cellblock::abi::ioctl::Call;
use cellblock::abi::{Errno, IoctlArgument, JailParam};
use cellblock::engine::freebsd::doors::{Actor, Doors, Helper, JAIL_DYING, Jid, Sock, SocketKind};

use super::script::Word;

/// By which door addresses and routes travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Means {
    Netlink,
    Rtsock,
}

/// Why an operation did not give a reply.
#[derive(Debug)]
pub enum Failed {
    /// The kernel refused, with its own words if it has any.
    Kernel(Errno, String),
    /// The script cannot be carried out.
    Script(String),
}

impl From<Errno> for Failed {
    fn from(errno: Errno) -> Self {
        Self::Kernel(errno, String::new())
    }
}

impl From<String> for Failed {
    fn from(why: String) -> Self {
        Self::Script(why)
    }
}

impl From<&str> for Failed {
    fn from(why: &str) -> Self {
        Self::Script(why.to_owned())
    }
}

pub type Reply = Result<String, Failed>;

/// How long an answer or an event may take.
pub const PATIENCE: Duration = Duration::from_secs(10);

pub struct World<'d, D> {
    pub doors: &'d mut D,
    pub means: Means,
    /// What `$name` stands for.
    pub names: BTreeMap<String, String>,
    /// Sockets that stay open until they are dropped, by the names the script gave them.
    pub held: BTreeMap<String, Sock>,
    /// What held routing sockets have heard.
    pub heard: BTreeMap<String, Vec<String>>,
    /// The netgraph socket of each actor: nodes hang on it.
    pub graphs: BTreeMap<String, Sock>,
    /// Interfaces and nodes of the host that were there before.
    pub before: Vec<String>,
    pub sequence: u32,
}

impl<'d, D: Doors> World<'d, D> {
    pub fn new(doors: &'d mut D, means: Means) -> Self {
        let (names, held, graphs) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { doors, means, names, held, heard: BTreeMap::new(), graphs, before: Vec::new(), sequence: 1 }
    }

    /// Closes every socket.
    pub fn close(&mut self) {
        for sock in std::mem::take(&mut self.held).into_values().chain(std::mem::take(&mut self.graphs).into_values()) {
            self.doors.close(sock);
        }
    }

    /// A text with `$name` and `${name}` replaced.
    pub fn filled(&self, text: &str) -> Result<String, Failed> {
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            filled.push_str(before);
            let (name, behind) = match after.strip_prefix('{').and_then(|after| after.split_once('}')) {
                Some((name, behind)) => (name, behind),
                None => {
                    let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
                    after.split_at(end)
                }
            };
            let value = self.names.get(name).ok_or_else(|| format!("nothing is called ${name}"))?;
            filled.push_str(value);
            rest = behind;
        }
        filled.push_str(rest);
        Ok(filled)
    }

    /// Words with their names replaced.
    pub fn words(&self, words: &[Word]) -> Result<Vec<Word>, Failed> {
        let fill = |word: &Word| Ok(Word { text: self.filled(&word.text)?, quoted: word.quoted });
        words.iter().map(fill).collect()
    }

    /// The jail of a name or number, dying ones included.
    pub fn jid(&mut self, jail: &str) -> Result<Jid, Failed> {
        if let Ok(number) = jail.parse() {
            return Ok(Jid(number));
        }
        let mut parameters = [JailParam::string("name", jail)];
        self.doors
            .jail_get(&mut parameters, JAIL_DYING)
            .map_err(|refusal| Failed::Script(format!("jail {jail}: {} {}", refusal.errno, refusal.message)))
    }

    /// Lets a helper in `who`, which is not the host, do something.
    pub fn by_helper<T>(
        &mut self,
        who: &str,
        act: impl FnOnce(&mut D, Helper) -> Result<T, Failed>,
    ) -> Result<T, Failed> {
        let jid = self.jid(who)?;
        let helper = self.doors.helper_start(jid)?;
        let result = act(self.doors, helper);
        self.doors.helper_end(helper);
        result
    }

    /// Lets our process or a helper do something.
    pub fn by<T>(&mut self, who: &str, act: impl FnOnce(&mut D, Actor) -> Result<T, Failed>) -> Result<T, Failed> {
        match who {
            "host" => act(self.doors, Actor::Host),
            jail => self.by_helper(jail, |doors, helper| act(doors, Actor::Helper(helper))),
        }
    }

    /// Opens a socket of `who`.
    pub fn open(&mut self, who: &str, kind: SocketKind) -> Result<Sock, Failed> {
        self.by(who, |doors, actor| Ok(doors.open(actor, kind)?))
    }

    /// Uses a socket of `who`: the one it is the name of, or a new one that is closed afterwards.
    pub fn on<T>(
        &mut self,
        who: &str,
        kind: SocketKind,
        act: impl FnOnce(&mut Self, Sock) -> Result<T, Failed>,
    ) -> Result<T, Failed> {
        if let Some(sock) = self.held.get(who).copied() {
            return act(self, sock);
        }
        let sock = self.open(who, kind)?;
        let result = act(self, sock);
        self.doors.close(sock);
        result
    }

    /// An ioctl on an `AF_INET` socket.
    pub fn ioctl(&mut self, who: &str, call: Call) -> Result<IoctlArgument, Failed> {
        self.ioctl_on(who, SocketKind::Inet, call)
    }

    pub fn ioctl_on(&mut self, who: &str, kind: SocketKind, mut call: Call) -> Result<IoctlArgument, Failed> {
        self.on(who, kind, |world, sock| {
            world.doors.ioctl(sock, call.request, &mut call.argument)?;
            Ok(call.argument)
        })
    }

    /// A move of an interface: by a helper on its own socket, unless it is the host's or a held socket is meant.
    pub fn moves(&mut self, who: &str, mut call: Call) -> Result<(), Failed> {
        if who == "host" || self.held.contains_key(who) {
            return self.ioctl(who, call).map(drop);
        }
        self.by_helper(who, |doors, helper| Ok(doors.helper_ioctl(helper, call.request, &mut call.argument)?))
    }
}
