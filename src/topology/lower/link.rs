//! `links:`.

use ipnetwork::IpNetwork;

use super::super::codes;
use super::super::each::{Note, Unit};
use super::super::file::{self, LongEndpoint, Tc};
use super::super::leaf::Leaf;
use super::super::net::Host;
use super::super::shapes::{Endpoint, OneOrMany};
use super::super::tree::Tree;
use super::{Lowering, bad_name, located};
use crate::diagnostic::{At, Diagnostic, Origin};
use crate::model::draft::{DraftEnd, DraftLink};
use crate::model::{IfName, NodeName, Shaping};

impl Lowering<'_, '_> {
    pub(super) fn link(&mut self, unit: &Unit) -> Option<DraftLink> {
        let (tree, row) = (&unit.tree, unit.row.as_ref());
        let link: file::Link = self.decode(tree, row)?;
        let shaping = self.shaping(tree, &link.tc, row);
        let ends = self.ends(tree, &link, row);
        let name = link.name.map(|name| At::new(name.0, tree.origin_of("name")));
        let pool = link.pool.map(|pool| self.pool(At::new(pool.0, tree.origin_of("pool")), row));
        if let Some(name) = name.as_ref().filter(|name| name.is_empty()) {
            self.report(Diagnostic::error(codes::BAD_NAME, "the name of a link is empty").at(name.origin, ""), row);
        }
        Some(DraftLink {
            origin: tree.origin,
            name,
            ends: ends?,
            wire: link.wire.map(|wire| At::new(wire.0, tree.origin_of("type"))),
            pool,
            index: link.index.map(|index| At::new(index.0, tree.origin_of("index"))),
            repeated: row.is_some(),
            mtu: link.mtu.map(|mtu| At::new(mtu.0, tree.origin_of("mtu"))),
            shaping: shaping?,
        })
    }

    fn ends(&mut self, tree: &Tree, link: &file::Link, row: Option<&Note>) -> Option<[DraftEnd; 2]> {
        let written = tree.get("endpoints")?;
        let pair = written.items().first().zip(written.items().get(1));
        let (Some((first, second)), [one, two]) = (pair, link.endpoints.as_slice()) else {
            let message = format!("a link has two endpoints, found {}", link.endpoints.len());
            let finding = Diagnostic::error(codes::BAD_ENDPOINT, message).at(written.origin, "");
            self.report(finding.help("more than two nodes meet at a node of kind `switch` or `hub`"), row);
            return None;
        };
        for key in ["ipv4", "ipv6", "mac"] {
            if let Some(third) = tree.get(key).and_then(|list| list.items().get(2)) {
                let message = format!("`{key}` has more values than the link has endpoints");
                self.report(Diagnostic::error(codes::BAD_VALUE, message).at(third.origin, ""), row);
            }
        }
        let first = self.end(first, one, row);
        let second = self.end(second, two, row);
        let mut ends = [first?, second?];
        for (place, end) in ends.iter_mut().enumerate() {
            self.of_link(tree, link, place, end, row);
        }
        Some(ends)
    }

    fn end(&mut self, tree: &Tree, end: &Endpoint, row: Option<&Note>) -> Option<DraftEnd> {
        match end {
            Endpoint::Brief(text) => self.brief(tree, text, row),
            Endpoint::Long(long) => self.long(tree, long, row),
        }
    }

    fn brief(&mut self, tree: &Tree, text: &str, row: Option<&Note>) -> Option<DraftEnd> {
        let mut parts = text.split(':');
        let (node, interface) = (parts.next().unwrap_or_default(), parts.next());
        if node.is_empty() || interface.is_some_and(str::is_empty) || parts.next().is_some() {
            let message = format!("`{text}` is not an endpoint");
            let help = "write `node:interface`, or just `node` for a switch or hub";
            self.report(Diagnostic::error(codes::BAD_ENDPOINT, message).at(tree.origin, "").help(help), row);
            return None;
        }
        // The interface is looked for after the colon: `eth0:eth0` has its name twice.
        let node_origin = self.session.sources.part(tree.origin, node);
        let interface = interface.map(|name| {
            let tail = self.session.sources.part(tree.origin, &format!(":{name}"));
            let origin = if tail == tree.origin { tail } else { Origin { start: tail.start + 1, ..tail } };
            At::new(name, origin)
        });
        let node = self.node_name(At::new(node, node_origin), row);
        let interface = self.interface_name(interface, row);
        Some(DraftEnd { origin: tree.origin, node: node?, interface: interface?, addresses: Vec::new(), mac: None })
    }

    fn long(&mut self, tree: &Tree, long: &LongEndpoint, row: Option<&Note>) -> Option<DraftEnd> {
        let node = self.node_name(At::new(long.node.as_str(), tree.origin_of("node")), row);
        let interface = long.interface.as_ref().map(|name| At::new(name.as_str(), tree.origin_of("interface")));
        let interface = self.interface_name(interface, row);
        let addresses = self.addresses(tree, &long.ipv4.0, &long.ipv6.0, row);
        let mac = long.mac.map(|mac| At::new(mac.0, tree.origin_of("mac")));
        Some(DraftEnd { origin: tree.origin, node: node?, interface: interface?, addresses, mac })
    }

