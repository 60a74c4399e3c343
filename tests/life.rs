//! What nodes run on and with, on the simulated kernel: roots, limits, processors, processes; starting and stopping.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cellblock::engine::freebsd::doors::{
    FileDoor, HostDoor, JAIL_CREATE, JailDoor, JailParam, MountOption, UNFINISHED,
};
use cellblock::engine::freebsd::{Machine, Settings};
use cellblock::engine::{Exit, Records, Stream, Until};
use cellblock::lab::{Applied, ApplyOptions, LabError, LabErrorKind, Labs, Probe, ProbeResult, Stop};
use cellblock::model::{Model, NodeName};
use cellblock::plan::{Plan, Step, render};
use cellblock::sim::host::{self, Process};
use cellblock::sim::{Kernel, SimDoors};
use support::model;
use support::picture::picture;

const NAME: &str = "living";

/// Two nodes on a switch; `settings` are those of `a`.
fn lab(settings: &str) -> Model {
    model(&format!(
        "version: 1\nname: {NAME}\ntopology:\n  nodes:\n    n: {{ kind: switch }}\n    a: {{ kind: host, {settings} }}\n    \
         b: {{ kind: host }}\n  links:\n    - {{ endpoints: [ \"a:eth0\", n ], ipv4: [ 10.0.0.1/24, ~ ] }}\n    \
         - {{ endpoints: [ \"b:eth0\", n ], ipv4: [ 10.0.0.2/24, ~ ] }}\n"
    ))
}

struct World {
    machine: Machine<SimDoors>,
    records: Records,
    _dir: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let settings = Settings { load_modules: true, ..Settings::default() };
        let machine = Machine { doors: SimDoors::new(Kernel::boot(1)), settings };
        Self { machine, records: Records::new(dir.path()), _dir: dir }
    }

    fn labs(&mut self) -> Labs<'_> {
        Labs { backend: &mut self.machine, records: &self.records, engine: "sim", entropy: [7; 16] }
    }

    fn plan(&mut self, model: &Model) -> Plan {
        self.labs().plan(model).unwrap_or_else(|error| panic!("{error:#?}"))
    }

    fn try_up(&mut self, model: &Model) -> Result<Applied, LabError> {
        let plan = self.labs().plan(model)?;
        self.labs().apply(&plan, model, &ApplyOptions::default(), &mut |_| {})
    }

    fn up(&mut self, model: &Model) -> Plan {
        let plan = self.plan(model);
        self.labs()
            .apply(&plan, model, &ApplyOptions::default(), &mut |_| {})
            .unwrap_or_else(|error| panic!("{error:#?}"));
        let again = self.plan(model);
        assert!(again.is_empty(), "the second plan is not empty:\n{}", render::text(&again));
        plan
    }

    fn down(&mut self) {
        self.labs().down(&NAME.parse().unwrap(), &mut |_| {}).unwrap_or_else(|error| panic!("{error:#?}"));
    }

    fn stop(&mut self, nodes: &[&str]) -> Result<Applied, LabError> {
        self.stop_within(nodes, &ApplyOptions::default())
    }

    fn stop_within(&mut self, nodes: &[&str], options: &ApplyOptions) -> Result<Applied, LabError> {
        self.labs().stop(&NAME.parse().unwrap(), &names(nodes), Duration::from_secs(10), options, &mut |_| {})
    }

    fn start(&mut self, nodes: &[&str]) -> Result<(Applied, Plan), LabError> {
        self.labs().start(&NAME.parse().unwrap(), &names(nodes), &ApplyOptions::default(), &mut |_| {})
    }

    fn inventory(&self) -> String {
        self.machine.doors.kernel.host.inventory().join("\n")
    }

    fn jid(&mut self, jail: &str) -> Option<i32> {
        let mut parameters = [JailParam::string("name", jail), JailParam::int_buffer("jid")];
        self.machine.doors.jail_get(&mut parameters, 0).ok().map(|jid| jid.0)
    }

    fn run_in(&mut self, jail: &str, command: &str, ignores: &[i32], stuck: bool) {
        let jid = self.jid(jail).unwrap();
        let ignores: BTreeSet<i32> = ignores.iter().copied().collect();
        let process = Process { jid, command: command.to_owned(), until: None, ignores, stuck };
        host::spawn(&mut self.machine.doors.kernel, process).unwrap();
    }

    fn answers(&mut self) -> bool {
        let probe = Probe {
            from: "b".parse().unwrap(),
            to: "10.0.0.1".parse().unwrap(),
            interface: None,
            tries: 2,
            timeout: Duration::from_secs(1),
        };
        let results = self.labs().probe(&NAME.parse().unwrap(), &[probe]).unwrap();
        matches!(results[..], [ProbeResult::Answered { .. }])
    }
}

