//! What the engine asks of a Linux kernel: a few system calls at a time, everything about interfaces as netlink bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::os::fd::BorrowedFd;
use std::str::FromStr;
use std::time::Duration;

use super::features::{Answer, Feature};
use crate::engine::{EngineError, Exit, Kept, NotRun, Running, Settling, Stream, Until};
use crate::graph::linux::{Root, Rules};
use crate::graph::{Folder, Name, Place};
use crate::model::{CpuSet, LabName};

/// A socket that echoes are sent from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EchoSocket(pub usize);

/// A process of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub process: i32,
    /// When it was started, in ticks since the boot: a number may be somebody else's by now.
    pub started: u64,
    /// What it is called.
    pub command: String,
    /// Where it runs.
    pub place: Place,
    /// It is the node's first process, which we made: it stays until the node ends.
    pub keeper: bool,
}

/// What may be set of what a node takes of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Knob {
    /// Octets of memory; beyond, processes are killed.
    Memory(u64),
    /// Octets of swap space.
    Swap(u64),
    /// Processes and threads.
    Processes(u64),
    /// Time of processors, in percent of one of them.
    Share(u64),
    /// Which processors.
    Processors(CpuSet),
}

impl Knob {
    /// The knob of a limit in the words of the file; `None` if Linux has none for it.
    #[must_use]
    pub fn of(resource: &str, action: &str, amount: u64) -> Option<Self> {
        Some(match (resource, action) {
            ("memoryuse", "deny") => Self::Memory(amount),
            ("swapuse", "deny") => Self::Swap(amount),
            ("maxproc", "deny") => Self::Processes(amount),
            ("pcpu", "deny") => Self::Share(amount),
            _ => return None,
        })
    }

    /// Resource and amount of a limit in the words of the file.
    #[must_use]
    pub fn limit(&self) -> Option<(&'static str, u64)> {
        Some(match self {
            Self::Memory(amount) => ("memoryuse", *amount),
            Self::Swap(amount) => ("swapuse", *amount),
            Self::Processes(amount) => ("maxproc", *amount),
            Self::Share(amount) => ("pcpu", *amount),
            Self::Processors(_) => return None,
        })
    }

    /// Whether both set the same.
    #[must_use]
    pub fn is_same_kind(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

impl fmt::Display for Knob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Processors(set) => write!(f, "cpus {set}"),
            other => other.limit().map_or(Ok(()), |(resource, amount)| write!(f, "{resource} {amount}")),
        }
    }
}

impl FromStr for Knob {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (word, value) = text.split_once(' ').ok_or(())?;
        if word == "cpus" {
            return value.parse().map(Self::Processors).map_err(drop);
        }
        Self::of(word, "deny", value.parse().map_err(drop)?).ok_or(())
    }
}

/// A Linux kernel. A lab is a directory with one small file system of our own, whose source names the token, and in it a mount for
/// each namespace.
pub trait Kernel: fmt::Debug {
    /// A string that changes with every boot.
    fn boot_identity(&mut self) -> String;

    /// The clock.
    fn now(&mut self) -> Duration;

    /// Lets time pass.
    fn wait(&mut self, span: Duration);

    /// Whether it has a feature: what was found, or why it is not there.
    ///
    /// # Errors
    /// It lacks the feature.
    fn feature(&mut self, feature: Feature) -> Answer;

    /// The token of a lab that exists.
    ///
    /// # Errors
    /// What the system refuses; a file system in the lab's place that is not ours.
    fn token(&mut self, lab: &LabName) -> Result<Option<String>, EngineError>;

    /// The labs that exist, whoever's they are.
    ///
    /// # Errors
    /// What the system refuses.
    fn labs(&mut self) -> Result<Vec<LabName>, EngineError> {
        Ok(Vec::new())
    }

    /// The names of namespaces that are to be made which somebody else has.
    ///
    /// # Errors
    /// What the system refuses.
    fn names_taken(&mut self, lab: &LabName, places: &[Place]) -> Result<Vec<String>, EngineError> {
        let _ = (lab, places);
        Ok(Vec::new())
    }

    /// The labs that only processes of ours keep.
    ///
    /// # Errors
    /// What the system refuses.
    fn kept(&mut self) -> Result<Vec<Kept>, EngineError> {
        Ok(Vec::new())
    }

