//! What a Linux kernel may lack. Everything that labs need beyond the plainest is a feature here: a kernel is asked for it, nobody
//! guesses by its version. `doctor` tells all of them; a file that needs one which is not there is refused before anything is made.

use crate::engine::{Fact, Standing};

/// Something of a kernel that some labs need.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Feature {
    /// Network namespaces that we may make.
    Namespaces,
    /// User namespaces, in which a user without privilege may make all others.
    UserNamespaces,
    /// veth pairs.
    Veth,
    /// Bridges.
    Bridge,
    /// IPv6.
    Ipv6,
    /// A way to the machine's own network stack, which labs in a user namespace do not have.
    OwnStack,
    /// Control groups that limit memory and swap space.
    MemoryGroups,
    /// Control groups that limit how many processes there are.
    ProcessGroups,
    /// Control groups that share out the time of processors.
    ShareGroups,
    /// Control groups that have processors of their own.
    ProcessorGroups,
    /// Directories that are shown read-only with everything that is mounted below them.
    ReadOnlyRoots,
    /// Firewalls by nf_tables, and the program that loads them.
    Nftables,
    /// Token buckets, which limit the rate of a link.
    Tbf,
    /// The network emulator, which delays, loses and changes frames.
    Netem,
}

/// What a kernel says of a feature: what was found, or why it is not there.
pub type Answer = Result<String, String>;

impl Feature {
    /// All of them, in the order in which they are told.
    pub const ALL: [Self; 14] = [
        Self::Namespaces,
        Self::UserNamespaces,
        Self::Veth,
        Self::Bridge,
        Self::Ipv6,
        Self::OwnStack,
        Self::MemoryGroups,
        Self::ProcessGroups,
        Self::ShareGroups,
        Self::ProcessorGroups,
        Self::ReadOnlyRoots,
        Self::Nftables,
        Self::Tbf,
        Self::Netem,
    ];

    /// Its name in a list.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Namespaces => "namespaces",
            Self::UserNamespaces => "user namespaces",
            Self::Veth => "veth",
            Self::Bridge => "bridge",
            Self::Ipv6 => "IPv6",
            Self::OwnStack => "own stack",
            Self::MemoryGroups => "cgroup memory",
            Self::ProcessGroups => "cgroup pids",
            Self::ShareGroups => "cgroup cpu",
            Self::ProcessorGroups => "cgroup cpuset",
            Self::ReadOnlyRoots => "read-only roots",
            Self::Nftables => "nftables",
            Self::Tbf => "tbf",
            Self::Netem => "netem",
        }
    }

    /// What cannot be done without it, and what to do about that.
    const fn without(self) -> (Standing, &'static str) {
        match self {
            Self::Namespaces => {
                (Standing::Missing, "no lab can be made: run as root outside of containers that forbid it")
            }
            Self::UserNamespaces => (
                Standing::Limited,
                "labs can be made as root only: see user.max_user_namespaces and your distribution's switch",
            ),
            Self::Veth => (Standing::Missing, "no link can be made: `modprobe veth`, or a kernel with CONFIG_VETH"),
            Self::Bridge => {
                (Standing::Limited, "no switch or hub can be made: `modprobe bridge`, or a kernel with CONFIG_BRIDGE")
            }
            Self::Ipv6 => (Standing::Limited, "no IPv6 address can be set: boot without ipv6.disable=1"),
            Self::OwnStack => (Standing::Limited, "no node of kind `self` can be made: run as root"),
            Self::MemoryGroups => (
                Standing::Limited,
                "`memoryuse` and `swapuse` cannot be limited: write `+memory` into cgroup.subtree_control",
            ),
            Self::ProcessGroups => {
                (Standing::Limited, "`maxproc` cannot be limited: write `+pids` into cgroup.subtree_control")
            }
            Self::ShareGroups => {
                (Standing::Limited, "`pcpu` cannot be limited: write `+cpu` into cgroup.subtree_control")
            }
            Self::ProcessorGroups => (
                Standing::Limited,
                "`cpus` cannot be had: write `+cpuset` into cgroup.subtree_control of the cgroups of version 2",
            ),
            Self::ReadOnlyRoots => (
                Standing::Limited,
                "no node can have `rootfs: { base: … }`: it takes a kernel of 5.12 or later; a path does without",
            ),
            Self::Nftables => (
                Standing::Limited,
                "no node can have `firewall: { nft: … }`: `modprobe nf_tables`, and install nftables",
            ),
            Self::Tbf => (
                Standing::Limited,
                "no link can have a `rate`: `modprobe sch_tbf`, or a kernel with CONFIG_NET_SCH_TBF",
            ),
            Self::Netem => (
                Standing::Limited,
                "no link can have `delay`, `jitter`, `loss`, `corrupt`, `duplicate` or `reorder`: `modprobe sch_netem`, or a \
                 kernel with CONFIG_NET_SCH_NETEM",
            ),
        }
    }

    /// A kernel's answer as a person reads it.
    #[must_use]
    pub fn fact(self, answer: Answer) -> Fact {
        match answer {
            Ok(found) => Fact { what: self.name(), standing: Standing::Fine, found, hint: None },
            Err(found) => {
                let (standing, hint) = self.without();
                Fact { what: self.name(), standing, found, hint: Some(hint.to_owned()) }
            }
        }
    }
}
