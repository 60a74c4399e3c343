//! Who is on which subnet of one family.

use std::net::IpAddr;

use crate::model::prefix::{Family, Prefix};
use crate::model::{LinkId, Model, NodeId, SegmentId};

/// The subnets of one family.
#[derive(Debug)]
pub(super) struct Map {
    pub(super) family: Family,
    /// By prefix and segment.
    pub(super) subnets: Vec<Subnet>,
    /// Places in `subnets` by node, each once, in the order of the node's interfaces.
    pub(super) of_node: Vec<Vec<usize>>,
}

/// One subnet on one segment.
#[derive(Debug)]
pub(super) struct Subnet {
    pub(super) prefix: Prefix,
    /// By node, each node once: with its first interface there and its lowest address.
    pub(super) members: Vec<Member>,
}

/// A node on a subnet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    pub(super) node: NodeId,
    pub(super) address: IpAddr,
    pub(super) link: LinkId,
}

impl Map {
    pub(super) fn new(model: &Model, family: Family) -> Self {
        let mut stays: Vec<(Prefix, SegmentId, usize, Member)> = Vec::new();
        for (place, node) in model.nodes.iter().enumerate() {
            for (order, interface) in node.interfaces.values().enumerate() {
                let segment = model.links[interface.link.0].segment;
                let of_family = interface.addresses.iter().filter(|address| Family::of(address.net.ip()) == family);
                stays.extend(of_family.map(|address| {
                    let member = Member { node: NodeId(place), address: address.net.ip(), link: interface.link };
                    (Prefix::of(address.net), segment, order, member)
                }));
            }
        }
        stays.sort_by_key(|(prefix, segment, order, member)| (*prefix, *segment, member.node, *order, member.address));
        let mut subnets = Vec::new();
        let mut of_node: Vec<Vec<(usize, usize)>> = vec![Vec::new(); model.nodes.len()];
        for inhabitants in stays.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
            let mut members: Vec<Member> = Vec::with_capacity(inhabitants.len());
            for (_, _, order, member) in inhabitants {
                if members.last().is_none_or(|last| last.node != member.node) {
                    members.push(*member);
                    of_node[member.node.0].push((*order, subnets.len()));
                }
            }
            subnets.push(Subnet { prefix: inhabitants[0].0, members });
        }
        let in_order = |mut places: Vec<(usize, usize)>| {
            places.sort_unstable();
            places.into_iter().map(|(_, place)| place).collect()
        };
        Self { family, subnets, of_node: of_node.into_iter().map(in_order).collect() }
    }
}

impl Subnet {
    /// The member that is this node.
    pub(super) fn member(&self, node: NodeId) -> Option<Member> {
        self.members.binary_search_by_key(&node, |member| member.node).ok().map(|place| self.members[place])
    }
}
