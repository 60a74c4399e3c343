//! `limits:` and `cpus:`: how much of the machine a node may take.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{LifeError, refuse};

/// Processors that a set may name (`CPU_SETSIZE` of FreeBSD 15, `sys/sys/_cpuset.h:43`).
const PROCESSORS: u16 = 1024;

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

#[cfg(test)]
mod tests {
    use super::*;

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
}
