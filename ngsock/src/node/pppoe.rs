//! `pppoe`: PPP over Ethernet, both sides (`sys/netgraph/ng_pppoe.h`).
//!
//! [`HOOK_ETHERNET`] must be joined with an ether node, or something that answers its command for the address
//! (`sys/netgraph/ng_pppoe.c:743`). Any other hook but [`HOOK_DEBUG`] is a session. The node goes with its last hook.
//!
//! What happens to a session is told to the socket that began it: [`Success`], [`Failure`], [`Closed`],
//! [`AccessConcentrator`], [`SessionId`], [`SetMaximumPayload`], [`Hurl`], [`Motm`] come as requests from the node.

use crate::generic::CString;
use crate::mac::MacAddress;
use crate::message::{Malformed, Payload};
use crate::name::{HookName, Name, ShortBytes, Text, TypeName};
use crate::text::{Member, Type};
use crate::wire::{self, Field, commands, get_prefix, put, wire_struct};

/// `NG_PPPOE_NODE_TYPE`.
pub const TYPE: TypeName = TypeName::known("pppoe");

/// `NGM_PPPOE_COOKIE` (`sys/netgraph/ng_pppoe.h:51`).
#[doc(alias = "NGM_PPPOE_COOKIE")]
pub const COOKIE: u32 = 1_089_893_072;

/// The Ethernet.
#[doc(alias = "NG_PPPOE_HOOK_ETHERNET")]
pub const HOOK_ETHERNET: HookName = HookName::known("ethernet");
/// Frames the node has no use for.
#[doc(alias = "NG_PPPOE_HOOK_DEBUG")]
pub const HOOK_DEBUG: HookName = HookName::known("debug");

/// `PPPOE_SERVICE_NAME_SIZE`: the longest [`Session::data`] of a session, in bytes (`sys/netgraph/ng_pppoe.h:55`).
pub const MAX_SERVICE_NAME: usize = 64;
/// `PPPOE_PADM_VALUE_SIZE`: the longest of [`SendHurl`] and [`SendMotm`], in bytes (`sys/netgraph/ng_pppoe.h:56`).
pub const MAX_PADM_VALUE: usize = 128;

/// In words the events have a structure with one member.
const EVENT: &Type = &Type::Struct(&[Member { name: "hook", kind: <Name as Field>::TEXT }]);

commands! { COOKIE:
    /// Not implemented by FreeBSD 15.1.
    #[doc(alias = "NGM_PPPOE_SET_FLAG")]
    SetFlag = 1 "pppoe_setflag" without text => ();
    /// Looks for a service as a client: `AC-name\service`, either part may be empty (`sys/netgraph/ng_pppoe.c:808`).
    #[doc(alias = "NGM_PPPOE_CONNECT")]
    Connect(Session) = 2 "pppoe_connect" => ();
    /// Waits for clients that look for a service; `EEXIST` if another hook does.
    #[doc(alias = "NGM_PPPOE_LISTEN")]
    Listen(Session) = 3 "pppoe_listen" => ();
    /// Answers a client, with this name of the access concentrator.
    #[doc(alias = "NGM_PPPOE_OFFER")]
    Offer(Session) = 4 "pppoe_offer" => ();
    /// From the node: the session stands.
    #[doc(alias = "NGM_PPPOE_SUCCESS")]
    #[doc(alias = "ngpppoe_sts")]
    Success(Name) = 5 "pppoe_success" => () [argument EVENT];
    /// From the node: the session did not come to be.
    #[doc(alias = "NGM_PPPOE_FAIL")]
    Failure(Name) = 6 "pppoe_fail" => () [argument EVENT];
    /// From the node: the session is over.
    #[doc(alias = "NGM_PPPOE_CLOSE")]
    Closed(Name) = 7 "pppoe_close" => () [argument EVENT];
    /// The service to advertise by a hook after [`Offer`].
    #[doc(alias = "NGM_PPPOE_SERVICE")]
    Service(Session) = 8 "pppoe_service" => ();
    /// From the node: the name of the access concentrator (`sys/netgraph/ng_pppoe.c:1321`).
    #[doc(alias = "NGM_PPPOE_ACNAME")]
    AccessConcentrator(Name) = 9 "pppoe_acname" without text => ();
    /// The node's counters.
    #[doc(alias = "NGM_PPPOE_GET_STATUS")]
    GetStats = 10 "pppoe_getstatus" without text => Stats;
    /// From the node: the number of the session (`sys/netgraph/ng_pppoe.c:1343`).
    #[doc(alias = "NGM_PPPOE_SESSIONID")]
    SessionId(u16) = 11 "pppoe_sessionid" without text => ();
    /// `standard`, `3Com` or `D-Link`.
    #[doc(alias = "NGM_PPPOE_SETMODE")]
    SetMode(CString) = 12 "pppoe_setmode" => ();
    /// The mode; both of the last two are joined by `|`.
    #[doc(alias = "NGM_PPPOE_GETMODE")]
    GetMode = 13 "pppoe_getmode" => CString;
    /// The source address of our frames.
    #[doc(alias = "NGM_PPPOE_SETENADDR")]
    SetMacAddress(MacAddress) = 14 "setenaddr" => ();
    /// To the node: the PPP-Max-Payload to ask for (RFC 4638), in octets. From the node: what the peer said.
    #[doc(alias = "NGM_PPPOE_SETMAXP")]
    SetMaximumPayload(MaximumPayload) = 15 "setmaxp" => ();
    /// Sends a URL by an active session.
    #[doc(alias = "NGM_PPPOE_SEND_HURL")]
    SendHurl(Session) = 16 "send_hurl" => ();
    /// From the node: a URL came.
    #[doc(alias = "NGM_PPPOE_HURL")]
    Hurl(PadmValue) = 17 "hurl" without text => ();
    /// Sends a message of the minute by an active session.
    #[doc(alias = "NGM_PPPOE_SEND_MOTM")]
    SendMotm(Session) = 18 "send_motm" => ();
    /// From the node: a message of the minute came.
    #[doc(alias = "NGM_PPPOE_MOTM")]
    Motm(PadmValue) = 19 "motm" without text => ();
}

