//! The difference between a file that was edited and a large lab: from the text to the plan, against what the kernel holds and what the
//! record says. The kernel is simulated; what it takes to dump that is told by itself.

use std::sync::Arc;
use std::time::Duration;

use cellblock::engine::files::Disk;
use cellblock::engine::freebsd::{Machine, Settings};
use cellblock::lab::ApplyOptions;
use cellblock::plan;
use cellblock::sim::{Kernel, SimDoors};

use super::scale::{Recipe, topology};
use super::subject::{self, model_of};
use super::{Outcome, aim, load, median, timed};

/// Milliseconds that it may take for so many nodes.
const MOST: (usize, f64) = (10_000, 1000.0);

/// What is timed by itself.
const PHASES: [&str; 6] = ["file", "record", "wanted", "seen", "diff", "all"];

pub fn run(sizes: &[usize], rounds: usize) -> Outcome {
    println!("diff of N nodes, a tenth routers, 2N links, one of them edited; milliseconds, {}", load());
    print!("{:>7}", "nodes");
    PHASES.iter().for_each(|phase| print!(" {phase:>8}"));
    println!(" {:>8}", "(dumps)");
    let mut before: Option<f64> = None;
    for &nodes in sizes {
        let (phases, dumps) = differences(nodes, rounds)?;
        print!("{nodes:>7}");
        phases.iter().for_each(|phase| print!(" {phase:>8.1}"));
        let all = phases[PHASES.len() - 1];
        let aim = if nodes == MOST.0 { aim(all, MOST.1, " ms") } else { String::new() };
        let growth = before.map_or_else(String::new, |before| format!("x{:.1}", all / before));
        println!(" {dumps:>8.1}   {growth}   {aim}");
        before = Some(all);
    }
    println!();
    Ok(())
}

/// The medians of the phases and of the dumps.
fn differences(nodes: usize, rounds: usize) -> Outcome<([f64; PHASES.len()], f64)> {
    let recipe =
        Recipe { nodes, only_routers: false, links: nodes * 2, routing: "none", dual_stack: false, all_pairs: false };
    let text = topology(&recipe);
    let folder = tempfile::tempdir()?;
    let records = subject::records(folder.path(), Arc::new(Disk));
    let mut machine = Machine {
        doors: SimDoors::new(Kernel::boot(1)),
        settings: Settings { load_modules: true, ..Settings::default() },
    };
    let model = model_of(&text)?;
    let mut labs = subject::labs(&mut machine, &records, "sim");
    let applied = labs.plan(&model)?;
    labs.apply(&applied, &model, &ApplyOptions::default(), &mut |_| {})?;
    let edited = text.replacen(" pool: wire }", " pool: wire, mtu: 1400 }", 1);
    let graph = subject::graph(&machine, &model, &applied.numbering)?;
    let mut spans: [Vec<Duration>; PHASES.len()] = Default::default();
    let mut dumps = Vec::new();
    for _ in 0..rounds {
        let (observed, dump) = timed(|| subject::dump(&mut machine, &records, &graph))?;
        dumps.push(dump);
        let (model, file) = timed(|| model_of(&edited))?;
        let (record, read) = timed(|| Ok(records.read(&model.lab)?.ok_or("no record")?))?;
        let ((desired, was), wanted) = timed(|| {
            let desired = subject::graph(&machine, &model, &record.numbering)?;
            Ok((Arc::new(desired), subject::graph(&machine, &record.model, &record.numbering)?))
        })?;
        let (before, seen) = timed(|| Ok(Arc::new(observed.graph_with(&[&desired, &was], false)?)))?;
        let (plan, diff) = timed(|| Ok(plan::build_since(desired, before, Some(&was))))?;
        assert!((1..=4).contains(&plan.steps.len()), "{} steps for one edit", plan.steps.len());
        let phases = [file, read, wanted, seen, diff, file + read + wanted + seen + diff];
        spans.iter_mut().zip(phases).for_each(|(spans, span)| spans.push(span));
    }
    Ok((spans.each_ref().map(|spans| median(spans)), median(&dumps)))
}
