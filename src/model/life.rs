//! What a node runs with: its file system, its limits, its processors, its commands.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest path of a file that names one: room is left for what is mounted below it (`MNAMELEN` is 1024).
const LONGEST_PATH: usize = 512;
/// Processors that a set may name (`CPU_SETSIZE` of FreeBSD 15, `sys/sys/_cpuset.h:43`).
const PROCESSORS: u16 = 1024;
/// Longest command line of a file, and most words in it.
const LONGEST_COMMAND: usize = 64 << 10;

/// Folders of a base that each node gets a copy of when the file does not say which.
pub const PRIVATE_FOLDERS: [&str; 4] = ["etc", "var", "root", "tmp"];

/// `rootfs:`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum RootFs {
    /// The host's own files.
    #[default]
    Host,
    /// A directory that is used as it is.
    Folder(Folder),
    /// A directory that many nodes share read-only, with private copies of some of its folders.
    Layered {
        /// The shared directory.
        base: Folder,
        /// Folders of it that the node gets copies of, sorted, none inside another.
        rw: Vec<Inside>,
    },
    /// A clone of a ZFS snapshot.
    Zfs(Snapshot),
}

impl RootFs {
    /// Whether the node sees the host's own files.
    #[must_use]
    pub fn is_host(&self) -> bool {
        matches!(self, Self::Host)
    }
}

impl fmt::Display for RootFs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host => f.write_str("host"),
            Self::Folder(folder) => write!(f, "{folder}"),
            Self::Layered { base, rw } => {
                let rw: Vec<&str> = rw.iter().map(Inside::as_str).collect();
                write!(f, "{{ base: {base}, rw: [{}] }}", rw.join(", "))
            }
            Self::Zfs(snapshot) => write!(f, "{{ zfs: {snapshot} }}"),
        }
    }
}

/// `firewall: { nft: FILE }`: rules for nft(8), as they were when the topology was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Firewall {
    /// The file, as the topology names it.
    pub file: String,
    /// What is in it.
    pub rules: String,
}

impl Firewall {
    /// The longest file of rules.
    pub const MOST_BYTES: usize = 1 << 20;
}

/// Why a value of these keys was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LifeError(String);

fn refuse<T>(text: &str, reason: &str) -> Result<T, LifeError> {
    let shown: String = text.chars().take(80).collect();
    Err(LifeError(format!("`{shown}` {reason}")))
}

/// Whether it is one name of a file: no `.`, no `..`, nothing that the kernel or a person could misread.
fn is_file_name(part: &str) -> bool {
    !matches!(part, "" | "." | "..") && part.len() <= 255 && !part.chars().any(char::is_control)
}

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(into = "String", try_from = "String")]
        pub struct $name(String);

        impl $name {
            /// As it is written.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = LifeError;

            fn try_from(text: String) -> Result<Self, LifeError> {
                text.parse()
            }
        }
    )*};
}

texts! {
    /// An absolute directory of the host without `.`, `..` or doubled slashes; not `/` itself.
    Folder;
    /// A folder inside a root directory: `etc`, `var/db`.
    Inside;
    /// `DATASET@SNAPSHOT`.
    Snapshot;
}

impl FromStr for Folder {
    type Err = LifeError;

    fn from_str(text: &str) -> Result<Self, LifeError> {
        let Some(inside) = text.strip_prefix('/') else { return refuse(text, "is not a path that begins with `/`") };
        let inside = inside.strip_suffix('/').unwrap_or(inside);
        if inside.is_empty() {
            return refuse(text, "is the host's own root; write `host`");
        }
        if text.len() > LONGEST_PATH {
            return refuse(text, "is too long for a path");
        }
        if !inside.split('/').all(is_file_name) {
            return refuse(text, "is not a plain path: leave out `.`, `..` and empty parts");
        }
        Ok(Self(format!("/{inside}")))
    }
}

impl FromStr for Inside {
    type Err = LifeError;

    fn from_str(text: &str) -> Result<Self, LifeError> {
        if text.starts_with('/') {
            return refuse(text, "begins with `/`; it is seen from the base, such as `etc`");
        }
        if text.len() > 255 || !text.split('/').all(is_file_name) {
            return refuse(text, "is not a plain folder name such as `etc` or `var/db`");
        }
        if text == "dev" || text.starts_with("dev/") {
            return refuse(text, "is where the node's devices are");
        }
        Ok(Self(text.to_owned()))
    }
}