/// `struct ngpppoe_init_data` (`sys/netgraph/ng_pppoe.h:128`). Longer data than the kernel takes is answered with
/// `EMSGSIZE`.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[doc(alias = "ngpppoe_init_data")]
pub struct Session {
    /// The session's hook; `ENOENT` if there is none.
    pub hook: Name,
    /// A service, a name, a URL: what the command says.
    pub data: ShortBytes,
}

impl Payload for Session {
    const TEXT: Option<&'static Type> = Some(&Type::Struct(&[
        Member { name: "hook", kind: <Name as Field>::TEXT },
        Member { name: "data", kind: &Type::SizedString },
    ]));

    fn encode(&self, out: &mut Vec<u8>) {
        put(out, &self.hook);
        put(out, &self.data.count());
        out.extend_from_slice(self.data.as_bytes());
    }

    fn decode(payload: &[u8]) -> Result<Self, Malformed> {
        let (hook, rest) = get_prefix(payload)?;
        let (count, rest) = get_prefix(rest)?;
        Ok(Self { hook, data: ShortBytes::take(count, rest)? })
    }
}

/// What [`SetMaximumPayload`] carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaximumPayload {
    /// To the node.
    Request {
        /// What to ask for.
        octets: u16,
    },
    /// From the node, `struct ngpppoe_maxp` (`sys/netgraph/ng_pppoe.h:159`).
    Event {
        /// The session's hook.
        hook: Name,
        /// What the peer said.
        octets: u16,
    },
}

impl Payload for MaximumPayload {
    const TEXT: Option<&'static Type> = Some(Type::UINT16);

    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Request { octets } => put(out, octets),
            Self::Event { hook, octets } => {
                put(out, hook);
                put(out, octets);
            }
        }
    }

    fn decode(payload: &[u8]) -> Result<Self, Malformed> {
        if payload.len() == size_of::<u16>() {
            return wire::get(payload).map(|octets| Self::Request { octets });
        }
        let (hook, rest) = get_prefix(payload)?;
        wire::get(rest).map(|octets| Self::Event { hook, octets })
    }
}

wire_struct! {
    /// `struct ngpppoe_padm` (`sys/netgraph/ng_pppoe.h:167`).
    #[doc(alias = "ngpppoe_padm")]
    #[derive(Default)]
    pub struct PadmValue = RawPadmValue, 128 bytes {
        /// The text.
        text: Text<128> = "msg",
    }
}

wire_struct! {
    /// `struct ngpppoestat` (`sys/netgraph/ng_pppoe.h:98`).
    #[doc(alias = "ngpppoestat")]
    #[derive(Default)]
    pub struct Stats = RawStats, 8 bytes {
        /// Packets from the Ethernet.
        received_packets: u32 = "packets_in",
        /// Packets to the Ethernet.
        sent_packets: u32 = "packets_out",
    }
}
