//! MAC addresses: given, or derived from the names so that they are the same on every run and every machine.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use super::findings::Findings;
use super::wiring::{Port, Wiring};
use super::{IfName, LabName, Mac, NodeName, codes};
use crate::diagnostic::Diagnostic;

/// `02` and the first 40 bits of SHA-256 of `cellblock mac 1` NUL lab NUL node NUL interface. Part of format 1: existing
/// labs would change their addresses if this did.
#[must_use]
pub fn derive(lab: &LabName, node: &NodeName, interface: &IfName) -> Mac {
    let mut hash = Sha256::new_with_prefix("cellblock mac 1");
    for name in [lab.as_str(), node.as_str(), interface.as_str()] {
        hash.update([0]);
        hash.update(name);
    }
    let hash = hash.finalize();
    Mac([0x02, hash[0], hash[1], hash[2], hash[3], hash[4]])
}

/// The MAC of every port, in the order of [`Wiring::ports`], all different.
pub(super) fn assign(lab: &LabName, wiring: &Wiring, findings: &mut Findings) -> Vec<Mac> {
    let mut owners: HashMap<Mac, &Port> = HashMap::with_capacity(wiring.ports.len());
    let mut macs = Vec::with_capacity(wiring.ports.len());
    for port in &wiring.ports {
        check_agreement(port, wiring, findings);
        let mac = match &port.mac {
            Some(given) => given.value,
            None => derive(lab, &wiring.node(port.node).name.value, &port.name),
        };
        macs.push(mac);
        let meaning = match mac {
            _ if mac.is_zero() => "no address at all",
            _ if mac.is_multicast() => "a multicast address",
            _ => "",
        };
        if !meaning.is_empty() {
            let message = format!("`{}` cannot have the MAC address {mac}", wiring.port_name(port));
            let origin = port.mac.as_ref().map_or(port.origin, |given| given.origin);
            let help = "the first byte must be even; `02` begins addresses that are yours to choose";
            findings
                .push(Diagnostic::error(codes::BAD_MAC, message).at(origin, format!("this is {meaning}")).help(help));
        } else if let Some(first) = owners.insert(mac, port) {
            findings.push(same_mac(mac, first, port, wiring));
        }
    }
    macs
}

/// A MAC may stand on the link or on the node; on both it must be the same.
fn check_agreement(port: &Port, wiring: &Wiring, findings: &mut Findings) {
    let on_node = wiring.node(port.node).interfaces.get(&port.name).and_then(|interface| interface.mac);
    let (Some(on_link), Some(on_node)) = (&port.mac, on_node) else { return };
    if on_link.value != on_node.value {
        let message = format!("`{}` is given two MAC addresses", wiring.port_name(port));
        findings.push(
            Diagnostic::error(codes::TWO_MACS, message)
                .at(on_node.origin, "on the node")
                .at(on_link.origin, "on the link"),
        );
    }
}

fn same_mac(mac: Mac, first: &Port, second: &Port, wiring: &Wiring) -> Diagnostic {
    let (a, b) = (wiring.port_name(first), wiring.port_name(second));
    // The caret belongs at a value that somebody wrote, if there is one.
    let (first, second) = if second.mac.is_none() { (second, first) } else { (first, second) };
    let origin = |port: &Port| port.mac.as_ref().map_or(port.origin, |given| given.origin);
    let label = |port: &Port| if port.mac.is_some() { "" } else { "derived from the names for this interface" };
    Diagnostic::error(codes::SAME_MAC, format!("`{a}` and `{b}` have the same MAC address {mac}"))
        .at(origin(second), label(second))
        .at(origin(first), label(first))
        .help("give one of them another `mac:`")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Independent of the code: `printf 'cellblock mac 1\0office\0pc01\0eth0' | sha256sum`.
    #[test]
    fn the_derivation_is_part_of_the_format() {
        let mac = derive(&"office".parse().unwrap(), &"pc01".parse().unwrap(), &"eth0".parse().unwrap());
        assert_eq!(mac.to_string(), "02:ea:4e:d9:22:42");
    }
}
