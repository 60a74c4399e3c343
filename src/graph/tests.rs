use std::collections::HashSet;

use super::*;
use crate::model::{self, Model};
use crate::topology::{self, DiskReader, Input, LoadOptions};

fn model(yaml: &str) -> Model {
    let input = Input::Bytes { name: "test".to_owned(), bytes: yaml.as_bytes().to_vec() };
    let loaded = topology::load(input, &LoadOptions::default(), &DiskReader);
    let draft = loaded.draft.unwrap_or_else(|| panic!("{:#?}", loaded.diagnostics));
    model::resolve(draft).unwrap_or_else(|findings| panic!("{findings:#?}")).0
}

const MIXED: &str = r#"
version: 1
name: mixed
topology:
  nodes:
    b1: { kind: switch, driver: if_bridge, stp: true }
    b2: { kind: switch, driver: if_bridge, stp: true }
    n1: { kind: switch }
    n2: { kind: switch }
    hub: { kind: hub }
    r1: { kind: router }
    h1: { kind: host, routes: [ { to: default, via: 10.0.0.1 } ] }
    h2: { kind: host }
  links:
    - { endpoints: [ b1, b2 ] }
    - { endpoints: [ b2, n1 ] }
    - { endpoints: [ n1, n2 ], tc: { delay: 5ms } }
    - { endpoints: [ n2, hub ] }
    - { endpoints: [ "h1:eth0", b1 ], ipv4: [ 10.0.0.2/16, ~ ] }
    - { endpoints: [ "h2:eth0", b2 ], type: epair, ipv4: [ 10.0.0.3/16, ~ ] }
    - { endpoints: [ "r1:lan0", hub ], ipv4: [ 10.0.0.1/16, ~ ], ipv6: [ "fd00::1/64", ~ ] }
    - { endpoints: [ "r1:x0", "h2:x0" ], type: epair }
    - { endpoints: [ "r1:x1", "h2:x1" ], tc: { rate: 1mbit } }
"#;

fn graph() -> Graph {
    build(&model(MIXED), &mut Numbering::default()).unwrap()
}

#[test]
fn everything_comes_after_what_it_needs() {
    let graph = graph();
    let mut made: HashSet<ObjectId> = HashSet::new();
    for object in graph.in_order() {
        for needed in graph.needs(&object.id()) {
            assert!(made.contains(&needed.id()), "{object:?} comes before {needed:?}");
        }
        made.insert(object.id());
    }
    assert_eq!(made.len(), graph.len());
}

#[test]
fn few_objects_come_in_the_order_of_all() {
    let given = graph();
    let mut backwards: Vec<_> = given.parts().map(|(owner, object)| (owner.clone(), object.clone())).collect();
    backwards.reverse();
    for whole in [graph(), Graph::new(given.lab.clone(), backwards).unwrap()] {
        let ordered: Vec<ObjectId> = whole.clone().in_order().map(Object::id).collect();
        for (at, first) in ordered.iter().enumerate() {
            for second in &ordered[at + 1..] {
                // Of this one nobody has found out the order yet.
                let few = whole.clone();
                let sorted: Vec<ObjectId> = few.sorted([second, first].into_iter()).map(Object::id).collect();
                assert_eq!(sorted, [first.clone(), second.clone()]);
            }
        }
    }
}

#[test]
fn needs_are_the_same_before_and_after_the_order_is_known() {
    let (before, after) = (graph(), graph());
    assert_eq!(after.in_order().count(), after.len());
    for id in before.objects().map(Object::id) {
        assert!(before.needs(&id).eq(after.needs(&id)), "{id:?}");
    }
}

#[test]
fn graphs_differ_in_the_same_wherever_their_objects_are_thought_to_be() {
    let wanted = graph();
    let parts: Vec<_> = wanted.parts().map(|(owner, object)| (owner.clone(), object.clone())).collect();
    let changed = |object: &Object| match object {
        Object::Sysctl(sysctl) => Object::Sysctl(Sysctl { value: "other".to_owned(), ..sysctl.clone() }),
        other => other.clone(),
    };
    let sysctls = parts.iter().filter(|(_, object)| matches!(object, Object::Sysctl(_))).count();
    let stray = (Owner::Lab, Object::Netgraph(Netgraph { name: "stray".into(), kind: NetgraphKind::Hub }));
    // Where they are, where others are, and nowhere.
    let guesses: [fn(usize) -> Option<usize>; 3] = [Some, |at| Some(at ^ 1), |_| None];
    for guess in guesses {
        let kept =
            parts.iter().enumerate().skip(2).map(|(at, (owner, object))| (guess(at), owner.clone(), changed(object)));
        let seen: Vec<_> = kept.chain([(None, stray.0.clone(), stray.1.clone())]).rev().collect();
        let likely = seen.iter().map(|(likely, ..)| *likely).collect();
        let seen = seen.into_iter().map(|(_, owner, object)| (owner, object)).collect();
        let seen = Graph::seen(wanted.lab.clone(), seen, likely).unwrap();
        let Difference { new, changed, gone } = wanted.difference(&seen);
        assert!(new.iter().copied().eq(wanted.objects().take(2)));
        assert_eq!(gone, [&stray.1]);
        assert_eq!(changed.len(), sysctls);
        assert!(changed.iter().all(|(new, old)| new.id() == old.id() && new != old));
    }
    for likely in [None, Some(0)] {
        let twice = Graph::seen(wanted.lab.clone(), vec![stray.clone(); 2], vec![likely; 2]);
        assert!(matches!(twice, Err(GraphError::Twice(_))));
    }
}

