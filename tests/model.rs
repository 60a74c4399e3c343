//! What a topology means: addresses, routes and reasons of small labs, written as their authors would.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use cellblock::diagnostic::Diagnostic;
use cellblock::model::explain::{What, explain};
use cellblock::model::{self, Model, MtuReason, RouteReason};
use cellblock::topology::{DiskReader, Input, LoadOptions, load};

/// The model of a text and its warnings.
fn resolve(yaml: &str) -> (Model, Vec<Diagnostic>) {
    let loaded = load(Input::stdin(yaml.into()), &LoadOptions::default(), &DiskReader);
    let draft = loaded.draft.unwrap_or_else(|| panic!("{:#?}", loaded.diagnostics));
    model::resolve(draft).unwrap_or_else(|errors| panic!("{errors:#?}"))
}

/// The model of a text that has nothing to warn of.
fn quiet(yaml: &str) -> Model {
    let (model, warnings) = resolve(yaml);
    assert_eq!(warnings, []);
    model
}

/// The addresses of `node:interface` (`lo` is the loopback), with blanks in between.
fn addresses(model: &Model, port: &str) -> String {
    let (node, interface) = port.split_once(':').unwrap();
    let node = model.node(model.find(node).unwrap());
    let list = if interface == "lo" { &node.loopback } else { &node.interfaces[&interface.parse().unwrap()].addresses };
    list.iter().map(|address| address.net.to_string()).collect::<Vec<_>>().join(" ")
}

/// The routes of a node, `to via next hop`.
fn routes(model: &Model, node: &str) -> Vec<String> {
    let node = model.node(model.find(node).unwrap());
    node.routes.iter().map(|route| format!("{} via {}", route.to, route.via)).collect()
}

const OFFICE: &str = r#"
version: 1
name: office
vars: { wan_delay: 5ms }
addressing:
  lan: { ipv4: 10.0.0.0/16, prefix: 24, ipv6: fd00:1::/48, prefix6: 64 }
  p2p: { ipv4: 10.255.0.0/16, prefix: 31, ipv6: fd00:2::/48, prefix6: 127 }
routing: auto
topology:
  defaults: { mtu: 1500 }
  kinds:  { router: { labels: { role: transit } } }
  groups: { desk: { exec: [ "logger desk up" ] } }
  nodes:
    r1: { kind: router }
    r2: { kind: router }
    floor: { kind: switch, driver: netgraph, pool: lan }
    "pc${n:02}": { kind: host, group: desk, each: { n: 1..8 }, index: "${n}" }
  links:
    - { endpoints: [ "r1:wan0", "r2:wan0" ], pool: p2p, tc: { rate: 10mbit, delay: "${wan_delay}" } }
    - { endpoints: [ "r1:lan0", "floor" ] }
    - { each: { n: 1..8 }, endpoints: [ "pc${n:02}:eth0", "floor" ] }
checks:
  - reach: { from: "pc*", to: "r2:wan0" }
  - reach: { from: "*", to: "*" }
"#;

#[test]
fn the_example_of_the_format() {
    let model = quiet(OFFICE);
    assert_eq!(model.nodes.len(), 11);
    assert_eq!(model.segments.len(), 2);
    assert_eq!(addresses(&model, "r1:wan0"), "10.255.0.0/31 fd00:2::/127");
    assert_eq!(addresses(&model, "r2:wan0"), "10.255.0.1/31 fd00:2::1/127");
    for n in 1..=8 {
        assert_eq!(addresses(&model, &format!("pc{n:02}:eth0")), format!("10.0.0.{n}/24 fd00:1::{n}/64"));
    }
    assert_eq!(addresses(&model, "r1:lan0"), "10.0.0.9/24 fd00:1::9/64");
    assert_eq!(routes(&model, "pc03"), ["0.0.0.0/0 via 10.0.0.9", "::/0 via fd00:1::9"]);
    // Each has only the other: default routes would pass packets to nowhere back and forth.
    assert_eq!(routes(&model, "r1"), [""; 0]);
    assert_eq!(routes(&model, "r2"), ["10.0.0.0/24 via 10.255.0.0", "fd00:1::/64 via fd00:2::"]);
    let link = &model.links[model.links.len() - 1];
    assert_eq!(link.identity, "r1:wan0 -- r2:wan0");
    assert!(link.shaping.iter().all(Option::is_some));
}

