//! `macfilter`: sends frames up one of several hooks by their source address (`sys/netgraph/ng_macfilter.h`).
//!
//! [`HOOK_ETHER`] goes down to an interface, [`HOOK_DEFAULT`] and any other hooks go up. The node goes with its last
//! hook.

use crate::mac::MacAddress;
use crate::name::{HookName, Name, TypeName};
use crate::wire::{commands, counted_list, wire_struct};

/// `NG_MACFILTER_NODE_TYPE`.
pub const TYPE: TypeName = TypeName::known("macfilter");

/// `NGM_MACFILTER_COOKIE` (`sys/netgraph/ng_macfilter.h:35`).
#[doc(alias = "NGM_MACFILTER_COOKIE")]
pub const COOKIE: u32 = 1_042_445_461;

/// Down.
#[doc(alias = "NG_MACFILTER_HOOK_ETHER")]
pub const HOOK_ETHER: HookName = HookName::known("ether");
/// Up, for addresses not in the table.
#[doc(alias = "NG_MACFILTER_HOOK_DEFAULT")]
pub const HOOK_DEFAULT: HookName = HookName::known("default");

commands! { COOKIE:
    /// Forgets all addresses (`sys/netgraph/ng_macfilter.c:695`).
    #[doc(alias = "NGM_MACFILTER_RESET")]
    Reset = 1 "reset" => ();
    /// Directs an address to a hook. A hook that does not exist means the default one, without error
    /// (`sys/netgraph/ng_macfilter.c:699`).
    #[doc(alias = "NGM_MACFILTER_DIRECT")]
    Direct(Direction) = 2 "direct" => ();
    /// Directs an address to a hook by its number (`sys/netgraph/ng_macfilter.c:709`).
    #[doc(alias = "NGM_MACFILTER_DIRECT_HOOKID")]
    DirectByNumber(NumberedDirection) = 3 "directi" => ();
    /// The addresses and their counters (`sys/netgraph/ng_macfilter.c:720`).
    #[doc(alias = "NGM_MACFILTER_GET_MACS")]
    GetAddresses = 4 "getmacs" => AddressTable;
    /// The same, and clears the counters.
    #[doc(alias = "NGM_MACFILTER_GETCLR_MACS")]
    GetAndClearAddresses = 5 "getclrmacs" => AddressTable;
    /// Clears the counters.
    #[doc(alias = "NGM_MACFILTER_CLR_MACS")]
    ClearAddresses = 6 "clrmacs" => ();
    /// The hooks that go up (`sys/netgraph/ng_macfilter.c:741`).
    #[doc(alias = "NGM_MACFILTER_GET_HOOKS")]
    GetHooks = 7 "gethooks" => HookTable;
}

wire_struct! {
    /// `struct ngm_macfilter_direct` (`sys/netgraph/ng_macfilter.h:57`).
    #[doc(alias = "ngm_macfilter_direct")]
    #[derive(Default)]
    pub struct Direction = RawDirection, 38 bytes {
        /// The source address.
        mac: MacAddress = "ether",
        /// Its hook.
        hook: Name = "hookname",
    }
}

wire_struct! {
    /// `struct ngm_macfilter_direct_hookid` (`sys/netgraph/ng_macfilter.h:68`).
    #[doc(alias = "ngm_macfilter_direct_hookid")]
    #[derive(Default)]
    pub struct NumberedDirection = RawNumberedDirection, 8 bytes {
        /// The source address.
        mac: MacAddress = "ether",
        /// Its hook's number.
        hook: u16 = "hookid",
    }
}

wire_struct! {
    /// `struct ngm_macfilter_mac` (`sys/netgraph/ng_macfilter.h:79`).
    #[doc(alias = "ngm_macfilter_mac")]
    #[derive(Default)]
    pub struct AddressEntry = RawAddressEntry, 40 bytes {
        /// The source address.
        mac: MacAddress = "ether",
        /// Its hook's number.
        hook: u16 = "hookid",
        /// From below.
        received_packets: u64 = "packets_in",
        /// From below.
        received_octets: u64 = "bytes_in",
        /// Down.
        sent_packets: u64 = "packets_out",
        /// Down.
        sent_octets: u64 = "bytes_out",
    }
}

wire_struct! {
    /// `struct ngm_macfilter_hook` (`sys/netgraph/ng_macfilter.h:108`).
    #[doc(alias = "ngm_macfilter_hook")]
    #[derive(Default)]
    pub struct HookEntry = RawHookEntry, 40 bytes {
        /// The hook.
        hook: Name = "hookname",
        /// Its number.
        number: u16 = "hookid",
        pad _pad: 2,
        /// How many addresses are directed to it.
        addresses: u32 = "maccnt",
    }
}

counted_list! {
    /// `struct ngm_macfilter_macs` (`sys/netgraph/ng_macfilter.h:97`).
    #[doc(alias = "ngm_macfilter_macs")]
    pub struct AddressTable(AddressEntry): "n" "macs", elements at 8;

    /// `struct ngm_macfilter_hooks` (`sys/netgraph/ng_macfilter.h:120`).
    #[doc(alias = "ngm_macfilter_hooks")]
    pub struct HookTable(HookEntry): "n" "hooks", elements at 4;
}
