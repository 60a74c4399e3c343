//! How large and how fast: generated labs through the library, every phase of a lab's life by itself.
//!
//! `cargo bench --bench scale` prints the tables; `cargo bench --bench scale -- 1000` only the sizes named. Without
//! `--bench`, as `cargo test --benches` calls it, one small lab shows that everything still works.

#![expect(clippy::print_stdout, reason = "the tables are what it is for")]

mod generate;

use std::error::Error;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use cellblock::checks;
use cellblock::lab::{Access, ApplyOptions, EngineKind, Probe, ProbeResult, RouteDoorKind, Site, SiteOptions};
use cellblock::model::{self, Model};
use cellblock::topology::{self, DiskReader, Input, LoadOptions};
use generate::Recipe;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [word, nodes, dual_stack] = arguments.as_slice()
        && word == CHILD
    {
        println!("{}", live(&life_of(nodes.parse()?, dual_stack.parse()?))?);
        return Ok(());
    }
    let named: Vec<usize> = arguments.iter().filter_map(|argument| argument.parse().ok()).collect();
    let sizes = match (arguments.iter().any(|argument| argument == "--bench"), named.is_empty()) {
        (_, false) => named,
        (true, true) => vec![1_000, 10_000],
        (false, true) => vec![50],
    };
    lives(&sizes, false)?;
    if sizes.len() > 1 {
        lives(&sizes, true)?;
        routing(&[100, 300, 1_000])?;
    }
    all_pairs(if sizes.len() > 1 { 100 } else { 20 })
}

/// A process of its own for each life: only so its peak of memory is its own.
const CHILD: &str = "--one-life";

const PHASES: &str = " validate     plan       up     save     load  re-plan     down";

fn life_of(nodes: usize, dual_stack: bool) -> Recipe {
    Recipe { nodes, only_routers: false, links: nodes * 2, routing: "none", dual_stack, all_pairs: false }
}

/// Labs from their files to nothing, phase by phase.
fn lives(sizes: &[usize], dual_stack: bool) -> Result<(), Box<dyn Error>> {
    let families = if dual_stack { "IPv4 and IPv6" } else { "IPv4" };
    println!("lab of N nodes, a tenth routers, 2N links, routing none, {families}; engine sim; seconds and MB");
    println!("{:>7} {PHASES} {:>8} {:>8}", "nodes", "plan MB", "peak MB");
    let mut first: Option<(usize, Vec<f64>)> = None;
    for &nodes in sizes {
        let mut child = std::process::Command::new(std::env::current_exe()?);
        let output = child.args([CHILD, &nodes.to_string(), &dual_stack.to_string()]).output()?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into());
        }
        let row = String::from_utf8(output.stdout)?;
        println!("{nodes:>7} {}", row.trim_end());
        let numbers: Vec<f64> = row.split_whitespace().map_while(|number| number.parse().ok()).collect();
        match &first {
            None => first = Some((nodes, numbers)),
            Some((smaller, base)) => {
                let factors = numbers.iter().zip(base).map(|(larger, smaller)| format!("{:>7.1}x", larger / smaller));
                let factors = factors.collect::<Vec<_>>().join(" ");
                println!("{:>7} {factors}   from {smaller} to {nodes}", "growth");
            }
        }
    }
    println!();
    Ok(())
}

/// One lab from its file to nothing: seconds of each of the [`PHASES`], peaks of memory after the plan and at the end.
fn live(recipe: &Recipe) -> Result<String, Box<dyn Error>> {
    let text = generate::topology(recipe);
    let state = tempfile::tempdir()?;
    let (model, validated) = timed(|| validate(&text))?;
    let mut site = open(state.path(), Access::Change)?;
    let (plan, planned) = timed(|| Ok(site.plan(&model)?))?;
    let plan_memory = peak();
    let options = ApplyOptions::default();
    let (applied, up) = timed(|| Ok(site.apply(&plan, Some(&model), &options, &mut |_| {})?))?;
    assert_eq!((applied.nodes, applied.links), (recipe.nodes, recipe.links));
    drop(plan);
    let ((), saved) = timed(|| Ok(site.close()?))?;
    let (mut site, loaded) = timed(|| open(state.path(), Access::Change))?;
    let (again, replanned) = timed(|| Ok(site.plan(&model)?))?;
    assert!(again.is_empty(), "the second plan changes nothing");
    let (_, down) = timed(|| Ok(site.down(&model.lab, &options, &mut |_| {})?))?;
    site.close()?;
    let phases = [validated, planned, up, saved, loaded, replanned, down];
    let seconds: Vec<String> = phases.iter().map(|phase| format!("{:>8.3}", phase.as_secs_f64())).collect();
    Ok(format!("{} {plan_memory:>8} {:>8}", seconds.join(" "), peak()))
}

