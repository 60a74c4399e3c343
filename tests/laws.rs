//! What holds for every lab and every edit of it, tried on random ones on the simulated kernel: what was there before
//! does not show, nothing is done twice, looking changes nothing, the order of keys does not matter, an edit can be taken
//! back, and `down` leaves no trace.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::fmt::Write as _;

use cellblock::diagnostic::Severity;
use cellblock::lab::{ApplyOptions, Labs};
use cellblock::model::{self, Model};
use cellblock::plan::render;
use cellblock::topology::{self, DiskReader, Input, LoadOptions};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value;
use support::failing::Failing;
use support::world::{World, told};

/// A random lab. Parts name each other by position, counted round.
#[derive(Clone, Debug)]
struct Lab {
    routing: &'static str,
    stations: Vec<Station>,
    switches: Vec<Switch>,
    links: Vec<Link>,
}

/// A host or a router, its variable, its second address and its limit.
#[derive(Clone, Debug)]
struct Station {
    router: bool,
    ttl: Option<u8>,
    loopback: Option<u8>,
    processes: Option<u8>,
    mtu: Option<u16>,
}

#[derive(Clone, Debug)]
struct Switch {
    kind: &'static str,
    /// An earlier switch that it is linked to.
    uplink: Option<usize>,
}

/// A station's link: to a switch, or to another station.
#[derive(Clone, Debug)]
struct Link {
    from: usize,
    to: usize,
    to_switch: bool,
    epair: bool,
    delay: Option<u8>,
}

const KINDS: [&str; 4] = ["switch", "hub", "switch, driver: if_bridge", "switch, driver: if_bridge, stp: true"];

fn lab() -> impl Strategy<Value = Lab> {
    let station = (
        any::<bool>(),
        proptest::option::weighted(0.3, 2..200u8),
        proptest::option::weighted(0.3, 1..250u8),
        proptest::option::weighted(0.2, 10..200u8),
        proptest::option::weighted(0.2, 1280..1500u16),
    );
    let station =
        station.prop_map(|(router, ttl, loopback, processes, mtu)| Station { router, ttl, loopback, processes, mtu });
    let switch = (0..KINDS.len(), proptest::option::weighted(0.4, 0..10usize))
        .prop_map(|(kind, uplink)| Switch { kind: KINDS[kind], uplink });
    let link = (
        0..10usize,
        0..10usize,
        any::<bool>(),
        proptest::bool::weighted(0.3),
        proptest::option::weighted(0.3, 1..90u8),
    )
        .prop_map(|(from, to, to_switch, epair, delay)| Link { from, to, to_switch, epair, delay });
    let routing = prop_oneof![Just("none"), Just("default"), Just("auto")];
    (routing, vec(station, 1..6), vec(switch, 0..4), vec(link, 0..9))
        .prop_map(|(routing, stations, switches, links)| Lab { routing, stations, switches, links })
}

/// A lab, and an edit of it: some of its parts as in another one.
fn edit() -> impl Strategy<Value = (Lab, Lab)> {
    (lab(), lab(), any::<u32>()).prop_map(|(before, other, choice)| {
        let mut choice = choice;
        let mut chosen = move || {
            choice = choice.rotate_left(1);
            choice & 3 == 3
        };
        let after = Lab {
            routing: if chosen() { other.routing } else { before.routing },
            stations: mixed(&before.stations, &other.stations, &mut chosen),
            switches: mixed(&before.switches, &other.switches, &mut chosen),
            links: mixed(&before.links, &other.links, &mut chosen),
        };
        (before, after)
    })
}

/// The first list, with chosen places as in the second: replaced, gone, or new.
fn mixed<T: Clone>(first: &[T], second: &[T], chosen: &mut impl FnMut() -> bool) -> Vec<T> {
    (0..first.len().max(second.len()))
        .filter_map(|at| if chosen() { second.get(at) } else { first.get(at) }.cloned())
        .collect()
}

