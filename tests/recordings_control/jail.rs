//! jail.jsonl.

use cellblock::abi::ioctl::interface;
use cellblock::abi::jail::JailParam;
use cellblock::abi::{InterfaceName, IoctlArgument};
use cellblock::engine::freebsd::doors::RctlCall;
use cellblock::sim::control::{self, Caller};
use cellblock::sim::jail;
use cellblock::sim::sockets::{Protocol, SockId};
use serde_json::Value;

use super::report::{Outcome, Report};
use super::world::World;
use super::{bytes, errno, hex, lines, show, text};

/// Lines that answer otherwise, and why.
const KNOWN: &[(usize, &str)] = &[];

#[test]
fn recording_of_jails() {
    let Some(lines) = lines("jail.jsonl") else { return };
    let mut world = World::boot();
    let mut held = None;
    let mut boots = 0;
    world.kernel.host.accounting = false;
    let mut report = Report::new("jail.jsonl");
    for (at, line) in lines.iter().enumerate() {
        if text(line, "sh").starts_with("sysctl kern.hz") {
            boots += 1;
            if boots == 2 {
                world = World::boot();
            }
        }
        let outcome = replay(&mut world, &mut held, line);
        let name = if line.get("sh").is_some() { text(line, "sh") } else { text(line, "op") };
        report.add(at + 1, name, outcome);
    }
    report.finish(KNOWN);
}

fn replay(world: &mut World, held: &mut Option<SockId>, line: &Value) -> Outcome {
    if let Some(commands) = line.get("sh").and_then(Value::as_str) {
        world.shell(commands);
        return Outcome::Skipped("a base-system command, run for its effect");
    }
    let op = text(line, "op");
    if op.contains("uid 65534") {
        return Outcome::Skipped("callers without privilege are not simulated");
    }
    if op == "path that does not exist" || op == "path that is a file" {
        return Outcome::Skipped("there is no file system: every absolute path exists");
    }
    if let Some(outcome) = through_the_held_socket(world, held, line) {
        return outcome;
    }
    let params = params(line, "params");
    if text(line, "call").ends_with("_jd") || op.contains("descriptor") || has_descriptor(&params) {
        return descriptors(world, line);
    }
    if op == "d3 after the last close" {
        end(world, "d3", false);
    }
    if op == "create q"
        && let Some(sock) = held.take()
    {
        world.close(sock);
    }
    match text(line, "call") {
        "jail_set" | "jail_get" if line.get("params").is_none_or(Value::is_null) => {
            Outcome::Skipped("a malformed vector of pointers, which the doors cannot express")
        }
        "jail_set" => set(world, line, &params),
        "jail_get" => get(world, line, params),
        "jail_remove" => remove(world, held, line),
        "jail_attach" => {
            let jid = jid(line);
            let live = world.kernel.jails.live_below(jid, jail::HOST).is_some();
            same(errno(line), if live { 0 } else { 22 })
        }
        "rctl_add_rule" => limits(world, RctlCall::Add, line),
        "rctl_remove_rule" => limits(world, RctlCall::Remove, line),
        "rctl_get_rules" if line.get("outlen").and_then(Value::as_i64) == Some(4096) => {
            limits(world, RctlCall::Get, line)
        }
        "rctl_get_rules" => Outcome::Skipped("the doors bring a buffer of their own"),
        "rctl_get_racct" => Outcome::Skipped("what is used is not simulated"),
        _ => Outcome::Skipped("a measurement"),
    }
}

fn limits(world: &mut World, call: RctlCall, line: &Value) -> Outcome {
    let (answer, errno_found) = match cellblock::sim::host::rctl(&mut world.kernel, call, text(line, "in")) {
        Ok(answer) => (answer, 0),
        Err(errno) => (String::new(), errno.raw()),
    };
    if (errno_found, answer.as_str()) == (errno(line), text(line, "out")) {
        return Outcome::Same;
    }
    Outcome::Different(format!("expected {} {:?}, got {errno_found} {answer:?}", errno(line), text(line, "out")))
}

fn params(line: &Value, key: &str) -> Vec<JailParam> {
    let list = line.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let param = |param: &Value| {
        let value = param.get("value").and_then(Value::as_str).and_then(hex);
        Some(JailParam { name: param.get("name")?.as_str()?.to_owned(), value })
    };
    list.iter().filter_map(param).collect()
}

fn has_descriptor(params: &[JailParam]) -> bool {
    params.iter().any(|param| param.name == "desc")
}

/// Jail descriptors are not simulated; what later lines depend on is done with the jail itself.
fn descriptors(world: &mut World, line: &Value) -> Outcome {
    let name = params(line, "params").iter().find(|param| param.name == "name").and_then(JailParam::as_string);
    match (text(line, "call"), name, text(line, "op")) {
        ("jail_set", Some(name), _) if errno(line) == 0 => {
            let name = if flags(line) & 0x20 == 0 { name } else { format!("d1.{name}") };
            world.make_jail(&name, false);
        }
        // A descriptor that stays open holds the jail.
        (_, _, "jail_remove_jd with a descriptor that is not owning") => end(world, "d1", true),
        (_, _, "d1 after closing an owning descriptor: removed") => end(world, "d1", true),
        (_, _, "jail_remove_jd with an owning descriptor") => end(world, "d2", false),
        _ => {}
    }
    Outcome::Skipped("jail descriptors are not simulated")
}

