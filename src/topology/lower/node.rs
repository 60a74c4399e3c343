//! `nodes:`.

use std::collections::BTreeMap;

use super::super::choice::{Driver, Kind};
use super::super::each::{Note, Unit};
use super::super::net::Destination;
use super::super::shapes::{EngineList, EngineMap};
use super::super::tree::Tree;
use super::super::{codes, file};
use super::settings::{Layer, Shared, Stack};
use super::{Lowering, bad_name};
use crate::diagnostic::{At, Diagnostic, suggest};
use crate::model::draft::{DraftNode, DraftRoute};
use crate::model::life::RESOURCES;
use crate::model::{Exec, Firewall, IfName, Limit, NodeKind, NodeName, RootFs, SwitchDriver, System};

/// Keys that need a stack of the node's own.
const OF_STACKS: [&str; 9] =
    ["interfaces", "routes", "sysctls", "jail", "exec", "rootfs", "limits", "cpus", "firewall"];
/// Keys that need a jail of the node's own.
const OF_JAILS: [&str; 5] = ["jail", "rootfs", "limits", "cpus", "firewall"];

impl Lowering<'_, '_> {
    pub(super) fn node(&mut self, unit: Unit, shared: &Shared) -> Option<DraftNode> {
        let key = unit.key?;
        let row = unit.row.as_ref();
        let name = match NodeName::new(&key.value) {
            Ok(name) => Some(At::new(name, key.origin)),
            Err(error) => {
                self.report(bad_name("node", &error, key.origin), row);
                None
            }
        };
        if let Some(first) = self.names.get(&key.value).copied() {
            let finding = Diagnostic::error(codes::DUPLICATE, format!("the node `{}` is declared twice", key.value))
                .at(key.origin, "again here")
                .at(first, "first here");
            self.report(finding, row);
        }
        self.names.insert(key.value.clone(), key.origin);

        // `pc1:` with nothing after it is a node that takes everything from its settings.
        let tree = if unit.tree.is_null() { Tree::map(Vec::new(), key.origin) } else { unit.tree };
        let node: file::Node = self.decode(&tree, row)?;
        let own = Layer { tree, node };
        let (kind, stack) = self.stack(&key, &own, shared, row)?;
        self.out_of_place(kind.value, &own.tree, row);
        let node_kind = self.kind(kind.value, &stack, &own, row);
        let is_layer2 = node_kind.is_layer2();

        let pool = stack.strongest("pool", |node| node.pool.as_ref()).filter(|_| is_layer2);
        let pool = pool.map(|pool| self.pool(pool, row));
        let mut draft = DraftNode {
            name: name?,
            kind: At::new(node_kind, kind.origin),
            pool,
            index: own.node.index.map(|index| At::new(index.0, own.tree.origin_of("index"))),
            repeated: row.is_some(),
            mtu: stack.strongest("mtu", |node| node.mtu.as_ref()),
            interfaces: BTreeMap::new(),
            loopback: Vec::new(),
            routes: Vec::new(),
            sysctls: BTreeMap::new(),
            linux_sysctls: BTreeMap::new(),
            jail: BTreeMap::new(),
            labels: stack.merged("labels", |node| &node.labels).into_iter().map(|(key, at)| (key, at.value)).collect(),
            exec: Vec::new(),
            rootfs: At::default(),
            limits: BTreeMap::new(),
            cpus: None,
            firewall: None,
        };
        if is_layer2 {
            return Some(draft);
        }
        for layer in stack.weakest_first() {
            self.interfaces(layer, &mut draft, row);
            self.routes(layer, &mut draft.routes, row);
            sysctls(layer, &mut draft);
            self.commands(layer, &mut draft.exec, row);
        }
        if kind.value != Kind::SelfHost {
            draft.jail = stack.merged("jail", |node| &node.jail);
            draft.rootfs = rootfs(&stack);
            draft.limits = self.limits(&stack, row);
            draft.cpus = stack.strongest("cpus", |node| node.cpus.as_ref());
            draft.firewall = self.firewall(&stack);
        }
        Some(draft)
    }

    /// Keys on the node itself that its kind has no use for; shared settings may hold them for other kinds.
    fn out_of_place(&mut self, kind: Kind, own: &Tree, row: Option<&Note>) {
        let layer2 = matches!(kind, Kind::Switch | Kind::Hub);
        for entry in own.entries() {
            let key = entry.key.value.as_str();
            let reason = match key {
                "driver" | "stp" if kind != Kind::Switch => "only a switch has it",
                "pool" if !layer2 => "it stands on a link, a switch or a hub",
                _ if layer2 && OF_STACKS.contains(&key) => "frames pass through it without a stack of its own",
                _ if kind == Kind::SelfHost && OF_JAILS.contains(&key) => "the host itself is no jail",
                _ => continue,
            };
            let message = format!("`{key}` means nothing on a node of kind `{}`: {reason}", kind.word());
            self.report(Diagnostic::error(codes::OUT_OF_PLACE, message).at(entry.key.origin, ""), row);
        }
    }

