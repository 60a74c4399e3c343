//! `eiface`: an Ethernet interface `ngeth<N>` whose other side is a hook (`sys/netgraph/ng_eiface.h`).
//!
//! The node survives without hooks and stays in its vnet when the interface is moved to another one. It is named
//! like its interface at first; afterwards the two names are independent. Only [`Shutdown`](crate::generic::Shutdown)
//! removes the pair.

use crate::mac::MacAddress;
use crate::message::{Malformed, Payload};
use crate::name::{HookName, InterfaceName, TypeName};
use crate::wire::commands;

/// `NG_EIFACE_NODE_TYPE`.
pub const TYPE: TypeName = TypeName::known("eiface");

/// `NGM_EIFACE_COOKIE` (`sys/netgraph/ng_eiface.h:39`).
#[doc(alias = "NGM_EIFACE_COOKIE")]
pub const COOKIE: u32 = 948_105_892;

/// `NG_EIFACE_HOOK_ETHER`, the only hook: what the interface sends comes out of it. Any other name is refused
/// with `EPFNOSUPPORT`, a second connection with `EISCONN` (`sys/netgraph/ng_eiface.c:444`).
#[doc(alias = "NG_EIFACE_HOOK_ETHER")]
pub const HOOK_ETHER: HookName = HookName::known("ether");

/// `NG_EIFACE_MTU_MIN`, in octets (`sys/netgraph/ng_eiface.h:48`).
pub const MTU_MIN: u32 = 72;

/// `NG_EIFACE_MTU_MAX`, in octets (`sys/netgraph/ng_eiface.h:49`).
pub const MTU_MAX: u32 = 9018;

commands! { COOKIE:
    /// The present name of the interface, wherever it lives (`sys/netgraph/ng_eiface.c:492`).
    #[doc(alias = "NGM_EIFACE_GET_IFNAME")]
    GetInterfaceName = 1 "getifname" => InterfaceName;
    /// The addresses of the interface (`sys/netgraph/ng_eiface.c:501`). ngctl(8) has no word for it.
    #[doc(alias = "NGM_EIFACE_GET_IFADDRS")]
    GetInterfaceAddresses = 2 "getifaddrs" without text => InterfaceAddresses;
    /// Sets the Ethernet address (`sys/netgraph/ng_eiface.c:481`).
    #[doc(alias = "NGM_EIFACE_SET")]
    SetMacAddress(MacAddress) = 3 "set" => ();
}

/// Socket addresses one after the other, as the kernel keeps them, each filled up to a multiple of 8 bytes
/// (`SA_SIZE`, `sys/netgraph/ng_eiface.c:501`). The first is the link-level address (`AF_LINK`).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct InterfaceAddresses(Vec<u8>);

impl InterfaceAddresses {
    /// Adds a `sockaddr`; its first byte is its length, its second the family.
    pub fn push(&mut self, sockaddr: &[u8]) {
        self.0.extend_from_slice(sockaddr);
        self.0.resize(self.0.len().next_multiple_of(8), 0);
    }

    /// The addresses, each as long as its own length byte says. Ends at the first that is not whole.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = self.0.as_slice();
        core::iter::from_fn(move || {
            let len = usize::from(*rest.first()?);
            let address = rest.get(..len)?;
            rest = rest.get(len.max(1).next_multiple_of(8)..).unwrap_or_default();
            Some(address)
        })
    }
}

impl Payload for InterfaceAddresses {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }

    fn decode(payload: &[u8]) -> Result<Self, Malformed> {
        Ok(Self(payload.to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_walked_by_their_own_lengths() {
        let mut addresses = InterfaceAddresses::default();
        let link = [18, 18, 3, 0, 6, 6, 6, 0, b'n', b'g', b'e', b't', b'h', b'0', 2, 0, 0, 1];
        addresses.push(&link);
        addresses.push(&[16, 2, 0, 0, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(addresses.0.len(), 24 + 16);
        assert_eq!(addresses.iter().map(<[u8]>::len).collect::<Vec<_>>(), [18, 16]);
        let cut = InterfaceAddresses::decode(&addresses.0[..30]).unwrap();
        assert_eq!(cut.iter().count(), 1);
        assert_eq!(InterfaceAddresses::decode(&[0; 16]).unwrap().iter().map(<[u8]>::len).collect::<Vec<_>>(), [0, 0]);
    }
}