fn names(nodes: &[&str]) -> Vec<NodeName> {
    nodes.iter().map(|name| name.parse().unwrap()).collect()
}

#[test]
fn a_root_that_is_not_there_is_named() {
    let mut world = World::new();
    let before = picture(&mut world.machine.doors);
    let error = world.try_up(&lab("rootfs: /nonexistent/here")).unwrap_err();
    assert_eq!(error.kind, LabErrorKind::Refused, "{error:#?}");
    assert!(error.message.contains("`/nonexistent/here`"), "{error:#?}");
    assert!(error.hint.is_some_and(|hint| hint.contains("rootfs")));
    assert_eq!(picture(&mut world.machine.doors), before);
}

#[test]
fn a_shared_base_with_private_folders_comes_and_goes() {
    let mut world = World::new();
    let before = picture(&mut world.machine.doors);
    let model = lab("rootfs: { base: /jails/base, rw: [ etc, var/db ] }");
    let plan = world.up(&model);
    let text = render::text(&plan);
    let root = format!("{}/living/a/root", host::OURS);
    for line in [
        format!("mount {root}  of /jails/base (read-only)"),
        format!("mount {root}/etc  of "),
        format!("mount {root}/dev  of devfs, ruleset 4211"),
        "copy of /jails/base/var/db".to_owned(),
        format!("path {root}"),
        "node b shares the host's files".to_owned(),
    ] {
        assert!(text.contains(&line), "`{line}` is missing:\n{text}");
    }
    world.down();
    assert_eq!(picture(&mut world.machine.doors), before);
}

#[test]
fn another_base_means_another_copy_and_another_jail() {
    let mut world = World::new();
    let before = picture(&mut world.machine.doors);
    world.up(&lab("rootfs: { base: /jails/base, rw: etc }"));
    let jid = world.jid("living.a");
    world.up(&lab("rootfs: { base: /jails/other, rw: etc }"));
    assert_ne!(world.jid("living.a"), jid);
    assert!(!world.inventory().contains("/jails/base"), "{}", world.inventory());
    let plan = world.up(&lab(""));
    assert!(render::text(&plan).contains("-/+ jail living.a"), "{}", render::text(&plan));
    assert!(!world.inventory().contains("folder"), "{}", world.inventory());
    world.down();
    assert_eq!(picture(&mut world.machine.doors), before);
}

#[test]
fn files_of_a_node_go_when_everything_else_is_done() {
    let mut world = World::new();
    world.up(&lab("rootfs: { base: /jails/base, rw: etc }"));
    let plan = world.plan(&lab("limits: { maxproc: 5 }"));
    let last = plan.steps.iter().map(|planned| planned.stage).max().unwrap();
    let removals = plan.steps.iter().filter(|planned| format!("{:?}", planned.step).starts_with("RemoveFolder"));
    let stages: Vec<usize> = removals.map(|planned| planned.stage).collect();
    assert!(!stages.is_empty() && stages.iter().all(|stage| *stage == last), "{:#?}", plan.steps);
}

#[test]
fn a_copy_that_was_not_finished_is_made_anew() {
    let mut world = World::new();
    let before = picture(&mut world.machine.doors);
    let model = lab("rootfs: { base: /jails/base, rw: etc }");
    let plan = world.up(&model);
    let copies = plan.steps.iter().filter_map(|planned| match &planned.step {
        Step::MakeFolder(folder) if folder.copy_of.is_some() => Some(folder.path.to_string()),
        _ => None,
    });
    let copy = copies.collect::<Vec<_>>().pop().unwrap();
    world.down();
    // As if the process had been killed while it copied.
    for path in [host::OURS.to_owned() + "/living", host::OURS.to_owned() + "/living/a", copy.clone() + UNFINISHED] {
        world.machine.doors.make_folder(&path, None).unwrap();
    }
    world.up(&model);
    let torn = copy + UNFINISHED;
    assert!(!world.inventory().contains(&torn), "{}", world.inventory());
    world.down();
    assert_eq!(picture(&mut world.machine.doors), before);
}