#[test]
fn without_routing_only_the_routes_of_the_file() {
    let model = quiet(&OFFICE.replace("routing: auto", "routing: none"));
    assert!(model.nodes.iter().all(|node| node.routes.is_empty()));
    let model = quiet(&OFFICE.replace("routing: auto", "routing: default"));
    assert_eq!(routes(&model, "pc01").len(), 2);
    assert_eq!(routes(&model, "r2"), [""; 0]);
}

#[test]
fn what_the_file_gives_is_avoided() {
    let model = quiet(
        r#"
version: 1
name: given
addressing: { lan: { ipv4: 10.0.0.0/20, prefix: 24, ipv6: "fd00::/56", prefix6: 64 } }
topology:
  nodes:
    a: { kind: switch, pool: lan }
    b: { kind: switch, pool: lan }
    c: { kind: switch, pool: lan, index: 2 }
    d: { kind: switch, pool: lan }
    r1: { kind: router, interfaces: { lo: { ipv4: [ 10.0.3.3/32 ] } } }
    h1: { kind: host, interfaces: { d: { ipv4: [ 10.0.4.2/24 ] } } }
    h2: { kind: host }
    h10: { kind: host, index: 1 }
  links:
    - { endpoints: [ "h1:given", "h2:given" ], ipv4: [ 10.0.0.1/25, 10.0.0.2/25 ] }
    - { each: { s: [ a, b, c, d ] }, endpoints: [ "h1:${s}", "${s}" ] }
    - { each: { s: [ a, b, c, d ] }, endpoints: [ "h2:${s}", "${s}" ] }
    - { each: { s: [ a, b, c, d ] }, endpoints: [ "h10:${s}", "${s}" ] }
    - { each: { s: [ a, b, c, d ] }, endpoints: [ "r1:${s}", "${s}" ] }
"#,
    );
    // 0 overlaps what is given elsewhere, 2 has an index, 3 holds a loopback, 4 is where an address has put `d`.
    assert_eq!(addresses(&model, "r1:a"), "10.0.1.2/24 fd00:0:0:1::2/64");
    assert_eq!(addresses(&model, "r1:b"), "10.0.5.2/24 fd00:0:0:5::2/64");
    assert_eq!(addresses(&model, "r1:c"), "10.0.2.2/24 fd00:0:0:2::2/64");
    assert_eq!(addresses(&model, "r1:d"), "10.0.4.3/24 fd00:0:0:4::2/64");
    // The index first, then routers, then names as people count; an address that is given stays.
    assert_eq!(addresses(&model, "h10:d"), "10.0.4.1/24 fd00:0:0:4::1/64");
    assert_eq!(addresses(&model, "h1:d"), "10.0.4.2/24 fd00:0:0:4::3/64");
    assert_eq!(addresses(&model, "h2:d"), "10.0.4.4/24 fd00:0:0:4::4/64");
}

#[test]
fn an_address_on_the_link_stands_for_that_of_the_pool() {
    let model = quiet(
        r#"
version: 1
name: links
addressing: { lan: { ipv4: 10.0.0.0/16, prefix: 24, ipv6: "fd00::/48", prefix6: 64 } }
topology:
  nodes: { a: { kind: host }, b: { kind: host }, c: { kind: host, interfaces: { eth0: { ipv4: [ 192.168.0.3/24 ] } } }, s: { kind: switch, pool: lan } }
  links:
    - { endpoints: [ "a:eth0", s ], ipv4: [ 192.168.0.1/24, null ] }
    - { endpoints: [ "b:eth0", s ] }
    - { endpoints: [ "c:eth0", s ] }
"#,
    );
    assert_eq!(addresses(&model, "a:eth0"), "192.168.0.1/24 fd00::1/64");
    assert_eq!(addresses(&model, "b:eth0"), "10.0.0.1/24 fd00::2/64");
    assert_eq!(addresses(&model, "c:eth0"), "10.0.0.2/24 192.168.0.3/24 fd00::3/64", "under `interfaces:` it is added");
}