impl Inside {
    /// Whether one of the two lies inside the other, or both are the same.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        let inside = |inner: &str, outer: &str| inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('/'));
        self == other || inside(&self.0, &other.0) || inside(&other.0, &self.0)
    }
}

impl FromStr for Snapshot {
    type Err = LifeError;

    fn from_str(text: &str) -> Result<Self, LifeError> {
        let Some((dataset, name)) = text.split_once('@') else {
            return refuse(text, "is not `DATASET@SNAPSHOT`");
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
        let part = |part: &str| part.starts_with(|c: char| c.is_ascii_alphanumeric()) && part.chars().all(plain);
        // A pool itself has no parent to put the clone into.
        if text.len() > 160 || !dataset.contains('/') || !dataset.split('/').all(part) || !part(name) {
            return refuse(text, "is not `POOL/DATASET@SNAPSHOT` in letters, digits and `-_.:`");
        }
        Ok(Self(text.to_owned()))
    }
}

impl Snapshot {
    /// What it was taken of.
    #[must_use]
    pub fn dataset(&self) -> &str {
        self.0.split_once('@').map_or(&self.0, |(dataset, _)| dataset)
    }
}

/// What may be limited, with what a limit without an action does: `deny` where the kernel can refuse, `throttle` where it can slow
/// down, nothing where it can only tell (`sys/kern/kern_racct.c:131`).
pub const RESOURCES: [(&str, Option<&str>); 25] = [
    ("coredumpsize", Some("deny")),
    ("cputime", None),
    ("datasize", Some("deny")),
    ("maxproc", Some("deny")),
    ("memorylocked", Some("deny")),
    ("memoryuse", Some("deny")),
    ("msgqqueued", Some("deny")),
    ("msgqsize", Some("deny")),
    ("nmsgq", Some("deny")),
    ("nsem", Some("deny")),
    ("nsemop", Some("deny")),
    ("nshm", Some("deny")),
    ("nthr", Some("deny")),
    ("openfiles", Some("deny")),
    ("pcpu", Some("deny")),
    ("pseudoterminals", Some("deny")),
    ("readbps", Some("throttle")),
    ("readiops", Some("throttle")),
    ("shmsize", Some("deny")),
    ("stacksize", Some("deny")),
    ("swapuse", Some("deny")),
    ("vmemoryuse", Some("deny")),
    ("wallclock", None),
    ("writebps", Some("throttle")),
    ("writeiops", Some("throttle")),
];

/// Actions that need no `deny` or `throttle` from the kernel; signals are `sig` and a name.
const ACTIONS: [&str; 4] = ["deny", "devctl", "log", "throttle"];
const SIGNALS: [&str; 9] =
    ["sighup", "sigint", "sigquit", "sigabrt", "sigkill", "sigterm", "sigstop", "sigusr1", "sigusr2"];

/// One value of `limits:`: an amount, and what happens beyond it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// `deny`, `throttle`, `log`, `devctl`, `sigterm`…
    pub action: String,
    /// In the resource's unit: bytes, percent, seconds, or how many.
    pub amount: u64,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.action, self.amount)
    }
}

impl Limit {
    /// Reads `AMOUNT` or `ACTION=AMOUNT` for a resource; amounts may end in k, m, g or t, which are powers of 1024.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(resource: &str, text: &str) -> Result<Self, LifeError> {
        let Some((_, default)) = RESOURCES.iter().find(|(name, _)| *name == resource) else {
            return refuse(resource, "is not a resource that can be limited");
        };
        let (action, amount) = match text.split_once('=') {
            Some((action, amount)) => (action, amount),
            None => match default {
                Some(action) => (*action, text),
                None => {
                    return refuse(
                        text,
                        &format!(
                            "does not say what happens: {resource} cannot be denied, write `sigterm={text}` or `log={text}`"
                        ),
                    );
                }
            },
        };
        if !ACTIONS.contains(&action) && !SIGNALS.contains(&action) {
            return refuse(
                text,
                "has no action before its `=`: deny, throttle, log, devctl, or a signal such as sigterm",
            );
        }
        let refused = match action {
            "deny" => *default != Some("deny"),
            "throttle" => *default != Some("throttle"),
            _ => false,
        };
        if refused {
            return refuse(text, &format!("cannot be had: the kernel does not {action} {resource}"));
        }
        let Some(amount) = amount_of(amount) else {
            return refuse(text, "has no whole number as its amount, such as `20` or `64M`");
        };
        Ok(Self { action: action.to_owned(), amount })
    }
}

