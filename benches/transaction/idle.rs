//! An `up` that finds nothing to do, against the dumps that it needs: on the kernel of this machine and on the simulator, in turns.

use cellblock::lab::ApplyOptions;

use super::subject::{self, Simulated, model_of};
use super::{Outcome, Spent, aim, load, median, timed};

/// How many times the dumps it may take.
const MOST: f64 = 2.0;

/// On the simulator, without processes: from the text of the file to the end of `up`.
pub fn simulated(nodes: usize, rounds: usize) -> Outcome {
    let Simulated { text, machine, records, token, graph, .. } = &mut subject::simulated(nodes)?;
    let (mut dumps, mut ups) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        dumps.push(timed(|| subject::dump(machine, token, graph))?.1);
        let ((), span) = timed(|| {
            let model = model_of(text)?;
            let mut labs = subject::labs(machine, records, "sim");
            let plan = labs.plan(&model)?;
            assert!(plan.is_empty(), "nothing is to be done");
            labs.apply(&plan, &model, &ApplyOptions::default(), &mut |_| {})?;
            Ok(())
        })?;
        ups.push(span);
    }
    println!("`up` with nothing to do, {nodes} nodes and {} links, simulator; milliseconds, {}", nodes * 2, load());
    report(&dumps, &ups);
    Ok(())
}

fn report(dumps: &[Spent], ups: &[Spent]) {
    for (what, figure) in Spent::FIGURES {
        let [dumps, up] = [dumps, ups].map(|spent| median(spent.iter().map(figure)));
        println!("{what:<6} dumps {dumps:>8.1}   up {up:>8.1}   x{:.2}   {}", up / dumps, aim(up / dumps, MOST, ""));
    }
    println!();
}

#[cfg(target_os = "linux")]
pub use on_linux::linux;

#[cfg(target_os = "linux")]
mod on_linux {
    use super::super::linux::Ready;
    use super::super::shape::Shape;
    use super::super::{Outcome, Spent, load};
    use super::report;

    /// On the kernel of this machine: the program, and dumps that nobody reads by a thread that does nothing else.
    pub fn linux(ready: &Ready, nodes: u32, rounds: usize) -> Outcome {
        for shape in [Shape::Star, Shape::Ring] {
            let lab = ready.up(shape, nodes)?;
            let (mut dumps, mut ups): (Vec<Spent>, Vec<Spent>) = (Vec::new(), Vec::new());
            for _ in 0..rounds {
                dumps.push(lab.dump()?);
                let (said, spent) = lab.up_again()?;
                assert!(said.contains("nothing to change"), "{said}");
                ups.push(spent);
            }
            println!("`up` with nothing to do, {} of {nodes} nodes, Linux; milliseconds, {}", shape.word(), load());
            report(&dumps, &ups);
            lab.down()?;
        }
        Ok(())
    }
}
