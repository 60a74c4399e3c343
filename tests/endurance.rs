//! A thousand times up and down: nothing grows, neither in the kernel nor in our process nor among its files.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::fs;

use cellblock::lab::ApplyOptions;
use cellblock::sim::persist;
use support::model;
use support::world::World;

const CYCLES: usize = 1000;

/// Something of every kind.
const MIXED: &str = r#"
version: 1
name: mixed
topology:
  nodes:
    b1: { kind: switch, driver: if_bridge }
    n1: { kind: switch }
    r1: { kind: router }
    me: { kind: self, sysctls: { net.inet.ip.ttl: 32 } }
    h1:
      kind: host
      routes: [ { to: default, via: 10.0.0.1 } ]
      rootfs: { base: /jails/base, rw: [ etc ] }
      limits: { maxproc: 30 }
      cpus: 0-3
  links:
    - { endpoints: [ b1, n1 ] }
    - { endpoints: [ "h1:eth0", b1 ], type: epair, ipv4: [ 10.0.0.2/16, ~ ] }
    - { endpoints: [ "r1:lan0", n1 ], ipv4: [ 10.0.0.1/16, ~ ], tc: { delay: 5ms } }
    - { endpoints: [ "me:lab_a", "r1:x0" ], ipv6: [ "fd00::1/64", "fd00::2/64" ] }
"#;

#[test]
fn a_thousand_times_up_and_down_leaves_nothing_and_nothing_grows() {
    let model = model(MIXED);
    let mut world = World::new();
    let untouched = world.picture();
    let mut first = None;
    for cycle in 1..=CYCLES {
        let labs = &mut world.labs();
        let plan = labs.plan(&model).unwrap();
        labs.apply(&plan, &model, &ApplyOptions::default(), &mut |_| {}).unwrap();
        labs.down(&model.lab, &mut |_| {}).unwrap();
        // What the first rounds bring to stay (caches, capacities) is not growth.
        if cycle == CYCLES / 10 {
            first = Some(Size::of(&world));
        }
    }
    assert_eq!(world.picture(), untouched);
    let (first, last) = (first.unwrap(), Size::of(&world));
    println!("after {} rounds {first:?}, after {CYCLES} {last:?}", CYCLES / 10);
    // Counters of what there has been take an octet more as they pass a power of two.
    assert!(last.kernel <= first.kernel + 16, "the kernel grew from {} to {}", first.kernel, last.kernel);
    assert_eq!(first.files, last.files, "files stay");
    assert_eq!(first.descriptors, last.descriptors, "descriptors stay open");
    // A lab of this size takes more than that once: a leak of a thousandth of it a round would show.
    assert!(last.memory <= first.memory + 4096, "memory grew from {} to {} KiB", first.memory, last.memory);
}

#[derive(Debug)]
struct Size {
    kernel: usize,
    files: usize,
    descriptors: usize,
    /// KiB that are resident; 0 where the system does not say.
    memory: usize,
}

impl Size {
    fn of(world: &World) -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let memory =
            resident.and_then(|line| line.split_whitespace().next()).map_or(0, |number| number.parse().unwrap());
        Self {
            kernel: persist::encode(&world.machine.doors.kernel).unwrap().len(),
            files: files_below(world.folder()),
            descriptors: fs::read_dir("/proc/self/fd").map_or(0, Iterator::count),
            memory,
        }
    }
}

fn files_below(folder: &std::path::Path) -> usize {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { files_below(&path) } else { 1 }).sum()
}