#[test]
fn a_host_that_joins_moves_no_subnet() {
    let lab = |link: &str| {
        quiet(&format!(
            r#"
version: 1
name: joins
addressing: {{ lan: {{ ipv4: 10.0.0.0/16, prefix: 24 }} }}
topology:
  nodes: {{ s1: {{ kind: switch, pool: lan }}, s2: {{ kind: switch, pool: lan }}, x1: {{ kind: host }}, x2: {{ kind: host }}, a: {{ kind: host }} }}
  links:
    - {{ endpoints: [ "x1:eth0", s1 ] }}
    - {{ endpoints: [ "x2:eth0", s2 ] }}
    - {{ endpoints: [ "a:eth0", {link} ] }}
"#
        ))
    };
    for switch in ["s1", "s2"] {
        let model = lab(switch);
        assert!(addresses(&model, "x1:eth0").starts_with("10.0.0."));
        assert!(addresses(&model, "x2:eth0").starts_with("10.0.1."));
    }
}

#[test]
fn a_pool_may_be_used_up_to_its_last_address() {
    let model = quiet(
        r#"
version: 1
name: tight
addressing: { p2p: { ipv4: 10.0.0.0/30, prefix: 31 }, lan: { ipv4: 10.1.0.0/30, prefix: 30, ipv6: "fd00::/126", prefix6: 126 } }
topology:
  nodes: { r1: { kind: router }, r2: { kind: router }, h1: { kind: host }, h2: { kind: host } }
  links:
    - { endpoints: [ "r1:a", "r2:a" ], pool: p2p }
    - { endpoints: [ "r1:b", "r2:b" ], pool: p2p }
    - { endpoints: [ "h1:a", "h2:a" ], pool: lan }
"#,
    );
    assert_eq!(addresses(&model, "r2:b"), "10.0.0.3/31");
    assert_eq!(addresses(&model, "h1:a"), "10.1.0.1/30 fd00::1/126");
    assert_eq!(addresses(&model, "h2:a"), "10.1.0.2/30 fd00::2/126");
}

/// Four routers in a square with a stub behind one corner and a host behind another.
const SQUARE: &str = r#"
version: 1
name: square
routing: auto
topology:
  nodes:
    r1: { kind: router, interfaces: { lo: { ipv4: [ 10.9.0.1/32 ] } } }
    r2: { kind: router }
    r3: { kind: router, interfaces: { lo: { ipv4: [ 10.9.0.3/32 ] } } }
    r4: { kind: router }
    stub: { kind: router }
    pc: { kind: host, interfaces: { lo: { ipv4: [ 10.9.1.1/32 ] } } }
  links:
    - { endpoints: [ "r1:a", "r2:a" ], ipv4: [ 10.0.12.0/31, 10.0.12.1/31 ] }
    - { endpoints: [ "r2:b", "r3:a" ], ipv4: [ 10.0.23.0/31, 10.0.23.1/31 ] }
    - { endpoints: [ "r3:b", "r4:a" ], ipv4: [ 10.0.34.0/31, 10.0.34.1/31 ] }
    - { endpoints: [ "r4:b", "r1:b" ], ipv4: [ 10.0.14.1/31, 10.0.14.0/31 ] }
    - { endpoints: [ "stub:wan", "r3:c" ], ipv4: [ 10.0.30.1/31, 10.0.30.0/31 ] }
    - { endpoints: [ "stub:a", "pc:eth0" ], ipv4: [ 10.1.0.1/25, 10.1.0.2/25 ] }
    - { endpoints: [ "stub:b", "pc:eth1" ], ipv4: [ 10.1.0.129/25, 10.1.0.130/25 ] }
"#;

