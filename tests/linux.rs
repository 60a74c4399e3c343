//! Labs on the Linux kernel that this test runs on, with real packets: in namespaces that the test makes for itself, so that nothing
//! of the machine is touched. What the engine says is compared with what ip(8) says.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::print_stdout, reason = "a skipped test says why")]

#[path = "common/alone.rs"]
mod alone;
mod common;
#[path = "support/linux_tc.rs"]
mod linux_tc;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use cellblock::checks::{self, Verdict};
use cellblock::graph::Place;
use cellblock::lab::{self, Access, ApplyOptions, EngineKind, LabErrorKind, Probe, RouteDoorKind, Site, SiteOptions};
use cellblock::model::{self, LabName, Model};
use cellblock::plan::{Observed, render};
use cellblock::topology::{self, DiskReader, Input, LoadOptions};
use common::root;
use libtest_mimic::{Failed, Trial};
use serde_json::Value;

fn main() -> ExitCode {
    alone::run(trials)
}

fn trials() -> Vec<Trial> {
    let mut trials = vec![
        Trial::test("a_name_that_somebody_else_has_is_left_alone", a_taken_name),
        Trial::test("what_was_deleted_behind_our_back_is_made_again", deleted_behind_our_back),
        Trial::test("the_file_system_of_somebody_else_is_left_alone", a_taken_directory),
        Trial::test("a_program_sees_its_own_node", programs),
        Trial::test(
            "tc::a_rate_is_set_changed_in_place_and_removed",
            linux_tc::a_rate_is_set_changed_in_place_and_removed,
        ),
        Trial::test("tc::frames_wait_for_a_rate", linux_tc::frames_wait_for_a_rate),
        Trial::test(
            "tc::what_others_do_to_a_shaped_link_is_seen_and_mended",
            linux_tc::what_others_do_to_a_shaped_link_is_seen_and_mended,
        ),
        Trial::test("down_waits_until_the_kernel_has_settled", settles),
        Trial::test("a_bridge_ends_at_1023_ports", ports),
        Trial::test("few_descriptors_are_enough", few_descriptors),
    ];
    for file in files() {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        trials.push(Trial::test(name, move || whole_life(&file)));
    }
    trials
}

fn files() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root().join("topologies")).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|ending| ending == "yaml"));
    files.sort();
    files
}

fn load(file: &Path) -> Model {
    let loaded = topology::load(Input::Path(file.to_owned()), &LoadOptions::default(), &DiskReader);
    model::resolve(loaded.draft.unwrap()).unwrap().0
}

fn from_text(text: &str) -> Model {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("lab.yaml");
    std::fs::write(&file, text).unwrap();
    load(&file)
}

fn topology(name: &str) -> Model {
    load(&root().join(format!("topologies/{name}.yaml")))
}

fn open(state: &Path) -> Result<Site, Failed> {
    let options = SiteOptions {
        state_dir: state.to_owned(),
        access: Access::Change,
        route_door: RouteDoorKind::default(),
        load_modules: false,
        wait: Duration::ZERO,
        holder: "a test".into(),
        // Tests of other programs may run beside this one: their labs are not to be taken for ours.
        entropy: [[7; 12].as_slice(), &std::process::id().to_ne_bytes()].concat().try_into().unwrap(),
    };
    Ok(Site::open(EngineKind::Linux, options)?)
}

fn up(site: &mut Site, model: &Model) -> Result<(), Failed> {
    let plan = site.plan(model)?;
    site.apply(&plan, Some(model), &ApplyOptions::default(), &mut |_| {})?;
    Ok(())
}

fn down(site: &mut Site, lab: &LabName) -> Result<(), Failed> {
    site.down(lab, &ApplyOptions::default(), &mut |_| {})?;
    Ok(())
}

/// A file that a kernel cannot do for the want of something is refused with that reason, and with no other: whether this is so here.
fn is_refused(model: &Model) -> bool {
    let findings = lab::check(EngineKind::Linux, model);
    let errors: Vec<_> = findings.iter().filter(|finding| finding.is_error()).collect();
    let lacks_netem = |code: &str, message: &str| code == "L011" && message.contains("netem") && !linux_tc::has_netem();
    for error in &errors {
        assert!(lacks_netem(error.code, &error.message), "{}: {}", error.code, error.message);
    }
    !errors.is_empty()
}