    fn node_name(&mut self, name: At<&str>, row: Option<&Note>) -> Option<At<NodeName>> {
        match NodeName::new(name.value) {
            Ok(node) => Some(At::new(node, name.origin)),
            Err(error) => {
                self.report(bad_name("node", &error, name.origin), row);
                None
            }
        }
    }

    /// `Some(None)` where no interface is named.
    fn interface_name(&mut self, name: Option<At<&str>>, row: Option<&Note>) -> Option<Option<At<IfName>>> {
        let Some(name) = name else { return Some(None) };
        if name.value == "lo" {
            let message = "the loopback `lo` ends no link";
            self.report(Diagnostic::error(codes::BAD_ENDPOINT, message).at(name.origin, ""), row);
            return None;
        }
        match IfName::new(name.value) {
            Ok(interface) => Some(Some(At::new(interface, name.origin))),
            Err(error) => {
                self.report(bad_name("interface", &error, name.origin), row);
                None
            }
        }
    }

    /// Adds what the link's own `ipv4`, `ipv6` and `mac` say about one end.
    fn of_link(&mut self, tree: &Tree, link: &file::Link, place: usize, end: &mut DraftEnd, row: Option<&Note>) {
        let item = |key: &str| tree.get(key).and_then(|list| list.items().get(place));
        let mut addresses = of_end(item("ipv4"), link.ipv4.get(place), |host| (host.net.into(), host.has_prefix));
        addresses.extend(of_end(item("ipv6"), link.ipv6.get(place), |host| (host.net.into(), host.has_prefix)));
        for (address, has_prefix) in addresses {
            end.addresses.extend(self.with_prefix(address, has_prefix, row));
        }
        let mac = link.mac.get(place).copied().flatten();
        let mac = mac.zip(item("mac")).map(|(mac, tree)| At::new(mac.0, tree.origin));
        if let (Some(here), Some(there)) = (mac, end.mac) {
            let message = "this end has a MAC address already";
            let finding =
                Diagnostic::error(codes::DUPLICATE, message).at(here.origin, "").at(there.origin, "first here");
            self.report(finding, row);
        }
        end.mac = end.mac.or(mac);
    }

    fn shaping(&mut self, tree: &Tree, tc: &Tc, row: Option<&Note>) -> Option<[Option<At<Shaping>>; 2]> {
        let Some(tree) = tree.get("tc") else { return Some([None, None]) };
        let mut sound = self.bit_errors(tree, tc, row);
        let both = shaping(tc, Shaping::default());
        let mut directions = [None, None];
        for (direction, (key, one_way)) in directions.iter_mut().zip([("a2b", &tc.a2b), ("b2a", &tc.b2a)]) {
            let mut at = At::new(both, tree.origin);
            if let (Some(one_way), Some(inner)) = (one_way, tree.get(key)) {
                for nested in ["a2b", "b2a"] {
                    if let Some(entry) = inner.entry(nested) {
                        let message = format!("`{nested}` means nothing under `{key}`");
                        self.report(Diagnostic::error(codes::OUT_OF_PLACE, message).at(entry.key.origin, ""), row);
                    }
                }
                sound &= self.bit_errors(inner, one_way, row);
                at = At::new(shaping(one_way, both), inner.origin);
            }
            *direction = (at.value != Shaping::default()).then_some(at);
        }
        sound.then_some(directions)
    }

    fn bit_errors(&mut self, tree: &Tree, tc: &Tc, row: Option<&Note>) -> bool {
        let wrong = tc.ber.is_some_and(|ber| ber.0 == 0);
        if wrong {
            let message = "`ber` is one wrong bit in this many, so at least 1";
            self.report(Diagnostic::error(codes::BAD_VALUE, message).at(tree.origin_of("ber"), ""), row);
        }
        !wrong
    }
}

/// The addresses of one end in a list that has one value, list or nothing for each end.
fn of_end<N: Copy>(
    tree: Option<&Tree>,
    values: Option<&Option<OneOrMany<Leaf<Host<N>>>>>,
    read: impl Fn(Host<N>) -> (IpNetwork, bool),
) -> Vec<super::Written> {
    let values = values.and_then(Option::as_ref).map(|values| values.0.as_slice()).unwrap_or_default();
    located(tree, values, read)
}

/// What `tc` says, over what the keys for both directions say.
fn shaping(tc: &Tc, base: Shaping) -> Shaping {
    fn value<T: Copy>(leaf: Option<Leaf<T>>) -> Option<T> {
        leaf.map(|leaf| leaf.0)
    }
    Shaping {
        rate: value(tc.rate).or(base.rate),
        delay: value(tc.delay).or(base.delay),
        duplicate: value(tc.duplicate).or(base.duplicate),
        one_error_in_bits: value(tc.ber).or(base.one_error_in_bits),
        queue: value(tc.queue).or(base.queue),
        jitter: value(tc.jitter).or(base.jitter),
        loss: value(tc.loss).or(base.loss),
        corrupt: value(tc.corrupt).or(base.corrupt),
        reorder: value(tc.reorder).or(base.reorder),
    }
}