#[test]
fn roots_that_get_in_each_others_way_are_refused_with_their_places() {
    let codes = |settings: &str, other: &str| -> Vec<&str> {
        let text = format!(
            "version: 1\nname: x\ntopology:\n  nodes:\n    a: {{ kind: host, {settings} }}\n    b: {{ kind: host, {other} }}\n  \
             links: [ {{ endpoints: [ \"a:x\", \"b:x\" ] }} ]\n"
        );
        let findings = cellblock::engine::freebsd::check(&model(&text));
        assert!(findings.iter().all(|finding| finding.labels[0].origin.is_somewhere()));
        findings.iter().map(|finding| finding.code).collect()
    };
    assert_eq!(codes("rootfs: /a, jail: { path: /b }", ""), ["E007"]);
    assert_eq!(codes("jail: { mount.devfs: true }", "jail: { mount.devfs: false }"), ["E008"]);
    let own = "rootfs: /a, jail: { mount.devfs: true }";
    assert_eq!(codes(own, own), ["E009"]);
    assert!(codes(own, "rootfs: /a").is_empty());
    assert!(codes("rootfs: { base: /a }", "rootfs: { base: /a }").is_empty());
}

#[test]
fn a_clone_is_made_of_the_snapshot_and_destroyed_with_the_lab() {
    let mut world = World::new();
    let before = picture(&mut world.machine.doors);
    world.up(&lab("rootfs: { zfs: tank/jails/base@1 }"));
    assert!(world.inventory().contains("dataset tank/jails/base.living.a"), "{}", world.inventory());
    world.up(&lab("rootfs: { zfs: tank/jails/base@2 }"));
    world.down();
    assert_eq!(picture(&mut world.machine.doors), before);
}

#[test]
fn a_dataset_of_somebody_else_is_left_alone() {
    let mut world = World::new();
    let theirs = ["clone", "-o", "mountpoint=/theirs", "tank/jails/base@1", "tank/jails/base.living.a"];
    assert_eq!(world.machine.doors.zfs(&theirs).unwrap().code, 0);
    let before = picture(&mut world.machine.doors);
    let error = world.try_up(&lab("rootfs: { zfs: tank/jails/base@1 }")).unwrap_err();
    assert!(error.message.contains("dataset already exists"), "{error:#?}");
    assert_eq!(picture(&mut world.machine.doors), before);
}

#[test]
fn what_was_mounted_before_us_is_not_ours() {
    let mut world = World::new();
    let devfs = [MountOption::new("fstype", "devfs"), MountOption::new("fspath", "/jails/own/dev")];
    world.machine.doors.mount(&devfs, 0).unwrap();
    let before = picture(&mut world.machine.doors);
    let error = world.try_up(&lab("rootfs: /jails/own, jail: { mount.devfs: true }")).unwrap_err();
    assert_eq!(error.kind, LabErrorKind::BadState, "{error:#?}");
    assert!(error.hint.is_some());
    assert_eq!(picture(&mut world.machine.doors), before);
    world.up(&lab("rootfs: /jails/own"));
    world.down();
    assert_eq!(picture(&mut world.machine.doors), before);
}

#[test]
fn rulesets_take_a_number_that_is_free() {
    use cellblock::abi::devfs::{DEVFSIO_RADD, Rule};
    let mut world = World::new();
    for ruleset in [4211, 4212] {
        let rule = Rule { ruleset, number: 0, pattern: None, hide: true };
        world.machine.doors.devfs_ioctl(DEVFSIO_RADD, &mut rule.encode()).unwrap();
    }
    let before = picture(&mut world.machine.doors);
    world.up(&lab("rootfs: /jails/own, jail: { mount.devfs: true }"));
    assert!(world.inventory().contains("ruleset 4213: 19 rules"), "{}", world.inventory());
    world.down();
    assert_eq!(picture(&mut world.machine.doors), before);
}

#[test]
fn a_ruleset_that_does_not_exist_is_refused_because_it_would_show_everything() {
    let mut world = World::new();
    let before = picture(&mut world.machine.doors);
    let model = lab("rootfs: /jails/own, jail: { mount.devfs: true, devfs_ruleset: 77 }");
    let error = world.try_up(&model).unwrap_err();
    assert!(error.message.contains("no devfs ruleset 77"), "{error:#?}");
    assert_eq!(picture(&mut world.machine.doors), before);
}

