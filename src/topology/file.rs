//! The file format, field by field. The schema and the table of the format reference are made from these types.
//!
//! Decoding goes unit by unit (a node, a link, a check), after `include`, variables and `each` are gone;
//! the whole of it, with those, is what [`File`] describes.

use std::collections::BTreeMap;

use ipnetwork::{Ipv4Network, Ipv6Network};
use schemars::JsonSchema;
use serde::Deserialize;

use super::choice::{Driver, Kind};
use super::leaf::{Leaf, given};
use super::net::{Block, Destination, Host};
use super::shapes::{Each, Endpoint, EngineList, EngineMap, OneOrMany, RootFs, Settings, Variables};
use crate::model::{Bandwidth, CpuSet, Delay, FamilyChoice, Mac, Mtu, Routing, Share, Wire};

/// A topology file.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct File {
    /// The version of the format: 1.
    #[serde(deserialize_with = "given")]
    pub version: Option<Leaf<u32>>,
    /// The name of the lab: a letter, then letters, digits and `-`, at most 31.
    #[serde(deserialize_with = "given")]
    pub name: Option<Leaf<String>>,
    /// Files whose contents come first, relative to this one; this file goes over them.
    pub include: Option<OneOrMany<Leaf<String>>>,
    /// Values for `${name}`; `-s name=value` replaces them.
    pub vars: Variables,
    /// Address pools by name.
    pub addressing: BTreeMap<String, Pool>,
    /// How routes are made: `none` (default), `default` (hosts to the nearest router of their segment) or `auto` (that, and shortest paths between routers).
    #[serde(deserialize_with = "given")]
    pub routing: Option<Leaf<Routing>>,
    /// Layer-2 loops without spanning tree are a warning instead of an error.
    #[serde(deserialize_with = "given")]
    pub allow_loops: Option<Leaf<bool>>,
    /// Nodes and links.
    pub topology: Topology,
    /// What `test` checks on the running lab.
    pub checks: Vec<Check>,
}

/// Nodes, links and what nodes share.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Topology {
    /// Settings of every node. The order of precedence is node, groups in their order, kind, defaults.
    pub defaults: Settings,
    /// Settings by kind.
    #[schemars(extend("propertyNames" = { "enum": ["host", "router", "switch", "hub", "self"] }))]
    pub kinds: BTreeMap<String, Settings>,
    /// Settings by group.
    pub groups: BTreeMap<String, Settings>,
    /// Nodes by name: a letter, then letters, digits, `_` and `-`, at most 63.
    pub nodes: BTreeMap<String, Node>,
    /// Links.
    pub links: Vec<Link>,
}

/// A pool of addresses: one subnet is taken from it for each segment that names it.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Pool {
    /// One pool per row; the row is named in the key.
    pub each: Option<Each>,
    /// The IPv4 range.
    #[serde(deserialize_with = "given")]
    pub ipv4: Option<Leaf<Block<Ipv4Network>>>,
    /// The prefix length of each IPv4 subnet.
    #[serde(deserialize_with = "given")]
    pub prefix: Option<Leaf<u8>>,
    /// The IPv6 range.
    #[serde(deserialize_with = "given")]
    pub ipv6: Option<Leaf<Block<Ipv6Network>>>,
    /// The prefix length of each IPv6 subnet.
    #[serde(deserialize_with = "given")]
    pub prefix6: Option<Leaf<u8>>,
}

