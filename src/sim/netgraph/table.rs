//! The nodes of one vnet: by number, by name, and in the order of the kernel's hash chains, which listings show.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::NodeId;
use super::hooks::Hooks;
use super::label::Label;
use super::node::Kind;
use crate::abi::Errno;

/// One node.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Node {
    pub(super) name: Option<Label>,
    pub(super) hooks: Hooks,
    pub(super) kind: Kind,
}

/// The nodes of one vnet.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Nodes {
    by_id: BTreeMap<NodeId, Node>,
    next: u32,
    ids: Chains,
    names: Chains,
    #[serde(skip)]
    by_name: HashMap<Label, NodeId>,
}

impl Default for Nodes {
    fn default() -> Self {
        Self {
            by_id: BTreeMap::new(),
            next: 1,
            ids: Chains::default(),
            names: Chains::default(),
            by_name: HashMap::new(),
        }
    }
}

impl Nodes {
    pub(super) fn get(&self, id: NodeId) -> Option<&Node> {
        self.by_id.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: NodeId) -> Option<&mut Node> {
        self.by_id.get_mut(&id)
    }

    pub(super) fn named(&self, name: &Label) -> Option<NodeId> {
        self.by_name.get(name).copied()
    }

    /// By number, ascending.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = (NodeId, &Node)> {
        self.by_id.iter().map(|(id, node)| (*id, node))
    }

    /// The next number, past zero and those in use (`ng_make_node_common`, `sys/netgraph/ng_base.c:685`).
    pub(super) fn take_id(&mut self) -> NodeId {
        loop {
            let id = NodeId(self.next);
            self.next = self.next.wrapping_add(1);
            if id.0 != 0 && !self.by_id.contains_key(&id) {
                return id;
            }
        }
    }

    /// Enters a node without name under a number from [`Self::take_id`].
    pub(super) fn enter(&mut self, id: NodeId, kind: Kind) {
        self.by_id.insert(id, Node { name: None, hooks: Hooks::default(), kind });
        self.ids.grow(self.by_id.len());
        self.ids.insert(id.0, id);
    }

    pub(super) fn remove(&mut self, id: NodeId) -> Option<Node> {
        let node = self.by_id.remove(&id)?;
        self.ids.remove(id.0, id);
        if let Some(name) = &node.name {
            self.names.remove(hash(name), id);
            self.by_name.remove(name);
        }
        Some(node)
    }

    /// Names a node (`ng_name_node`, `sys/netgraph/ng_base.c:852`).
    ///
    /// # Errors
    /// `EINVAL` for what cannot be a name, `EADDRINUSE` if another node has it.
    pub(super) fn rename(&mut self, id: NodeId, name: &[u8]) -> Result<(), Errno> {
        let name: ngsock::name::Name = ngsock::NodeName::new(name).map_err(|_| Errno::EINVAL)?.into();
        let name = Label::from(name);
        match self.by_name.get(&name) {
            Some(owner) if *owner == id => return Ok(()),
            Some(_) => return Err(Errno::EADDRINUSE),
            None => {}
        }
        // The chains grow before the name is entered, by what was there until now.
        self.names.grow(self.by_name.len());
        let node = self.by_id.get_mut(&id).ok_or(Errno::ENOENT)?;
        if let Some(old) = node.name.replace(name) {
            self.names.remove(hash(&old), id);
            self.by_name.remove(&old);
        }
        self.names.insert(hash(&name), id);
        self.by_name.insert(name, id);
        Ok(())
    }

    /// All nodes in the order of NGM_LISTNODES.
    pub(super) fn listed(&self) -> impl Iterator<Item = (NodeId, &Node)> {
        self.ids.iter().filter_map(|id| Some((id, self.by_id.get(&id)?)))
    }

    /// Named nodes in the order of NGM_LISTNAMES.
    pub(super) fn listed_names(&self) -> impl Iterator<Item = (NodeId, &Node)> {
        self.names.iter().filter_map(|id| Some((id, self.by_id.get(&id)?)))
    }

    /// After loading: makes the index of names and says what contradicts itself.
    pub(super) fn restore(&mut self) -> Result<(), &'static str> {
        self.by_name = self.by_id.iter().filter_map(|(id, node)| Some((node.name?, *id))).collect();
        let named = self.by_id.values().filter(|node| node.name.is_some()).count();
        if self.by_name.len() != named || self.by_id.contains_key(&NodeId(0)) {
            return Err("two nodes of one name, or a node 0");
        }
        let ids = self.by_id.keys().map(|id| (id.0, *id));
        let names = self.by_name.iter().map(|(name, id)| (hash(name), *id));
        if !self.ids.holds(ids) || !self.names.holds(names) {
            return Err("the lists of nodes are not those of the nodes");
        }
        if !self.by_id.values_mut().all(|node| node.hooks.restore()) {
            return Err("the hooks of a node are in disorder");
        }
        let sound = self.by_id.iter().all(|(id, node)| node.hooks.iter().all(|hook| self.is_mutual(*id, hook)));
        if sound { Ok(()) } else { Err("a hook whose peer is not joined to it") }
    }

    fn is_mutual(&self, id: NodeId, hook: &super::hooks::Hook) -> bool {
        hook.peer.is_some_and(|peer| {
            let back = self.get(peer.node).and_then(|node| node.hooks.get(peer.hook)).and_then(|hook| hook.peer);
            back == Some(super::hooks::Peer { node: id, hook: hook.id })
        })
    }
}

