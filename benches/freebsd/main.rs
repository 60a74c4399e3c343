//! How fast on a FreeBSD kernel: `up` and `down` of a star of N hosts on one switch, beside the floor (the fewest system
//! calls that make the same things) and beside shell scripts of base-system commands, all in one boot.
//!
//! `cargo xtask vm --bench` runs it in a guest. By hand, as root: `freebsd all --sizes 64,128,256`, or `freebsd floor 64`.
//! The programs it compares with lie beside it, as the bundle has them; what is missing is named and left out.

#![expect(clippy::print_stdout, reason = "the tables are what it is for")]

#[cfg(target_os = "freebsd")]
mod floor;
#[cfg(target_os = "freebsd")]
mod sys;
#[cfg(target_os = "freebsd")]
mod table;

use std::process::ExitCode;

#[cfg(target_os = "freebsd")]
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["floor", nodes] => nodes.parse().map_err(|_| format!("`{nodes}` is not a number")).and_then(|nodes| {
            let (up, down) = floor::run(nodes)?;
            println!("{:.3} {:.3}", up.as_secs_f64(), down.as_secs_f64());
            Ok(())
        }),
        ["all"] => table::run(&[64, 128, 256]),
        ["all", "--sizes", sizes] => {
            let sizes: Result<Vec<u32>, _> = sizes.split(',').map(str::parse).collect();
            sizes
                .map_err(|_| format!("`{sizes}`: no such sizes", sizes = words[2]))
                .and_then(|sizes| table::run(&sizes))
        }
        _ => Err("all [--sizes N,N…], or floor N".to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            println!("freebsd: {why}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(not(target_os = "freebsd"))]
fn main() -> ExitCode {
    println!("freebsd: measures a FreeBSD kernel, and this is none; `cargo xtask vm --bench` carries it to one");
    ExitCode::SUCCESS
}
