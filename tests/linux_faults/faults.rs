//! The tests, on Linux.

#[path = "../common/alone.rs"]
mod alone;
mod behind;
mod calls;
#[path = "../common/machine.rs"]
mod machine;
mod state;
#[path = "../support/mod.rs"]
mod support;

use std::fs;
use std::process::ExitCode;

use libtest_mimic::{Failed, Trial};

pub fn run() -> ExitCode {
    alone::run(|| {
        for folder in ["dev", "proc", "sys", "etc"] {
            for base in ["one", "two"] {
                fs::create_dir_all(format!("/run/bases/{base}/{folder}")).unwrap();
            }
        }
        for base in ["one", "two"] {
            fs::write(format!("/run/bases/{base}.nft"), format!("table ip {base} {{\n}}\n")).unwrap();
        }
        let test = |name: &str, run: fn() -> Result<(), Failed>| Trial::test(name, run);
        vec![
            test("an_error_at_any_call_of_up", calls::error_at_any_call_of_up),
            test("death_at_any_call_of_up", calls::death_at_any_call_of_up),
            test("an_error_or_death_at_any_call_of_a_change", calls::fault_at_any_call_of_a_change),
            test("an_error_or_death_at_any_call_of_down", calls::fault_at_any_call_of_down),
            test("an_error_at_any_step_of_twenty_nodes", calls::error_at_any_step_of_twenty),
            test("a_feature_that_is_lacking_is_told_before_anything_is_made", calls::a_lacking_feature),
            test("permission_that_ends_half_way_is_told_and_undone", calls::permission_ends),
            test("a_dump_that_was_interrupted_is_asked_for_again", behind::interrupted_dumps),
            test("look_alikes_survive", behind::look_alikes_survive),
            test("a_taken_name_of_a_lab_is_told", behind::taken_names),
            test("an_interface_that_was_moved_away_is_made_again", behind::moved_away),
            test("a_namespace_whose_name_was_taken_away_is_found", behind::name_taken_away),
            test("the_first_of_several_addresses_of_a_subnet_changes_alone", behind::first_address),
            test("an_end_on_the_host_that_was_removed_is_made_again", behind::host_end_removed),
        ]
    })
}