#[test]
fn limits_and_processors_change_in_place_and_go() {
    let mut world = World::new();
    let before = picture(&mut world.machine.doors);
    world.up(&lab("limits: { maxproc: 30, memoryuse: 64M, readbps: 1M, cputime: \"sigterm=60\" }, cpus: 0-3"));
    let jid = world.jid("living.a");
    let plan = world.up(&lab("limits: { maxproc: 31, cputime: \"sigterm=70\" }, cpus: 1"));
    let counts = plan.counts();
    assert_eq!((counts.add, counts.change, counts.replace, counts.destroy), (0, 3, 0, 2), "{}", render::text(&plan));
    world.up(&lab(""));
    assert_eq!(world.jid("living.a"), jid, "none of this needs another jail");
    world.up(&lab("cpus: 0-63"));
    world.down();
    assert_eq!(picture(&mut world.machine.doors), before);
}

#[test]
fn limits_need_a_kernel_that_counts() {
    let mut world = World::new();
    world.machine.doors.kernel.host.accounting = false;
    let before = picture(&mut world.machine.doors);
    let error = world.try_up(&lab("limits: { maxproc: 30 }")).unwrap_err();
    assert_eq!(error.kind, LabErrorKind::BadState, "{error:#?}");
    assert!(error.hint.unwrap().contains("/boot/loader.conf"));
    assert_eq!(picture(&mut world.machine.doors), before);
    world.up(&lab("cpus: 0"));
    world.down();
}

#[test]
fn processors_that_are_not_there_are_refused_and_everything_is_undone() {
    let mut world = World::new();
    let before = picture(&mut world.machine.doors);
    let error = world.try_up(&lab("cpus: 0-200")).unwrap_err();
    assert_eq!((error.kind, error.call.as_deref()), (LabErrorKind::Refused, Some("cpuset_setaffinity")), "{error:#?}");
    assert_eq!(picture(&mut world.machine.doors), before);
}

#[test]
fn a_stopped_node_keeps_wires_and_files_and_comes_back_with_another_number() {
    let mut world = World::new();
    let before = picture(&mut world.machine.doors);
    let model = lab("rootfs: { base: /jails/base, rw: etc }, limits: { maxproc: 5 }, cpus: 0");
    world.up(&model);
    assert!(world.answers());
    let (jid, files) = (world.jid("living.a"), world.inventory());
    world.run_in("living.a", "sshd", &[], false);
    world.stop(&["a"]).unwrap();
    assert_eq!(world.jid("living.a"), None);
    assert!(!world.answers());
    let left = world.inventory();
    assert!(left.contains("folder") && left.contains("nullfs") && !left.contains("process"), "{left}");
    assert!(!left.contains("maxproc"), "limits are of the jail: {left}");
    let plan = world.plan(&model);
    assert!(render::text(&plan).contains("+   jail living.a"), "{}", render::text(&plan));
    assert_eq!(world.stop(&["a"]).unwrap().steps, 0, "it is stopped");

    world.start(&["a"]).unwrap();
    assert_ne!(world.jid("living.a"), jid);
    assert_eq!(world.inventory(), files);
    assert!(world.answers());
    assert!(world.plan(&model).is_empty());
    world.down();
    assert_eq!(picture(&mut world.machine.doors), before);
}

#[test]
fn starting_one_node_leaves_others_stopped_and_up_starts_all() {
    let mut world = World::new();
    let before = picture(&mut world.machine.doors);
    let model = lab("");
    world.up(&model);
    world.stop(&["a", "b"]).unwrap();
    world.start(&["b"]).unwrap();
    assert!(world.jid("living.a").is_none() && world.jid("living.b").is_some());
    world.up(&model);
    assert!(world.answers());
    world.stop(&["b"]).unwrap();
    world.down();
    assert_eq!(picture(&mut world.machine.doors), before);
}

#[test]
fn processes_are_told_then_waited_for_then_killed() {
    let mut world = World::new();
    world.up(&lab(""));
    let clock = |world: &mut World| world.machine.doors.now();
    world.run_in("living.a", "polite", &[], false);
    let began = clock(&mut world);
    world.stop(&["a"]).unwrap();
    assert!(clock(&mut world) - began < Duration::from_secs(1), "what ends at once is not waited for");

    world.start(&["a"]).unwrap();
    world.run_in("living.a", "stubborn", &[15], false);
    world.run_in("living.b", "stubborn", &[15], false);
    let began = clock(&mut world);
    world.stop(&["a", "b"]).unwrap();
    let took = clock(&mut world) - began;
    assert!((10..12).contains(&took.as_secs()), "one grace for all: {took:?}");
    assert!(!world.inventory().contains("process"));
}