#[test]
fn levels_need_only_those_before_them() {
    let graph = graph();
    let levels = graph.levels();
    assert_eq!(levels.iter().map(Vec::len).sum::<usize>(), graph.len());
    assert!(matches!(levels[0][..], [Object::Jail(Jail { place: Place::Lab, .. })]), "{:?}", levels[0]);
    let level_of =
        |id: &ObjectId| levels.iter().position(|level| level.iter().any(|object| object.id() == *id)).unwrap();
    for (number, level) in levels.iter().enumerate() {
        for object in level {
            assert!(graph.needs(&object.id()).all(|needed| level_of(&needed.id()) < number));
        }
    }
}

#[test]
fn each_wiring_of_the_table() {
    let graph = graph();
    let kinds = |of: &dyn Fn(&Object) -> bool| graph.in_order().filter(|object| of(object)).count();
    let hooks: Vec<String> = graph
        .in_order()
        .filter_map(|object| match object {
            Object::Hooks(hooks) => Some(format!("{} {}", hooks.ends[0], hooks.ends[1])),
            _ => None,
        })
        .collect();
    // if-if, jail-if by epair, jail-jail by epair.
    assert_eq!(kinds(&|object| matches!(object, Object::Epair(_))), 3);
    // jail-if: two; ng-if: one; jail-hub: one; jail-jail through a pipe: two.
    assert_eq!(kinds(&|object| matches!(object, Object::Eiface(_))), 6);
    assert_eq!(kinds(&|object| matches!(object, Object::Member(_))), 5);
    let pipes = |object: &Object| matches!(object, Object::Netgraph(Netgraph { kind: NetgraphKind::Pipe, .. }));
    assert_eq!(kinds(&pipes), 2);
    assert!(hooks.contains(&"b2-b2-n1:ether n1:link1".to_owned()), "{hooks:?}");
    assert!(hooks.contains(&"hub:link1 n2:link1".to_owned()), "{hooks:?}");
    assert!(hooks.iter().any(|pair| pair.starts_with("h2_x1:ether h2_x1_pipe:")), "{hooks:?}");
}

#[test]
fn a_bridge_comes_up_after_its_members_know_of_the_spanning_tree() {
    let graph = graph();
    let up = |object: &&Object| matches!(object, Object::Up(Up { place: Place::Lab, .. }));
    for object in graph.in_order().filter(up) {
        assert!(graph.needs(&object.id()).any(|needed| matches!(needed, Object::Member(_))), "{object:?}");
    }
}

#[test]
fn a_route_needs_the_address_that_its_next_hop_is_reached_by() {
    let graph = graph();
    let h1 = Place::Node("h1".parse().unwrap());
    let id = ObjectId::Route(h1.clone(), "0.0.0.0/0".parse().unwrap());
    let needed: Vec<ObjectId> = graph.needs(&id).map(Object::id).collect();
    assert!(needed.contains(&ObjectId::Address(h1.clone(), "eth0".into(), "10.0.0.2".parse().unwrap())), "{needed:?}");
    assert!(needed.contains(&ObjectId::Up(h1, "eth0".into())), "{needed:?}");
}

#[test]
fn hook_numbers_stay_when_links_come_and_go() {
    let mut numbering = Numbering::default();
    let star = |hosts: &[&str]| {
        let nodes: String = hosts.iter().map(|name| format!("    {name}: {{ kind: host }}\n")).collect();
        let links: String =
            hosts.iter().map(|name| format!("    - {{ endpoints: [ \"{name}:eth0\", sw ] }}\n")).collect();
        model(&format!(
            "version: 1\nname: star\ntopology:\n  nodes:\n    sw: {{ kind: switch }}\n{nodes}  links:\n{links}"
        ))
    };
    let hooks = |graph: &Graph| -> Vec<String> {
        graph.hooks_of("sw").map(|hooks| format!("{} {}", hooks.ends[0], hooks.ends[1])).collect()
    };
    let first = build(&star(&["b", "d"]), &mut numbering).unwrap();
    assert_eq!(hooks(&first), ["b_eth0:ether sw:link1", "d_eth0:ether sw:link2"]);
    let second = build(&star(&["a", "d"]), &mut numbering).unwrap();
    assert_eq!(hooks(&second), ["a_eth0:ether sw:link1", "d_eth0:ether sw:link2"]);
}

#[test]
fn routers_forward_and_addresses_do_not_wait_unless_the_file_says_otherwise() {
    let graph = graph();
    let value =
        |node: &str, name: &str| match graph.get(&ObjectId::Sysctl(Place::Node(node.parse().unwrap()), name.into())) {
            Some(Object::Sysctl(sysctl)) => Some(sysctl.value.clone()),
            _ => None,
        };
    assert_eq!(value("r1", "net.inet.ip.forwarding").as_deref(), Some("1"));
    assert_eq!(value("r1", DAD_COUNT).as_deref(), Some("0"));
    assert_eq!(value("h1", "net.inet.ip.forwarding"), None);
    assert_eq!(value("h1", DAD_COUNT), None, "it has no IPv6 address");
}

#[test]
fn pictures_are_quoted_and_the_same_every_time() {
    let model = model(MIXED);
    let dot = dot::topology_dot(&model);
    assert!(dot.starts_with("graph \"mixed\" {\n"), "{dot}");
    assert!(dot.contains("\"h1\" -- \"b1\"") || dot.contains("\"b1\" -- \"h1\""), "{dot}");
    let objects = dot::objects_dot(&model);
    assert!(objects.contains("taillabel=\"ether\""), "{objects}");
    assert_eq!(objects, dot::objects_dot(&model));
    assert!(dot::topology_mermaid(&model).contains("n0{{\"b1\"}}"));
}
