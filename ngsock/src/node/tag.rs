//! `tag`: sorts packets by their mbuf tags, and tags them (`sys/netgraph/ng_tag.h`).
//!
//! Any hook name is taken; the hooks that a configuration names must be there (`ENOENT`). The node goes with its
//! last hook. Its statistics exist in debugging kernels only.

use crate::message::{Malformed, Payload};
use crate::name::{Name, ShortBytes, TypeName};
use crate::text::{Count, Member, Type};
use crate::wire::{Field, commands, get_prefix, put, wire_struct};

/// `NG_TAG_NODE_TYPE`.
pub const TYPE: TypeName = TypeName::known("tag");

/// `NGM_TAG_COOKIE` (`sys/netgraph/ng_tag.h:35`).
#[doc(alias = "NGM_TAG_COOKIE")]
pub const COOKIE: u32 = 1_149_771_193;

commands! { COOKIE:
    /// Sets what happens with packets that come in by a hook (`sys/netgraph/ng_tag.c:357`).
    #[doc(alias = "NGM_TAG_SET_HOOKIN")]
    SetInput(Padded<Input>) = 1 "sethookin" => ();
    /// What that is, by the hook's name (`sys/netgraph/ng_tag.c:399`).
    #[doc(alias = "NGM_TAG_GET_HOOKIN")]
    GetInput(Name) = 2 "gethookin" => Input;
    /// Sets the tag of packets that go out by a hook (`sys/netgraph/ng_tag.c:378`).
    #[doc(alias = "NGM_TAG_SET_HOOKOUT")]
    SetOutput(Padded<Output>) = 3 "sethookout" => ();
    /// Which that is, by the hook's name (`sys/netgraph/ng_tag.c:423`).
    #[doc(alias = "NGM_TAG_GET_HOOKOUT")]
    GetOutput(Name) = 4 "gethookout" => Output;
    /// The counters of the hook named, in kernels built with `NG_TAG_DEBUG` (`sys/netgraph/ng_tag.c:448`); others,
    /// all of FreeBSD's own, answer `EINVAL`, and their ngctl(8) has no word for it.
    #[doc(alias = "NGM_TAG_GET_STATS")]
    GetStats(Name) = 5 "getstats" without text => HookStats;
    /// Clears them.
    #[doc(alias = "NGM_TAG_CLR_STATS")]
    ClearStats(Name) = 6 "clrstats" without text => ();
    /// Both at once.
    #[doc(alias = "NGM_TAG_GETCLR_STATS")]
    GetAndClearStats(Name) = 7 "getclrstats" without text => HookStats;
}

wire_struct! {
    /// `struct ng_tag_hookstat` (`sys/netgraph/ng_tag.h:95`).
    #[doc(alias = "ng_tag_hookstat")]
    #[derive(Default)]
    pub struct HookStats = RawHookStats, 48 bytes {
        /// `recvFrames`.
        received_frames: u64 = "recvFrames",
        /// `recvOctets`.
        received_octets: u64 = "recvOctets",
        /// `recvMatchFrames`: of these, the frames with the tag.
        matched_frames: u64 = "recvMatchFrames",
        /// `recvMatchOctets`.
        matched_octets: u64 = "recvMatchOctets",
        /// `xmitFrames`.
        sent_frames: u64 = "xmitFrames",
        /// `xmitOctets`.
        sent_octets: u64 = "xmitOctets",
    }
}

/// A structure filled up to a multiple of four bytes, as ngctl(8) sends it. The kernel takes it without the filling
/// too, and replies without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Padded<T>(pub T);

impl<T: Payload> Payload for Padded<T> {
    const TEXT: Option<&'static Type> = T::TEXT;

    fn encode(&self, out: &mut Vec<u8>) {
        let begin = out.len();
        self.0.encode(out);
        out.resize(begin + (out.len() - begin).next_multiple_of(4), 0);
    }

    fn decode(payload: &[u8]) -> Result<Self, Malformed> {
        T::decode(payload).map(Self)
    }
}

/// A tag in the way of mbuf_tags(9).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Tag {
    /// Whose tag it is.
    pub cookie: u32,
    /// Which of its tags.
    pub id: u16,
    /// What it holds.
    pub data: ShortBytes,
}

