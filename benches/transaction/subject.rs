//! A lab that is measured: its model, and what of it a kernel and the records hold.

use std::path::Path;
use std::sync::Arc;

use cellblock::engine::files::{Disk, StateFiles};
use cellblock::engine::freebsd::{Machine, Settings};
use cellblock::engine::{Backend, Records};
use cellblock::graph::{Graph, Numbering};
use cellblock::lab::{ApplyOptions, Labs};
use cellblock::model::{self, Model};
use cellblock::plan::{Observed, Scope};
use cellblock::sim::{Kernel, SimDoors};
use cellblock::topology::{self, DiskReader, Input, LoadOptions};

use super::Outcome;
use super::scale::{Recipe, topology};

/// What the tokens of labs are made of.
const ENTROPY: [u8; 16] = [7; 16];

/// The model of a file.
pub fn model_of(text: &str) -> Outcome<Model> {
    let input = Input::Bytes { name: "generated".into(), bytes: text.as_bytes().to_vec() };
    let loaded = topology::load(input, &LoadOptions::default(), &DiskReader);
    let draft = loaded.draft.ok_or_else(|| format!("{:?}", loaded.diagnostics))?;
    Ok(model::resolve(draft).map_err(|findings| format!("{findings:?}"))?.0)
}

/// The labs of a kernel, with records behind a door.
pub fn labs<'a>(backend: &'a mut dyn Backend, records: &'a Records, engine: &'static str) -> Labs<'a> {
    Labs { backend, records, engine, entropy: ENTROPY }
}

/// Records in a directory, through a door.
pub fn records(state_dir: &Path, files: Arc<dyn StateFiles>) -> Records {
    Records::through(state_dir, files)
}

/// The dumps of a lab by themselves: what the kernel holds of what the model wants.
pub fn dump(backend: &mut dyn Backend, token: &str, graph: &Graph) -> Outcome<Observed> {
    let observed = backend.engine(&graph.lab, token).observe(&Scope::of(&[graph]));
    Ok(observed.map_err(|error| error.to_string())?)
}

/// What the model wants of the kernel.
pub fn graph(backend: &dyn Backend, model: &Model, numbering: &Numbering) -> Outcome<Graph> {
    Ok(backend.graph(model, &mut numbering.clone())?)
}

/// A lab that is up on a simulated kernel.
pub struct Simulated {
    /// The file.
    pub text: String,
    pub machine: Machine<SimDoors>,
    pub records: Records,
    /// What the lab bears.
    pub token: String,
    /// What the model wants of the kernel.
    pub graph: Graph,
    _folder: tempfile::TempDir,
}

/// A lab of so many nodes, a tenth of them routers, with twice as many links.
pub fn simulated(nodes: usize) -> Outcome<Simulated> {
    let recipe =
        Recipe { nodes, only_routers: false, links: nodes * 2, routing: "none", dual_stack: false, all_pairs: false };
    let text = topology(&recipe);
    let folder = tempfile::tempdir()?;
    let records = records(folder.path(), Arc::new(Disk));
    let settings = Settings { load_modules: true, ..Settings::default() };
    let mut machine = Machine { doors: SimDoors::new(Kernel::boot(1)), settings };
    let model = model_of(&text)?;
    let mut labs = labs(&mut machine, &records, "sim");
    let plan = labs.plan(&model)?;
    labs.apply(&plan, &model, &ApplyOptions::default(), &mut |_| {})?;
    let graph = graph(&machine, &model, &plan.numbering)?;
    let token = records.read(&model.lab)?.ok_or("the lab has no record")?.token;
    Ok(Simulated { text, machine, records, token, graph, _folder: folder })
}
