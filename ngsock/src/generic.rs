//! The commands that every node understands, whatever its type (`sys/netgraph/ng_message.h:114`).

use crate::addr::{NodeId, NodePath};
use crate::message::{Header, MAX_PAYLOAD, Malformed, Message, Payload};
use crate::name::{HookName, Name, NodeName, Text, TypeName};
use crate::text::{Count, Member, Type};
use crate::wire::{Field, commands, count_of, counted_list, get_all, get_prefix, put, put_all, wire_struct};

/// `NGM_GENERIC_COOKIE` (`sys/netgraph/ng_message.h:114`).
#[doc(alias = "NGM_GENERIC_COOKIE")]
pub const COOKIE: u32 = 1_137_070_366;

/// `struct ngm_name` and `struct ngm_rmhook` have one member, which is what the requests hold.
const NAME_ARGUMENT: &Type = &Type::Struct(&[Member { name: "name", kind: <Name as Field>::TEXT }]);
const HOOK_ARGUMENT: &Type = &Type::Struct(&[Member { name: "hook", kind: <Name as Field>::TEXT }]);

commands! { COOKIE:
    /// Removes the node, whatever its hooks (`sys/netgraph/ng_base.c:2512`). A tee joins its neighbours first, an
    /// ether node comes back. Neighbours that lose their last hook may go too, a moment later.
    #[doc(alias = "NGM_SHUTDOWN")]
    Shutdown = 1 "shutdown" => ();
    /// Creates a node and joins a hook of the addressed node with one of it (`sys/netgraph/ng_base.c:1545`).
    #[doc(alias = "NGM_MKPEER")]
    MkPeer(NewPeer) = 2 "mkpeer" => ();
    /// Joins a hook of the addressed node with one of another node (`sys/netgraph/ng_base.c:1482`).
    #[doc(alias = "NGM_CONNECT")]
    Connect(Join) = 3 "connect" => ();
    /// Names the node (`sys/netgraph/ng_base.c:852`). Naming it what it is called succeeds.
    #[doc(alias = "NGM_NAME")]
    SetName(Name) = 4 "name" => () [argument NAME_ARGUMENT];
    /// Breaks a hook (`sys/netgraph/ng_base.c:2590`). One that does not exist is no error.
    #[doc(alias = "NGM_RMHOOK")]
    RemoveHook(Name) = 5 "rmhook" => () [argument HOOK_ARGUMENT];
    /// What the node is.
    #[doc(alias = "NGM_NODEINFO")]
    GetNodeInfo = 0x3000_0006 "nodeinfo" => NodeInfo;
    /// The node and its hooks.
    #[doc(alias = "NGM_LISTHOOKS")]
    ListHooks = 0x3000_0007 "listhooks" => HookList;
    /// All nodes of the vnet that have a name.
    #[doc(alias = "NGM_LISTNAMES")]
    ListNames = 0x3000_0008 "listnames" => NodeList;
    /// All nodes of the vnet.
    #[doc(alias = "NGM_LISTNODES")]
    ListNodes = 0x3000_0009 "listnodes" => NodeList;
    /// All node types that are loaded.
    #[doc(alias = "NGM_LISTTYPES")]
    ListTypes = 0x3000_000a "listtypes" => TypeList;
    /// The node's state in words. Few types have it; `EINVAL` from the others.
    #[doc(alias = "NGM_TEXT_STATUS")]
    GetTextStatus = 0x3000_000b "textstatus" => CString;
    /// Turns a message's argument into text (`sys/netgraph/ng_base.c:2818`); `ENOSYS` if the node's type has no
    /// such command.
    #[doc(alias = "NGM_BINARY2ASCII")]
    BinaryToText(Enclosed) = 0x3000_000c "binary2ascii" => Enclosed;
    /// Turns text into a message's argument, by the command in the header's text (`sys/netgraph/ng_base.c:2854`);
    /// `ENOSYS` if the node's type has no such command.
    #[doc(alias = "NGM_ASCII2BINARY")]
    TextToBinary(Enclosed) = 0x3000_000d "ascii2binary" => Enclosed;
    /// Configures the node in words. No type of FreeBSD 15.1 implements it.
    #[doc(alias = "NGM_TEXT_CONFIG")]
    TextConfig(CString) = 14 "textconfig" => Option<CString> [unspoken argument];
}