/// Up, the same again, its checks, what ip says, down, and the machine as it was.
fn whole_life(file: &Path) -> Result<(), Failed> {
    let model = load(file);
    if is_refused(&model) {
        println!("not made, and refused: {}: this kernel has no netem", file.display());
        return Ok(());
    }
    let state = tempfile::tempdir()?;
    let before = machine();
    let mut site = open(state.path())?;
    let plan = site.plan(&model)?;
    let lines = render::text(&plan);
    assert!(lines.contains(" namespace ") && lines.contains(" veth "), "{lines}");
    up(&mut site, &model)?;
    site.close()?;

    let mut site = open(state.path())?;
    let again = site.plan(&model)?;
    assert!(again.is_empty(), "the second plan is not empty:\n{}", render::text(&again));
    run_checks(&mut site, &model)?;
    agrees_with_ip(&model.lab, &site.observe(&model.lab)?);
    down(&mut site, &model.lab)?;
    assert!(site.labs()?.is_empty());
    site.close()?;
    assert_eq!(machine(), before);
    Ok(())
}

fn run_checks(site: &mut Site, model: &Model) -> Result<(), Failed> {
    let compiled = checks::compile(model).map_err(|_| "the checks do not compile")?;
    for check in compiled {
        let asked: Vec<_> = check.probes().collect();
        let probe = |probe: &checks::Probe<'_>| Probe {
            from: model.node(probe.from).name.value.clone(),
            to: probe.to.address,
            interface: None,
            tries: check.tries,
            timeout: check.timeout,
        };
        let probes: Vec<_> = asked.iter().map(probe).collect();
        for (one, answer) in asked.iter().zip(site.probe(&model.lab, &probes)?) {
            let verdict = check.judge(&answer);
            assert_eq!(verdict, Verdict::Pass, "{}: {}: {answer:?}", check.name, one.describe(model));
        }
    }
    Ok(())
}