#[test]
fn what_will_not_die_is_named() {
    let mut world = World::new();
    world.up(&lab(""));
    world.run_in("living.a", "stuck-in-the-kernel", &[], true);
    let error = world.stop(&["a"]).unwrap_err();
    assert_eq!(error.kind, LabErrorKind::NotUndone, "{error:#?}");
    assert!(error.message.contains("stuck-in-the-kernel (pid "), "{error:#?}");
    assert!(world.jid("living.a").is_some(), "its jail is still there");
}

/// Somebody who wants it to end when they have been asked so often whether they do.
fn weary(after: usize, times: usize) -> ApplyOptions {
    let asked = AtomicUsize::new(0);
    let stop = Stop::by(move || if asked.fetch_add(1, Ordering::Relaxed) < after { 0 } else { times });
    ApplyOptions { stop, ..ApplyOptions::default() }
}

#[test]
fn who_does_not_want_to_wait_for_processes_gets_what_was_there() {
    let mut world = World::new();
    let model = lab("");
    world.up(&model);
    world.run_in("living.a", "stubborn", &[15], false);
    for times in [1, 2] {
        let began = world.machine.doors.now();
        let error = world.stop_within(&["a"], &weary(3, times)).unwrap_err();
        assert_eq!(error.kind, LabErrorKind::Refused, "{error:#?}");
        assert!(error.message.contains("interrupted"), "{error:#?}");
        assert!(world.machine.doors.now() - began < Duration::from_secs(1), "it was waited for");
        assert!(world.jid("living.a").is_some() && world.inventory().contains("stubborn"));
        assert!(world.plan(&model).is_empty());
    }
    // An edit that takes a node away, and one that takes all away.
    let smaller = lab("").lab;
    let edited =
        support::model(&format!("version: 1\nname: {smaller}\ntopology:\n  nodes: {{ b: {{ kind: host }} }}\n"));
    let plan = world.plan(&edited);
    let error = world.labs().apply(&plan, &edited, &weary(3, 1), &mut |_| {}).unwrap_err();
    assert_eq!(error.kind, LabErrorKind::Refused, "{error:#?}");
    assert!(world.inventory().contains("stubborn") && world.plan(&model).is_empty());
    let error = world.labs().down_within(&smaller, &weary(3, 1), &mut |_| {}).unwrap_err();
    assert_eq!(error.kind, LabErrorKind::NotUndone, "{error:#?}");
    assert!(world.inventory().contains("stubborn"));
    world.down();
}

#[test]
fn stopping_and_starting_can_be_taken_back() {
    let mut world = World::new();
    let model = lab("");
    world.up(&model);
    // After the first look there is no process to wait for: it is the change itself that is taken back.
    let error = world.stop_within(&["a"], &weary(2, 1)).unwrap_err();
    assert_eq!(error.kind, LabErrorKind::Refused, "{error:#?}");
    assert!(world.plan(&model).is_empty());
    world.stop(&["a"]).unwrap();
    let lab = NAME.parse().unwrap();
    let error = world.labs().start(&lab, &names(&["a"]), &weary(2, 1), &mut |_| {}).unwrap_err();
    assert_eq!(error.kind, LabErrorKind::Refused, "{error:#?}");
    assert!(world.jid("living.a").is_none(), "it is stopped again");
    world.start(&["a"]).unwrap();
    assert!(world.plan(&model).is_empty());
}

#[test]
fn only_nodes_with_jails_start_and_stop() {
    let mut world = World::new();
    world.up(&lab(""));
    for node in ["n", "nobody"] {
        assert_eq!(world.stop(&[node]).unwrap_err().kind, LabErrorKind::NoSuchLab, "{node}");
        assert_eq!(world.start(&[node]).unwrap_err().kind, LabErrorKind::NoSuchLab, "{node}");
    }
}