impl MkPeer {
    /// Joins hook `ours` of the addressed node with hook `theirs` of a new node of type `kind`.
    #[must_use]
    pub fn new(kind: &TypeName, ours: &HookName, theirs: &HookName) -> Self {
        Self(NewPeer { kind: (*kind).into(), our_hook: (*ours).into(), peer_hook: (*theirs).into() })
    }
}

impl Connect {
    /// Joins hook `ours` of the addressed node with hook `theirs` of the node that `peer` leads to; a relative
    /// path starts at the **addressed** node.
    #[must_use]
    pub fn new(peer: &NodePath, ours: &HookName, theirs: &HookName) -> Self {
        // A NodePath has neither NUL nor more than 511 bytes.
        let path = Text::new(peer.as_bytes()).unwrap_or_default();
        Self(Join { path, our_hook: (*ours).into(), peer_hook: (*theirs).into() })
    }
}

impl SetName {
    /// Names the node `name`.
    #[must_use]
    pub fn new(name: &NodeName) -> Self {
        Self((*name).into())
    }
}

impl RemoveHook {
    /// Breaks hook `hook`.
    #[must_use]
    pub fn new(hook: &HookName) -> Self {
        Self((*hook).into())
    }
}

wire_struct! {
    /// `struct ngm_mkpeer` (`sys/netgraph/ng_message.h:173`).
    #[doc(alias = "ngm_mkpeer")]
    pub struct NewPeer = RawNewPeer, 96 bytes {
        /// The new node's type.
        kind: Name = "type",
        /// The addressed node's hook.
        our_hook: Name = "ourhook",
        /// The new node's hook.
        peer_hook: Name = "peerhook",
    }
}

wire_struct! {
    /// `struct ngm_connect` (`sys/netgraph/ng_message.h:188`).
    #[doc(alias = "ngm_connect")]
    pub struct Join = RawJoin, 576 bytes {
        /// The way to the other node, from the addressed one.
        path: Text<512> = "path",
        /// The addressed node's hook.
        our_hook: Name = "ourhook",
        /// The other node's hook.
        peer_hook: Name = "peerhook",
    }
}

impl Field for NodeId {
    type Raw = u32;

    const TEXT: &'static Type = Type::HINT32;

    fn to_raw(&self) -> u32 {
        self.0
    }

    fn from_raw(raw: u32) -> Self {
        Self(raw)
    }
}

wire_struct! {
    /// `struct nodeinfo` (`sys/netgraph/ng_message.h:225`).
    #[doc(alias = "nodeinfo")]
    pub struct NodeInfo = RawNodeInfo, 72 bytes {
        /// The node's name; empty if it has none.
        name: Name = "name",
        /// Its type.
        kind: Name = "type",
        /// Its number.
        id: NodeId = "id",
        /// How many hooks it has.
        hooks: u32 = "hooks",
    }
}

wire_struct! {
    /// `struct linkinfo`, a hook and what is behind it (`sys/netgraph/ng_message.h:242`).
    #[doc(alias = "linkinfo")]
    pub struct LinkInfo = RawLinkInfo, 136 bytes {
        /// The addressed node's hook.
        our_hook: Name = "ourhook",
        /// The hook of the node at the other end.
        peer_hook: Name = "peerhook",
        /// That node.
        peer: NodeInfo = "nodeinfo",
    }
}

wire_struct! {
    /// `struct typeinfo` (`sys/netgraph/ng_message.h:282`).
    #[doc(alias = "typeinfo")]
    pub struct TypeInfo = RawTypeInfo, 36 bytes {
        /// The type's name.
        name: Name = "typename",
        /// How many nodes of it there are, over all vnets.
        nodes: u32 = "numnodes",
    }
}

/// `struct hooklist`: a node and its hooks, newest first (`sys/netgraph/ng_message.h:256`).
///
/// A link that is being torn down at this moment may still be among them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[doc(alias = "hooklist")]
pub struct HookList {
    /// The node's name; empty if it has none.
    pub name: Name,
    /// Its type.
    pub kind: Name,
    /// Its number.
    pub id: NodeId,
    /// Its hooks.
    pub links: Vec<LinkInfo>,
}

