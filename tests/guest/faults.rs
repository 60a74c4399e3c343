//! Faults between the engine and a real kernel: one call that is refused, or the last one our process makes.
//! Afterwards the host is as before, or the next command finishes the work.

use std::fmt::Debug;
use std::path::Path;

use cellblock::abi::Errno;
use cellblock::engine::Records;
use cellblock::engine::freebsd::doors::Doors;
use cellblock::engine::freebsd::faults::{Fault, FaultyDoors};
use cellblock::engine::freebsd::{Machine, Settings};
use cellblock::lab::{ApplyOptions, LabError, Labs};
use cellblock::model::{self, Model};
use cellblock::topology::{self, DiskReader, Input, LoadOptions};

use super::Wanted;
use super::outcome::{Suite, same};
use super::picture::host_picture;

/// Small, and with every kind of link.
pub const LAB: &str = r#"
version: 1
name: cbfaults
topology:
  nodes:
    b1: { kind: switch, driver: if_bridge, stp: true }
    n1: { kind: switch }
    r1: { kind: router }
    h1: { kind: host, routes: [ { to: default, via: 10.203.0.1 } ] }
  links:
    - { endpoints: [ b1, n1 ] }
    - { endpoints: [ "h1:eth0", b1 ], type: epair, ipv4: [ 10.203.0.2/16, ~ ] }
    - { endpoints: [ "r1:lan0", n1 ], ipv4: [ 10.203.0.1/16, ~ ], tc: { delay: 5ms } }
    - { endpoints: [ "h1:x0", "r1:x0" ], ipv6: [ "fd00:203::1/64", "fd00:203::2/64" ] }
"#;

/// A real kernel takes its time: of the calls of a command so many, evenly spread, are struck.
const STRIKES: u64 = 24;

fn model_of(yaml: &str) -> Result<Model, String> {
    let input = Input::Bytes { name: "faults".to_owned(), bytes: yaml.as_bytes().to_vec() };
    let loaded = topology::load(input, &LoadOptions::default(), &DiskReader);
    let draft = loaded.draft.ok_or_else(|| format!("{:?}", loaded.diagnostics))?;
    model::resolve(draft).map(|(model, _)| model).map_err(|findings| format!("{findings:?}"))
}

fn over<D>(doors: D) -> Machine<D> {
    Machine { doors, settings: Settings { load_modules: true, ..Settings::default() } }
}

fn up(machine: &mut Machine<impl Doors + Debug>, records: &Records, model: &Model) -> Result<(), LabError> {
    let mut labs = Labs { backend: machine, records, engine: "freebsd", entropy: [7; 16] };
    let plan = labs.plan(model)?;
    labs.apply(&plan, model, &ApplyOptions::default(), &mut |_| {}).map(drop)
}

fn down(machine: &mut Machine<impl Doors + Debug>, records: &Records, model: &Model) -> Result<(), LabError> {
    let mut labs = Labs { backend: machine, records, engine: "freebsd", entropy: [7; 16] };
    labs.down(&model.lab, &mut |_| {}).map(drop)
}

pub fn run<D: Doors + Debug + 'static>(wanted: &Wanted, doors: &mut dyn FnMut() -> D) -> Suite {
    let mut suite = Suite::new("faults");
    let state = std::env::temp_dir().join(format!("cellblock-faults-{}", std::process::id()));
    let model = match model_of(LAB) {
        Ok(model) => model,
        Err(why) => {
            suite.case("the lab".to_owned(), Err(why));
            return suite;
        }
    };
    for (fault, word) in [(Fault::Refuse(Errno::EIO), "refused"), (Fault::Die, "the last")] {
        for command in ["up", "down"] {
            let Ok(calls) = count(&model, &state, command, doors()) else {
                suite.case(format!("{command} without a fault"), Err("it failed".to_owned()));
                continue;
            };
            let stride = (calls / STRIKES).max(1);
            for call in (1..=calls).step_by(usize::try_from(stride).unwrap_or(1)) {
                let name = format!("call {call} of {calls} of {command} is {word}");
                if wanted.fits(&name) {
                    let outcome = strike(&model, &state, command, (call, fault), doors);
                    suite.case(name, outcome);
                }
            }
        }
    }
    let _ = std::fs::remove_dir_all(&state);
    suite
}

/// How many calls a command makes.
fn count<D: Doors + Debug>(model: &Model, state: &Path, command: &str, doors: D) -> Result<u64, LabError> {
    let records = Records::new(state);
    let mut counting = over(FaultyDoors::new(doors, None));
    up(&mut counting, &records, model)?;
    let of_up = counting.doors.calls();
    down(&mut counting, &records, model)?;
    Ok(if command == "up" { of_up } else { counting.doors.calls() - of_up })
}

fn strike<D: Doors + Debug>(
    model: &Model,
    state: &Path,
    command: &str,
    fault: (u64, Fault),
    doors: &mut dyn FnMut() -> D,
) -> Result<(), String> {
    let records = Records::new(state);
    let told = |error: LabError| format!("{error:#?}");
    let mut machine = over(doors());
    let before = host_picture(&mut machine.doors);
    if command == "down" {
        up(&mut machine, &records, model).map_err(told)?;
    }
    drop(machine);
    // Doors of their own: what a dead process had open is closed with them.
    let mut faulty = over(FaultyDoors::new(doors(), Some(fault)));
    let struck = if command == "up" { up(&mut faulty, &records, model) } else { down(&mut faulty, &records, model) };
    drop(faulty);
    let mut machine = over(doors());
    let remembered = !records.labs().map_err(|error| format!("{error:?}"))?.is_empty();
    if remembered {
        down(&mut machine, &records, model).map_err(told)?;
    }
    same(&before, &host_picture(&mut machine.doors))
        .map_err(|differs| format!("{differs}; it had ended so: {struck:?}"))
}
