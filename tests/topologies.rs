//! Every file of `topologies/` through its whole life: validated, planned, up, checked, planned again, down, and a
//! kernel as empty as before. Through the library, over both route doors, and as separate processes, as on a kernel.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::path::{Path, PathBuf};
use std::time::Duration;

use cellblock::checks::{self, Verdict};
use cellblock::diagnostic::Diagnostic;
use cellblock::lab::{Access, ApplyOptions, EngineKind, Probe, RouteDoorKind, Site, SiteOptions};
use cellblock::model::{self, Model};
use cellblock::output::diagnostic::{Style, render_all};
use cellblock::sim::kernel::Vnet;
use cellblock::sim::{Kernel, persist};
use cellblock::topology::{self, DiskReader, Input, LoadOptions};
use common::{Sandbox, root};
use libtest_mimic::{Arguments, Failed, Trial};

/// The largest take long as processes too; their life through the library is the same.
const PROCESSES: &[&str] = &["two-hosts", "office", "netgraph-howto", "epair-howto", "slow-wan", "v6-only", "stp-ring"];

fn main() {
    let mut trials = Vec::new();
    for file in files() {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        if PROCESSES.contains(&name.as_str()) {
            let file = file.clone();
            trials.push(Trial::test(format!("{name}::processes"), move || as_processes(&file)));
        }
        let again = file.clone();
        trials.push(Trial::test(format!("{name}::library"), move || as_calls(&file, true)));
        trials.push(Trial::test(format!("{name}::without_netlink"), move || as_calls(&again, false)));
    }
    trials.push(Trial::test("all_twelve_are_here", all_twelve_are_here));
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

fn files() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root().join("topologies")).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|ending| ending == "yaml"));
    files.sort();
    files
}

fn all_twelve_are_here() -> Result<(), Failed> {
    let names: Vec<_> = files().iter().map(|file| file.file_stem().unwrap().to_string_lossy().into_owned()).collect();
    for name in [
        "two-hosts",
        "office",
        "netgraph-howto",
        "epair-howto",
        "triangle-dual-stack",
        "ring-8-routers",
        "star-64",
        "v6-only",
        "leaf-spine",
        "slow-wan",
        "stp-ring",
        "isp-fw",
    ] {
        require(names.iter().any(|have| have == name), || format!("topologies/{name}.yaml is missing"))?;
    }
    Ok(())
}

fn require(holds: bool, message: impl FnOnce() -> String) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(message().into()) }
}

/// The file as a model, without a single warning: these are examples.
fn load(file: &Path) -> Result<Model, Failed> {
    let loaded = topology::load(Input::Path(file.to_owned()), &LoadOptions::default(), &DiskReader);
    let told = |findings: &[Diagnostic]| render_all(findings, &loaded.sources, Style::Plain);
    require(loaded.diagnostics.is_empty(), || told(&loaded.diagnostics))?;
    let draft = loaded.draft.ok_or("no draft and no finding")?;
    let (model, warnings) = model::resolve(draft).map_err(|findings| told(&findings))?;
    require(warnings.is_empty(), || told(&warnings))?;
    Ok(model)
}

fn open(state_dir: &Path, netlink: bool) -> Result<Site, Failed> {
    let options = SiteOptions {
        state_dir: state_dir.to_owned(),
        access: Access::Change,
        route_door: if netlink { RouteDoorKind::Netlink } else { RouteDoorKind::Rtsock },
        load_modules: false,
        wait: Duration::ZERO,
        holder: "a test".into(),
        entropy: [1; 16],
    };
    Ok(Site::open(EngineKind::Sim, options)?)
}