    /// Ends the processes that keep such a lab.
    ///
    /// # Errors
    /// What the system refuses.
    fn end_kept(&mut self, lab: &LabName, token: &str) -> Result<(), EngineError> {
        let _ = (lab, token);
        Ok(())
    }

    /// Makes namespaces, the lab's directory before its first: as many results as places.
    fn create(&mut self, lab: &LabName, token: &str, places: &[&Place]) -> Vec<Result<(), EngineError>>;

    /// Takes a namespace's mount and name away, and ends what runs in it.
    ///
    /// # Errors
    /// What the system refuses; one that is not there is no error.
    fn remove(&mut self, lab: &LabName, place: &Place) -> Result<(), EngineError>;

    /// Has somebody else send messages in a lab's own namespace and keep all its namespaces until that is done, whatever becomes of
    /// their names and of us; `false` where it is not worth the trouble, or somebody waits for it anyhow.
    ///
    /// # Errors
    /// What the system refuses.
    fn leave_behind(&mut self, lab: &LabName, messages: &[u8]) -> Result<bool, EngineError>;

    /// Takes the lab's directory away with every namespace and name.
    ///
    /// # Errors
    /// What the system refuses.
    fn remove_lab(&mut self, lab: &LabName) -> Result<(), EngineError>;

    /// Lets go of what keeps a lab's namespaces beside the lab itself: nothing of it is to be known any more.
    ///
    /// # Errors
    /// What the system refuses; nothing to let go of is no error.
    fn forget(&mut self, lab: &LabName, token: &str) -> Result<(), EngineError>;

    /// The namespaces that exist, with the kernel's numbers for them.
    ///
    /// # Errors
    /// What the system refuses.
    fn namespaces(&mut self, lab: &LabName) -> Result<BTreeMap<Place, u64>, EngineError>;

    /// The namespaces that a lab has names for, whether or not they are still there.
    ///
    /// # Errors
    /// What the system refuses.
    fn listed(&mut self, lab: &LabName) -> Result<Vec<Place>, EngineError>;

    /// A descriptor of a namespace, for messages.
    ///
    /// # Errors
    /// There is none.
    fn descriptor(&mut self, lab: &LabName, place: &Place) -> Result<i32, EngineError>;

    /// Opens namespaces that are about to be looked at, which is faster for many at once. What cannot be opened is told when it is used.
    fn hold(&mut self, lab: &LabName, places: &[&Place]);

    /// How many namespaces may be held open at once: each takes descriptors, of which a process has a limited number.
    fn room(&self) -> usize;

    /// Lets namespaces go that were opened, where more than half of the room is taken. Numbers that [`Kernel::descriptor`] gave before
    /// are not to be used after it.
    fn make_room(&mut self);

    /// Sends one datagram of messages on the netlink socket of a place.
    ///
    /// # Errors
    /// What the system refuses.
    fn send(&mut self, lab: &LabName, place: &Place, messages: &[u8]) -> Result<(), EngineError>;

    /// The next datagram on that socket.
    ///
    /// # Errors
    /// What the system refuses.
    fn receive(&mut self, lab: &LabName, place: &Place, buffer: &mut Vec<u8>) -> Result<(), EngineError>;

    /// Lets the netlink socket and the descriptor of a place go.
    fn release(&mut self, lab: &LabName, place: &Place);

    /// The values of sysctls; those that do not exist are left out.
    ///
    /// # Errors
    /// What the system refuses.
    fn read_sysctls(
        &mut self,
        lab: &LabName,
        place: &Place,
        names: &[Name],
    ) -> Result<BTreeMap<Name, String>, EngineError>;

    /// Sets sysctls in one visit: as many results as values.
    fn write_sysctls(&mut self, lab: &LabName, place: &Place, values: &[(&str, &str)]) -> Vec<Result<(), EngineError>>;

    /// Prepares to wait until everything of a lab that is taken away from now on has gone; `None` if there is no such lab.
    ///
    /// # Errors
    /// What the system refuses.
    fn settling(&mut self, lab: &LabName) -> Result<Option<Box<dyn Settling>>, EngineError>;

    /// A raw ICMP socket in a place, for IPv4 or IPv6.
    ///
    /// # Errors
    /// What the system refuses.
    fn echo_socket(&mut self, lab: &LabName, place: &Place, v4: bool) -> Result<EchoSocket, EngineError>;

