use std::collections::BTreeMap;

use super::*;
use crate::graph::{Address, Jail, Object, Place};

fn place(name: &str) -> Place {
    Place::Node(name.parse().unwrap())
}

fn graph(objects: Vec<Object>) -> Arc<Graph> {
    let objects = objects.into_iter().map(|object| (Owner::Lab, object)).collect();
    Arc::new(Graph::new("lab".parse().unwrap(), objects).unwrap())
}

fn jail(place: Place) -> Object {
    Object::Jail(Jail { place, parameters: BTreeMap::new() })
}

fn address(node: &str, net: &str) -> Object {
    Object::Address(Address { place: place(node), interface: "lo0".into(), net: net.parse().unwrap() })
}

#[test]
fn what_is_there_already_is_left_alone() {
    let objects = || vec![jail(Place::Lab), jail(place("a")), address("a", "10.0.0.1/24")];
    let plan = build(graph(objects()), graph(objects()));
    assert!(plan.is_empty());
}

#[test]
fn one_attribute_changes_one_object() {
    let before =
        graph(vec![jail(Place::Lab), jail(place("a")), address("a", "10.0.0.1/24"), address("a", "10.0.1.1/24")]);
    let after =
        graph(vec![jail(Place::Lab), jail(place("a")), address("a", "10.0.0.1/25"), address("a", "10.0.1.1/24")]);
    let plan = build(after, before);
    assert_eq!(plan.counts(), Counts { replace: 1, ..Counts::default() });
    assert!(matches!(
        plan.steps[..],
        [Planned { step: Step::RemoveAddress(_), .. }, Planned { step: Step::AddAddress(_), .. }]
    ));
    let attribute = &plan.changes[0].attributes[0];
    assert!(attribute.forces);
    assert_eq!((attribute.old.as_deref(), attribute.new.as_deref()), (Some("24"), Some("25")));
}

#[test]
fn a_plan_and_its_inverse_leave_nothing() {
    let nothing = graph(Vec::new());
    let all = graph(vec![jail(Place::Lab), jail(place("a")), address("a", "10.0.0.1/24")]);
    let up = build(all.clone(), nothing.clone());
    assert_eq!(up.counts(), Counts { add: 3, ..Counts::default() });
    let down = build(nothing, all);
    assert_eq!(down.counts(), Counts { destroy: 3, ..Counts::default() });
    // One call takes the lab jail with all that is in it.
    assert!(matches!(down.steps[..], [Planned { step: Step::RemoveJail(Jail { place: Place::Lab, .. }), .. }]));
}

#[test]
fn the_json_of_a_plan_counts_like_its_text() {
    let plan = build(graph(vec![jail(Place::Lab), jail(place("a"))]), graph(vec![jail(Place::Lab), jail(place("b"))]));
    let json = render::json(&plan);
    assert_eq!(json["counts"]["add"], 1);
    assert_eq!(json["counts"]["destroy"], 1);
    assert!(render::text(&plan).ends_with("Plan: 1 to add, 0 to change, 0 to replace, 1 to destroy.\n"));
}
