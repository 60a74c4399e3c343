//! `bridge`: a learning Ethernet switch (`sys/netgraph/ng_bridge.h`).
//!
//! Hooks are `link<N>` and `uplink<N>` ([`LinkHook`]). If the very first hook is an uplink, frames to unknown
//! hosts go to uplinks only; uplinks never learn (`sys/netgraph/ng_bridge.c:455`). An address that jumps between
//! links within `minimum_stable_age_seconds` counts as a loop, and the link is mute for `loop_timeout_seconds`.
//! The node goes with its last hook unless [`SetPersistent`] was sent; there is no way back from that but
//! [`Shutdown`](crate::generic::Shutdown).

use core::fmt;

use crate::mac::MacAddress;
use crate::message::{Malformed, Payload};
use crate::name::{HookName, Name, NameError, TypeName};
use crate::text::Type;
use crate::wire::{commands, counted_list, wire_struct};

/// `NG_BRIDGE_NODE_TYPE`.
pub const TYPE: TypeName = TypeName::known("bridge");

/// `NGM_BRIDGE_COOKIE` (`sys/netgraph/ng_bridge.h:46`).
#[doc(alias = "NGM_BRIDGE_COOKIE")]
pub const COOKIE: u32 = 1_569_321_993;

/// `link`: a hook with this bare name gets the lowest free number (15.1, `sys/netgraph/ng_bridge.c:417`).
#[doc(alias = "NG_BRIDGE_HOOK_LINK_PREFIX")]
pub const HOOK_NEXT_LINK: HookName = HookName::known("link");

/// `uplink`: likewise.
#[doc(alias = "NG_BRIDGE_HOOK_UPLINK_PREFIX")]
pub const HOOK_NEXT_UPLINK: HookName = HookName::known("uplink");

commands! { COOKIE:
    /// Sets all of the configuration (`sys/netgraph/ng_bridge.c:552`).
    #[doc(alias = "NGM_BRIDGE_SET_CONFIG")]
    SetConfig(Config) = 1 "setconfig" => ();
    /// The configuration (`sys/netgraph/ng_bridge.c:538`).
    #[doc(alias = "NGM_BRIDGE_GET_CONFIG")]
    GetConfig = 2 "getconfig" => Config;
    /// Forgets all hosts, clears all statistics, unmutes all links (`sys/netgraph/ng_bridge.c:565`).
    #[doc(alias = "NGM_BRIDGE_RESET")]
    Reset = 3 "reset" => ();
    /// The statistics of one link; `ENOTCONN` if there is none (`sys/netgraph/ng_bridge.c:574`).
    #[doc(alias = "NGM_BRIDGE_GET_STATS")]
    GetStats(LinkHook) = 4 "getstats" => LinkStats;
    /// Clears the statistics of one link.
    #[doc(alias = "NGM_BRIDGE_CLR_STATS")]
    ClearStats(LinkHook) = 5 "clrstats" => ();
    /// Both at once, so that no frame is missed between.
    #[doc(alias = "NGM_BRIDGE_GETCLR_STATS")]
    GetAndClearStats(LinkHook) = 6 "getclrstats" => LinkStats;
    /// The hosts learnt (`sys/netgraph/ng_bridge.c:634`).
    #[doc(alias = "NGM_BRIDGE_GET_TABLE")]
    GetTable = 7 "gettable" => HostTable;
    /// The node survives its last hook from now on (`sys/netgraph/ng_bridge.c:663`).
    #[doc(alias = "NGM_BRIDGE_SET_PERSISTENT")]
    SetPersistent = 8 "setpersistent" => ();
    /// Enters a host into the table or moves it; `ENOENT` if there is no such hook
    /// (`sys/netgraph/ng_bridge.c:668`).
    #[doc(alias = "NGM_BRIDGE_MOVE_HOST")]
    MoveHost(HostPlace) = 9 "movehost" => ();
}

wire_struct! {
    /// `struct ng_bridge_config` (`sys/netgraph/ng_bridge.h:55`). The default is a new bridge's
    /// (`sys/netgraph/ng_bridge.c:193`).
    #[doc(alias = "ng_bridge_config")]
    pub struct Config = RawConfig, 16 bytes {
        /// `debugLevel`: 0 is quiet, 1 logs loops to the console.
        debug_level: u8 = "debugLevel",
        pad _pad: 3,
        /// `loopTimeout`: how long a looping link is muted, in seconds.
        loop_timeout_seconds: u32 = "loopTimeout",
        /// `maxStaleness`: after how many silent seconds a host is forgotten.
        maximum_staleness_seconds: u32 = "maxStaleness",
        /// `minStableAge`: a host that moves before this many seconds counts as a loop.
        minimum_stable_age_seconds: u32 = "minStableAge",
    }
}