/// A node, or settings for nodes.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Node {
    /// One node per row: `{ n: 1..8 }`, a list, or a CSV file.
    pub each: Option<Each>,
    /// The groups whose settings it takes, the strongest first.
    pub group: Option<OneOrMany<Leaf<String>>>,
    /// Its place in the subnets of pools: the interface takes that address where it is free.
    #[serde(deserialize_with = "given")]
    pub index: Option<Leaf<u32>>,
    /// What it is.
    #[serde(deserialize_with = "given")]
    pub kind: Option<Leaf<Kind>>,
    /// What a switch is made of: `netgraph` (ng_bridge, default) or `if_bridge`.
    #[serde(deserialize_with = "given")]
    pub driver: Option<Leaf<Driver>>,
    /// Rapid spanning tree, with `driver: if_bridge`.
    #[serde(deserialize_with = "given")]
    pub stp: Option<Leaf<bool>>,
    /// The pool of the segment around a switch or hub.
    #[serde(deserialize_with = "given")]
    pub pool: Option<Leaf<String>>,
    /// The MTU of its interfaces where neither interface nor link says otherwise.
    #[serde(deserialize_with = "given")]
    pub mtu: Option<Leaf<Mtu>>,
    /// Addresses and more by interface; `lo` is the loopback.
    pub interfaces: BTreeMap<String, Interface>,
    /// Static routes.
    pub routes: Vec<Route>,
    /// Kernel variables by FreeBSD's names, or under `freebsd:` and `linux:`.
    pub sysctls: EngineMap,
    /// Parameters of the jail, spelt as in jail(8). `persist: false` leaves the jail to another tool: the lab has the wiring ready.
    pub jail: BTreeMap<String, Leaf<String>>,
    /// Free text for people and programs.
    pub labels: BTreeMap<String, Leaf<String>>,
    /// Commands to run in the node once it is up, or such lists under `freebsd:` and `linux:`. Split at blanks, with quotes; no shell.
    pub exec: EngineList,
    /// The file system: `host` (default), a path, `{ base, rw }` or `{ zfs }`.
    pub rootfs: Option<RootFs>,
    /// Resource limits by rctl(8)'s names: an amount (`64M`), or an action and an amount (`log=30`).
    pub limits: BTreeMap<String, Leaf<String>>,
    /// The processors it may use, such as `0-3`.
    #[serde(deserialize_with = "given")]
    pub cpus: Option<Leaf<CpuSet>>,
    /// Rules for packets.
    pub firewall: Option<Firewall>,
}

/// Rules for the packets of a node.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Firewall {
    /// A file of rules for nft(8), relative to the file that names it. Linux only.
    pub nft: Leaf<String>,
}

/// One interface of a node.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Interface {
    /// One interface per row; the row is named in the key.
    pub each: Option<Each>,
    /// IPv4 addresses with prefix lengths.
    pub ipv4: OneOrMany<Leaf<Host<Ipv4Network>>>,
    /// IPv6 addresses with prefix lengths.
    pub ipv6: OneOrMany<Leaf<Host<Ipv6Network>>>,
    /// The MAC address.
    #[serde(deserialize_with = "given")]
    pub mac: Option<Leaf<Mac>>,
    /// The MTU.
    #[serde(deserialize_with = "given")]
    pub mtu: Option<Leaf<Mtu>>,
}

/// One static route.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Route {
    /// One route per row.
    #[serde(default)]
    #[expect(dead_code, reason = "gone before decoding; the schema reads it")]
    pub each: Option<Each>,
    /// `default` or a prefix.
    pub to: Leaf<Destination>,
    /// The address of the next hop.
    pub via: Leaf<std::net::IpAddr>,
}

/// A link between two nodes.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Link {
    /// One link per row: `{ n: 1..8 }`, a list, or a CSV file.
    #[serde(default)]
    #[expect(dead_code, reason = "gone before decoding; the schema reads it")]
    pub each: Option<Each>,
    /// The two ends: `node:interface`, just `node` for a switch or hub, or a map.
    pub endpoints: Vec<Endpoint>,
    /// What identifies the link; without it the sorted endpoints do.
    #[serde(default, deserialize_with = "given")]
    pub name: Option<Leaf<String>>,
    /// What it is made of: `netgraph` (default) or `epair`.
    #[serde(default, rename = "type", deserialize_with = "given")]
    pub wire: Option<Leaf<Wire>>,
    /// The pool of its segment.
    #[serde(default, deserialize_with = "given")]
    pub pool: Option<Leaf<String>>,
    /// The segment takes that subnet of its pool.
    #[serde(default, deserialize_with = "given")]
    pub index: Option<Leaf<u32>>,
    /// The MTU of both ends.
    #[serde(default, deserialize_with = "given")]
    pub mtu: Option<Leaf<Mtu>>,
    /// IPv4 addresses in the order of the endpoints; `~` for none.
    #[serde(default)]
    pub ipv4: Vec<Option<OneOrMany<Leaf<Host<Ipv4Network>>>>>,
    /// IPv6 addresses in the order of the endpoints; `~` for none.
    #[serde(default)]
    pub ipv6: Vec<Option<OneOrMany<Leaf<Host<Ipv6Network>>>>>,
    /// MAC addresses in the order of the endpoints; `~` for none.
    #[serde(default)]
    pub mac: Vec<Option<Leaf<Mac>>>,
    /// Impairment, for both directions or one.
    #[serde(default)]
    pub tc: Tc,
}