fn ip(arguments: &[&str]) -> Value {
    let output = Command::new("ip").args(arguments).output().unwrap();
    assert!(output.status.success(), "ip {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    if text.trim().is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() }
}

fn run_ip(arguments: &[&str]) {
    assert!(Command::new("ip").args(arguments).status().unwrap().success(), "ip {arguments:?}");
}

fn rows(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// What ip(8) says of the machine outside of every lab: interfaces, addresses, routes, named namespaces, directories.
fn machine() -> (Vec<String>, Vec<Value>, Value, BTreeSet<String>) {
    let mut names = Vec::new();
    for folder in ["/run", "/run/netns", "/run/cellblock"] {
        let entries = std::fs::read_dir(folder).into_iter().flatten();
        names.extend(entries.map(|entry| entry.unwrap().path().display().to_string()));
    }
    names.sort();
    let links = rows(&ip(&["-j", "addr", "show"])).to_vec();
    (names, links, ip(&["-j", "route", "show"]), mounts())
}

fn mounts() -> BTreeSet<String> {
    let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    table.lines().filter_map(|line| line.split(' ').nth(4)).map(str::to_owned).collect()
}

/// The same interfaces with the same names, MACs, MTUs, states and addresses, and the same routes, in every namespace of the lab.
fn agrees_with_ip(lab: &LabName, observed: &Observed) {
    for (place, interfaces) in &observed.interfaces {
        let namespace = match place {
            Place::Host => continue,
            Place::Lab => lab.to_string(),
            Place::Node(node) => format!("{lab}.{node}"),
        };
        let witness = ip(&["-n", &namespace, "-j", "addr", "show"]);
        assert_eq!(rows(&witness).len(), interfaces.len(), "{namespace}");
        for row in rows(&witness) {
            let name = row["ifname"].as_str().unwrap();
            let seen = interfaces.get(name).unwrap_or_else(|| panic!("{namespace} has {name}"));
            assert_eq!(row["mtu"], seen.mtu, "{namespace} {name}");
            assert_eq!(row["ifindex"], seen.index, "{namespace} {name}");
            let is_up = rows(&row["flags"]).iter().any(|flag| flag == "UP");
            assert_eq!(is_up, seen.up, "{namespace} {name}");
            if let Some(mac) = seen.mac {
                assert_eq!(row["address"], mac.to_string(), "{namespace} {name}");
            }
            let addresses: BTreeSet<String> = rows(&row["addr_info"])
                .iter()
                .map(|info| format!("{}/{}", info["local"].as_str().unwrap(), info["prefixlen"]))
                .collect();
            let own: BTreeSet<String> = seen.addresses.iter().map(ToString::to_string).collect();
            assert_eq!(addresses, own, "{namespace} {name}");
        }
        let mut routes: BTreeMap<String, String> = BTreeMap::new();
        for (family, default) in [("-4", "0.0.0.0/0"), ("-6", "::/0")] {
            for row in rows(&ip(&["-n", &namespace, "-j", family, "route", "show"])) {
                let Some(gateway) = row["gateway"].as_str() else { continue };
                let to = row["dst"].as_str().unwrap();
                let whole = if family == "-4" { "/32" } else { "/128" };
                let to = match to {
                    "default" => default.to_owned(),
                    to if to.contains('/') => to.to_owned(),
                    to => format!("{to}{whole}"),
                };
                routes.insert(to, gateway.to_owned());
            }
        }
        let own = observed.routes.get(place).into_iter().flatten();
        let own: BTreeMap<String, String> = own.map(|(to, via)| (to.to_string(), via.to_string())).collect();
        assert_eq!(routes, own, "{namespace}");
    }
}

fn a_taken_name() -> Result<(), Failed> {
    let model = topology("two-hosts");
    let node = model.nodes.iter().find(|node| !node.kind.is_layer2()).unwrap();
    let name = format!("{}.{}", model.lab, node.name);
    let state = tempfile::tempdir()?;
    let mut site = open(state.path())?;
    let plan = site.plan(&model)?;
    run_ip(&["netns", "add", &name]);
    run_ip(&["-n", &name, "link", "add", "eth0", "type", "veth", "peer", "name", "theirs"]);
    let (before, theirs) = (machine(), ip(&["-n", &name, "-j", "addr", "show"]));
    let later = site.apply(&plan, Some(&model), &ApplyOptions::default(), &mut |_| {}).unwrap_err();
    for error in [later, site.plan(&model).unwrap_err()] {
        assert_eq!(error.kind, LabErrorKind::BadState, "{error}: {:?}", error.left);
        assert!(error.message.contains(&format!("namespace `{name}` is not ours")), "{error}");
    }
    assert!(site.labs()?.is_empty());
    assert_eq!((machine(), ip(&["-n", &name, "-j", "addr", "show"])), (before, theirs));
    run_ip(&["netns", "del", &name]);
    up(&mut site, &model)?;
    down(&mut site, &model.lab)
}

fn a_taken_directory() -> Result<(), Failed> {
    let model = topology("two-hosts");
    let folder = format!("/run/cellblock/{}", model.lab);
    std::fs::create_dir_all(&folder)?;
    assert!(Command::new("mount").args(["-t", "tmpfs", "theirs", &folder]).status()?.success());
    std::fs::write(format!("{folder}/file"), "theirs")?;
    let state = tempfile::tempdir()?;
    let mut site = open(state.path())?;
    let error = site.plan(&model).unwrap_err();
    assert!(error.message.contains("not ours"), "{error}");
    assert_eq!(std::fs::read_to_string(format!("{folder}/file"))?, "theirs");
    assert!(Command::new("umount").arg(&folder).status()?.success());
    std::fs::remove_dir_all("/run/cellblock")?;
    Ok(())
}

fn deleted_behind_our_back() -> Result<(), Failed> {
    let model = topology("two-hosts");
    let state = tempfile::tempdir()?;
    let mut site = open(state.path())?;
    up(&mut site, &model)?;
    let node = model.nodes.iter().find(|node| !node.interfaces.is_empty()).unwrap();
    let namespace = format!("{}.{}", model.lab, node.name);
    let interface = node.interfaces.keys().next().unwrap().to_string();
    run_ip(&["-n", &namespace, "link", "del", &interface]);
    let repair = site.plan(&model)?;
    assert!(!repair.is_empty());
    up(&mut site, &model)?;
    run_checks(&mut site, &model)?;

    run_ip(&["netns", "del", &namespace]);
    // The kernel takes its interfaces away a moment later.
    let link = &model.links[node.interfaces.values().next().unwrap().link.0];
    let far = link.ends.iter().find(|end| model.node(end.node).name != node.name).unwrap();
    let (place, name) = (&model.node(far.node).name, far.interface.as_ref().unwrap().as_str());
    let began = Instant::now();
    let is_there = || {
        let rows = ip(&["-n", &format!("{}.{place}", model.lab), "-j", "link", "show"]);
        self::rows(&rows).iter().any(|row| row["ifname"] == name)
    };
    while is_there() && began.elapsed() < Duration::from_secs(20) {
        std::thread::yield_now();
    }
    up(&mut site, &model)?;
    run_checks(&mut site, &model)?;
    assert!(site.plan(&model)?.is_empty());
    down(&mut site, &model.lab)
}

fn programs() -> Result<(), Failed> {
    let model = topology("two-hosts");
    let state = tempfile::tempdir()?;
    let mut site = open(state.path())?;
    up(&mut site, &model)?;
    let node = model.nodes.iter().find(|node| !node.interfaces.is_empty()).unwrap();
    let interface = node.interfaces.keys().next().unwrap().to_string();
    let run = |site: &mut Site, command: &[&str]| {
        let mut out = Vec::new();
        let command: Vec<String> = command.iter().map(|word| (*word).to_owned()).collect();
        let exit = site.exec(&model.lab, &node.name, &command, &mut |_, bytes| out.extend_from_slice(bytes));
        exit.map(|exit| (exit, String::from_utf8(out).unwrap()))
    };
    let (exit, names) = run(&mut site, &["ls", "/sys/class/net"]).unwrap();
    assert_eq!(exit, lab::Exit::Code(0));
    let names: BTreeSet<&str> = names.split_whitespace().collect();
    assert!(names.contains(interface.as_str()) && names.contains("lo"), "{names:?}");
    assert_eq!(run(&mut site, &["sh", "-c", "exit 7"]).unwrap().0, lab::Exit::Code(7));
    assert_eq!(run(&mut site, &["sh", "-c", "kill -9 $$"]).unwrap().0, lab::Exit::Signal(9));
    assert!(matches!(run(&mut site, &["/nonexistent/program"]), Err(lab::ExecError::NotFound)));
    assert!(matches!(run(&mut site, &["/etc/passwd"]), Err(lab::ExecError::NotExecutable)));

    // What still runs in a node does not keep it.
    let name = format!("{}.{}", model.lab, node.name);
    let mut left = Command::new("ip").args(["netns", "exec", &name, "sleep", "1000"]).spawn()?;
    let began = Instant::now();
    let inside = || std::fs::read_link(format!("/proc/{}/ns/net", left.id())).ok() != own_namespace();
    while !inside() && began.elapsed() < Duration::from_secs(20) {
        std::thread::yield_now();
    }
    down(&mut site, &model.lab)?;
    assert!(!left.wait()?.success());
    Ok(())
}

fn own_namespace() -> Option<PathBuf> {
    std::fs::read_link("/proc/self/ns/net").ok()
}

/// A namespace that we hold open stays; the interfaces in it whose other ends were elsewhere are gone when the wait is over.
fn settles() -> Result<(), Failed> {
    let model = topology("two-hosts");
    let state = tempfile::tempdir()?;
    let mut site = open(state.path())?;
    up(&mut site, &model)?;
    let node = model.nodes.iter().find(|node| !node.interfaces.is_empty()).unwrap();
    let name = format!("{}.{}", model.lab, node.name);
    let held = std::fs::File::open(format!("/run/netns/{name}"))?;
    let settling = site.settling(&model.lab)?;
    down(&mut site, &model.lab)?;
    settling.wait(Duration::from_secs(120))?;
    let within = format!("/proc/{}/fd/{}", std::process::id(), std::os::fd::AsRawFd::as_raw_fd(&held));
    let output = Command::new("nsenter").arg(format!("--net={within}")).args(["ip", "-j", "link"]).output()?;
    let left: Value = serde_json::from_slice(&output.stdout)?;
    let names: Vec<_> = rows(&left).iter().map(|row| row["ifname"].as_str().unwrap()).collect();
    assert_eq!(names, ["lo"]);
    Ok(())
}

fn ports() -> Result<(), Failed> {
    let star = |hosts: u32| {
        from_text(&format!(
            "version: 1\nname: wide\naddressing: {{ lan: {{ ipv4: 10.0.0.0/16, prefix: 16 }} }}\ntopology:\n  nodes:\n    s: {{ \
             kind: switch, pool: lan }}\n    \"h${{n}}\": {{ kind: host, each: {{ n: 1..{hosts} }} }}\n  links:\n    - {{ each: {{ \
             n: 1..{hosts} }}, endpoints: [ \"h${{n}}:eth0\", s ] }}\n"
        ))
    };
    let errors = |model: &Model| {
        let findings = lab::check(EngineKind::Linux, model);
        let errors = findings.into_iter().filter(cellblock::diagnostic::Diagnostic::is_error);
        errors.map(|error| format!("{} {}", error.code, error.message)).collect::<Vec<_>>()
    };
    assert_eq!(errors(&star(1023)), [""; 0]);
    assert_eq!(errors(&star(1024)), ["L008 `s` has 1024 ports, a bridge of Linux takes 1023"]);
    Ok(())
}

/// Sixty-five namespaces with two descriptors each, of which a process may have fewer.
fn few_descriptors() -> Result<(), Failed> {
    let state = tempfile::tempdir()?;
    let file = root().join("topologies/star-64.yaml");
    let run = |arguments: &[&str]| -> Result<(), Failed> {
        let mut command = Command::new("sh");
        command.args([
            "-c",
            "ulimit -n 100 && exec \"$0\" \"$@\"",
            env!("CARGO_BIN_EXE_cellblock"),
            "--engine",
            "linux",
        ]);
        let output = command.arg("--state-dir").arg(state.path()).args(arguments).output()?;
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    };
    run(&["up", &file.to_string_lossy()])?;
    let again = Command::new(env!("CARGO_BIN_EXE_cellblock"))
        .args(["--engine", "linux", "plan", "--detailed-exitcode", "--state-dir"])
        .arg(state.path())
        .arg(&file)
        .output()?;
    assert_eq!(again.status.code(), Some(0), "{}", String::from_utf8_lossy(&again.stdout));
    run(&["down", "star-64"])
}