/// Over netlink, or over the other door on a kernel that has no netlink.
fn as_calls(file: &Path, netlink: bool) -> Result<(), Failed> {
    let model = load(file)?;
    let state = tempfile::tempdir()?;
    let options = ApplyOptions::default();
    let mut kernel = Kernel::boot(1);
    kernel.host.has_netlink = netlink;
    persist::save(&kernel, &state.path().join("sim.kernel"))?;

    let mut site = open(state.path(), netlink)?;
    let plan = site.plan(&model)?;
    require(!plan.is_empty(), || "the first plan is empty".into())?;
    let applied = site.apply(&plan, Some(&model), &options, &mut |_| {})?;
    assert_eq!((applied.nodes, applied.links), (model.nodes.len(), model.links.len()));
    site.close()?;

    let mut site = open(state.path(), netlink)?;
    run_checks(&mut site, &model)?;
    let again = site.plan(&model)?;
    require(again.is_empty(), || format!("the second plan is not empty:\n{}", cellblock::plan::render::text(&again)))?;
    site.close()?;

    let mut site = open(state.path(), netlink)?;
    site.down(&model.lab, &options, &mut |_| {})?;
    require(site.labs()?.is_empty(), || "the lab is still remembered".into())?;
    site.close()?;
    is_empty(&persist::load(&state.path().join("sim.kernel"))?)
}

/// Whether a simulated kernel holds what a freshly booted one does: every jail has a vnet, every node a place in one.
fn is_empty(kernel: &Kernel) -> Result<(), Failed> {
    let fresh = Kernel::boot(1);
    let look = |kernel: &Kernel| {
        let vnets = kernel.vnets.values();
        let held = |vnet: &Vnet| (vnet.names.keys().cloned().collect::<Vec<_>>(), vnet.netgraph.node_count());
        vnets.map(held).collect::<Vec<_>>()
    };
    require(look(kernel) == look(&fresh), || format!("left: {:?}, fresh: {:?}", look(kernel), look(&fresh)))?;
    require(kernel.storms.is_empty(), || kernel.storms.join("\n"))
}

fn run_checks(site: &mut Site, model: &Model) -> Result<(), Failed> {
    let checks = checks::compile(model).map_err(|findings| format!("{findings:?}"))?;
    require(!checks.is_empty(), || "a topology without checks".into())?;
    for check in &checks {
        let pairs: Vec<_> = check.probes().collect();
        let probes: Vec<_> = pairs
            .iter()
            .map(|pair| Probe {
                from: model.node(pair.from).name.value.clone(),
                to: pair.to.address,
                interface: None,
                tries: check.tries,
                timeout: check.timeout,
            })
            .collect();
        let results = site.probe(&model.lab, &probes)?;
        let wrong: Vec<_> = pairs
            .iter()
            .zip(&results)
            .filter(|(_, result)| check.judge(result) != Verdict::Pass)
            .map(|(pair, result)| format!("{}: {result:?}", pair.describe(model)))
            .collect();
        let (count, all) = (wrong.len(), pairs.len());
        require(wrong.is_empty(), || {
            format!("{}: {count} of {all}:\n{}", check.name, wrong[..count.min(20)].join("\n"))
        })?;
    }
    Ok(())
}

fn as_processes(file: &Path) -> Result<(), Failed> {
    let sandbox = Sandbox::in_repository();
    let name = file.file_stem().unwrap().to_str().unwrap();
    let file = format!("topologies/{name}.yaml");
    sandbox.run(&["validate", "--strict", &file]).expect(0);
    sandbox.run(&["plan", "--detailed-exitcode", &file]).expect(2);
    let up = sandbox.run(&["up", &file]).expect(0);
    require(up.out.starts_with("lab up in "), || up.out.clone())?;
    sandbox.run(&["plan", "--detailed-exitcode", &file]).expect(0);
    // By the file and by the name: what `up` remembered is the same.
    sandbox.run(&["test", &file]).expect(0);
    sandbox.run(&["test", name]).expect(0);
    sandbox.run(&["inspect", name]).expect(0);
    sandbox.run(&["down", name]).expect(0);
    sandbox.run(&["inspect", name]).expect(66);
    sandbox.run(&["plan", "--detailed-exitcode", &file]).expect(2);
    Ok(())
}