#[test]
fn commands_run_once_in_nodes_that_are_new() {
    let mut world = World::new();
    let model = lab(
        "exec: { freebsd: [ \"ping -c 1 10.0.0.2\", no-such-program, \"ping -c 1 10.0.0.77\" ], linux: [ \"ip a\" ] }",
    );
    let mut said = String::new();
    let mut run = |world: &mut World, plan: &Plan| {
        let mut hear = |node: &NodeName, stream: Stream, bytes: &[u8]| {
            assert_eq!(stream, Stream::Out);
            said.push_str(&format!("{node}: {}", String::from_utf8_lossy(bytes)));
        };
        world.labs().run_commands(plan, &model, &ApplyOptions::default(), &mut hear).unwrap()
    };
    let plan = world.up(&model);
    let failures = run(&mut world, &plan);
    let told: Vec<String> = failures.iter().map(|failure| format!("{} {}", failure.command, failure.why)).collect();
    assert_eq!(told, ["no-such-program was not found", "ping -c 1 10.0.0.77 ended with status 2"]);
    let again = world.plan(&model);
    assert!(run(&mut world, &again).is_empty());
    world.stop(&["a"]).unwrap();
    let (_, plan) = world.start(&["a"]).unwrap();
    assert_eq!(run(&mut world, &plan).len(), 2, "a node that starts is new");
    assert!(said.contains("a: 64 bytes from 10.0.0.2"), "{said}");
}

#[test]
fn after_another_boot_only_files_are_left_and_down_removes_them() {
    let mut world = World::new();
    let before = picture(&mut world.machine.doors);
    let model = lab("rootfs: { base: /jails/base, rw: etc }");
    world.up(&model);
    // The machine goes down: of a lab only files live on.
    let reboot = |world: &mut World| {
        let doors = std::mem::replace(&mut world.machine.doors, SimDoors::new(Kernel::boot(1)));
        let old = doors.into_kernel();
        let mut new = Kernel::boot(99);
        new.host = old.host.after_reboot();
        world.machine.doors = SimDoors::new(new);
    };
    reboot(&mut world);
    assert!(world.inventory().contains("folder"), "{}", world.inventory());
    world.down();
    assert_eq!(picture(&mut world.machine.doors), before);

    world.up(&model);
    reboot(&mut world);
    world.up(&lab(""));
    assert!(!world.inventory().contains("folder"), "{}", world.inventory());
    world.up(&model);
    reboot(&mut world);
    world.up(&model);
    world.down();
    assert_eq!(picture(&mut world.machine.doors), before);
}

#[test]
fn a_jail_that_exists_without_us_is_not_stopped() {
    let mut world = World::new();
    let theirs = [JailParam::string("name", NAME), JailParam::string("path", "/"), JailParam::boolean("persist", true)];
    world.machine.doors.jail_set(&theirs, JAIL_CREATE).unwrap();
    assert_eq!(world.stop(&["a"]).unwrap_err().kind, LabErrorKind::NoSuchLab);
}

#[test]
fn a_program_on_the_host_itself_is_run_there() {
    let mut world = World::new();
    let mut said = Vec::new();
    let exit = world.machine.doors.execute(
        cellblock::engine::freebsd::doors::Jid::HOST,
        &["ifconfig".to_owned(), "-l".to_owned()],
        &Until::its_end(),
        &mut |_, bytes| said.extend_from_slice(bytes),
    );
    assert_eq!(exit, Ok(Exit::Code(0)));
    assert_eq!(String::from_utf8(said).unwrap(), "lo0\n");
}

#[test]
fn a_jail_that_somebody_made_meanwhile_is_told_and_left_alone() {
    let mut world = World::new();
    // With and without something that is done on the host before the jail.
    for host in ["", "    me: { kind: self, sysctls: { net.inet.ip.ttl: 32 } }\n"] {
        let model = model(&format!("version: 1\nname: {NAME}\ntopology:\n  nodes:\n    a: {{ kind: host }}\n{host}"));
        let before = picture(&mut world.machine.doors);
        let plan = world.plan(&model);
        let stranger =
            [JailParam::string("name", NAME), JailParam::string("path", "/"), JailParam::boolean("persist", true)];
        let jid = world.machine.doors.jail_set(&stranger, JAIL_CREATE).unwrap();
        let theirs = picture(&mut world.machine.doors);
        let error = world.labs().apply(&plan, &model, &ApplyOptions::default(), &mut |_| {}).unwrap_err();
        let hint = error.hint.clone().unwrap_or_default();
        assert!(hint.contains("another name"), "{error:#?}");
        assert!(!hint.contains("cellblock down"), "it is nothing of ours: {error:#?}");
        assert_eq!(picture(&mut world.machine.doors), theirs, "{error:#?}");
        assert_eq!((error.kind, error.left.len()), (LabErrorKind::BadState, 0), "{error:#?}");
        assert!(world.records.labs().unwrap().is_empty(), "it was found before the first step");
        world.machine.doors.jail_remove(jid).unwrap();
        assert_eq!(picture(&mut world.machine.doors), before);
    }
}
