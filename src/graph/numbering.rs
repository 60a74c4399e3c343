//! What must be the same from one plan to the next: which hook of a switch serves which link, which devfs ruleset is ours.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::object::Name;
use crate::model::{Link, Model, NodeKind, SwitchDriver};

/// Which hook number of which switch serves which end of which link. Kept in a lab's record, so that a link that comes or goes
/// moves no other one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Numbering {
    ports: BTreeMap<String, BTreeMap<(String, usize), u32>>,
    /// The number of the lab's devfs ruleset, once it needs one.
    pub ruleset: Option<u16>,
    /// The directory that holds the nodes' roots; `None` is [`super::life::ROOTS`].
    pub roots: Option<String>,
}

impl Numbering {
    /// Gives every end of a link at a netgraph switch or hub a number: the one it has, else the lowest free one from 1.
    pub(super) fn assign(&mut self, model: &Model) {
        let mut wanted: BTreeMap<String, BTreeSet<(String, usize)>> = BTreeMap::new();
        for link in &model.links {
            for (end, endpoint) in link.ends.iter().enumerate() {
                let node = model.node(endpoint.node);
                if matches!(node.kind, NodeKind::Hub | NodeKind::Switch(SwitchDriver::Netgraph)) {
                    wanted.entry(node.name.to_string()).or_default().insert((link.identity.clone(), end));
                }
            }
        }
        self.ports.retain(|switch, _| wanted.contains_key(switch));
        for (switch, ends) in wanted {
            let ports = self.ports.entry(switch).or_default();
            ports.retain(|end, _| ends.contains(end));
            let mut taken: BTreeSet<u32> = ports.values().copied().collect();
            let mut next = 1;
            for end in ends {
                ports.entry(end).or_insert_with(|| {
                    while !taken.insert(next) {
                        next += 1;
                    }
                    next
                });
            }
        }
    }

    /// The hook of that end of the link.
    pub(super) fn hook(&self, switch: &str, link: &Link, end: usize) -> Name {
        let number = self.ports.get(switch).and_then(|ports| ports.get(&(link.identity.clone(), end)));
        format!("link{}", number.copied().unwrap_or(0)).into()
    }
}