impl Payload for HookList {
    const TEXT: Option<&'static Type> = Some(&Type::Struct(&[
        Member { name: "nodeinfo", kind: <NodeInfo as Field>::TEXT },
        Member { name: "linkinfo", kind: &Type::Array(<LinkInfo as Field>::TEXT, Count::U32_JUST_BEFORE) },
    ]));

    fn encode(&self, out: &mut Vec<u8>) {
        put(out, &NodeInfo { name: self.name, kind: self.kind, id: self.id, hooks: count_of(&self.links) });
        put_all(out, &self.links);
    }

    /// The kernel sizes the message before it skips hooks that are going, so it may be longer than its hooks.
    fn decode(payload: &[u8]) -> Result<Self, Malformed> {
        let (NodeInfo { name, kind, id, hooks }, rest) = get_prefix(payload)?;
        let (links, _) = get_all(hooks, rest)?;
        Ok(Self { name, kind, id, links })
    }
}

counted_list! {
    /// `struct namelist`: nodes in the order of the kernel's hash table (`sys/netgraph/ng_message.h:269`).
    #[doc(alias = "namelist")]
    pub struct NodeList(NodeInfo): "numnames" "nodeinfo", elements at 4;

    /// `struct typelist`: types, the last loaded first (`sys/netgraph/ng_message.h:294`).
    #[doc(alias = "typelist")]
    pub struct TypeList(TypeInfo): "numtypes" "typeinfo", elements at 4;
}

/// Text that ends with a NUL, of any length.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct CString(Vec<u8>);

impl CString {
    /// The text up to its first NUL.
    #[must_use]
    pub fn new(text: impl AsRef<[u8]>) -> Self {
        Self(text.as_ref().split(|&byte| byte == 0).next().unwrap_or_default().to_vec())
    }

    /// The text without its NUL.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The text, if it is UTF-8.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        core::str::from_utf8(&self.0).ok()
    }
}

impl Payload for CString {
    const TEXT: Option<&'static Type> = Some(&Type::String);

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
        out.push(0);
    }

    fn decode(payload: &[u8]) -> Result<Self, Malformed> {
        Ok(Self::new(payload))
    }
}

/// A whole message as the payload of another: what is to be converted, and what was.
///
/// One of the two has a text that ends with NUL as its payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enclosed {
    header: Header,
    payload: Vec<u8>,
}

impl Enclosed {
    /// Encloses a message.
    ///
    /// # Errors
    /// `TooLong` past [`MAX_PAYLOAD`], headers included.
    pub fn new(header: Header, payload: &impl Payload) -> Result<Self, Malformed> {
        let mut bytes = Vec::new();
        payload.encode(&mut bytes);
        Self::from_bytes(header, bytes)
    }

    /// Encloses a message whose payload is bytes already.
    ///
    /// # Errors
    /// `TooLong` past [`MAX_PAYLOAD`], headers included.
    pub fn from_bytes(header: Header, payload: Vec<u8>) -> Result<Self, Malformed> {
        if payload.len() > MAX_PAYLOAD - crate::message::HEADER_LEN {
            return Err(Malformed::TooLong { len: payload.len() });
        }
        Ok(Self { header, payload })
    }

    /// The enclosed header.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The enclosed payload.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }
}

impl Payload for Enclosed {
    const TEXT: Option<&'static Type> = Some(&Type::Struct(&[
        Member { name: "version", kind: Type::UINT8 },
        Member { name: "spare", kind: Type::UINT8 },
        Member { name: "spare2", kind: Type::UINT16 },
        Member { name: "arglen", kind: Type::UINT32 },
        Member { name: "cmd", kind: Type::UINT32 },
        Member { name: "flags", kind: Type::HINT32 },
        Member { name: "token", kind: Type::UINT32 },
        Member { name: "typecookie", kind: Type::UINT32 },
        Member { name: "cmdstr", kind: &Type::FixedString(32) },
        Member { name: "data", kind: &Type::Bytes(Count::Before { size: 4, back: 52 }) },
    ]));

    fn encode(&self, out: &mut Vec<u8>) {
        // Its length was checked when it was made.
        let _ = crate::message::encode(out, &self.header, &self.payload);
    }

    fn decode(payload: &[u8]) -> Result<Self, Malformed> {
        let Message { header, payload } = Message::parse(payload)?;
        Self::from_bytes(header, payload.to_vec())
    }
}