/// An endpoint in its long form.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LongEndpoint {
    /// The node.
    pub node: Leaf<String>,
    /// The interface; none at a switch or hub.
    #[serde(default, deserialize_with = "given")]
    pub interface: Option<Leaf<String>>,
    /// IPv4 addresses with prefix lengths.
    #[serde(default)]
    pub ipv4: OneOrMany<Leaf<Host<Ipv4Network>>>,
    /// IPv6 addresses with prefix lengths.
    #[serde(default)]
    pub ipv6: OneOrMany<Leaf<Host<Ipv6Network>>>,
    /// The MAC address.
    #[serde(default, deserialize_with = "given")]
    pub mac: Option<Leaf<Mac>>,
}

/// What a link does to frames: for both directions, or under `a2b` and `b2a`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Tc {
    /// Bits per second: `10mbit`.
    #[serde(deserialize_with = "given")]
    pub rate: Option<Leaf<Bandwidth>>,
    /// Added time: `5ms`.
    #[serde(deserialize_with = "given")]
    pub delay: Option<Leaf<Delay>>,
    /// Variation of the delay. Not by ng_pipe.
    #[serde(deserialize_with = "given")]
    pub jitter: Option<Leaf<Delay>>,
    /// Share of lost frames. Not by ng_pipe.
    #[serde(deserialize_with = "given")]
    pub loss: Option<Leaf<Share>>,
    /// Share of frames with a wrong byte. Not by ng_pipe.
    #[serde(deserialize_with = "given")]
    pub corrupt: Option<Leaf<Share>>,
    /// Share of frames sent twice.
    #[serde(deserialize_with = "given")]
    pub duplicate: Option<Leaf<Share>>,
    /// Share of frames out of order. Not by ng_pipe.
    #[serde(deserialize_with = "given")]
    pub reorder: Option<Leaf<Share>>,
    /// Bit errors: one wrong bit in this many.
    #[serde(deserialize_with = "given")]
    pub ber: Option<Leaf<u64>>,
    /// The length of the queue, in packets.
    #[serde(deserialize_with = "given")]
    pub queue: Option<Leaf<u32>>,
    /// From the first endpoint to the second; goes over the keys for both directions.
    #[serde(deserialize_with = "given")]
    pub a2b: Option<Box<Self>>,
    /// From the second endpoint to the first; goes over the keys for both directions.
    #[serde(deserialize_with = "given")]
    pub b2a: Option<Box<Self>>,
}

/// One check.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Check {
    /// One check per row.
    pub each: Option<Each>,
    /// Every echo must be answered.
    #[serde(deserialize_with = "given")]
    pub reach: Option<Reach>,
    /// No echo may be answered.
    #[serde(deserialize_with = "given")]
    pub no_reach: Option<Reach>,
}

/// Who is to reach whom.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Reach {
    /// Pattern of nodes; `*` does not cross `:`.
    pub from: Leaf<String>,
    /// Pattern of nodes (all their interfaces) or of `node:interface`.
    pub to: Leaf<String>,
    /// `v4`, `v6` or `any` (default): every family both sides have.
    #[serde(default, deserialize_with = "given")]
    pub family: Option<Leaf<FamilyChoice>>,
    /// How long one try waits: 1 s, or 0.5 s for `no-reach`.
    #[serde(default, deserialize_with = "given")]
    pub timeout: Option<Leaf<Delay>>,
    /// How many tries: 3, or 2 for `no-reach`.
    #[serde(default, deserialize_with = "given")]
    pub count: Option<Leaf<u32>>,
}