/// Validation and plan where every router has a route to everything.
fn routing(sizes: &[usize]) -> Result<(), Box<dyn Error>> {
    println!("lab of N routers, 1.5N links, routing auto; seconds");
    println!("{:>7} {:>9} {:>9} {:>9}", "routers", "validate", "plan", "routes");
    for &nodes in sizes {
        // Twice as many links would be more routes than the preflight lets through.
        let links = nodes * 3 / 2;
        let recipe = Recipe { nodes, only_routers: true, links, routing: "auto", dual_stack: false, all_pairs: false };
        let text = generate::topology(&recipe);
        let state = tempfile::tempdir()?;
        let (model, validated) = timed(|| validate(&text))?;
        let routes: usize = model.nodes.iter().map(|node| node.routes.len()).sum();
        let mut site = open(state.path(), Access::Look)?;
        let (_, planned) = timed(|| Ok(site.plan(&model)?))?;
        let (validated, planned) = (validated.as_secs_f64(), planned.as_secs_f64());
        println!("{nodes:>7} {validated:>9.3} {planned:>9.3} {routes:>9}");
    }
    println!();
    Ok(())
}

/// Every node asks every address of every other.
fn all_pairs(nodes: usize) -> Result<(), Box<dyn Error>> {
    let recipe = Recipe { routing: "auto", all_pairs: true, ..life_of(nodes, false) };
    let text = generate::topology(&recipe);
    let state = tempfile::tempdir()?;
    let model = validate(&text)?;
    let mut site = open(state.path(), Access::Change)?;
    let plan = site.plan(&model)?;
    site.apply(&plan, Some(&model), &ApplyOptions::default(), &mut |_| {})?;
    let checks = checks::compile(&model).map_err(|findings| format!("{findings:?}"))?;
    let probes: Vec<Probe> =
        checks.iter().flat_map(|check| check.probes().map(|p| question(&model, check, &p))).collect();
    let (results, took) = timed(|| Ok(site.probe(&model.lab, &probes)?))?;
    let answered = results.iter().filter(|result| matches!(result, ProbeResult::Answered { .. })).count();
    assert_eq!(answered, probes.len(), "everybody is reached");
    println!("all pairs of {nodes} nodes, routing auto: {answered} echoes answered in {:.3} s", took.as_secs_f64());
    Ok(())
}

fn question(model: &Model, check: &checks::Check, probe: &checks::Probe<'_>) -> Probe {
    Probe {
        from: model.node(probe.from).name.value.clone(),
        to: probe.to.address,
        interface: None,
        tries: check.tries,
        timeout: check.timeout,
    }
}

fn validate(text: &str) -> Result<Model, Box<dyn Error>> {
    let input = Input::Bytes { name: "generated".into(), bytes: text.as_bytes().to_vec() };
    let loaded = topology::load(input, &LoadOptions::default(), &DiskReader);
    let draft = loaded.draft.ok_or_else(|| format!("{:?}", loaded.diagnostics))?;
    let (model, _) = model::resolve(draft).map_err(|findings| format!("{findings:?}"))?;
    Ok(model)
}

fn open(state_dir: &Path, access: Access) -> Result<Site, Box<dyn Error>> {
    let options = SiteOptions {
        state_dir: state_dir.to_owned(),
        access,
        route_door: RouteDoorKind::default(),
        load_modules: false,
        wait: Duration::ZERO,
        holder: "the benchmark".into(),
        entropy: [7; 16],
    };
    Ok(Site::open(EngineKind::Sim, options)?)
}

fn timed<T>(work: impl FnOnce() -> Result<T, Box<dyn Error>>) -> Result<(T, Duration), Box<dyn Error>> {
    let began = Instant::now();
    let value = work()?;
    Ok((value, began.elapsed()))
}

/// The peak of resident memory in MB, where the system tells (Linux).
fn peak() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kilobytes.map_or_else(|| "-".to_owned(), |kilobytes| (kilobytes / 1024).to_string())
}
