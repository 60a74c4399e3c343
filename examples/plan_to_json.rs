//! The plan of a topology for a kernel that holds nothing yet, as JSON: the library's way from a file to steps.
//!
//! `cargo run --example plan_to_json -- topologies/office.yaml`

#![expect(clippy::print_stdout, reason = "printing is what it is for")]

use std::error::Error;
use std::time::Duration;

use cellblock::lab::{Access, EngineKind, RouteDoorKind, Site, SiteOptions};
use cellblock::output::diagnostic::{Style, render_all};
use cellblock::topology::{self, DiskReader, Input, LoadOptions};
use cellblock::{model, plan};

fn main() -> Result<(), Box<dyn Error>> {
    let file = std::env::args().nth(1).ok_or("name a topology file")?;
    let loaded = topology::load(Input::Path(file.into()), &LoadOptions::default(), &DiskReader);
    let told = |findings: &[_]| render_all(findings, &loaded.sources, Style::Plain);
    let draft = loaded.draft.ok_or_else(|| told(&loaded.diagnostics))?;
    let (model, _) = model::resolve(draft).map_err(|findings| told(&findings))?;

    let nothing = tempfile::tempdir()?;
    let options = SiteOptions {
        state_dir: nothing.path().to_owned(),
        access: Access::Look,
        route_door: RouteDoorKind::Netlink,
        load_modules: false,
        wait: Duration::ZERO,
        holder: "an example".into(),
        entropy: [0; 16],
    };
    let plan = Site::open(EngineKind::Sim, options)?.plan(&model)?;
    println!("{}", serde_json::to_string_pretty(&plan::render::json(&plan))?);
    Ok(())
}