impl Default for Config {
    fn default() -> Self {
        Self { debug_level: 1, loop_timeout_seconds: 60, maximum_staleness_seconds: 900, minimum_stable_age_seconds: 1 }
    }
}

wire_struct! {
    /// `struct ng_bridge_link_stats`, one link's counters; octets of whole frames, without preamble and checksum
    /// (`sys/netgraph/ng_bridge.h:72`).
    #[doc(alias = "ng_bridge_link_stats")]
    #[derive(Default)]
    pub struct LinkStats = RawLinkStats, 112 bytes {
        /// `recvOctets`.
        received_octets: u64 = "recvOctets",
        /// `recvPackets`.
        received_frames: u64 = "recvPackets",
        /// `recvMulticasts`.
        received_multicasts: u64 = "recvMulticast",
        /// `recvBroadcasts`.
        received_broadcasts: u64 = "recvBroadcast",
        /// `recvUnknown`: frames to a host not in the table.
        received_unknown: u64 = "recvUnknown",
        /// `recvRunts`: shorter than 14 octets.
        received_runts: u64 = "recvRunts",
        /// `recvInvalid`: with a multicast source address.
        received_invalid: u64 = "recvInvalid",
        /// `xmitOctets`.
        sent_octets: u64 = "xmitOctets",
        /// `xmitPackets`.
        sent_frames: u64 = "xmitPackets",
        /// `xmitMulticasts`.
        sent_multicasts: u64 = "xmitMulticasts",
        /// `xmitBroadcasts`.
        sent_broadcasts: u64 = "xmitBroadcasts",
        /// `loopDrops`: frames dropped while the link was muted.
        loop_drops: u64 = "loopDrops",
        /// `loopDetects`: times the link was muted.
        loop_detects: u64 = "loopDetects",
        /// `memoryFailures`.
        memory_failures: u64 = "memoryFailures",
    }
}

wire_struct! {
    /// `struct ng_bridge_hostent`, one line of the table (`sys/netgraph/ng_bridge.h:112`).
    #[doc(alias = "ng_bridge_hostent")]
    #[derive(Default)]
    pub struct Host = RawHost, 42 bytes {
        /// Whose address.
        mac: MacAddress = "addr",
        /// The link behind which it is.
        hook: Name = "hook",
        /// Seconds since it was learnt there.
        age_seconds: u16 = "age",
        /// Seconds since it was last heard.
        staleness_seconds: u16 = "staleness",
    }
}

wire_struct! {
    /// `struct ng_bridge_move_host` (`sys/netgraph/ng_bridge.h:141`).
    #[doc(alias = "ng_bridge_move_host")]
    #[derive(Default)]
    pub struct HostPlace = RawHostPlace, 38 bytes {
        /// Whose address.
        mac: MacAddress = "addr",
        /// The link behind which it is; empty for the hook the message came in by.
        hook: Name = "hook",
    }
}

counted_list! {
    /// `struct ng_bridge_host_ary`, the table of hosts in no order (`sys/netgraph/ng_bridge.h:129`).
    #[doc(alias = "ng_bridge_host_ary")]
    pub struct HostTable(Host): "numHosts" "hosts", elements at 4;
}

/// One hook of a bridge: `link<N>` with N from 0, `uplink<N>` with N from 1, both up to 2147483647.
///
/// The kernel counts in a C `int` and takes larger numbers too, to its own death (FreeBSD 15.1); here they
/// cannot be made.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkHook(i32);

impl LinkHook {
    /// `link<number>`.
    ///
    /// # Errors
    /// `LinkNumber` above 2147483647.
    pub fn link(number: u32) -> Result<Self, NameError> {
        i32::try_from(number).map(Self).map_err(|_| NameError::LinkNumber)
    }

    /// `uplink<number>`.
    ///
    /// # Errors
    /// `LinkNumber` above 2147483647, `UplinkZero`.
    pub fn uplink(number: u32) -> Result<Self, NameError> {
        match i32::try_from(number) {
            Ok(0) => Err(NameError::UplinkZero),
            Ok(number) => Ok(Self(-number)),
            Err(_) => Err(NameError::LinkNumber),
        }
    }

