//! What the commands ask of a site and what it answers.

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::engine::{EchoResult, Stop};
use crate::model::{IfName, LabName, NodeName};

/// Which engine realises a lab.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineKind {
    /// VNET jails and netgraph of a FreeBSD kernel.
    FreeBsd,
    /// Namespaces of a Linux kernel.
    Linux,
    /// The FreeBSD engine on a kernel simulated in this process.
    Sim,
}

impl EngineKind {
    /// As on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::FreeBsd => "freebsd",
            Self::Linux => "linux",
            Self::Sim => "sim",
        }
    }

    /// The engine of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::FreeBsd, Self::Linux, Self::Sim].into_iter().find(|kind| kind.name() == name)
    }
}

/// How addresses and routes reach the kernel: `--route-door`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RouteDoorKind {
    /// netlink(4).
    #[default]
    Netlink,
    /// Routing socket and address ioctls.
    Rtsock,
}

/// What a command wants to do at a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// Read only: takes no lock, saves nothing.
    Look,
    /// May change something: holds the site's lock until closed.
    Change,
}

/// How to open a site.
#[derive(Clone, Debug)]
pub struct SiteOptions {
    /// Where records and the simulated kernel live; made when missing.
    pub state_dir: PathBuf,
    /// What for.
    pub access: Access,
    /// How addresses and routes travel.
    pub route_door: RouteDoorKind,
    /// Whether modules that a lab needs may be loaded into the kernel of this host.
    pub load_modules: bool,
    /// How long to wait for another process's lock.
    pub wait: Duration,
    /// What others are told who waits for our lock: `pid 4711: cellblock up office`.
    pub holder: String,
    /// Fresh randomness from the system: ownership tokens are made of it, and the seed of a new simulated kernel.
    pub entropy: [u8; 16],
}

/// One lab that a site knows of.
#[derive(Clone, Debug, Serialize)]
pub struct LabSummary {
    /// Its name.
    pub name: LabName,
    /// Its engine.
    pub engine: EngineKind,
    /// What state it is in.
    pub state: LabState,
    /// Nodes that the author wrote.
    pub nodes: usize,
    /// Links that the author wrote.
    pub links: usize,
}

/// What state a lab is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LabState {
    /// It was verified after the last change.
    Up,
    /// A command was interrupted: `up` or `down` finishes it.
    Unfinished,
    /// Of another boot: nothing of it can exist any more.
    Gone,
}

/// How to apply a plan.
#[derive(Clone, Debug, Default)]
pub struct ApplyOptions {
    /// Give up, and undo, when the kernel's clock says that this long has passed.
    pub timeout: Option<Duration>,
    /// How many steps may be done at one time, where the engine can do that.
    pub jobs: Option<NonZeroUsize>,
    /// Who may want it to end: asked once, what was done is undone; asked twice, all is left as it is for the next `up` or `down`.
    pub stop: Stop,
}

/// Told while steps run.
#[derive(Clone, Debug)]
pub enum Progress {
    /// A level of steps begins.
    Level {
        /// Steps done before it.
        done: usize,
        /// Steps in all.
        of: usize,
        /// In words: `12 jails`.
        what: String,
    },
    /// All steps are done; reading back.
    Verifying,
    /// A step failed; walking back.
    Undoing {
        /// Why.
        why: String,
    },
}

/// What applying a plan came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Steps carried out.
    pub steps: usize,
    /// Nodes of the lab afterwards.
    pub nodes: usize,
    /// Links of the lab afterwards.
    pub links: usize,
    /// Worth saying, one line each: a setting that the kernel rounded, a module that stays loaded.
    pub notes: Vec<String>,
}

/// A command of the file that did not do what it should.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CommandFailure {
    /// In which node.
    pub node: NodeName,
    /// The command as written.
    pub command: String,
    /// `ended with status 1`.
    pub why: String,
}

/// One object's two names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NameRow {
    /// `jail`, `interface`, `netgraph`.
    pub kind: &'static str,
    /// The author's: `pc01`, `pc01:eth0`, a link's identity.
    pub author: String,
    /// The kernel's: `office.pc01`, `eth0`, `pc01_eth0`.
    pub kernel: String,
    /// The jail whose vnet it is in now; `-` is the host.
    pub place: String,
}

/// One echo test to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Who sends.
    pub from: NodeName,
    /// To which address.
    pub to: IpAddr,
    /// Out of which interface, for link-local addresses.
    pub interface: Option<IfName>,
    /// How often to try.
    pub tries: u32,
    /// How long to wait for the answer of one try.
    pub timeout: Duration,
}

/// What came of one echo test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeResult {
    /// Answered.
    Answered {
        /// Which try, from 1.
        attempt: u32,
        /// How long it took.
        after: Duration,
    },
    /// Silence.
    Silent,
    /// An ICMP error or the sender's own stack said that there is no way.
    Unreachable {
        /// In words: `no route to host`, `time exceeded from 10.0.0.1`.
        why: String,
    },
    /// It could not even be sent, for another reason.
    Failed {
        /// In words.
        why: String,
    },
}

impl From<EchoResult> for ProbeResult {
    fn from(result: EchoResult) -> Self {
        match result {
            EchoResult::Answered { attempt, after } => Self::Answered { attempt, after },
            EchoResult::Silent => Self::Silent,
            EchoResult::Unreachable(why) => Self::Unreachable { why },
            EchoResult::Failed(why) => Self::Failed { why },
        }
    }
}

/// An interface that changed hands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Handed {
    /// What the author calls it: `pc1:eth0`.
    pub interface: String,
    /// Its name in the lab jail and on the host.
    pub name: String,
}
