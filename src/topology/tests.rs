//! What right files become.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};

use super::*;
use crate::diagnostic::{At, Origin};
use crate::model::draft::{DraftLink, DraftNode};
use crate::model::{Delay, Expect, NodeKind, Routing, SwitchDriver, System, Wire};

/// Files in memory.
#[derive(Debug, Default)]
struct Memory(BTreeMap<PathBuf, &'static str>);

impl FileReader for Memory {
    fn read(&self, path: &Path, _limit: usize) -> io::Result<Vec<u8>> {
        self.0.get(path).map(|text| text.as_bytes().to_owned()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn identity(&self, path: &Path) -> PathBuf {
        path.to_owned()
    }
}

fn load_with(files: &[(&str, &'static str)], options: &LoadOptions) -> (Draft, Sources) {
    let memory = Memory(files.iter().map(|(name, text)| (PathBuf::from(name), *text)).collect());
    let loaded = load(Input::Path(files[0].0.into()), options, &memory);
    assert_eq!(loaded.diagnostics, [], "{:#?}", loaded.diagnostics);
    (loaded.draft.unwrap(), loaded.sources)
}

/// The draft of `version`, `name` and what is given.
fn draft(text: &str) -> Draft {
    let text = format!("version: 1\nname: lab\n{text}");
    let loaded = load(Input::stdin(text.into()), &LoadOptions::default(), &Memory::default());
    assert_eq!(loaded.diagnostics, [], "{:#?}", loaded.diagnostics);
    loaded.draft.unwrap()
}

fn node<'d>(draft: &'d Draft, name: &str) -> &'d DraftNode {
    draft.nodes.iter().find(|node| node.name.as_str() == name).unwrap()
}

fn names(draft: &Draft) -> Vec<&str> {
    draft.nodes.iter().map(|node| node.name.as_str()).collect()
}

fn ends(link: &DraftLink) -> Vec<String> {
    let end = |end: &crate::model::draft::DraftEnd| match &end.interface {
        Some(interface) => format!("{}:{}", end.node.value, interface.value),
        None => end.node.value.to_string(),
    };
    link.ends.iter().map(end).collect()
}

fn values<T: ToString>(list: &[At<T>]) -> Vec<String> {
    list.iter().map(|at| at.value.to_string()).collect()
}

fn texts(map: &BTreeMap<String, At<String>>) -> Vec<(&str, &str)> {
    map.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect()
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
fn the_example_of_the_format_becomes_a_draft() {
    let (draft, sources) = load_with(&[("office.yaml", OFFICE)], &LoadOptions::default());
    assert_eq!((draft.name.as_str(), draft.routing.value), ("office", Routing::Auto));
    assert_eq!(draft.nodes.len(), 11);
    assert_eq!(draft.links.len(), 10);

    let pc = node(&draft, "pc07");
    assert_eq!((pc.kind.value, pc.index.map(|i| i.value), pc.repeated), (NodeKind::Host, Some(7), true));
    assert_eq!(pc.mtu.unwrap().0, 1500);
    assert_eq!(pc.exec[0].command, "logger desk up");
    assert_eq!(sources.slice(pc.name.origin), "\"pc${n:02}\"");
    let floor = node(&draft, "floor");
    assert_eq!(floor.kind.value, NodeKind::Switch(SwitchDriver::Netgraph));
    assert_eq!(floor.pool.as_ref().unwrap().as_str(), "lan");
    assert_eq!(node(&draft, "r1").labels["role"], "transit");

    assert_eq!(ends(&draft.links[0]), ["r1:wan0", "r2:wan0"]);
    assert_eq!(ends(&draft.links[9]), ["pc08:eth0", "floor"]);
    let shaping = draft.links[0].shaping[1].unwrap();
    assert_eq!((shaping.rate.unwrap().0, shaping.delay.unwrap()), (10_000_000, Delay(5_000_000)));
    assert_eq!(draft.links[1].shaping, [None, None]);
    assert_eq!(sources.slice(draft.links[0].ends[1].interface.as_ref().unwrap().origin), "wan0");
    assert_eq!(sources.slice(draft.links[0].ends[1].node.origin), "r2");

    assert_eq!(draft.pools["p2p"].ipv6.unwrap().1.value, 127);
    let check = &draft.checks[0];
    assert_eq!((check.expect, check.from.as_str(), check.count), (Expect::Reach, "pc*", 3));
    assert_eq!(sources.slice(check.from.origin), "\"pc*\"");
}

#[test]
fn the_command_line_changes_variables_and_the_name() {
    let options = LoadOptions {
        overrides: vec![("wan_delay".into(), "7ms".into()), ("wan_delay".into(), "9ms".into())],
        name: Some("other".into()),
    };
    let (draft, _) = load_with(&[("office.yaml", OFFICE)], &options);
    assert_eq!(draft.name.as_str(), "other");
    assert_eq!(draft.links[0].shaping[0].unwrap().delay, Some(Delay(9_000_000)));
}

#[test]
fn settings_go_node_groups_kind_defaults() {
    let draft = draft(
        r#"
topology:
  defaults: { kind: host, mtu: 1000, labels: { a: defaults, d: defaults }, exec: [ defaults ], cpus: 0-1 }
  kinds:
    host: { mtu: 1001, labels: { a: kind, k: kind }, exec: [ kind ] }
    switch: { driver: if_bridge, stp: true }
  groups:
    one: { mtu: 1002, labels: { a: one, g: one }, sysctls: { net.x: 1 }, exec: [ one ] }
    two: { mtu: 1003, labels: { g: two, h: two }, sysctls: { net.x: 2, net.y: 2 }, exec: [ two ] }
  nodes:
    a: { mtu: 1004, group: [ one, two ], labels: { a: node }, exec: [ node ] }
    b: { group: [ two, one ] }
    c:
    s: { kind: switch }
"#,
    );
    let mtu = |name: &str| node(&draft, name).mtu.unwrap().value.0;
    assert_eq!((mtu("a"), mtu("b"), mtu("c"), mtu("s")), (1004, 1003, 1001, 1000));
    let a = node(&draft, "a");
    let labels: Vec<_> = a.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    assert_eq!(labels, ["a=node", "d=defaults", "g=one", "h=two", "k=kind"]);
    assert_eq!(texts(&a.sysctls), [("net.x", "1"), ("net.y", "2")]);
    let exec: Vec<_> = a.exec.iter().map(|exec| exec.command.as_str()).collect();
    assert_eq!(exec, ["defaults", "kind", "two", "one", "node"]);
    assert_eq!(a.cpus.as_ref().map(ToString::to_string).as_deref(), Some("0-1"));
    // A switch has no stack: what defaults say for hosts is not its own.
    let s = node(&draft, "s");
    assert_eq!(s.kind.value, NodeKind::Switch(SwitchDriver::IfBridge { stp: true }));
    assert!(s.exec.is_empty() && s.cpus.is_none());
}

#[test]
fn a_node_has_interfaces_routes_and_engine_keys() {
    let draft = draft(
        r#"
topology:
  nodes:
    r1:
      kind: router
      interfaces:
        lo: { ipv4: [ 10.9.0.1, 10.9.0.2/32 ], ipv6: fd00:9::1 }
        eth0: { ipv4: 10.0.0.1/24, ipv6: [ "fd00::1/64", "fd00::2/64" ], mac: 02:00:5E:10:00:01, mtu: 9000 }
      routes: [ { to: default, via: 10.0.0.254 }, { to: default, via: fd00::ff }, { to: 10.1.0.0/16, via: 10.0.0.2 } ]
      sysctls: { net.inet.ip.ttl: 32, freebsd: { kern.x: on }, linux: { net.ipv4.ip_forward: 1 } }
      jail: { allow.raw_sockets: true }
      exec: { freebsd: [ sysrc a=b ], linux: [ ip a ] }
      rootfs: { base: /jails/base, rw: [ etc, var ] }
      limits: { maxproc: 10 }
      x-note: { anything: [ goes ], "${here}": 1 }
    me: { kind: self, interfaces: { eth0: { ipv4: 10.0.0.9/24 } } }
  links: []
"#,
    );
    let r1 = node(&draft, "r1");
    assert_eq!(values(&r1.loopback), ["10.9.0.1/32", "10.9.0.2/32", "fd00:9::1/128"]);
    let eth0 = &r1.interfaces[&crate::model::IfName::new("eth0").unwrap()];
    assert_eq!(values(&eth0.addresses), ["10.0.0.1/24", "fd00::1/64", "fd00::2/64"]);
    assert_eq!((eth0.mac.unwrap().to_string().as_str(), eth0.mtu.unwrap().0), ("02:00:5e:10:00:01", 9000));
    let routes: Vec<_> = r1.routes.iter().map(|route| format!("{} {}", route.to.value, route.via.value)).collect();
    assert_eq!(routes, ["0.0.0.0/0 10.0.0.254", "::/0 fd00::ff", "10.1.0.0/16 10.0.0.2"]);
    assert_eq!(texts(&r1.sysctls), [("kern.x", "on"), ("net.inet.ip.ttl", "32")]);
    assert_eq!(texts(&r1.linux_sysctls), [("net.ipv4.ip_forward", "1")]);
    assert_eq!(texts(&r1.jail), [("allow.raw_sockets", "true")]);
    let exec: Vec<_> = r1.exec.iter().map(|exec| (exec.command.as_str(), exec.only)).collect();
    assert_eq!(exec, [("sysrc a=b", Some(System::FreeBsd)), ("ip a", Some(System::Linux))]);
    assert_eq!(r1.limits["maxproc"].to_string(), "deny=10");
    assert_eq!(r1.rootfs.to_string(), "{ base: /jails/base, rw: [etc, var] }");
    assert_eq!(node(&draft, "me").kind.value, NodeKind::SelfHost);
}

#[test]
fn links_may_be_brief_long_or_both() {
    let draft = draft(
        r#"
topology:
  defaults: { kind: host }
  nodes: { a: {}, b: {}, sw: { kind: hub } }
  links:
    - endpoints: [ "a:x", { node: b, interface: y, ipv6: [ "fd00::2/64" ], mac: 02:00:00:00:00:02 } ]
      ipv4: [ 10.0.0.1/24, [ 10.0.0.2/24, 10.0.0.3/24 ] ]
      mac: [ 02:00:00:00:00:01 ]
      type: epair
      name: uplink
      index: 3
      mtu: 9000
      tc: { rate: 1mbit, ber: 1000000, queue: 50, a2b: { rate: 2mbit, loss: 0.5%, jitter: 1ms } }
    - { endpoints: [ sw, "a:z" ], ipv6: [ ~, "fd00::1/64" ], tc: { b2a: { duplicate: 1% } } }
"#,
    );
    let [first, second] = draft.links.as_slice() else { panic!("{:?}", draft.links) };
    assert_eq!(values(&first.ends[0].addresses), ["10.0.0.1/24"]);
    assert_eq!(values(&first.ends[1].addresses), ["fd00::2/64", "10.0.0.2/24", "10.0.0.3/24"]);
    assert_eq!(first.ends[0].mac.unwrap().value.0[5], 1);
    assert_eq!(first.ends[1].mac.unwrap().value.0[5], 2);
    assert_eq!((first.wire.unwrap().value, first.index.unwrap().value, first.mtu.unwrap().0), (Wire::Epair, 3, 9000));
    assert_eq!(first.name.as_ref().unwrap().as_str(), "uplink");
    let [a2b, b2a] = first.shaping.map(Option::unwrap);
    assert_eq!((a2b.rate.unwrap().0, a2b.loss.unwrap().0, a2b.one_error_in_bits), (2_000_000, 5_000, Some(1_000_000)));
    assert_eq!((b2a.rate.unwrap().0, b2a.loss, b2a.queue), (1_000_000, None, Some(50)));

    assert_eq!(ends(second), ["sw", "a:z"]);
    assert_eq!(values(&second.ends[1].addresses), ["fd00::1/64"]);
    assert!(second.shaping[0].is_none() && second.shaping[1].is_some());
}

#[test]
fn each_runs_over_ranges_lists_maps_and_csv() {
    let main = r#"
version: 1
name: lab
vars: { count: 2, sites: [ { name: ulm, port: "010" }, { name: jena, port: "020" } ], tags: { a: b } }
topology:
  defaults: { kind: host }
  nodes:
    "r${i}": { each: { i: "0..${count}" }, labels: { next: "${i + 1:03}", twice: "p-${i*2}", "k${i}": v } }
    "s-${s.name}": { each: { s: "${sites}" }, labels: { port: "${s.port}", more: "${s.port + 1}" } }
    "t${x}": { each: { x: [ a, b ] }, labels: "${tags}" }
    "none${i}": { each: { i: 1..0 } }
    "${c.name}": { each: { c: lists/c.csv }, index: "${c.nr}", labels: { literal: "$${c.name}", quoted: "${c.note}" } }
    core:
      interfaces: { "if_${c.name}": { each: { c: lists/c.csv }, ipv4: "${c.ip}/30" } }
      routes: [ { to: 10.0.0.0/8, via: 10.9.9.9 }, { each: { c: lists/c.csv }, to: "${c.net}", via: "${c.ip}" } ]
checks:
  - { each: { s: "${sites}" }, no-reach: { from: "s-${s.name}", to: core, family: v6, timeout: 2s, count: 5 } }
"#;
    // As spreadsheets write it: with a byte order mark and the line ends of RFC 4180.
    let csv = "\u{feff}name,nr,ip,net,note\r\nadler,1,10.0.0.1,10.1.0.0/24,\"a, \"\"b\"\"\"\r\nbieber,2,10.0.0.5,10.2.0.0/24,\r\n";
    let files = [("labs/main.yaml", main), ("labs/lists/c.csv", csv)];
    let (draft, sources) = load_with(&files, &LoadOptions::default());
    assert_eq!(names(&draft), ["r0", "r1", "r2", "s-ulm", "s-jena", "ta", "tb", "adler", "bieber", "core"]);
    let label = |name: &str, key: &str| node(&draft, name).labels[key].clone();
    assert_eq!([label("r2", "next"), label("r2", "twice"), label("r2", "k2")], ["003", "p-4", "v"]);
    assert_eq!([label("s-jena", "port"), label("s-jena", "more")], ["020", "21"]);
    assert_eq!(label("tb", "a"), "b");
    assert_eq!([label("adler", "literal"), label("adler", "quoted")], ["${c.name}", "a, \"b\""]);
    assert_eq!(node(&draft, "bieber").index.unwrap().value, 2);

    let core = node(&draft, "core");
    assert_eq!(core.interfaces.keys().map(ToString::to_string).collect::<Vec<_>>(), ["if_adler", "if_bieber"]);
    assert_eq!(core.routes.len(), 3);
    assert_eq!(core.routes[2].to.value.to_string(), "10.2.0.0/24");
    assert_eq!(sources.slice(core.routes[2].to.origin), "\"${c.net}\"");
    let check = &draft.checks[1];
    assert_eq!(
        (check.expect, check.from.as_str(), check.count, check.timeout.0),
        (Expect::NoReach, "s-jena", 5, 2_000_000_000)
    );
}

#[test]
fn included_files_come_first_and_this_file_goes_over_them() {
    let files = [
        (
            "labs/main.yaml",
            "version: 1\nname: lab\ninclude: [ parts/a.yaml, parts/b.yaml ]\ntopology:\n  nodes: { x: { mtu: 9000 }, y: }\n  links:\n    - { endpoints: [ \"x:c\", \"y:c\" ] }\n",
        ),
        (
            "labs/parts/a.yaml",
            "include: common.yaml\nname: a\ntopology:\n  nodes: { x: { mtu: 2000, labels: { a: a } } }\n  links:\n    - { endpoints: [ \"x:a\", \"y:a\" ] }\n",
        ),
        (
            "labs/parts/b.yaml",
            "include: common.yaml\nrouting: auto\ntopology:\n  nodes: { x: { labels: { b: b } } }\n  links:\n    - { endpoints: [ \"x:b\", \"y:b\" ] }\n",
        ),
        (
            "labs/parts/common.yaml",
            "topology:\n  nodes: { x: { kind: host, mtu: 1999, labels: { a: common, b: common } }, y: { kind: router } }\n  links:\n    - { endpoints: [ \"x:common\", \"y:common\" ] }\n",
        ),
    ];
    let (draft, sources) = load_with(&files, &LoadOptions::default());
    assert_eq!((draft.name.as_str(), draft.routing.value), ("lab", Routing::Auto));
    let links: Vec<_> = draft.links.iter().map(|link| ends(link)[0].clone()).collect();
    assert_eq!(links, ["x:common", "x:a", "x:b", "x:c"]);
    let x = node(&draft, "x");
    assert_eq!((x.mtu.unwrap().0, x.labels["a"].as_str(), x.labels["b"].as_str()), (9000, "a", "b"));
    assert_eq!(node(&draft, "y").kind.value, NodeKind::Router);
    assert_eq!(sources.describe(x.mtu.unwrap().origin), "labs/main.yaml:5:22");
    assert_eq!(sources.describe(x.kind.origin), "labs/parts/common.yaml:2:23");
}

#[test]
fn values_are_what_was_written() {
    let draft = draft(
        "topology:\n  nodes:\n    a: { kind: host, labels: { a: no, b: on, c: 010, d: 12:30:45, e: 1.10, f: 0x1f, g: 1e3, h: 'x', i: 2026-11-22, j: .inf, k: 'null' } }\n",
    );
    let labels: Vec<_> = node(&draft, "a").labels.values().map(String::as_str).collect();
    assert_eq!(labels, ["no", "on", "010", "12:30:45", "1.10", "0x1f", "1e3", "x", "2026-11-22", ".inf", "null"]);
}

#[test]
fn anchors_and_aliases_repeat_values() {
    let draft = draft(
        "x-desk: &desk { kind: host, mtu: 1400 }\ntopology:\n  nodes: { a: *desk, b: *desk }\n  links: &none []\nchecks: *none\n",
    );
    assert_eq!(names(&draft), ["a", "b"]);
    assert_eq!(node(&draft, "b").mtu.unwrap().0, 1400);
}

#[test]
fn characters_of_several_bytes_do_not_shift_places() {
    let (draft, sources) = load_with(
        &[(
            "a.yaml",
            "\u{feff}# Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich – 東京\nversion: 1\nname: lab\ntopology:\n  nodes:\n    a: { kind: host, labels: { ort: \"Köln\" }, mtu: 1400 } # ä\n    b:\n      kind: router\n\n      # Ende\n    c: { kind: hub }\n",
        )],
        &LoadOptions::default(),
    );
    assert_eq!(sources.slice(node(&draft, "a").mtu.unwrap().origin), "1400");
    assert_eq!(sources.slice(node(&draft, "c").kind.origin), "hub");
    assert_eq!(sources.slice(node(&draft, "b").name.origin), "b");
}

#[test]
fn windows_line_ends_are_no_part_of_values() {
    let draft = draft("topology:\r\n  nodes:\r\n    a:\r\n      kind: host\r\n      labels: { x: y }\r\n");
    assert_eq!(node(&draft, "a").labels["x"], "y");
}

#[test]
fn ten_thousand_nodes_are_no_burden() {
    let mut text = String::from("topology:\n  nodes:\n");
    for n in 0..10_000 {
        let _ = writeln!(text, "    n{n}: {{ kind: host }}");
    }
    text.push_str("  links:\n");
    for n in 0..20_000 {
        let _ =
            writeln!(text, "    - {{ endpoints: [ \"n{}:e{n}\", \"n{}:f{n}\" ] }}", n % 10_000, (n * 7 + 1) % 10_000);
    }
    let draft = draft(&text);
    assert_eq!((draft.nodes.len(), draft.links.len()), (10_000, 20_000));
    assert!(draft.links.iter().all(|link| link.origin != Origin::NOWHERE));
}