    fn kind(&mut self, kind: Kind, stack: &Stack<'_>, own: &Layer, row: Option<&Note>) -> NodeKind {
        match kind {
            Kind::Host => NodeKind::Host,
            Kind::Router => NodeKind::Router,
            Kind::Hub => NodeKind::Hub,
            Kind::SelfHost => NodeKind::SelfHost,
            Kind::Switch => {
                let driver = stack.strongest("driver", |node| node.driver.as_ref());
                let stp = stack.strongest("stp", |node| node.stp.as_ref());
                let wants_stp = stp.is_some_and(|stp| stp.value);
                match driver.map(|driver| driver.value) {
                    Some(Driver::IfBridge) => NodeKind::Switch(SwitchDriver::IfBridge { stp: wants_stp }),
                    Some(Driver::Netgraph) | None => {
                        if let Some(stp) = stp.filter(|stp| stp.value) {
                            let message = "a switch of ng_bridge has no spanning tree";
                            let finding = Diagnostic::error(codes::OUT_OF_PLACE, message).at(stp.origin, "");
                            let finding = match own.tree.entry("driver") {
                                Some(entry) => finding.at(entry.value.origin, "the driver"),
                                None => finding,
                            };
                            self.report(finding.help("add `driver: if_bridge`"), row);
                        }
                        NodeKind::Switch(SwitchDriver::Netgraph)
                    }
                }
            }
        }
    }

    fn interfaces(&mut self, layer: &Layer, draft: &mut DraftNode, row: Option<&Note>) {
        for entry in layer.tree.get("interfaces").map(Tree::entries).unwrap_or_default() {
            let Some(interface) = layer.node.interfaces.get(&entry.key.value) else { continue };
            if entry.key.value == "lo" {
                self.loopback(&entry.value, interface, draft, row);
                continue;
            }
            let name = match IfName::new(&entry.key.value) {
                Ok(name) => name,
                Err(error) => {
                    self.report(bad_name("interface", &error, entry.key.origin), row);
                    continue;
                }
            };
            let addresses = self.addresses(&entry.value, &interface.ipv4.0, &interface.ipv6.0, row);
            let merged = draft.interfaces.entry(name).or_default();
            merged.origin = entry.key.origin;
            merged.addresses.extend(addresses);
            let mac = interface.mac.map(|mac| At::new(mac.0, entry.value.origin_of("mac")));
            let mtu = interface.mtu.map(|mtu| At::new(mtu.0, entry.value.origin_of("mtu")));
            merged.mac = mac.or(merged.mac);
            merged.mtu = mtu.or(merged.mtu);
        }
    }

    /// The loopback has addresses only; one without a prefix length is alone in its subnet.
    fn loopback(&mut self, tree: &Tree, lo: &file::Interface, draft: &mut DraftNode, row: Option<&Note>) {
        for key in ["mac", "mtu"] {
            if let Some(entry) = tree.entry(key) {
                let message = format!("`{key}` means nothing on the loopback");
                self.report(Diagnostic::error(codes::OUT_OF_PLACE, message).at(entry.key.origin, ""), row);
            }
        }
        let ipv4 = super::located(tree.get("ipv4"), &lo.ipv4.0, |host| (host.net.into(), host.has_prefix));
        let ipv6 = super::located(tree.get("ipv6"), &lo.ipv6.0, |host| (host.net.into(), host.has_prefix));
        draft.loopback.extend(ipv4.into_iter().chain(ipv6).map(|(address, _)| address));
    }

    fn routes(&mut self, layer: &Layer, routes: &mut Vec<DraftRoute>, row: Option<&Note>) {
        let trees = layer.tree.get("routes").map(Tree::items).unwrap_or_default();
        for (tree, route) in trees.iter().zip(&layer.node.routes) {
            let via = At::new(route.via.0, tree.origin_of("via"));
            let to = match route.to.0 {
                Destination::Prefix(prefix) => prefix,
                Destination::Default => super::super::net::everything(via.value),
            };
            let to = At::new(to, tree.origin_of("to"));
            if to.is_ipv4() != via.is_ipv4() {
                let family = |v4: bool| if v4 { "IPv4" } else { "IPv6" };
                let message = format!(
                    "the next hop `{}` is {}, but the route is to {}",
                    via.value,
                    family(via.is_ipv4()),
                    family(to.is_ipv4())
                );
                let finding = Diagnostic::error(codes::BAD_VALUE, message).at(via.origin, "").at(to.origin, "");
                self.report(finding, row);
                continue;
            }
            routes.push(DraftRoute { to, via });
        }
    }
}

