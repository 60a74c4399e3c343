//! ioctl(2) on network sockets: request numbers, and typed structures both ways.
//!
//! A builder gives a [`Call`]: number and argument together, so that they cannot be mixed up. The readers take the
//! argument after the call. Both the engine (build, then read) and the simulator (read, then answer) use them.

pub mod address;
pub mod bridge;
pub mod interface;

use super::name::{IFNAMSIZ, InterfaceName};

/// The argument of an ioctl: its bytes and what the pointer in it points at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IoctlArgument {
    /// The structure itself; pointers inside are zero here and filled in by the door.
    pub bytes: Vec<u8>,
    /// Offset of the pointer and the memory behind it, which may hold a pointer again (`ifdrv` to `ifbifconf`
    /// to the array of `ifbreq`).
    pub pointer: Option<(usize, Box<IoctlArgument>)>,
}

/// An ioctl ready to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// `SIOC*`.
    pub request: u32,
    /// Its structure.
    pub argument: IoctlArgument,
}

impl IoctlArgument {
    /// An argument without a pointer.
    #[must_use]
    pub fn flat(bytes: Vec<u8>) -> Self {
        Self { bytes, pointer: None }
    }

    /// An argument whose pointer at `offset` leads to `behind`.
    #[must_use]
    pub fn with_pointer(bytes: Vec<u8>, offset: usize, behind: Self) -> Self {
        Self { bytes, pointer: Some((offset, Box::new(behind))) }
    }

    /// The name at the head; `None` if it is not terminated or not UTF-8.
    #[must_use]
    pub fn name(&self) -> Option<InterfaceName> {
        InterfaceName::read(self.bytes.get(..IFNAMSIZ)?)
    }

    /// `N` bytes at `offset`.
    #[must_use]
    pub fn field<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        self.bytes.get(offset..offset.checked_add(N)?)?.try_into().ok()
    }

    /// Overwrites the bytes at `offset`; what does not fit is not written.
    pub fn set_field(&mut self, offset: usize, value: &[u8]) {
        if let Some(field) = offset.checked_add(value.len()).and_then(|end| self.bytes.get_mut(offset..end)) {
            field.copy_from_slice(value);
        }
    }

    /// What the pointer leads to.
    #[must_use]
    pub fn behind(&self) -> Option<&Self> {
        self.pointer.as_ref().map(|(_, behind)| behind.as_ref())
    }

    /// What the pointer leads to.
    pub fn behind_mut(&mut self) -> Option<&mut Self> {
        self.pointer.as_mut().map(|(_, behind)| behind.as_mut())
    }
}

/// Size of the structure that a request number carries (`IOCPARM_LEN`, sys/sys/ioccom.h:45-64).
#[must_use]
pub const fn argument_size(request: u32) -> usize {
    ((request >> 16) & 0x1fff) as usize
}

macro_rules! requests {
    ($($name:ident = $value:literal, $what:literal;)*) => {
        $(#[doc = $what] pub const $name: u32 = $value;)*

        /// The C name of a request number, for messages.
        #[must_use]
        pub const fn request_name(request: u32) -> Option<&'static str> {
            match request { $($value => Some(stringify!($name)),)* _ => None }
        }
    };
}

requests! {
    SIOCSIFADDR = 0x8020_690c, "Legacy; always `EINVAL`.";
    SIOCSIFFLAGS = 0x8020_6910, "Replaces all changeable interface flags.";
    SIOCGIFFLAGS = 0xc020_6911, "Interface flags.";
    SIOCSIFMETRIC = 0x8020_6918, "Sets the metric.";
    SIOCDIFADDR = 0x8020_6919, "Removes an IPv4 address.";
    SIOCDIFADDR_IN6 = 0x8120_6919, "Removes an IPv6 address; differs from `SIOCDIFADDR` by its size only.";
    SIOCAIFADDR_IN6 = 0x8088_691b, "Adds an IPv6 address.";
    SIOCSIFCAP = 0x8020_691e, "Sets the enabled capabilities.";
    SIOCGIFCAP = 0xc020_691f, "Supported and enabled capabilities.";
    SIOCGIFINDEX = 0xc020_6920, "Interface index.";
    SIOCGIFADDR = 0xc020_6921, "First IPv4 address.";
    SIOCGIFBRDADDR = 0xc020_6923, "First IPv4 broadcast address.";
    SIOCGIFCONF = 0xc010_6924, "List of interfaces and addresses.";
    SIOCGIFNETMASK = 0xc020_6925, "First IPv4 netmask.";
    SIOCSIFNAME = 0x8020_6928, "Renames an interface.";
    SIOCSIFDESCR = 0x8020_6929, "Sets the description.";
    SIOCGIFDESCR = 0xc020_692a, "The description.";
    SIOCAIFADDR = 0x8044_692b, "Adds an IPv4 address.";
    SIOCADDMULTI = 0x8020_6931, "Joins a link-layer group.";
    SIOCDELMULTI = 0x8020_6932, "Leaves a link-layer group.";
    SIOCGIFMTU = 0xc020_6933, "MTU in octets.";
    SIOCSIFMTU = 0x8020_6934, "Sets the MTU.";
    SIOCGIFMEDIA = 0xc030_6938, "Media and carrier.";
    SIOCSETVLAN = 0x8020_6939, "Configures a vlan (`SIOCSIFGENERIC`).";
    SIOCGETVLAN = 0xc020_693a, "A vlan's parent and tag (`SIOCGIFGENERIC`).";
    SIOCSIFLLADDR = 0x8020_693c, "Sets the MAC address.";
    SIOCGHWADDR = 0xc020_693e, "The MAC address that the hardware was made with.";
    SIOCGIFAFLAG_IN6 = 0xc120_6949, "Flags of an IPv6 address.";
    SIOCGIFALIFETIME_IN6 = 0xc120_6951, "Lifetimes of an IPv6 address.";
    SIOCSIFINFO_FLAGS = 0xc048_6957, "Sets neighbour-discovery flags.";
    SIOCSIFVNET = 0xc020_695a, "Gives an interface to a jail.";
    SIOCSIFRVNET = 0xc020_695b, "Takes an interface back from a jail.";
    SIOCGIFFIB = 0xc020_695c, "Routing table of the interface.";
    SIOCSIFFIB = 0x8020_695d, "Sets the routing table of the interface.";
    SIOCGIFINFO_IN6 = 0xc048_696c, "Neighbour-discovery settings.";
    SIOCSIFINFO_IN6 = 0xc048_696d, "Replaces the neighbour-discovery settings.";
    SIOCIFGCLONERS = 0xc010_6978, "Names of the cloners.";
    SIOCIFDESTROY = 0x8020_6979, "Destroys a clone.";
    SIOCIFCREATE = 0xc020_697a, "Creates a clone.";
    SIOCSDRVSPEC = 0x8028_697b, "Driver-specific set: if_bridge commands.";
    SIOCGDRVSPEC = 0xc028_697b, "Driver-specific get: if_bridge commands.";
    SIOCIFCREATE2 = 0xc020_697c, "Creates a clone with parameters.";
    SIOCAIFGROUP = 0x8028_6987, "Adds an interface to a group.";
    SIOCGIFGROUP = 0xc028_6988, "Groups of an interface.";
    SIOCDIFGROUP = 0x8028_6989, "Takes an interface out of a group.";
    SIOCGIFGMEMB = 0xc028_698a, "Members of a group.";
    SIOCGLANPCP = 0xc020_6998, "802.1Q priority.";
    SIOCSLANPCP = 0x8020_6999, "Sets the 802.1Q priority.";
}

#[cfg(test)]
mod tests;
