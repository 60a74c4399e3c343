//! What a node runs with: its file system, its limits, its processors, its commands.

mod limits;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use self::limits::{CpuSet, Limit, RESOURCES};

/// Longest path of a file that names one: room is left for what is mounted below it (`MNAMELEN` is 1024).
const LONGEST_PATH: usize = 512;
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
