//! Shaped links on the kernel that the test runs on; tc(8) is the witness.

use std::process::Command;
use std::time::Duration;

use cellblock::lab::{Probe, Site};
use cellblock::model::Model;
use cellblock::plan::render;
use libtest_mimic::Failed;
use serde_json::Value;

use super::{agrees_with_ip, down, from_text, machine, open, rows, up};

/// Two hosts and a link with that `tc`.
fn line(tc: &str) -> Model {
    from_text(&format!(
        "version: 1\nname: line\ntopology:\n  nodes: {{ a: {{ kind: host }}, b: {{ kind: host }} }}\n  links:\n    - {{ \
         endpoints: [ \"a:eth0\", \"b:eth0\" ], ipv4: [ 10.9.0.1/30, 10.9.0.2/30 ], tc: {tc} }}\n"
    ))
}

fn tc(arguments: &[&str]) -> Vec<u8> {
    let output = Command::new("tc").args(arguments).output().unwrap();
    assert!(output.status.success(), "tc {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// What tc(8) says of the root discipline of `eth0` in a node.
fn root_of(node: &str) -> Value {
    let said = tc(&["-n", &format!("line.{node}"), "-s", "-j", "qdisc", "show", "dev", "eth0"]);
    let said: Value = serde_json::from_slice(&said).unwrap();
    rows(&said).iter().find(|row| row["root"] == true).cloned().unwrap_or(Value::Null)
}

/// The lines of a plan that say what changes.
fn changes(site: &mut Site, model: &Model) -> Result<Vec<String>, Failed> {
    let text = render::text(&site.plan(model)?);
    Ok(text
        .lines()
        .filter(|line| "+~-".chars().any(|sign| line.trim_start().starts_with(sign)))
        .map(str::to_owned)
        .collect())
}

pub fn a_rate_is_set_changed_in_place_and_removed() -> Result<(), Failed> {
    let before = machine();
    let state = tempfile::tempdir()?;
    let mut site = open(state.path())?;
    let model = line("{ rate: 8mbit, b2a: { rate: 1mbit, queue: 10 } }");
    up(&mut site, &model)?;
    assert!(site.plan(&model)?.is_empty());
    agrees_with_ip(&model.lab, &site.observe(&model.lab)?);
    let [there, back] = ["a", "b"].map(root_of);
    assert_eq!((&there["kind"], &there["options"]["rate"]), (&"tbf".into(), &1_000_000.into()), "{there}");
    assert_eq!((&back["options"]["rate"], &back["kind"]), (&125_000.into(), &"tbf".into()), "{back}");

    // Another rate is one change in place: the discipline stays, with what it has counted.
    let faster = line("{ rate: 16mbit, b2a: { rate: 1mbit, queue: 10 } }");
    let changed = changes(&mut site, &faster)?;
    assert!(changed.len() == 1 && changed[0].trim_start().starts_with('~'), "{changed:?}");
    up(&mut site, &faster)?;
    assert_eq!(
        (&root_of("a")["options"]["rate"], root_of("b")["options"]["rate"].clone()),
        (&2_000_000.into(), back["options"]["rate"].clone())
    );

    // And none at all leaves a plain interface.
    let plain = line("{}");
    up(&mut site, &plain)?;
    assert_eq!(root_of("a")["kind"], "noqueue");
    assert!(site.plan(&plain)?.is_empty());
    down(&mut site, &model.lab)?;
    site.close()?;
    assert_eq!(machine(), before);
    Ok(())
}

pub fn what_others_do_to_a_shaped_link_is_seen_and_mended() -> Result<(), Failed> {
    let state = tempfile::tempdir()?;
    let mut site = open(state.path())?;
    let model = line("{ rate: 8mbit }");
    up(&mut site, &model)?;
    let steps: [&[&str]; 3] = [
        &["-n", "line.a", "qdisc", "del", "dev", "eth0", "root"],
        &[
            "-n", "line.a", "qdisc", "change", "dev", "eth0", "root", "tbf", "rate", "9mbit", "burst", "4096", "limit",
            "9000",
        ],
        &["-n", "line.a", "qdisc", "replace", "dev", "eth0", "root", "handle", "7:", "pfifo", "limit", "5"],
    ];
    for step in steps {
        tc(step);
        let changed = changes(&mut site, &model)?;
        assert_eq!(changed.len(), 1, "{step:?}: {changed:?}");
        up(&mut site, &model)?;
        assert_eq!(root_of("a")["options"]["rate"], 1_000_000, "{step:?}");
        assert!(site.plan(&model)?.is_empty(), "{step:?}");
    }
    // On an interface that is to be plain as well.
    let plain = line("{}");
    up(&mut site, &plain)?;
    tc(&["-n", "line.b", "qdisc", "add", "dev", "eth0", "root", "pfifo", "limit", "5"]);
    assert_eq!(changes(&mut site, &plain)?.len(), 1);
    up(&mut site, &plain)?;
    assert_eq!(root_of("b")["kind"], "noqueue");
    down(&mut site, &model.lab)
}

/// At 1,000 octets a second three kilobytes pass at once and forty more do not: the kernel has counted frames that had to wait.
pub fn frames_wait_for_a_rate() -> Result<(), Failed> {
    let state = tempfile::tempdir()?;
    let mut site = open(state.path())?;
    let model = line("{ a2b: { rate: 8kbit, queue: 200 } }");
    up(&mut site, &model)?;
    let to = "10.9.0.2".parse().unwrap();
    let from = &model.nodes.iter().find(|node| node.name.as_str() == "a").unwrap().name;
    let probe = Probe { from: from.value.clone(), to, interface: None, tries: 1, timeout: Duration::from_millis(200) };
    site.probe(&model.lab, &vec![probe; 1000])?;
    let counted = root_of("a");
    assert!(counted["overlimits"].as_u64().unwrap() > 0, "{counted}");
    assert_eq!(root_of("b")["kind"], "noqueue");
    down(&mut site, &model.lab)
}

/// Whether tc(8) can make a netem here.
pub fn has_netem() -> bool {
    let on_loopback = |what: &str| {
        Command::new("tc")
            .args(["qdisc", what, "dev", "lo", "root", "netem"])
            .output()
            .is_ok_and(|out| out.status.success())
    };
    on_loopback("add") && on_loopback("del")
}
