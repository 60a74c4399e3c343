//! What is made: the same nodes, links, addresses and routes, whoever makes them.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

/// A shape of lab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Hosts on one bridge, with one address and a default route each.
    Star,
    /// Routers, each with a link to the next, two addresses and a default route.
    Ring,
}

impl Shape {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Star => "star",
            Self::Ring => "ring",
        }
    }

    pub fn of(word: &str) -> Option<Self> {
        [Self::Star, Self::Ring].into_iter().find(|shape| shape.word() == word)
    }

    /// As a topology file.
    pub fn file(self, nodes: u32) -> String {
        let mut text =
            String::from("version: 1\nname: bench\naddressing:\n  lan: { ipv4: 10.0.0.0/16, prefix: 16 }\ntopology:\n");
        match self {
            Self::Star => {
                let each = format!("each: {{ n: 1..{nodes} }}");
                let gateway = star_gateway();
                let _ = write!(
                    text,
                    "  nodes:\n    centre: {{ kind: switch, pool: lan }}\n    \"n${{n}}\": {{ kind: host, {each}, index: \
                     \"${{n}}\", routes: [ {{ to: default, via: {gateway} }} ] }}\n  links:\n    - {{ {each}, endpoints: [ \
                     \"n${{n}}:eth0\", centre ] }}\n"
                );
            }
            Self::Ring => {
                text.push_str("  nodes:\n");
                for node in 0..nodes {
                    let via = ring_address(node, 1);
                    let _ =
                        writeln!(text, "    n{node}: {{ kind: router, routes: [ {{ to: default, via: {via} }} ] }}");
                }
                text.push_str("  links:\n");
                for node in 0..nodes {
                    let (next, [here, there]) = ((node + 1) % nodes, [0, 1].map(|end| ring_address(node, end)));
                    let _ = writeln!(
                        text,
                        "    - {{ endpoints: [ \"n{node}:eth1\", \"n{next}:eth0\" ], ipv4: [ {here}/31, {there}/31 ] }}"
                    );
                }
            }
        }
        text
    }
}

/// The address of a host of a star.
pub fn star_address(node: u32) -> Ipv4Addr {
    Ipv4Addr::from(0x0a00_0001 + node)
}

/// Where the hosts of a star send what is for others; nobody answers there.
pub fn star_gateway() -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 255, 254)
}

/// The address of an end of the link from a router of a ring to the next.
pub fn ring_address(link: u32, end: u32) -> Ipv4Addr {
    Ipv4Addr::from(0x0a01_0000 + 2 * link + end)
}
