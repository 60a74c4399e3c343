//! `device`: a device file `/dev/ngd<N>` as a node (`sys/netgraph/ng_device.h`).
//!
//! One hook of any name. The node goes with it. Command numbers start at 0.

use crate::generic::CString;
use crate::message::{Malformed, Payload};
use crate::name::TypeName;
use crate::text::Type;
use crate::wire::commands;

/// `NG_DEVICE_NODE_TYPE`.
pub const TYPE: TypeName = TypeName::known("device");

/// `NGM_DEVICE_COOKIE` (`sys/netgraph/ng_device.h:34`).
#[doc(alias = "NGM_DEVICE_COOKIE")]
pub const COOKIE: u32 = 1_091_129_178;

commands! { COOKIE:
    /// The device's name (`sys/netgraph/ng_device.c:272`).
    #[doc(alias = "NGM_DEVICE_GET_DEVNAME")]
    GetDeviceName = 0 "getdevname" => DeviceName;
    /// Leaves room before what is read, so that what follows an Ethernet header is aligned; only on machines that
    /// need it (`sys/netgraph/ng_device.c:284`).
    #[doc(alias = "NGM_DEVICE_ETHERALIGN")]
    AlignEthernet = 1 "etheralign" => ();
}

/// The name of a device, such as `ngd0`.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct DeviceName(pub CString);

/// `strlen("ngd") + 4`: what the kernel reserves, whatever the number (`sys/netgraph/ng_device.c:274`).
const REPLY_LEN: usize = 7;

impl Payload for DeviceName {
    const TEXT: Option<&'static Type> = Some(&Type::String);

    fn encode(&self, out: &mut Vec<u8>) {
        let begin = out.len();
        self.0.encode(out);
        out.resize(out.len().max(begin + REPLY_LEN), 0);
    }

    fn decode(payload: &[u8]) -> Result<Self, Malformed> {
        CString::decode(payload).map(Self)
    }
}