    /// Reads a hook's name as the bridge does; the number must be decimal without leading zeros
    /// (`sys/netgraph/ng_bridge.c:405`).
    ///
    /// # Errors
    /// `NotABridgeHook`, `LinkNumber`, `UplinkZero`.
    pub fn parse(name: impl AsRef<[u8]>) -> Result<Self, NameError> {
        let name = name.as_ref();
        let (is_uplink, digits) = match (name.strip_prefix(b"uplink"), name.strip_prefix(b"link")) {
            (Some(digits), _) => (true, digits),
            (None, Some(digits)) => (false, digits),
            (None, None) => return Err(NameError::NotABridgeHook),
        };
        let canonical = match digits {
            [] => false,
            [b'0'] => true,
            [first, rest @ ..] => *first != b'0' && first.is_ascii_digit() && rest.iter().all(u8::is_ascii_digit),
        };
        if !canonical {
            return Err(NameError::NotABridgeHook);
        }
        let number = core::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
        let number = number.ok_or(NameError::LinkNumber)?;
        if is_uplink { Self::uplink(number) } else { Self::link(number) }
    }

    /// Whether it is an uplink.
    #[must_use]
    pub const fn is_uplink(self) -> bool {
        self.0 < 0
    }

    /// The N of `link<N>` or `uplink<N>`.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0.unsigned_abs()
    }

    /// The hook's name.
    #[must_use]
    pub fn name(self) -> HookName {
        let (name, mut number) = (if self.is_uplink() { "uplink" } else { "link" }, self.number());
        let mut digits = [0; 10];
        let mut first = digits.len();
        loop {
            first -= 1;
            digits[first] = b'0' + u8::try_from(number % 10).unwrap_or(0);
            number /= 10;
            if number == 0 {
                break;
            }
        }
        HookName::new([name.as_bytes(), digits.get(first..).unwrap_or_default()].concat())
            .expect("a prefix and at most ten digits, not above i32::MAX")
    }
}

impl From<LinkHook> for HookName {
    fn from(hook: LinkHook) -> Self {
        hook.name()
    }
}

/// `link7`.
impl fmt::Display for LinkHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.is_uplink() { "uplink" } else { "link" }, self.number())
    }
}

impl fmt::Debug for LinkHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The argument of the statistics commands: an `int`, negative for an uplink (`sys/netgraph/ng_bridge.c:588`).
impl Payload for LinkHook {
    const TEXT: Option<&'static Type> = Some(Type::UINT32);

    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }

    fn decode(payload: &[u8]) -> Result<Self, Malformed> {
        match i32::decode(payload)? {
            i32::MIN => Err(Malformed::Value { field: "link number", value: i32::MIN.into() }),
            number => Ok(Self(number)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_hooks_are_read_as_the_bridge_reads_them() {
        for name in ["link0", "link7", "link10", "link2147483647", "uplink1", "uplink2147483647"] {
            let hook = LinkHook::parse(name).unwrap();
            assert_eq!((hook.to_string(), hook.name().as_bytes()), (name.to_owned(), name.as_bytes()));
        }
        for name in ["link", "link00", "link01", "link-1", "link+1", "uplink", "other", "", "link 1", "xlink1"] {
            assert_eq!(LinkHook::parse(name), Err(NameError::NotABridgeHook), "{name}");
        }
        assert_eq!(LinkHook::parse("uplink0"), Err(NameError::UplinkZero));
        for name in ["link2147483648", "link4294967295", "link4294967296", "uplink2147483648"] {
            assert_eq!(LinkHook::parse(name), Err(NameError::LinkNumber), "{name}");
        }
        assert_eq!(LinkHook::link(1 << 31), Err(NameError::LinkNumber));
        assert_eq!(LinkHook::uplink(0), Err(NameError::UplinkZero));
    }

    #[test]
    fn uplinks_are_negative_numbers_in_messages() {
        let mut bytes = Vec::new();
        GetStats(LinkHook::uplink(2).unwrap()).encode(&mut bytes);
        assert_eq!(bytes, (-2i32).to_ne_bytes());
        assert_eq!(GetStats::decode(&bytes), Ok(GetStats(LinkHook::uplink(2).unwrap())));
        assert!(GetStats::decode(&i32::MIN.to_ne_bytes()).is_err());
    }

    #[test]
    fn a_table_announcing_more_than_it_holds_is_refused() {
        let mut bytes = Vec::new();
        HostTable(vec![Host::default(); 2]).encode(&mut bytes);
        assert_eq!(bytes.len(), 4 + 2 * 42);
        bytes[0] = 3;
        assert_eq!(HostTable::decode(&bytes), Err(Malformed::Count { count: 3, room: 2 }));
        assert_eq!(HostTable::decode(&[1]), Err(Malformed::PayloadShort { needed: 4, actual: 1 }));
    }
}