    /// Sends an ICMP message; the error is Linux's number.
    ///
    /// # Errors
    /// What the system refuses.
    fn echo_send(&mut self, socket: EchoSocket, to: IpAddr, message: &[u8]) -> Result<(), i32>;

    /// The next message and who sent it, if there is one.
    fn echo_receive(&mut self, socket: EchoSocket, buffer: &mut Vec<u8>) -> Option<IpAddr>;

    /// Waits until one of the sockets has something, or so long.
    fn echo_wait(&mut self, sockets: &[EchoSocket], at_most: Duration);

    /// Closes all sockets that echoes are sent from.
    fn echo_close(&mut self);

    /// Runs a program in a place to its end, or to that which `until` sets.
    ///
    /// # Errors
    /// Why it could not be run.
    fn execute(
        &mut self,
        lab: &LabName,
        place: &Place,
        command: &[String],
        until: &Until,
        output: &mut dyn FnMut(Stream, &[u8]),
    ) -> Result<Exit, NotRun>;

    /// Starts a program in a place, in a session of its own with `terminal` as its controlling terminal and its three streams.
    ///
    /// # Errors
    /// Why it could not be run.
    fn start_on(
        &mut self,
        lab: &LabName,
        place: &Place,
        command: &[String],
        terminal: BorrowedFd<'_>,
    ) -> Result<Box<dyn Running>, NotRun>;

    /// What runs in these places, the first processes of nodes too.
    ///
    /// # Errors
    /// What the system refuses.
    fn processes(&mut self, lab: &LabName, places: &[Place]) -> Result<Vec<Process>, EngineError>;

    /// Sends a signal to that very process; one that is gone is no error.
    ///
    /// # Errors
    /// What the system refuses.
    fn signal(&mut self, process: &Process, signal: i32) -> Result<(), EngineError>;

    /// Makes an empty directory of the host, or a copy of one.
    ///
    /// # Errors
    /// What the system refuses; an empty one that is there is no error.
    fn make_folder(&mut self, folder: &Folder) -> Result<(), EngineError>;

    /// Removes a directory with everything inside.
    ///
    /// # Errors
    /// What the system refuses; one that is not there is no error.
    fn remove_folder(&mut self, folder: &Folder) -> Result<(), EngineError>;

    /// Which of these directories are there, and whether each is whole.
    ///
    /// # Errors
    /// What the system refuses.
    fn folders(&mut self, paths: &BTreeSet<Name>) -> Result<BTreeMap<Name, bool>, EngineError>;

    /// Gives a node files of its own and makes its first process there; what ran in the node ends.
    ///
    /// # Errors
    /// What the system refuses: then the node has the host's files.
    fn set_root(&mut self, lab: &LabName, root: &Root) -> Result<(), EngineError>;

    /// Gives a node the host's files; what runs in it ends.
    ///
    /// # Errors
    /// What the system refuses; one that has them is no error.
    fn unset_root(&mut self, lab: &LabName, place: &Place) -> Result<(), EngineError>;

    /// The nodes of a lab that have files of their own.
    ///
    /// # Errors
    /// What the system refuses.
    fn roots(&mut self, lab: &LabName) -> Result<Vec<Root>, EngineError>;

    /// Gives a node these rules for its packets in place of all it has, or none.
    ///
    /// # Errors
    /// What the system or nft(8) refuses: then the node has what it had.
    fn set_rules(&mut self, lab: &LabName, place: &Place, rules: Option<&Rules>) -> Result<(), EngineError>;

    /// The rules that nodes of a lab were given, as far as all their tables are still there.
    ///
    /// # Errors
    /// What the system refuses.
    fn rules(&mut self, lab: &LabName) -> Result<Vec<Rules>, EngineError>;

    /// Sets a knob of a node.
    ///
    /// # Errors
    /// What the system refuses.
    fn set_knob(&mut self, lab: &LabName, place: &Place, knob: &Knob) -> Result<(), EngineError>;

    /// Takes back that a knob was set; one that was not is no error.
    ///
    /// # Errors
    /// What the system refuses.
    fn unset_knob(&mut self, lab: &LabName, place: &Place, knob: &Knob) -> Result<(), EngineError>;

    /// What is set for each node of a lab.
    ///
    /// # Errors
    /// What the system refuses.
    fn knobs(&mut self, lab: &LabName) -> Result<BTreeMap<Place, Vec<Knob>>, EngineError>;
}
