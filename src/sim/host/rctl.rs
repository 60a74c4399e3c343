//! rctl(4) rules of jails (`sys/kern/kern_rctl.c`). Rules of other subjects are not simulated.

use serde::{Deserialize, Serialize};

use crate::abi::Errno;
use crate::engine::freebsd::doors::RctlCall;
use crate::sim::kernel::Kernel;

/// Longest rule (`RCTL_MAX_INBUFSIZE`).
const MAX_INPUT: usize = 4096;
/// Longest answer (`kern.racct.rctl.maxbufsize`).
const MAX_OUTPUT: usize = 16_384;

/// Resources, whether they can be denied, and whether they fade, so that they can be throttled (`sys/kern/kern_racct.c:131`).
const RESOURCES: [(&str, bool, bool); 25] = [
    ("cputime", false, false),
    ("datasize", true, false),
    ("stacksize", true, false),
    ("coredumpsize", true, false),
    ("memoryuse", true, false),
    ("memorylocked", true, false),
    ("maxproc", true, false),
    ("openfiles", true, false),
    ("vmemoryuse", true, false),
    ("pseudoterminals", true, false),
    ("swapuse", true, false),
    ("nthr", true, false),
    ("msgqqueued", true, false),
    ("msgqsize", true, false),
    ("nmsgq", true, false),
    ("nsem", true, false),
    ("nsemop", true, false),
    ("nshm", true, false),
    ("shmsize", true, false),
    ("wallclock", false, false),
    ("pcpu", true, false),
    ("readbps", false, true),
    ("writebps", false, true),
    ("readiops", false, true),
    ("writeiops", false, true),
];

const ACTIONS: [&str; 4] = ["deny", "devctl", "log", "throttle"];
const SIGNALS: [&str; 31] = [
    "sighup",
    "sigint",
    "sigquit",
    "sigill",
    "sigtrap",
    "sigabrt",
    "sigemt",
    "sigfpe",
    "sigkill",
    "sigbus",
    "sigsegv",
    "sigsys",
    "sigpipe",
    "sigalrm",
    "sigterm",
    "sigurg",
    "sigstop",
    "sigtstp",
    "sigchld",
    "sigttin",
    "sigttou",
    "sigio",
    "sigxcpu",
    "sigxfsz",
    "sigvtalrm",
    "sigprof",
    "sigwinch",
    "siginfo",
    "sigusr1",
    "sigusr2",
    "sigthr",
];

/// A whole rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    jail: String,
    resource: String,
    action: String,
    amount: i64,
}

/// A filter: what is `None` matches all.
#[derive(Clone, Debug, Default)]
struct Filter {
    subject: Option<String>,
    jail: Option<String>,
    resource: Option<String>,
    action: Option<String>,
    amount: Option<i64>,
}

impl Filter {
    fn matches(&self, rule: &Rule) -> bool {
        let text = |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
        text(&self.subject, "jail")
            && text(&self.jail, &rule.jail)
            && text(&self.resource, &rule.resource)
            && text(&self.action, &rule.action)
            && self.amount.is_none_or(|amount| amount == rule.amount)
    }

    fn whole(self) -> Option<Rule> {
        let Self { subject: Some(_), jail: Some(jail), resource: Some(resource), action: Some(action), amount } = self
        else {
            return None;
        };
        Some(Rule { jail, resource, action, amount: amount? })
    }
}

/// One of the rctl calls.
///
/// # Errors
/// As the kernel's.
pub fn call(kernel: &mut Kernel, call: RctlCall, text: &str) -> Result<String, Errno> {
    if !kernel.host.accounting {
        return Err(Errno::ENOSYS);
    }
    if text.len() >= MAX_INPUT {
        return Err(Errno::E2BIG);
    }
    let filter = parse(text)?;
    let rules = &mut kernel.host.rules;
    match call {
        RctlCall::Add => add(rules, filter.whole().ok_or(Errno::EINVAL)?).map(|()| String::new()),
        RctlCall::Remove => {
            let before = rules.len();
            rules.retain(|rule| !filter.matches(rule));
            if rules.len() == before { Err(Errno::ESRCH) } else { Ok(String::new()) }
        }
        RctlCall::Get => {
            let found: Vec<String> = rules.iter().filter(|rule| filter.matches(rule)).map(show).collect();
            let answer = found.join(",");
            if answer.len() >= MAX_OUTPUT { Err(Errno::ERANGE) } else { Ok(answer) }
        }
    }
}

fn show(rule: &Rule) -> String {
    format!("jail:{}:{}:{}={}", rule.jail, rule.resource, rule.action, rule.amount)
}

fn add(rules: &mut Vec<Rule>, rule: Rule) -> Result<(), Errno> {
    let known = RESOURCES.iter().find(|(name, ..)| *name == rule.resource);
    let (_, can_deny, can_throttle) = *known.ok_or(Errno::EINVAL)?;
    if rule.action == "deny" && !can_deny || rule.action == "throttle" && !can_throttle {
        return Err(Errno::EOPNOTSUPP);
    }
    // A second denial of the same replaces the first; other actions may stand beside each other.
    let replaced = |old: &Rule| {
        old.jail == rule.jail
            && old.resource == rule.resource
            && old.action == rule.action
            && (rule.action == "deny" || old.amount == rule.amount)
    };
    rules.retain(|old| !replaced(old));
    rules.insert(0, rule);
    Ok(())
}

/// `subject:id:resource:action=amount/per`, each part optional.
fn parse(text: &str) -> Result<Filter, Errno> {
    let mut parts = text.splitn(4, ':');
    let mut part = || parts.next().filter(|part| !part.is_empty());
    let (subject, id, resource) = (part(), part(), part());
    let (action, amount) = match part() {
        None => (None, None),
        Some(rest) => match rest.split_once('=') {
            Some((action, amount)) => (Some(action), amount.split('/').next().filter(|amount| !amount.is_empty())),
            None => (Some(rest), None),
        },
    };
    let known = |word: Option<&str>, list: &[&str]| match word {
        None => Ok(None),
        Some(word) if list.contains(&word) => Ok(Some(word.to_owned())),
        Some(_) => Err(Errno::EINVAL),
    };
    let subject = known(subject, &["process", "user", "loginclass", "jail"])?;
    if subject.is_none() && id.is_some() {
        return Err(Errno::EINVAL);
    }
    if id.is_some_and(|id| id.len() >= 256) {
        return Err(Errno::ENAMETOOLONG);
    }
    let actions: Vec<&str> = ACTIONS.into_iter().chain(SIGNALS).collect();
    let amount = match amount {
        None => None,
        Some(text) => Some(text.parse::<i64>().map_err(|_| Errno::EINVAL)?),
    };
    Ok(Filter {
        subject,
        jail: id.map(str::to_owned),
        resource: known(resource, &RESOURCES.map(|(name, ..)| name))?,
        action: known(action.filter(|action| !action.is_empty()), &actions)?,
        amount,
    })
}