/// A decimal number, perhaps with a power of 1024 behind it; the kernel counts in signed 64 bits.
fn amount_of(text: &str) -> Option<u64> {
    let (digits, shift) = match text.char_indices().next_back()? {
        (at, 'k' | 'K') => (&text[..at], 10),
        (at, 'm' | 'M') => (&text[..at], 20),
        (at, 'g' | 'G') => (&text[..at], 30),
        (at, 't' | 'T') => (&text[..at], 40),
        _ => (text, 0),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let amount = digits.parse::<u64>().ok()?.checked_mul(1 << shift)?;
    // Some resources are kept in millionths.
    (amount <= (i64::MAX as u64) / 1_000_000 || shift > 0 && amount <= i64::MAX as u64).then_some(amount)
}

/// `cpus:`: processors by number, written `0-3,6`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct CpuSet(BTreeSet<u16>);

impl CpuSet {
    /// A set of these processors; `None` if there are none or one cannot be.
    #[must_use]
    pub fn new(processors: impl IntoIterator<Item = u16>) -> Option<Self> {
        let set: BTreeSet<u16> = processors.into_iter().collect();
        (!set.is_empty() && set.iter().all(|number| *number < PROCESSORS)).then_some(Self(set))
    }

    /// The processors, lowest first.
    pub fn iter(&self) -> impl Iterator<Item = u16> {
        self.0.iter().copied()
    }
}

impl FromStr for CpuSet {
    type Err = LifeError;

    fn from_str(text: &str) -> Result<Self, LifeError> {
        let number = |part: &str| -> Option<u16> {
            let plain = !part.is_empty() && part.len() <= 4 && part.bytes().all(|byte| byte.is_ascii_digit());
            part.parse().ok().filter(|number| plain && *number < PROCESSORS)
        };
        let mut set = BTreeSet::new();
        for part in text.split(',').map(str::trim) {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            match (number(first), number(last)) {
                (Some(first), Some(last)) if first <= last => set.extend(first..=last),
                _ => return refuse(text, "is not a list of processors such as `0-3` or `0,2` (the highest is 1023)"),
            }
        }
        Ok(Self(set))
    }
}

impl fmt::Display for CpuSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers: Vec<u16> = self.iter().collect();
        let mut before = "";
        for run in numbers.chunk_by(|a, b| a + 1 == *b) {
            match run {
                [one] => write!(f, "{before}{one}")?,
                [first, .., last] => write!(f, "{before}{first}-{last}")?,
                [] => {}
            }
            before = ",";
        }
        Ok(())
    }
}

impl From<CpuSet> for String {
    fn from(set: CpuSet) -> Self {
        set.to_string()
    }
}

impl TryFrom<String> for CpuSet {
    type Error = LifeError;

    fn try_from(text: String) -> Result<Self, LifeError> {
        text.parse()
    }
}

/// One command of `exec:`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exec {
    /// The command line as written.
    pub command: String,
    /// The same as program and arguments; never empty.
    pub words: Vec<String>,
    /// Under `freebsd:` or `linux:`; `None` is for both.
    pub only: Option<super::System>,
}

impl Exec {
    /// Splits a command line into words, as a shell would that knows quotes and nothing else: `'…'` is taken as it is, in `"…"`
    /// and outside a backslash takes the next character as it is. Nothing is expanded, and no shell ever sees it.
    ///
    /// # Errors
    /// A quote that is not closed, or nothing to run.
    pub fn read(command: &str, only: Option<super::System>) -> Result<Self, LifeError> {
        if command.len() > LONGEST_COMMAND {
            return refuse(command, "is too long for a command");
        }
        if command.contains('\0') {
            return refuse(command, "has a NUL in it");
        }
        let words = split(command)?;
        match words.first().map(String::as_str) {
            None | Some("") => refuse(command, "names no program"),
            Some(_) => Ok(Self { command: command.to_owned(), words, only }),
        }
    }

    /// Whether it is for a system of that family.
    #[must_use]
    pub fn is_for(&self, system: super::System) -> bool {
        self.only.is_none_or(|only| only == system)
    }
}

