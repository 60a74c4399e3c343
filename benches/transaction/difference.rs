//! The difference between a file that was edited and a large lab: from the text to the plan, against what the kernel holds and what the
//! record says. The kernel is simulated; what it takes to dump that is told by itself.

use std::sync::Arc;

use cellblock::engine::{Backend as _, two_graphs};
use cellblock::plan;

use super::subject::{self, Simulated, model_of};
use super::{Outcome, Spent, aim, load, median, timed};

/// Milliseconds that it may take for so many nodes.
const MOST: (usize, f64) = (10_000, 1000.0);

/// What is timed by itself.
const PHASES: [&str; 6] = ["file", "record", "wanted", "seen", "diff", "all"];

pub fn run(sizes: &[usize], rounds: usize) -> Outcome {
    println!("diff of N nodes, a tenth routers, 2N links, one of them edited; milliseconds, {}", load());
    print!("{:>7} {:>4}", "nodes", "");
    PHASES.iter().for_each(|phase| print!(" {phase:>8}"));
    println!(" {:>8}", "(dumps)");
    for &nodes in sizes {
        let (phases, dumps) = differences(nodes, rounds)?;
        for (what, figure) in Spent::FIGURES {
            print!("{nodes:>7} {what:>4}");
            let phases = phases.each_ref().map(|spans| median(spans.iter().map(figure)));
            phases.iter().for_each(|phase| print!(" {phase:>8.1}"));
            let aim = if nodes == MOST.0 { aim(phases[PHASES.len() - 1], MOST.1, " ms") } else { String::new() };
            println!(" {:>8.1}   {aim}", median(dumps.iter().map(figure)));
        }
    }
    println!();
    Ok(())
}

/// What the phases and the dumps took, each time.
fn differences(nodes: usize, rounds: usize) -> Outcome<([Vec<Spent>; PHASES.len()], Vec<Spent>)> {
    let Simulated { text, machine, records, token, graph, .. } = &mut subject::simulated(nodes)?;
    let edited = text.replacen(" pool: wire }", " pool: wire, mtu: 1400 }", 1);
    let mut spans: [Vec<Spent>; PHASES.len()] = Default::default();
    let mut dumps = Vec::new();
    for _ in 0..rounds {
        let (observed, dump) = timed(|| subject::dump(machine, token, graph))?;
        dumps.push(dump);
        let (model, file) = timed(|| model_of(&edited))?;
        let (record, read) = timed(|| Ok(records.read(&model.lab)?.ok_or("no record")?))?;
        let ((desired, was), wanted) = timed(|| {
            let before = (&record.model, &record.numbering);
            let (desired, was) = two_graphs(machine.builder(), (&model, &mut record.numbering.clone()), before)?;
            Ok((Arc::new(desired), was))
        })?;
        let (before, seen) = timed(|| Ok(Arc::new(observed.graph_with(&[&desired, &was], false)?)))?;
        let (plan, diff) = timed(|| Ok(plan::build_since(desired, before, Some(&was))))?;
        assert!((1..=4).contains(&plan.steps.len()), "{} steps for one edit", plan.steps.len());
        let phases = [file, read, wanted, seen, diff, file + read + wanted + seen + diff];
        spans.iter_mut().zip(phases).for_each(|(spans, span)| spans.push(span));
    }
    Ok((spans, dumps))
}