impl Lab {
    /// The file; `backwards` has the same with keys, lists and endpoints in the other order.
    fn yaml(&self, backwards: bool) -> String {
        let (mut nodes, mut links): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
        for (at, station) in self.stations.iter().enumerate() {
            nodes.push(station.yaml(at));
        }
        for (at, switch) in self.switches.iter().enumerate() {
            nodes.push(format!("s{at}: {{ kind: {}, pool: lan }}", switch.kind));
            if let Some(uplink) = switch.uplink.filter(|_| at > 0) {
                links.push(ends(backwards, &format!("s{at}"), &format!("s{}", uplink % at), ""));
            }
        }
        links.extend(self.links.iter().enumerate().filter_map(|(at, link)| self.link(at, link, backwards)));
        let mut parts = vec![
            format!("name: law\nrouting: {}\n", self.routing),
            "addressing:\n  lan: { ipv4: 10.0.0.0/12, prefix: 24, ipv6: \"fd00:1::/48\", prefix6: 64 }\n".to_owned(),
        ];
        if backwards {
            nodes.reverse();
            links.reverse();
            parts.reverse();
        }
        let mut topology = format!("topology:\n  nodes:\n    {}\n", nodes.join("\n    "));
        if !links.is_empty() {
            let _ = writeln!(topology, "  links:\n    - {}", links.join("\n    - "));
        }
        parts.insert(usize::from(backwards), topology);
        format!("version: 1\n{}", parts.concat())
    }

    fn link(&self, at: usize, link: &Link, backwards: bool) -> Option<String> {
        let from = link.from % self.stations.len().max(1);
        let mut more = String::new();
        let far = if link.to_switch {
            let place = link.to.checked_rem(self.switches.len())?;
            let is_if_bridge = self.switches.get(place)?.kind.contains("if_bridge");
            if link.epair && is_if_bridge {
                more.push_str(", type: epair");
            }
            format!("s{place}")
        } else {
            let to = link.to % self.stations.len().max(1);
            more.push_str(", pool: lan");
            if link.epair {
                more.push_str(", type: epair");
            }
            (to != from).then(|| format!("n{to}:e{at}"))?
        };
        if let (Some(delay), false) = (link.delay, more.contains("epair")) {
            let _ = write!(more, ", tc: {{ delay: {delay}ms }}");
        }
        Some(ends(backwards, &format!("n{from}:e{at}"), &far, &more))
    }
}

impl Station {
    fn yaml(&self, at: usize) -> String {
        let mut text = format!("n{at}: {{ kind: {}", if self.router { "router" } else { "host" });
        if let Some(ttl) = self.ttl {
            let _ = write!(text, ", sysctls: {{ net.inet.ip.ttl: {ttl} }}");
        }
        if let Some(number) = self.loopback {
            let _ = write!(text, ", interfaces: {{ lo: {{ ipv4: [ 192.0.2.{number}/32 ] }} }}");
        }
        if let Some(processes) = self.processes {
            let _ = write!(text, ", limits: {{ maxproc: {processes} }}");
        }
        if let Some(mtu) = self.mtu {
            let _ = write!(text, ", mtu: {mtu}");
        }
        text + " }"
    }
}

fn ends(backwards: bool, one: &str, other: &str, more: &str) -> String {
    let (one, other) = if backwards { (other, one) } else { (one, other) };
    format!("{{ endpoints: [ \"{one}\", \"{other}\" ]{more} }}")
}

/// What the file means; `None` if it is wrong, as a random one may be (a loop, an address that is taken twice).
fn model_of(yaml: &str) -> Option<Model> {
    let input = Input::Bytes { name: "law".to_owned(), bytes: yaml.as_bytes().to_vec() };
    let loaded = topology::load(input, &LoadOptions::default(), &DiskReader);
    let errors: Vec<_> = loaded.diagnostics.iter().filter(|found| found.severity == Severity::Error).collect();
    assert!(errors.is_empty(), "{yaml}\n{errors:#?}");
    model::resolve(loaded.draft.unwrap()).ok().map(|(model, _)| model)
}

/// Everything of the lab that a kernel shows, a value in a line, but for numbers that it gives as they come.
fn shown(world: &mut World, model: &Model) -> Vec<String> {
    let observed = world.labs().observe(&model.lab).map_err(told).unwrap();
    let mut lines = Vec::new();
    flatten("", &serde_json::to_value(&observed).unwrap(), &mut lines);
    lines.sort();
    lines
}

fn flatten(path: &str, value: &Value, lines: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map.iter().filter(|(key, _)| !["jid", "id", "index"].contains(&key.as_str())) {
                flatten(&format!("{path} / {}", port(key)), value, lines);
            }
        }
        Value::Array(list) => list.iter().for_each(|value| flatten(path, value, lines)),
        Value::String(text) => lines.push(format!("{path} = {}", port(text))),
        value => lines.push(format!("{path} = {value}")),
    }
}

