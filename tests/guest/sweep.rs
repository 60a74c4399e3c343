//! What killed work has left: labs that are remembered in state directories of ours.

use std::fmt::Debug;
use std::path::Path;

use cellblock::engine::Records;
use cellblock::engine::freebsd::doors::Doors;
use cellblock::engine::freebsd::{Machine, Settings};
use cellblock::lab::Labs;

/// Takes down every lab of every state directory in a folder; whether all of them went.
pub fn run<D: Doors + Debug + 'static>(folder: &Path, doors: &mut dyn FnMut() -> D) -> bool {
    let mut good = true;
    for state in std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
        let records = Records::new(&state);
        for lab in records.labs().unwrap_or_default() {
            let mut machine = Machine { doors: doors(), settings: Settings::default() };
            let mut labs = Labs { backend: &mut machine, records: &records, engine: "freebsd", entropy: [7; 16] };
            match labs.down(&lab, &mut |_| {}) {
                Ok(_) => println!("guest: lab {lab} was still up"),
                Err(error) => {
                    println!("guest: lab {lab} does not go: {error:#?}");
                    good = false;
                }
            }
        }
    }
    good
}
