//! The hooks of one node: newest first in every listing and every flood, found by name or handle.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::label::Label;
use super::node::Private;
use super::{HookId, NodeId};
use crate::abi::Errno;

/// One end of a link between two nodes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Hook {
    pub(super) id: HookId,
    pub(super) name: Label,
    /// The other end; `None` only while a link is being made or taken apart.
    pub(super) peer: Option<Peer>,
    /// What the node's type keeps for it.
    pub(super) private: Private,
}

/// The other end of a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Peer {
    pub(super) node: NodeId,
    pub(super) hook: HookId,
}

/// The hooks of one node, in the order in which they were made.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Hooks {
    list: Vec<Hook>,
    next: u32,
    /// Kept only while there are more hooks than a search through the list is good for.
    #[serde(skip)]
    names: HashMap<Label, HookId>,
}

/// Up to so many hooks are searched one after the other.
const FEW: usize = 8;

impl Hooks {
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn get(&self, id: HookId) -> Option<&Hook> {
        self.list.get(self.place(id)?)
    }

    pub(super) fn get_mut(&mut self, id: HookId) -> Option<&mut Hook> {
        let place = self.place(id)?;
        self.list.get_mut(place)
    }

    pub(super) fn find(&self, name: &Label) -> Option<&Hook> {
        if self.names.is_empty() {
            return self.list.iter().find(|hook| hook.name == *name);
        }
        self.get(*self.names.get(name)?)
    }

    /// Newest first, as the kernel's list is (`LIST_INSERT_HEAD` in `ng_add_hook`).
    pub(super) fn iter(&self) -> impl Iterator<Item = &Hook> {
        self.list.iter().rev()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Hook> {
        self.list.iter_mut().rev()
    }

    pub(super) fn newest(&self) -> Option<HookId> {
        self.list.last().map(|hook| hook.id)
    }

    /// Adds a hook without peer; its name must be free.
    ///
    /// # Errors
    /// `ENOMEM` once every handle was used.
    pub(super) fn add(&mut self, name: Label, private: Private) -> Result<HookId, Errno> {
        let id = HookId(self.next);
        self.next = self.next.checked_add(1).ok_or(Errno::ENOMEM)?;
        self.list.push(Hook { id, name, peer: None, private });
        if !self.names.is_empty() {
            self.names.insert(name, id);
        } else if self.list.len() > FEW {
            self.index();
        }
        Ok(id)
    }

    pub(super) fn remove(&mut self, id: HookId) -> Option<Hook> {
        let hook = self.list.remove(self.place(id)?);
        if self.list.len() <= FEW {
            self.names = HashMap::new();
        } else {
            self.names.remove(&hook.name);
        }
        Some(hook)
    }

    fn place(&self, id: HookId) -> Option<usize> {
        self.list.binary_search_by_key(&id, |hook| hook.id).ok()
    }

    fn index(&mut self) {
        self.names = self.list.iter().map(|hook| (hook.name, hook.id)).collect();
    }

    /// After loading: whether handles ascend and names differ; makes the index.
    pub(super) fn restore(&mut self) -> bool {
        self.index();
        let sound = self.names.len() == self.list.len()
            && self.list.windows(2).all(|pair| matches!(pair, [a, b] if a.id < b.id))
            && self.list.last().is_none_or(|last| last.id.0 < self.next);
        if self.list.len() <= FEW {
            self.names = HashMap::new();
        }
        sound
    }
}