#[test]
fn shortest_paths_with_ties_by_name() {
    let model = quiet(SQUARE);
    assert_eq!(
        routes(&model, "r1"),
        [
            "10.0.23.0/31 via 10.0.12.1",
            // Two ways of the same length: r2 comes before r4.
            "10.0.30.0/31 via 10.0.12.1",
            "10.0.34.0/31 via 10.0.14.1",
            "10.1.0.0/24 via 10.0.12.1",
            "10.9.0.3/32 via 10.0.12.1",
            "10.9.1.1/32 via 10.0.12.1",
        ]
    );
    let route = &model.node(model.find("r1").unwrap()).routes[3];
    assert_eq!(route.why, RouteReason::ShortestPath { hops: 3, covers: 2 });
}

#[test]
fn a_stub_router_has_one_default_route() {
    let model = quiet(SQUARE);
    // The loopback of the host is behind the host, not behind the way out.
    assert_eq!(routes(&model, "stub"), ["0.0.0.0/0 via 10.0.30.0", "10.9.1.1/32 via 10.1.0.2"]);
    assert_eq!(routes(&model, "pc"), ["0.0.0.0/0 via 10.1.0.1"]);
}

#[test]
fn routes_of_the_file_win() {
    let given = "    r4: { kind: router, routes: [ { to: 10.1.0.0/24, via: 10.0.14.0 }, { to: 10.9.0.3/32, via: 10.0.14.0 } ] }";
    let model = quiet(&SQUARE.replace("    r4: { kind: router }", given));
    let of_r4 = routes(&model, "r4");
    // The halves stay apart, because the whole is the file's.
    assert!(of_r4.contains(&"10.1.0.0/24 via 10.0.14.0".to_owned()));
    assert!(of_r4.contains(&"10.1.0.0/25 via 10.0.34.0".to_owned()));
    assert!(of_r4.contains(&"10.1.0.128/25 via 10.0.34.0".to_owned()));
    assert_eq!(of_r4.iter().filter(|route| route.starts_with("10.9.0.3/32")).count(), 1);
    let given = "    pc: { kind: host, routes: [ { to: default, via: 10.1.0.129 } ], ";
    let model = quiet(&SQUARE.replace("    pc: { kind: host, ", given));
    assert_eq!(routes(&model, "pc"), ["0.0.0.0/0 via 10.1.0.129"]);
    let given = "    stub: { kind: router, routes: [ { to: default, via: 10.1.0.2 } ] }";
    let (model, _) = resolve(&SQUARE.replace("    stub: { kind: router }", given));
    assert!(routes(&model, "stub").contains(&"10.0.12.0/31 via 10.0.30.0".to_owned()));
}

#[test]
fn hosts_take_the_router_with_fewest_switches_in_between() {
    let model = quiet(
        r#"
version: 1
name: near
routing: default
addressing: { lan: { ipv4: 10.0.0.0/24, prefix: 24 } }
topology:
  nodes:
    s1: { kind: switch, pool: lan }
    s2: { kind: hub }
    s3: { kind: switch }
    r1: { kind: router }
    r2: { kind: router }
    r10: { kind: router }
    h1: { kind: host }
    h2: { kind: host }
    h3: { kind: host }
    me: { kind: self }
  links:
    - { endpoints: [ s1, s2 ] }
    - { endpoints: [ s2, s3 ] }
    - { endpoints: [ "r1:eth0", s1 ] }
    - { endpoints: [ "r10:eth0", s3 ] }
    - { endpoints: [ "r2:eth0", s3 ] }
    - { endpoints: [ "h1:eth0", s1 ] }
    - { endpoints: [ "h2:eth0", s2 ] }
    - { endpoints: [ "h3:eth0", s3 ] }
    - { endpoints: [ "me:lab0", s3 ] }
"#,
    );
    assert_eq!(addresses(&model, "r10:eth0"), "10.0.0.3/24");
    assert_eq!(routes(&model, "h1"), ["0.0.0.0/0 via 10.0.0.1"]);
    assert_eq!(routes(&model, "h2"), ["0.0.0.0/0 via 10.0.0.1"], "a tie goes to the first name");
    assert_eq!(routes(&model, "h3"), ["0.0.0.0/0 via 10.0.0.2"], "r2 counts before r10");
    assert_eq!(routes(&model, "me"), [""; 0], "the host's own routes are not ours");
}

