//! Addresses of nodes (`ng_path_parse`, `ng_path2noderef`; `sys/netgraph/ng_base.c:1659`).

use super::label::Label;
use super::table::Nodes;
use super::{HookId, NodeId};
use crate::abi::Errno;

/// Where an address leads: the node, and its hook by which the last step entered it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) node: NodeId,
    pub(super) by: Option<HookId>,
}

/// Follows `address` from the node `here`.
///
/// # Errors
/// `EINVAL` for what is no address, `ENOENT` for a node or hook that is not there.
pub(super) fn resolve(nodes: &Nodes, here: NodeId, address: &[u8]) -> Result<Place, Errno> {
    let (node, hooks) = split(address)?;
    let start = match node {
        None | Some(b".") => Some(here),
        Some(name) => match ngsock::NodeId::from_bracketed(name) {
            Some(id) => Some(NodeId(id.0)),
            None => Label::new(name).and_then(|name| nodes.named(&name)),
        },
    };
    let start = start.filter(|id| nodes.get(*id).is_some()).ok_or(Errno::ENOENT)?;
    let mut place = Place { node: start, by: None };
    if hooks.is_empty() {
        return Ok(place);
    }
    for hook in hooks.split(|byte| *byte == b'.') {
        let name = Label::new(hook).ok_or(Errno::ENOENT)?;
        let hook = nodes.get(place.node).and_then(|node| node.hooks.find(&name)).ok_or(Errno::ENOENT)?;
        let peer = hook.peer.ok_or(Errno::ENOENT)?;
        place = Place { node: peer.node, by: Some(peer.hook) };
    }
    Ok(place)
}

/// The part before the colon, and the hooks without a dot at their beginning or end.
fn split(address: &[u8]) -> Result<(Option<&[u8]>, &[u8]), Errno> {
    let mut parts = address.splitn(2, |byte| *byte == b':');
    let first = parts.next().unwrap_or_default();
    let (node, hooks) = match parts.next() {
        None => (None, first),
        Some(_) if first.is_empty() || (first != b"." && first.contains(&b'.')) => return Err(Errno::EINVAL),
        Some(rest) if rest.contains(&b':') => return Err(Errno::EINVAL),
        Some(rest) => (Some(first), rest),
    };
    if hooks.windows(2).any(|pair| pair == b"..") {
        return Err(Errno::EINVAL);
    }
    let hooks = hooks.strip_prefix(b".").unwrap_or(hooks);
    Ok((node, hooks.strip_suffix(b".").unwrap_or(hooks)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_cut_as_the_kernel_cuts_them() {
        let cut = |address: &'static str| split(address.as_bytes());
        assert_eq!(cut("."), Ok((None, &b""[..])));
        assert_eq!(cut(".:"), Ok((Some(&b"."[..]), &b""[..])));
        assert_eq!(cut("a:b.c"), Ok((Some(&b"a"[..]), &b"b.c"[..])));
        assert_eq!(cut(".a."), Ok((None, &b"a"[..])));
        assert_eq!(cut(""), Ok((None, &b""[..])));
        for bad in [":a", "a:b:c", "a.b:", "a:b..c", "..", "::"] {
            assert_eq!(cut(bad), Err(Errno::EINVAL), "{bad}");
        }
    }
}
