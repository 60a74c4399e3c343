//! How fast on a FreeBSD kernel: `up` and `down` of a star of N hosts on one switch, beside the floor (the fewest system
//! calls that make the same things) and beside shell scripts of base-system commands, all in one boot.
//!
//! `cargo xtask vm --bench` runs it in a guest. By hand, as root: `freebsd all --sizes 64,128,256`, or `freebsd floor 64`.
//! The programs it compares with lie beside it, as the bundle has them; what is missing is named and left out.

#![expect(clippy::print_stdout, reason = "the tables are what it is for")]

#[cfg(target_os = "freebsd")]
mod calls;
#[cfg(target_os = "freebsd")]
mod contender;
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
    let outcome = match arguments.first().map(String::as_str) {
        Some("floor") => floor(&arguments[1..]),
        Some("all") => all(&arguments[1..]),
        _ => Err("all [--sizes N,N…] [--rounds N], or floor N".to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            println!("freebsd: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Of up and of down: seconds by the clock, of the processor for us, of the kernel for us; helpers included.
#[cfg(target_os = "freebsd")]
fn floor(arguments: &[String]) -> Result<(), String> {
    let nodes = arguments.first().and_then(|nodes| nodes.parse().ok()).ok_or("floor N")?;
    let ways = floor::run(nodes)?;
    let numbers = ways.iter().flat_map(|way| [way.wall, way.user, way.kernel]);
    let numbers: Vec<String> = numbers.map(|span| format!("{:.6}", span.as_secs_f64())).collect();
    println!("{}", numbers.join(" "));
    Ok(())
}

#[cfg(target_os = "freebsd")]
fn all(arguments: &[String]) -> Result<(), String> {
    let (mut sizes, mut rounds) = (vec![64, 128, 256], 5);
    for option in arguments.chunks(2) {
        match option {
            [name, value] if name == "--sizes" => {
                let read: Result<_, _> = value.split(',').map(str::parse).collect();
                sizes = read.map_err(|_| format!("`{value}`: no such sizes"))?;
            }
            [name, value] if name == "--rounds" => {
                rounds = value.parse().map_err(|_| format!("`{value}` is not a number"))?;
            }
            other => return Err(format!("`{}` is not known here", other.join(" "))),
        }
    }
    table::run(&sizes, rounds)
}

#[cfg(not(target_os = "freebsd"))]
fn main() -> ExitCode {
    println!("freebsd: measures a FreeBSD kernel, and this is none; `cargo xtask vm --bench` carries it to one");
    ExitCode::SUCCESS
}