#[test]
fn families_are_routed_apart() {
    let model = quiet(
        r#"
version: 1
name: apart
routing: auto
topology:
  nodes: { r1: { kind: router }, r2: { kind: router }, r3: { kind: router }, h: { kind: host } }
  links:
    - { endpoints: [ "r1:a", "r2:a" ], ipv4: [ 10.0.1.1/24, 10.0.1.2/24 ], ipv6: [ "fd00:1::1/64", "fd00:1::2/64" ] }
    - { endpoints: [ "r2:b", "r3:b" ], ipv4: [ 10.0.2.1/24, 10.0.2.2/24 ] }
    - { endpoints: [ "r3:c", "h:c" ], ipv6: [ "fd00:3::1/64", "fd00:3::2/64" ] }
"#,
    );
    assert_eq!(routes(&model, "r1"), ["0.0.0.0/0 via 10.0.1.2"]);
    assert_eq!(routes(&model, "h"), ["::/0 via fd00:3::1"], "no router leads further in that family");
}

#[test]
fn mtus_come_from_the_most_specific_place() {
    let (model, warnings) = resolve(
        r#"
version: 1
name: mtus
topology:
  nodes:
    a: { kind: host, mtu: 1400, interfaces: { one: { mtu: 1300 } } }
    b: { kind: host }
    s: { kind: switch, mtu: 1600 }
  links:
    - { endpoints: [ "a:one", "b:one" ], mtu: 1350 }
    - { endpoints: [ "a:two", "b:two" ] }
    - { endpoints: [ "b:three", s ] }
"#,
    );
    let mtu = |node: &str, name: &str| {
        let interface = &model.node(model.find(node).unwrap()).interfaces[&name.parse().unwrap()];
        (interface.mtu.0, interface.mtu_why)
    };
    assert_eq!(mtu("a", "one"), (1300, MtuReason::Interface));
    assert_eq!(mtu("b", "one"), (1350, MtuReason::Link));
    assert_eq!(mtu("a", "two"), (1400, MtuReason::Node));
    assert_eq!(mtu("b", "two"), (1500, MtuReason::Ethernet));
    assert_eq!(mtu("b", "three"), (1600, MtuReason::Switch));
    assert_eq!(warnings.iter().map(|warning| warning.code).collect::<Vec<_>>(), ["M045", "M045"]);
}

#[test]
fn every_value_has_a_reason() {
    let model = quiet(OFFICE);
    let facts = explain(&model, "pc03", None).unwrap();
    let because = |what: What, value: &str| {
        let found = facts.iter().find(|fact| fact.what == what && fact.value == value);
        found.unwrap_or_else(|| panic!("no {what} {value} in {facts:#?}")).because.clone()
    };
    assert_eq!(because(What::Node, "pc03"), "kind `host`");
    assert_eq!(because(What::Interface, "pc03:eth0"), "end of the link `floor -- pc03:eth0`");
    assert_eq!(because(What::Segment, "10.0.0.0/24, fd00:1::/64"), "pool `lan`; 9 links and 9 interfaces meet here");
    assert_eq!(because(What::Address, "10.0.0.3/24"), "pool `lan`, subnet 0, address 3: by the node's `index:`");
    assert_eq!(because(What::Mtu, "1500"), "among the settings of the node");
    assert_eq!(because(What::Route, "default via 10.0.0.9"), "`r1` is the nearest router");
    let mac = facts.iter().find(|fact| fact.what == What::Mac).unwrap();
    assert!(mac.value.starts_with("02:") && mac.because.contains("`cellblock mac 1`"), "{mac:?}");
    assert!(facts.iter().filter(|fact| fact.what == What::Address).all(|fact| fact.origins.len() == 2));

    let of_r2 = explain(&model, "r2", Some("wan0")).unwrap();
    let route = of_r2.iter().find(|fact| fact.what == What::Route).unwrap();
    assert_eq!(route.because, "shortest path: 1 hop, first `r1`");
    assert_eq!(explain(&model, "floor", None).unwrap().iter().filter(|fact| fact.what == What::Link).count(), 9);
    assert!(explain(&model, "nobody", None).is_none() && explain(&model, "r2", Some("wan1")).is_none());
}
