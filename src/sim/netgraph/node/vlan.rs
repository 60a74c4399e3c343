//! `vlan`: sorts frames by the VLAN tag in them, and tags what comes back (`sys/netgraph/ng_vlan.c`).
//!
//! Frames have no metadata here, so a tag is always in the frame, where the kernel, if so configured, would keep it
//! beside.

use std::collections::BTreeMap;

use ngsock::node::vlan::{
    AddFilter, COOKIE, Command, ENCAPSULATE_FROM_FILTER, Filter, FilterTable, RemoveFilter, RemoveVlan,
    SetDecapsulation, SetEncapsulation, SetTagType,
};
use serde::{Deserialize, Serialize};

use super::super::NodeId;
use super::super::data::Wire;
use super::super::hooks::Hook;
use super::super::label::Label;
use super::super::life::Graph;
use super::super::message::{Answer, Call, Outcome, answer};
use super::{Fate, HookId, Hooks, Kind, Node, Private};
use crate::abi::Errno;
use crate::sim::kernel::Frame;

/// Where the tag begins in a frame, and its length, in octets.
const TAG_AT: usize = 12;
const TAG: usize = 4;

/// A vlan node.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Vlan {
    downstream: Option<HookId>,
    no_match: Option<HookId>,
    /// The hook of each VLAN.
    hooks: BTreeMap<u16, HookId>,
    decapsulation: u32,
    encapsulation: u32,
    tag_type: u16,
}

impl Default for Vlan {
    fn default() -> Self {
        Self {
            downstream: None,
            no_match: None,
            hooks: BTreeMap::new(),
            decapsulation: 0,
            encapsulation: ENCAPSULATE_FROM_FILTER,
            tag_type: 0x8100,
        }
    }
}

impl Vlan {
    /// # Errors
    /// None of its own: any name will do.
    pub(in crate::sim::netgraph) fn new_hook(&mut self, hooks: &mut Hooks, name: Label) -> Result<HookId, Errno> {
        let hook = hooks.add(name, Private::Tag(None))?;
        match name.as_bytes() {
            b"downstream" => self.downstream = Some(hook),
            b"nomatch" => self.no_match = Some(hook),
            _ => {}
        }
        Ok(hook)
    }

    pub(in crate::sim::netgraph) fn disconnected(&mut self, hook: &Hook, left: usize) -> Fate {
        for place in [&mut self.downstream, &mut self.no_match] {
            place.take_if(|place| *place == hook.id);
        }
        if let Private::Tag(Some(tag)) = hook.private {
            self.hooks.remove(&(tag & 0xfff));
        }
        Fate::with_last_hook(left)
    }

    fn command(&mut self, hooks: &mut Hooks, command: &Command) -> Answer {
        match *command {
            Command::AddFilter(AddFilter(filter)) => self.add(hooks, &filter)?,
            Command::RemoveFilter(RemoveFilter(name)) => {
                let hook = hooks.find(&Label::from(name)).ok_or(Errno::ENOENT)?;
                let Private::Tag(Some(tag)) = hook.private else { return Err(Errno::ENOENT) };
                self.remove(hooks, tag & 0xfff)?;
            }
            Command::RemoveVlan(RemoveVlan(vlan)) if vlan > 0xfff => return Err(Errno::EINVAL),
            Command::RemoveVlan(RemoveVlan(vlan)) => self.remove(hooks, vlan)?,
            Command::GetTable(_) => return answer(&self.table(hooks)),
            Command::GetDecapsulation(_) => return answer(&self.decapsulation),
            Command::SetDecapsulation(SetDecapsulation(on)) => self.decapsulation = on,
            Command::GetEncapsulation(_) => return answer(&self.encapsulation),
            Command::SetEncapsulation(SetEncapsulation(from)) => self.encapsulation = from,
            Command::GetTagType(_) => return answer(&self.tag_type),
            Command::SetTagType(SetTagType(kind)) => self.tag_type = kind,
        }
        Ok(Outcome::Done)
    }