/// The ports of a switch are numbered: `link7`.
fn port(name: &str) -> &str {
    match name.strip_prefix("link") {
        Some(number) if !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) => "link",
        _ => name,
    }
}

/// # Errors
/// The lines that only one of them has.
fn same(what: &str, one: &[String], other: &[String]) -> Result<(), TestCaseError> {
    let only = |one: &[String], other: &[String]| one.iter().filter(|line| !other.contains(line)).cloned().collect();
    let (gone, new): (Vec<String>, Vec<String>) = (only(one, other), only(other, one));
    if one == other { Ok(()) } else { Err(TestCaseError::fail(format!("{what}: gone {gone:#?}, new {new:#?}"))) }
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, max_shrink_iters: 400, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(32))]

    #[test]
    fn what_was_there_before_does_not_show((before, after) in edit()) {
        let (Some(a), Some(b)) = (model_of(&before.yaml(false)), model_of(&after.yaml(false))) else {
            return Err(TestCaseError::reject("a wrong file"));
        };
        let mut world = World::new();
        let untouched = world.picture();
        world.up(&a).map_err(TestCaseError::fail)?;
        let first = shown(&mut world, &a);
        world.up(&b).map_err(TestCaseError::fail)?;
        let edited = shown(&mut world, &b);
        world.up(&a).map_err(TestCaseError::fail)?;
        same("an edit taken back", &first, &shown(&mut world, &a))?;
        world.down(&a.lab).map_err(TestCaseError::fail)?;
        same("after down", &untouched, &world.picture())?;

        let mut fresh = World::new();
        fresh.up(&b).map_err(TestCaseError::fail)?;
        same("an edit, and the file at once", &edited, &shown(&mut fresh, &b))?;
    }

    #[test]
    fn a_plan_that_is_taken_back_restores((before, after) in edit(), at in any::<prop::sample::Index>()) {
        let (Some(a), Some(b)) = (model_of(&before.yaml(false)), model_of(&after.yaml(false))) else {
            return Err(TestCaseError::reject("a wrong file"));
        };
        let mut world = World::new();
        world.up(&a).map_err(TestCaseError::fail)?;
        // Nobody waits for the spanning tree where everything is as before already.
        let standing = |world: &mut World| {
            let mut lines = shown(world, &a);
            lines.retain(|line| !line.contains("discarding"));
            lines
        };
        let first = standing(&mut world);
        let plan = world.labs().plan(&b).map_err(told).map_err(TestCaseError::fail)?;
        if plan.steps.is_empty() {
            return Ok(());
        }
        // All steps before the one that fails are undone by their inverses.
        let mut failing = Failing::at(&mut world.machine, at.index(plan.steps.len()) + 1);
        let mut labs = Labs { backend: &mut failing, records: &world.records, engine: "sim", entropy: [7; 16] };
        let error = labs.apply(&plan, &b, &ApplyOptions::default(), &mut |_| {});
        prop_assert!(error.is_err(), "the step is not refused:\n{}", render::text(&plan));
        same("taken back", &first, &standing(&mut world))?;
        prop_assert!(world.labs().plan(&a).unwrap().is_empty());
    }

    #[test]
    fn looking_changes_nothing(lab in lab()) {
        let Some(model) = model_of(&lab.yaml(false)) else { return Err(TestCaseError::reject("a wrong file")) };
        let mut world = World::new();
        let before = world.picture();
        world.labs().plan(&model).unwrap();
        same("a plan of what is not there", &before, &world.picture())?;
        world.up(&model).map_err(TestCaseError::fail)?;
        let (before, inside) = (world.picture(), shown(&mut world, &model));
        world.labs().plan(&model).unwrap();
        world.labs().plan_down(&model.lab).unwrap();
        same("a plan of what is there", &before, &world.picture())?;
        same("inside", &inside, &shown(&mut world, &model))?;
    }

    #[test]
    fn the_order_of_keys_does_not_matter(lab in lab()) {
        let (Some(one), Some(other)) = (model_of(&lab.yaml(false)), model_of(&lab.yaml(true))) else {
            return Err(TestCaseError::reject("a wrong file"));
        };
        let plan_of = |model: &Model| {
            let plan = World::new().labs().plan(model).map_err(told).unwrap();
            (render::text(&plan), render::commands(&plan))
        };
        prop_assert_eq!(plan_of(&one), plan_of(&other));
    }
}
