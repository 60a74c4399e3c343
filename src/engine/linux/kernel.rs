//! What the engine asks of a Linux kernel: a few system calls at a time, everything about interfaces as netlink bytes.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use super::features::{Answer, Feature};
use crate::engine::{EngineError, Exit, NotRun, Running, Stream};
use crate::graph::{Name, Place};
use crate::model::LabName;

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

/// A Linux kernel. A lab is a directory with one small file system of our own, whose source names the token, and in it a mount for
/// each namespace.
pub trait Kernel: std::fmt::Debug {
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

    /// Makes namespaces, the lab's directory before its first: as many results as places.
    fn create(&mut self, lab: &LabName, token: &str, places: &[&Place]) -> Vec<Result<(), EngineError>>;

    /// Takes a namespace's mount and name away, and ends what runs in it.
    ///
    /// # Errors
    /// What the system refuses; one that is not there is no error.
    fn remove(&mut self, lab: &LabName, place: &Place) -> Result<(), EngineError>;

    /// Takes the lab's directory away with every namespace and name.
    ///
    /// # Errors
    /// What the system refuses.
    fn remove_lab(&mut self, lab: &LabName) -> Result<(), EngineError>;

    /// Lets go of what keeps a lab's namespaces beside the lab itself: nothing of it is to be known any more.
    ///
    /// # Errors
    /// What the system refuses; nothing to let go of is no error.
    fn forget(&mut self, lab: &LabName) -> Result<(), EngineError>;

    /// The namespaces that exist, with the kernel's numbers for them.
    ///
    /// # Errors
    /// What the system refuses.
    fn namespaces(&mut self, lab: &LabName) -> Result<BTreeMap<Place, u64>, EngineError>;

    /// A descriptor of a namespace, for messages.
    ///
    /// # Errors
    /// There is none.
    fn descriptor(&mut self, lab: &LabName, place: &Place) -> Result<i32, EngineError>;

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

    /// Sets a sysctl.
    ///
    /// # Errors
    /// What the system refuses.
    fn write_sysctl(&mut self, lab: &LabName, place: &Place, name: &str, value: &str) -> Result<(), EngineError>;

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

    /// Runs a program in a place to its end.
    ///
    /// # Errors
    /// Why it could not be run.
    fn execute(
        &mut self,
        lab: &LabName,
        place: &Place,
        command: &[String],
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
}