/// `struct ng_tag_hookin` (`sys/netgraph/ng_tag.h:44`).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[doc(alias = "ng_tag_hookin")]
pub struct Input {
    /// `thisHook`.
    pub hook: Name,
    /// `ifMatch`: where packets go that have the tag; empty drops them.
    pub if_match: Name,
    /// `ifNotMatch`: where the others go; empty drops them.
    pub if_not_match: Name,
    /// `strip`: not 0 removes the tag.
    pub strip: u8,
    /// The tag to look for. Cookie and number 0 is any packet without one (`sys/netgraph/ng_tag.c`).
    pub tag: Tag,
}

/// `struct ng_tag_hookout` (`sys/netgraph/ng_tag.h:56`).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[doc(alias = "ng_tag_hookout")]
pub struct Output {
    /// `thisHook`.
    pub hook: Name,
    /// The tag to add. Cookie and number 0 adds none.
    pub tag: Tag,
}

wire_struct! {
    /// What stands before the data of [`Input`].
    pub(crate) struct InputHead = RawInputHead, 108 bytes {
        /// `thisHook`.
        hook: Name = "thisHook",
        /// `ifMatch`.
        if_match: Name = "ifMatch",
        /// `ifNotMatch`.
        if_not_match: Name = "ifNotMatch",
        /// `strip`.
        strip: u8 = "strip",
        pad _pad: 3,
        /// `tag_cookie`.
        cookie: u32 = "tag_cookie",
        /// `tag_id`.
        id: u16 = "tag_id",
        /// `tag_len`.
        count: u16 = "tag_len",
    }
}

wire_struct! {
    /// What stands before the data of [`Output`].
    pub(crate) struct OutputHead = RawOutputHead, 40 bytes {
        /// `thisHook`.
        hook: Name = "thisHook",
        /// `tag_cookie`.
        cookie: u32 = "tag_cookie",
        /// `tag_id`.
        id: u16 = "tag_id",
        /// `tag_len`.
        count: u16 = "tag_len",
    }
}

/// `tag_data`, counted in the two bytes before it.
const DATA: Member = Member { name: "tag_data", kind: &Type::Bytes(Count::Before { size: 2, back: 2 }) };

impl Payload for Input {
    const TEXT: Option<&'static Type> = Some(&Type::Struct(&[
        Member { name: "thisHook", kind: <Name as Field>::TEXT },
        Member { name: "ifMatch", kind: <Name as Field>::TEXT },
        Member { name: "ifNotMatch", kind: <Name as Field>::TEXT },
        Member { name: "strip", kind: Type::UINT8 },
        Member { name: "tag_cookie", kind: Type::UINT32 },
        Member { name: "tag_id", kind: Type::UINT16 },
        Member { name: "tag_len", kind: Type::UINT16 },
        DATA,
    ]));

    fn encode(&self, out: &mut Vec<u8>) {
        let Self { hook, if_match, if_not_match, strip, tag: Tag { cookie, id, ref data } } = *self;
        put(out, &InputHead { hook, if_match, if_not_match, strip, cookie, id, count: data.count() });
        out.extend_from_slice(data.as_bytes());
    }

    fn decode(payload: &[u8]) -> Result<Self, Malformed> {
        let (InputHead { hook, if_match, if_not_match, strip, cookie, id, count }, rest) = get_prefix(payload)?;
        let data = ShortBytes::take(count, rest)?;
        Ok(Self { hook, if_match, if_not_match, strip, tag: Tag { cookie, id, data } })
    }
}

impl Payload for Output {
    const TEXT: Option<&'static Type> = Some(&Type::Struct(&[
        Member { name: "thisHook", kind: <Name as Field>::TEXT },
        Member { name: "tag_cookie", kind: Type::UINT32 },
        Member { name: "tag_id", kind: Type::UINT16 },
        Member { name: "tag_len", kind: Type::UINT16 },
        DATA,
    ]));

    fn encode(&self, out: &mut Vec<u8>) {
        let Self { hook, tag: Tag { cookie, id, ref data } } = *self;
        put(out, &OutputHead { hook, cookie, id, count: data.count() });
        out.extend_from_slice(data.as_bytes());
    }

    fn decode(payload: &[u8]) -> Result<Self, Malformed> {
        let (OutputHead { hook, cookie, id, count }, rest) = get_prefix(payload)?;
        Ok(Self { hook, tag: Tag { cookie, id, data: ShortBytes::take(count, rest)? } })
    }
}
