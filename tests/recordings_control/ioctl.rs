//! ioctl.jsonl.

use cellblock::abi::IoctlArgument;
use cellblock::abi::ioctl::{
    SIOCAIFGROUP, SIOCGDRVSPEC, SIOCGETVLAN, SIOCGIFALIFETIME_IN6, SIOCGIFDESCR, SIOCGIFGMEMB, SIOCGIFGROUP,
    SIOCIFCREATE2, SIOCSDRVSPEC, SIOCSETVLAN, SIOCSIFDESCR, SIOCSIFNAME,
};
use cellblock::sim::control::{self, Caller};
use serde_json::Value;

use super::report::{Outcome, Report};
use super::world::World;
use super::{bytes, errno, lines, show, text};

/// Lines that answer otherwise, and why.
const KNOWN: &[(usize, &str)] = &[];

#[test]
fn recording_of_ioctls() {
    let Some(lines) = lines("ioctl.jsonl") else { return };
    let mut world = World::boot();
    world.make_jail("tapeio", true);
    world.make_jail("tapeio2", true);
    world.make_jail("tapeion", false);
    let mut report = Report::new("ioctl.jsonl");
    for (at, line) in lines.iter().enumerate() {
        if at + 1 == 143 {
            // Done without being written down: the lists that follow show it.
            world.shell("jexec tapeio ifconfig epair0a destroy");
        }
        let outcome = replay(&mut world, line);
        let name = if line.get("sh").is_some() { text(line, "sh") } else { text(line, "op") };
        report.add(at + 1, name, outcome);
    }
    report.finish(KNOWN);
}

fn replay(world: &mut World, line: &Value) -> Outcome {
    if let Some(commands) = line.get("sh").and_then(Value::as_str) {
        let printed = world.shell(commands);
        let only_lists = commands.split(';').all(|command| command.trim_end().ends_with("ifconfig -l"));
        return match only_lists {
            false => Outcome::Skipped("a base-system command, run for its effect"),
            true if printed == text(line, "output") => Outcome::Same,
            true => Outcome::Different(format!("expected\n  {}  got\n  {printed}", text(line, "output"))),
        };
    }
    let Some(request) = line.get("request").and_then(Value::as_str) else {
        return Outcome::Skipped("a fact about the recorder's machine");
    };
    let request = u32::from_str_radix(request.trim_start_matches("0x"), 16).expect("a number");
    let on = text(line, "on");
    let jail = world.jails.get("tapeio").copied().unwrap_or(0);
    let inside = Caller { vnet: world.vnet(jail), jail };
    let (caller, sock) = match on {
        "host" | "host, AF_LOCAL socket" | "host, socket of uid 65534" | "host, AF_INET socket" => {
            (Caller::HOST, world.inet(0, false))
        }
        "jail without vnet, AF_LOCAL socket passed out, root thread outside" => (Caller::HOST, world.inet(0, false)),
        "host, AF_INET6 socket" => (Caller::HOST, world.inet(0, true)),
        "vnet jail, socket passed out" | "vnet jail, socket of uid 65534, root thread" => {
            (Caller::HOST, world.inet(jail, false))
        }
        "vnet jail, process inside" => (inside, world.inet(jail, false)),
        "process inside the vnet jail, socket of the host" => (inside, world.inet(0, false)),
        _ => return Outcome::Skipped("callers without privilege are not simulated"),
    };
    let Some(given) = bytes(line, "in") else { return Outcome::Skipped("no argument recorded") };
    if request == SIOCSIFDESCR && text(line, "data_in").len() / 2 < descr_length(&given) {
        return Outcome::Skipped("the recording cuts the description");
    }
    let (given, offset) = unpointed(request, given);
    let mut argument = IoctlArgument::flat(given.clone());
    if let (Some(offset), Some(behind)) = (offset, bytes(line, "data_in")) {
        argument = IoctlArgument::with_pointer(given.clone(), offset, second(line, request, behind));
    }
    // The recorder waited here for duplicate address detection.
    if text(line, "op").contains("1.5 s later") {
        world.kernel.run(1_500_000_000, |_| false);
    }
    let answer = control::ioctl::ioctl(&mut world.kernel, caller, sock, request, &mut argument);
    world.kernel.settle();
    compare(line, request, answer.map_or_else(|errno| errno.raw(), |()| 0), &argument, &given)
}