fn sysctls(layer: &Layer, draft: &mut DraftNode) {
    let Some(tree) = layer.tree.get("sysctls") else { return };
    let EngineMap { flat, freebsd, linux } = &layer.node.sysctls;
    let add = |tree: Option<&Tree>, values: &BTreeMap<String, String>, merged: &mut BTreeMap<_, _>| {
        for entry in tree.map(Tree::entries).unwrap_or_default() {
            if let Some(value) = values.get(&entry.key.value) {
                merged.insert(entry.key.value.clone(), At::new(value.clone(), entry.value.origin));
            }
        }
    };
    add(Some(tree), flat, &mut draft.sysctls);
    add(tree.get("freebsd"), freebsd, &mut draft.sysctls);
    add(tree.get("linux"), linux, &mut draft.linux_sysctls);
}

/// The strongest `rootfs:`.
fn rootfs(stack: &Stack<'_>) -> At<RootFs> {
    let strongest = stack.layers.iter().find_map(|layer| {
        let rootfs = layer.node.rootfs.as_ref()?;
        Some(At::new(rootfs.0.clone(), layer.tree.origin_of("rootfs")))
    });
    strongest.unwrap_or_default()
}

impl Lowering<'_, '_> {
    /// The strongest `firewall:`, with what is in its file.
    fn firewall(&mut self, stack: &Stack<'_>) -> Option<At<Firewall>> {
        let (file, origin) = stack.layers.iter().find_map(|layer| {
            let file = layer.node.firewall.as_ref()?.nft.0.clone();
            let origin = layer.tree.get("firewall").map_or(layer.tree.origin, |tree| tree.origin_of("nft"));
            Some((file, origin))
        })?;
        let path = self.session.beside(origin.source, &file);
        if !self.rules.contains_key(&path) {
            let read = self.session.read(&path, Some(origin));
            let text = read.and_then(|source| self.session.sources.get(source)).map(|source| source.text.clone());
            self.rules.insert(path.clone(), text);
        }
        let rules = self.rules.get(&path)?.clone()?;
        if rules.len() > Firewall::MOST_BYTES || rules.contains('\0') {
            let most = Firewall::MOST_BYTES >> 10;
            let message = format!("`{file}` is no file of rules: it has NULs in it, or more than {most} KiB");
            self.report(Diagnostic::error(codes::BAD_VALUE, message).at(origin, "named here"), None);
            return None;
        }
        Some(At::new(Firewall { file, rules }, origin))
    }

    fn commands(&mut self, layer: &Layer, exec: &mut Vec<At<Exec>>, row: Option<&Note>) {
        let Some(tree) = layer.tree.get("exec") else { return };
        let EngineList { flat, freebsd, linux } = &layer.node.exec;
        let lists = [
            (Some(tree), flat, None),
            (tree.get("freebsd"), freebsd, Some(System::FreeBsd)),
            (tree.get("linux"), linux, Some(System::Linux)),
        ];
        for (tree, commands, only) in lists {
            let Some(tree) = tree else { continue };
            for (place, command) in commands.iter().enumerate() {
                let origin = tree.items().get(place).map_or(tree.origin, |item| item.origin);
                match Exec::read(command, only) {
                    Ok(command) => exec.push(At::new(command, origin)),
                    Err(error) => {
                        let finding = Diagnostic::error(codes::BAD_VALUE, error.to_string()).at(origin, "");
                        self.report(finding.help("a program and its arguments; `sh -c '…'` runs a shell"), row);
                    }
                }
            }
        }
    }

    fn limits(&mut self, stack: &Stack<'_>, row: Option<&Note>) -> BTreeMap<String, At<Limit>> {
        let mut limits = BTreeMap::new();
        for (resource, text) in stack.merged("limits", |node| &node.limits) {
            match Limit::read(&resource, &text) {
                Ok(limit) => {
                    limits.insert(resource, At::new(limit, text.origin));
                }
                Err(error) => {
                    let mut finding = Diagnostic::error(codes::BAD_VALUE, error.to_string()).at(text.origin, "");
                    let known = RESOURCES.map(|(name, _)| name);
                    if !known.contains(&resource.as_str()) {
                        finding.help = suggest::help(&resource, known);
                    }
                    self.report(finding, row);
                }
            }
        }
        limits
    }
}