/// The kernel's hash chains: listings walk them, so their order is seen. They double when half full and never
/// shrink (`ng_ID_rehash`, `ng_name_rehash`).
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Chains {
    /// Each with its newest element last.
    chains: Vec<Vec<(u32, NodeId)>>,
}

impl Default for Chains {
    fn default() -> Self {
        Self { chains: vec![Vec::new(); 16] }
    }
}

impl Chains {
    fn insert(&mut self, hash: u32, id: NodeId) {
        if let Some(chain) = self.chain(hash) {
            chain.push((hash, id));
        }
    }

    fn remove(&mut self, hash: u32, id: NodeId) {
        if let Some(chain) = self.chain(hash) {
            chain.retain(|(_, other)| *other != id);
        }
    }

    fn iter(&self) -> impl Iterator<Item = NodeId> {
        self.chains.iter().flat_map(|chain| chain.iter().rev().map(|(_, id)| *id))
    }

    /// Doubles if `count` elements fill more than half. Chains are walked from their heads and pushed onto the
    /// heads of the new ones, so each half of a chain comes out reversed.
    fn grow(&mut self, count: usize) {
        if count.saturating_mul(2) < self.chains.len() {
            return;
        }
        let old = std::mem::take(&mut self.chains);
        self.chains = vec![Vec::new(); old.len() * 2];
        for (hash, id) in old.into_iter().flat_map(|chain| chain.into_iter().rev()) {
            self.insert(hash, id);
        }
    }

    /// There are always chains, and a power of two of them.
    fn chain(&mut self, hash: u32) -> Option<&mut Vec<(u32, NodeId)>> {
        let mask = self.chains.len().checked_sub(1)?;
        self.chains.get_mut(usize::try_from(hash).ok()? & mask)
    }

    /// Whether these, and only these, are in the chains where they belong.
    fn holds(&self, elements: impl Iterator<Item = (u32, NodeId)>) -> bool {
        if self.chains.len() < 16 || !self.chains.len().is_power_of_two() {
            return false;
        }
        let mask = self.chains.len() - 1;
        let mut count = 0;
        for (hash, id) in elements {
            count += 1;
            let chain = usize::try_from(hash).ok().and_then(|hash| self.chains.get(hash & mask));
            if !chain.is_some_and(|chain| chain.contains(&(hash, id))) {
                return false;
            }
        }
        count == self.chains.iter().map(Vec::len).sum::<usize>()
    }
}

/// `hash32_str` from `HASHINIT` (`sys/sys/hash.h`).
fn hash(name: &Label) -> u32 {
    name.as_bytes().iter().fold(5381u32, |hash, byte| hash.wrapping_mul(33).wrapping_add(u32::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_round_past_zero_and_those_in_use() {
        let mut nodes = Nodes { next: u32::MAX, ..Nodes::default() };
        for expected in [u32::MAX, 1, 2] {
            let id = nodes.take_id();
            assert_eq!(id, NodeId(expected));
            nodes.enter(id, Kind::Echo);
        }
        nodes.next = 0;
        assert_eq!(nodes.take_id(), NodeId(3));
    }

    #[test]
    fn listings_follow_the_hash_chains() {
        let mut nodes = Nodes::default();
        for _ in 0..7 {
            let id = nodes.take_id();
            nodes.enter(id, Kind::Echo);
        }
        nodes.next = 18;
        let id = nodes.take_id();
        nodes.enter(id, Kind::Echo);
        nodes.next = 33;
        let id = nodes.take_id();
        nodes.enter(id, Kind::Echo);
        // Eight nodes make 32 chains of 16; 33 comes before 1 in the chain they share.
        let order: Vec<u32> = nodes.listed().map(|(id, _)| id.0).collect();
        assert_eq!(order, [33, 1, 2, 3, 4, 5, 6, 7, 18]);
    }

    #[test]
    fn a_name_moves_with_its_node_and_ends_with_it() {
        let mut nodes = Nodes::default();
        let (a, b) = (nodes.take_id(), nodes.take_id());
        nodes.enter(a, Kind::Echo);
        nodes.enter(b, Kind::Echo);
        assert_eq!(nodes.rename(a, b"x"), Ok(()));
        assert_eq!(nodes.rename(a, b"x"), Ok(()));
        assert_eq!(nodes.rename(b, b"x"), Err(Errno::EADDRINUSE));
        assert_eq!(nodes.rename(a, b"y"), Ok(()));
        assert_eq!(nodes.rename(b, b"x"), Ok(()));
        for bad in [&b""[..], b"a.b", b"a:b", b"[1f]", &[b'n'; 32]] {
            assert_eq!(nodes.rename(a, bad), Err(Errno::EINVAL));
        }
        nodes.remove(b);
        assert_eq!(nodes.named(&Label::new("x").unwrap()), None);
        assert_eq!(nodes.listed_names().map(|(id, _)| id).collect::<Vec<_>>(), [a]);
        assert_eq!(nodes.restore(), Ok(()));
    }
}