fn descr_length(given: &[u8]) -> usize {
    given.get(16..24).map_or(0, |field| usize::from_le_bytes(field.try_into().expect("eight octets")))
}

/// Where the pointer of a request stands.
fn pointer(request: u32) -> Option<usize> {
    match request {
        SIOCSIFNAME | SIOCIFCREATE2 | SIOCSETVLAN | SIOCGETVLAN => Some(16),
        SIOCSIFDESCR | SIOCGIFDESCR | SIOCGIFGROUP | SIOCGIFGMEMB => Some(24),
        SIOCSDRVSPEC | SIOCGDRVSPEC => Some(32),
        SIOCAIFGROUP => None,
        _ => None,
    }
}

/// The structure with its pointer zeroed.
fn unpointed(request: u32, mut given: Vec<u8>) -> (Vec<u8>, Option<usize>) {
    let offset = pointer(request);
    if let Some(field) = offset.and_then(|offset| given.get_mut(offset..offset + 8)) {
        field.fill(0);
    }
    (given, offset)
}

/// The memory behind the pointer; that of BRDGGIFS and BRDGRTS points on.
fn second(line: &Value, request: u32, mut behind: Vec<u8>) -> IoctlArgument {
    if request != SIOCGDRVSPEC || line.get("array_out").is_none() {
        return IoctlArgument::flat(behind);
    }
    let room = u32::from_le_bytes(behind[..4].try_into().expect("four octets"));
    behind[8..16].fill(0);
    let array = IoctlArgument::flat(vec![0; usize::try_from(room).expect("small")]);
    IoctlArgument::with_pointer(behind, 8, array)
}

fn compare(line: &Value, request: u32, got: i32, argument: &IoctlArgument, given: &[u8]) -> Outcome {
    let wanted = errno(line);
    if got != wanted {
        return Outcome::Different(format!("expected errno {wanted}, got {got}"));
    }
    if wanted != 0 {
        return Outcome::Same;
    }
    let (mut out, _) = unpointed(request, bytes(line, "out").unwrap_or_else(|| given.to_vec()));
    let mut here = argument.bytes.clone();
    if request == SIOCGIFALIFETIME_IN6 {
        out[16..32].fill(0);
        here[16..32].fill(0);
    }
    if out != here {
        return Outcome::Different(format!("expected\n  {}\n  got\n  {}", show(&out), show(&here)));
    }
    let Some(mut behind) = bytes(line, "data_out") else { return Outcome::Same };
    let mut here = argument.behind().map(|behind| behind.bytes.clone()).unwrap_or_default();
    let is_list = line.get("array_out").is_some();
    let is_tree = request == SIOCGDRVSPEC && behind.len() == 56;
    for bytes in [&mut behind, &mut here] {
        if is_list && bytes.len() == 16 {
            bytes[8..16].fill(0);
        } else if is_tree && bytes.len() == 56 {
            // When the topology last changed.
            bytes[40..].fill(0);
        }
    }
    if behind != here {
        return Outcome::Different(format!("behind: expected\n  {}\n  got\n  {}", show(&behind), show(&here)));
    }
    let Some(mut array) = bytes(line, "array_out").filter(|array| !array.is_empty()) else { return Outcome::Same };
    let mut here = argument.behind().and_then(|behind| behind.behind()).map(|a| a.bytes.clone()).unwrap_or_default();
    here.truncate(array.len());
    let is_cache = given.get(16) == Some(&7);
    for array in [&mut array, &mut here] {
        for entry in array.chunks_exact_mut(if is_cache { 40 } else { 80 }) {
            // What a longer name left behind the NUL.
            let end = entry[..16].iter().position(|&byte| byte == 0).unwrap_or(16);
            entry[end..16].fill(0);
        }
        for entry in array.chunks_exact_mut(40).filter(|_| is_cache) {
            // Seconds until it is forgotten.
            entry[16..24].fill(0);
        }
    }
    if array == here {
        Outcome::Same
    } else {
        Outcome::Different(format!("array: expected\n  {}\n  got\n  {}", show(&array), show(&here)))
    }
}
