//! `checks:` of a topology: which echo goes where, and what the answers mean.
//!
//! [`compile`] turns patterns into places once and says what is wrong with them; [`Check::probes`] then lists the
//! pairs without holding them, because `"*"` to `"*"` of a large lab is many; [`Check::judge`] reads the answers.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use crate::diagnostic::{At, Diagnostic};
use crate::lab::ProbeResult;
use crate::model::{Address, CheckSpec, Expect, FamilyChoice, Model, NodeId, Pattern};

/// The name under which `interfaces: { lo: … }` of a node can be matched.
pub const LOOPBACK: &str = "lo";

/// Most pairs that one check may stand for.
pub const PAIR_LIMIT: usize = 50_000_000;

/// An IP family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Of an address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }

    fn is_wanted(self, choice: FamilyChoice) -> bool {
        match choice {
            FamilyChoice::Any => true,
            FamilyChoice::V4 => self == Self::V4,
            FamilyChoice::V6 => self == Self::V6,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

/// A check whose patterns found their places.
#[derive(Clone, Debug)]
pub struct Check {
    /// Whether answers are wanted.
    pub expect: Expect,
    /// As written: `reach pc* -> r2:wan0`.
    pub name: String,
    /// How long one try may take.
    pub timeout: Duration,
    /// How many tries.
    pub tries: u32,
    /// The nodes that send, each with the families it has (IPv4, IPv6).
    from: Vec<(NodeId, [bool; 2])>,
    /// The addresses that are to answer.
    to: Vec<Target>,
}

/// An address of a matched interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Whose.
    pub node: NodeId,
    /// On which interface; [`LOOPBACK`] for lo0.
    pub interface: String,
    /// The address.
    pub address: IpAddr,
}

/// One echo of a check, with its repetitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe<'a> {
    /// Who sends.
    pub from: NodeId,
    /// Who is to answer.
    pub to: &'a Target,
}

impl Probe<'_> {
    /// Its family.
    #[must_use]
    pub fn family(&self) -> Family {
        Family::of(self.to.address)
    }

    /// `pc01 -> r2:wan0 (10.255.0.1)`.
    #[must_use]
    pub fn describe(&self, model: &Model) -> String {
        let name = |id: NodeId| model.node(id).name.value.as_str();
        format!("{} -> {}:{} ({})", name(self.from), name(self.to.node), self.to.interface, self.to.address)
    }
}

/// What a result means for a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As wanted.
    Pass,
    /// Not as wanted.
    Fail,
    /// Nothing can be said: the echo was never sent.
    Error,
}

impl Check {
    /// Every pair with every address, senders first, in the order of the model. A node does not check itself, and an
    /// address is asked only by nodes that have its family.
    pub fn probes(&self) -> impl Iterator<Item = Probe<'_>> {
        let asked_by = |from: NodeId, has: [bool; 2]| {
            self.to.iter().filter(move |to| to.node != from && may_ask(has, to)).map(move |to| Probe { from, to })
        };
        self.from.iter().flat_map(move |&(from, has)| asked_by(from, has))
    }

    /// What a result means.
    #[must_use]
    pub fn judge(&self, result: &ProbeResult) -> Verdict {
        use ProbeResult::{Answered, Failed, Silent, Unreachable};
        match (self.expect, result) {
            (Expect::Reach, Answered { .. }) | (Expect::NoReach, Silent | Unreachable { .. }) => Verdict::Pass,
            (_, Failed { .. }) => Verdict::Error,
            (Expect::Reach, _) | (Expect::NoReach, Answered { .. }) => Verdict::Fail,
        }
    }
}

fn may_ask(has: [bool; 2], target: &Target) -> bool {
    has[usize::from(!target.address.is_ipv4())]
}

/// Finds the places of every check; the model has made sure that its patterns match.
///
/// # Errors
/// A finding for each check that has no pair at all, and each that stands for more than [`PAIR_LIMIT`].
pub fn compile(model: &Model) -> Result<Vec<Check>, Vec<Diagnostic>> {
    let mut findings = Vec::new();
    let mut checks = Vec::new();
    for At { value: spec, .. } in &model.checks {
        let check = look_up(model, spec);
        if check.probes().next().is_none() {
            findings.push(no_pair(spec));
        } else if check.from.len().saturating_mul(check.to.len()) > PAIR_LIMIT {
            findings.push(too_many(spec));
        } else {
            checks.push(check);
        }
    }
    if findings.is_empty() { Ok(checks) } else { Err(findings) }
}

fn look_up(model: &Model, spec: &CheckSpec) -> Check {
    let word = match spec.expect {
        Expect::Reach => "reach",
        Expect::NoReach => "no-reach",
    };
    let wanted = |address: &Address| Family::of(address.net.ip()).is_wanted(spec.family);
    let everything = Pattern { node: String::new(), interface: None };
    let families = |id: NodeId| {
        let has = |family| {
            everything
                .addresses(model, id)
                .any(|(_, address)| wanted(address) && Family::of(address.net.ip()) == family)
        };
        (id, [has(Family::V4), has(Family::V6)])
    };
    let to = Pattern::new(&spec.to.value);
    let targets = |id: NodeId| {
        to.addresses(model, id).filter(|(_, address)| wanted(address)).map(move |(interface, address)| Target {
            node: id,
            interface: interface.map_or(LOOPBACK, |name| name.as_str()).to_owned(),
            address: address.net.ip(),
        })
    };
    Check {
        expect: spec.expect,
        name: format!("{word} {} -> {}", spec.from.value, spec.to.value),
        timeout: Duration::from_nanos(spec.timeout.0),
        tries: spec.count,
        from: Pattern::new(&spec.from.value).nodes(model).into_iter().map(families).collect(),
        to: to.nodes(model).into_iter().flat_map(targets).collect(),
    }
}

fn no_pair(spec: &CheckSpec) -> Diagnostic {
    Diagnostic::error("M068", "this check has no pair to try")
        .at(spec.from.origin, "these nodes")
        .at(spec.to.origin, "have nothing to ask here")
        .help("a node does not check itself, and both sides must have a family in common")
}

fn too_many(spec: &CheckSpec) -> Diagnostic {
    Diagnostic::error("M069", format!("this check stands for more than {PAIR_LIMIT} pairs"))
        .at(spec.from.origin, "these nodes")
        .at(spec.to.origin, "times these addresses")
        .help("name fewer nodes: a router at each end of the lab says as much")
}

#[cfg(test)]
mod tests;