    fn add(&mut self, hooks: &mut Hooks, filter: &Filter) -> Result<(), Errno> {
        let vlan = match (filter.vlan_id, filter.vlan) {
            (0, old) => old,
            (id, old) if old == 0 || old == id => id,
            _ => return Err(Errno::EINVAL),
        };
        if vlan > 0xfff || filter.priority > 7 || filter.canonical_format > 1 {
            return Err(Errno::EINVAL);
        }
        let hook = hooks.find(&Label::from(filter.hook)).ok_or(Errno::ENOENT)?.id;
        if Some(hook) == self.downstream || Some(hook) == self.no_match {
            return Err(Errno::EINVAL);
        }
        let Some(Private::Tag(tag)) = hooks.get_mut(hook).map(|hook| &mut hook.private) else {
            return Err(Errno::ENOENT);
        };
        if tag.is_some() || self.hooks.contains_key(&vlan) {
            return Err(Errno::EEXIST);
        }
        *tag = Some(u16::from(filter.priority) << 13 | u16::from(filter.canonical_format) << 12 | vlan);
        self.hooks.insert(vlan, hook);
        Ok(())
    }

    fn remove(&mut self, hooks: &mut Hooks, vlan: u16) -> Result<(), Errno> {
        let hook = self.hooks.remove(&vlan).ok_or(Errno::ENOENT)?;
        if let Some(hook) = hooks.get_mut(hook) {
            hook.private = Private::Tag(None);
        }
        Ok(())
    }

    fn table(&self, hooks: &Hooks) -> FilterTable {
        let entry = |(vlan, hook): (&u16, &HookId)| {
            let hook = hooks.get(*hook)?;
            let Private::Tag(Some(tag)) = hook.private else { return None };
            let [high, _] = tag.to_be_bytes();
            Some(Filter {
                hook: hook.name.field(),
                vlan: *vlan,
                vlan_id: *vlan,
                priority: high >> 5,
                canonical_format: high >> 4 & 1,
            })
        };
        FilterTable(self.hooks.iter().filter_map(entry).collect())
    }

    pub(in crate::sim::netgraph) fn data(
        &mut self,
        hooks: &Hooks,
        hook: HookId,
        mut frame: Frame,
        wire: &mut Wire<'_>,
    ) {
        if frame.len() < TAG_AT + 2 {
            return;
        }
        let to = if self.downstream == Some(hook) {
            match self.tagged(&frame) {
                Some(place) => {
                    frame.drain(TAG_AT..TAG_AT + TAG);
                    Some(place)
                }
                None => self.no_match,
            }
        } else if self.no_match == Some(hook) {
            self.downstream
        } else {
            let Some(Private::Tag(Some(tag))) = hooks.get(hook).map(|hook| &hook.private) else { return };
            let [a, b] = self.tag_type.to_be_bytes();
            let [c, d] = tag.to_be_bytes();
            frame.splice(TAG_AT..TAG_AT, [a, b, c, d]);
            self.downstream
        };
        if let Some(to) = to.and_then(|to| hooks.get(to)) {
            wire.send(to, frame);
        }
    }

    /// The hook of the VLAN that a frame says it belongs to.
    fn tagged(&self, frame: &[u8]) -> Option<HookId> {
        let tag: [u8; TAG] = frame.get(TAG_AT..TAG_AT + TAG)?.try_into().ok()?;
        let [a, b, c, d] = tag;
        // Decapsulating needs the type that follows the tag too.
        if u16::from_be_bytes([a, b]) != self.tag_type || frame.len() < TAG_AT + TAG + 2 {
            return None;
        }
        self.hooks.get(&(u16::from_be_bytes([c, d]) & 0xfff)).copied()
    }
}

pub(in crate::sim::netgraph) fn receive(graph: &mut Graph<'_>, to: NodeId, call: &Call<'_>) -> Answer {
    let Some(Node { kind: Kind::Vlan(vlan), hooks, .. }) = graph.node(to) else { return Err(Errno::EINVAL) };
    match call.header.cookie {
        COOKIE => {
            let command = Command::decode(call.header.command, call.payload).map_err(|_| Errno::EINVAL)?;
            vlan.command(hooks, &command)
        }
        ngsock::flow::COOKIE => {
            if call.by.is_some() && call.by == vlan.downstream {
                let peers: Vec<_> = vlan.hooks.values().filter_map(|hook| hooks.get(*hook)?.peer).collect();
                for peer in peers {
                    graph.tell(to, peer, call.header, Vec::new());
                }
            }
            Ok(Outcome::Done)
        }
        _ => Err(Errno::EINVAL),
    }
}