fn end(world: &mut World, name: &str, held: bool) {
    let jid = world.jails.remove(name).expect("the jail is there");
    if held {
        jail::hold(&mut world.kernel, jid).expect("the jail is there");
    }
    jail::remove(&mut world.kernel, jail::HOST, jid).expect("the jail is there");
}

fn viewer(line: &Value) -> i32 {
    if text(line, "op").starts_with("inside t1") { 40 } else { jail::HOST }
}

fn jid(line: &Value) -> i32 {
    line.get("jid").and_then(Value::as_i64).and_then(|jid| i32::try_from(jid).ok()).unwrap_or(0)
}

fn flags(line: &Value) -> i32 {
    line.get("flags").and_then(Value::as_i64).and_then(|flags| i32::try_from(flags).ok()).unwrap_or(0)
}

fn set(world: &mut World, line: &Value, params: &[JailParam]) -> Outcome {
    let answer = jail::set(&mut world.kernel, viewer(line), params, flags(line));
    if let Ok(jid) = answer
        && viewer(line) == jail::HOST
    {
        let name = world.kernel.jails.full_name(jail::HOST, jid);
        world.jails.insert(name, jid);
    }
    compare(line, answer)
}

fn compare(line: &Value, answer: Result<i32, cellblock::engine::freebsd::doors::JailRefusal>) -> Outcome {
    let wanted =
        (line.get("result").and_then(Value::as_i64).unwrap_or(0), errno(line), text(line, "errmsg").to_owned());
    let got = match answer {
        Ok(jid) => (i64::from(jid), 0, String::new()),
        Err(refusal) => (-1, refusal.errno.raw(), refusal.message),
    };
    if wanted == got { Outcome::Same } else { Outcome::Different(format!("expected {wanted:?}, got {got:?}")) }
}

fn get(world: &mut World, line: &Value, mut params: Vec<JailParam>) -> Outcome {
    let answer = jail::get(&world.kernel, viewer(line), &mut params, flags(line));
    let refused = answer.is_err();
    if let Outcome::Different(how) = compare(line, answer) {
        return Outcome::Different(how);
    }
    if refused {
        return Outcome::Same;
    }
    for (param, wanted) in params.iter().zip(self::params(line, "out")) {
        if param.value.is_none() || param.value.as_deref() == Some(&[]) {
            continue;
        }
        // The recorder shows the whole buffer, whatever length came back.
        let (mut got, mut wanted) = (param.value.clone().unwrap_or_default(), wanted.value.unwrap_or_default());
        let length = got.len().max(wanted.len());
        got.resize(length, 0);
        wanted.resize(length, 0);
        if got != wanted {
            return Outcome::Different(format!("{}: expected {}, got {}", param.name, show(&wanted), show(&got)));
        }
    }
    Outcome::Same
}

fn remove(world: &mut World, held: &mut Option<SockId>, line: &Value) -> Outcome {
    let op = text(line, "op");
    if op.contains("a socket opened inside is held outside") || op.contains("while a socket opened in it is held") {
        *held = Some(world.open(jid(line), |_, _, _| Protocol::Inet));
    }
    if op.starts_with("remove q ") {
        world.shell("ifconfig epair1 create; ifconfig epair1b vnet q");
    }
    let answer = jail::remove(&mut world.kernel, viewer(line), jid(line));
    let outcome = same(errno(line), answer.map_or_else(|errno| errno.raw(), |()| 0));
    world.jails.retain(|_, jid| world.kernel.jails.live_below(*jid, jail::HOST).is_some());
    outcome
}

fn same(wanted: i32, got: i32) -> Outcome {
    if wanted == got { Outcome::Same } else { Outcome::Different(format!("expected errno {wanted}, got {got}")) }
}

/// Lines about a socket of a dying jail.
fn through_the_held_socket(world: &mut World, held: &mut Option<SockId>, line: &Value) -> Option<Outcome> {
    let op = text(line, "op");
    let name = |text: &str| InterfaceName::new(text).expect("a name");
    if op.starts_with("the held socket is closed") {
        world.close(held.take()?);
        return Some(Outcome::Skipped("a measurement"));
    }
    if op.starts_with("now dy goes") {
        let gone = world.kernel.jails.get(45).is_none();
        let home = ifnet_names(world) == "lo0 pflog0 pfsync0 epair0a epair0b ngeth0 vlan5 tap0";
        return Some(if gone && home { Outcome::Same } else { Outcome::Different(ifnet_names(world)) });
    }
    let (call, sock) = match op {
        "SIOCGIFFLAGS epair0b through the held socket" => (interface::flags(name("epair0b")), (*held)?),
        "SIOCSIFFLAGS up through the held socket" => (interface::set_flags(name("epair0b"), 1), (*held)?),
        "SIOCSIFRVNET: reclaim epair0b from the dying jail" => {
            (interface::take_from_jail(name("epair0b"), 45), world.inet(0, false))
        }
        "SIOCIFCREATE2 bridge through the held socket" => (interface::create(name("bridge")), (*held)?),
        _ => return None,
    };
    let mut argument: IoctlArgument = call.argument;
    let answer = control::ioctl::ioctl(&mut world.kernel, Caller::HOST, sock, call.request, &mut argument);
    Some(same(errno(line), answer.map_or_else(|errno| errno.raw(), |()| 0)))
}

fn ifnet_names(world: &mut World) -> String {
    world.shell("ifconfig -l").trim_end().to_owned()
}

#[test]
fn hex_fields_are_read() {
    let line: Value = serde_json::from_str(r#"{"in":"0aff"}"#).expect("JSON");
    assert_eq!(bytes(&line, "in"), Some(vec![10, 255]));
}