fn split(command: &str) -> Result<Vec<String>, LifeError> {
    let mut words = Vec::new();
    // `Some` while a word is being read: '' is a word too.
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    let mut letters = command.chars();
    while let Some(letter) = letters.next() {
        match (letter, quote) {
            ('\'' | '"', None) => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (letter, Some(open)) if letter == open => quote = None,
            ('\\', None | Some('"')) => match letters.next() {
                Some(next) => word.get_or_insert_default().push(next),
                None => return refuse(command, "ends in a backslash"),
            },
            (letter, None) if letter.is_ascii_whitespace() => words.extend(word.take()),
            (letter, _) => word.get_or_insert_default().push(letter),
        }
    }
    match quote {
        Some(quote) => refuse(command, &format!("has a {quote} that is not closed")),
        None => {
            words.extend(word);
            Ok(words)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_split_by_quotes_and_blanks_alone() {
        let words = |command: &str| Exec::read(command, None).map(|exec| exec.words).map_err(|error| error.to_string());
        let split = |command: &str| words(command).unwrap();
        assert_eq!(split("logger desk up"), ["logger", "desk", "up"]);
        assert_eq!(split("  sh -c 'echo \"$HOME\"; exit 3' "), ["sh", "-c", "echo \"$HOME\"; exit 3"]);
        assert_eq!(split(r#"a "b c"d \  '' "\"""#), ["a", "b cd", " ", "", "\""]);
        assert_eq!(split("echo $(id) `id` ; | & > x"), ["echo", "$(id)", "`id`", ";", "|", "&", ">", "x"]);
        for wrong in ["", "   ", "''", "echo 'x", "echo \"x", "echo \\", "a\0b"] {
            assert!(words(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn processors_are_ranges_and_print_as_ranges() {
        for (text, shown) in [("0-3", "0-3"), ("3,1,0", "0-1,3"), ("5", "5"), ("0-1, 2", "0-2"), ("1023", "1023")] {
            assert_eq!(text.parse::<CpuSet>().unwrap().to_string(), shown);
        }
        for wrong in ["", "a", "3-1", "1024", "-1", "1-", "+1", "0x1", "1,,2", "00001"] {
            assert!(wrong.parse::<CpuSet>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn limits_say_what_happens_or_have_a_sensible_way() {
        let read = |resource: &str, text: &str| Limit::read(resource, text).map(|limit| limit.to_string()).ok();
        assert_eq!(read("memoryuse", "64M").as_deref(), Some("deny=67108864"));
        assert_eq!(read("pcpu", "20").as_deref(), Some("deny=20"));
        assert_eq!(read("readbps", "1m").as_deref(), Some("throttle=1048576"));
        assert_eq!(read("cputime", "sigterm=3600").as_deref(), Some("sigterm=3600"));
        assert_eq!(read("maxproc", "log=30").as_deref(), Some("log=30"));
        let wrong = [
            ("cputime", "3600"),
            ("readbps", "deny=5"),
            ("maxproc", "throttle=5"),
            ("maxproc", "-1"),
            ("maxproc", ""),
            ("maxproc", "1.5"),
            ("maxproc", "kill=5"),
            ("maxproc", "99999999999999999999"),
            ("memoryuse", "9999999t"),
            ("files", "5"),
        ];
        for (resource, text) in wrong {
            assert_eq!(read(resource, text), None, "{resource} {text}");
        }
    }

    #[test]
    fn paths_are_plain() {
        assert_eq!("/jails/base/".parse::<Folder>().unwrap().as_str(), "/jails/base");
        for wrong in ["", "/", "//", "jails", "/a/../b", "/a//b", "/a/.", "/a\n"] {
            assert!(wrong.parse::<Folder>().is_err(), "{wrong:?}");
        }
        let inside = |text: &str| text.parse::<Inside>().unwrap();
        assert!(inside("var").overlaps(&inside("var/db")) && !inside("var").overlaps(&inside("varnish")));
        for wrong in ["", "/etc", "..", "a/../b", "dev", "dev/x"] {
            assert!(wrong.parse::<Inside>().is_err(), "{wrong:?}");
        }
        assert_eq!("tank/jails/base@1".parse::<Snapshot>().unwrap().dataset(), "tank/jails/base");
        for wrong in ["tank@1", "tank/a", "tank/a@", "-o/x@1", "tank/a@b@c", "tank/ a@b"] {
            assert!(wrong.parse::<Snapshot>().is_err(), "{wrong:?}");
        }
    }
}
