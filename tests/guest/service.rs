//! A lab that FreeBSD's own tools run: a jail that jail(8) makes from what `export jail.conf` wrote, with `attach` and `detach`
//! before and after, and the rc.d script by the real rc.subr(8).

use std::fmt::Debug;
use std::process::{Command, Output};

use cellblock::engine::freebsd::doors::Doors;

use super::mishaps::Site;
use super::outcome::{Suite, same};
use super::picture::host_picture;
use super::{Wanted, beside, said};

const SHOP: &str = r#"
version: 1
name: cbshop
topology:
  nodes:
    floor: { kind: switch }
    gate: { kind: router, jail: { persist: false, allow.raw_sockets: true } }
    till: { kind: host, routes: [ { to: default, via: 10.205.0.1 } ] }
  links:
    - { endpoints: [ "gate:lan0", floor ], ipv4: [ 10.205.0.1/24, ~ ], ipv6: [ "fd00:205::1/64", ~ ] }
    - { endpoints: [ "till:eth0", floor ], ipv4: [ 10.205.0.3/24, ~ ], ipv6: [ "fd00:205::3/64", ~ ] }
    - { endpoints: [ "gate:x0", "till:x0" ], type: epair }
"#;

pub fn run<D: Doors + Debug>(wanted: &Wanted, doors: &mut dyn FnMut() -> D) -> Suite {
    let mut suite = Suite::new("service");
    let site = match Site::new("service").and_then(|site| site.add("shop", SHOP).map(|()| site)) {
        Ok(site) => site,
        Err(why) => {
            suite.case("a folder for it".to_owned(), Err(why));
            return suite;
        }
    };
    let mut doors = doors();
    for (name, case) in [("a node that jail(8) runs", exported as fn(&Site) -> Result<(), String>), ("rc.d", rc_d)] {
        if wanted.fits(name) {
            let before = host_picture(&mut doors);
            let outcome = case(&site);
            // What a case that failed has left must not be counted twice.
            let _ = site.verb(&["down", "cbshop"]);
            let _ = site.verb(&["down", "cbmishap"]);
            suite.case(name.to_owned(), outcome.and_then(|()| same(&before, &host_picture(&mut doors))));
        }
    }
    suite
}

/// A program, with what cellblock needs to know in its environment.
fn tool(site: &Site, program: &str, arguments: &[&str]) -> Result<String, String> {
    let told = |why: String| format!("{program} {arguments:?}: {why}");
    let mut command = Command::new(program);
    command.args(arguments).env("CELLBLOCK_STATE_DIR", site.state()).env("CELLBLOCK_ENGINE", "freebsd");
    let output = command.output().map_err(|error| told(error.to_string()))?;
    done(&output).map_err(told)
}

fn done(output: &Output) -> Result<String, String> {
    if output.status.success() { Ok(String::from_utf8_lossy(&output.stdout).into_owned()) } else { Err(said(output)) }
}

fn exported(site: &Site) -> Result<(), String> {
    site.expect(&["up", &site.file("shop")], 0)?;
    let not_yet = site.verb(&["exec", "gate@cbshop", "true"]);
    let told = said(&not_yet);
    if not_yet.status.code() != Some(125) || !told.contains("does not run") || !told.contains("jail -c cbshop.gate") {
        return Err(format!("exec on a node that does not run: {told}"));
    }
    let written = done(&site.verb(&["export", "jail.conf", "cbshop"]))?;
    let program = beside("cellblock").get_program().to_string_lossy().into_owned();
    let file = site.file("jail.conf");
    std::fs::write(&file, written.replace("/usr/local/bin/cellblock", &program)).map_err(|error| error.to_string())?;
    // Twice: after the first time the interfaces have to be home again.
    for round in 1..=2 {
        let told = |why: String| format!("round {round}: {why}");
        tool(site, "jail", &["-f", &file, "-c", "cbshop.gate"]).map_err(told)?;
        let listed = tool(site, "ifconfig", &["-j", "cbshop.gate"]).map_err(told)?;
        for word in ["lan0:", "x0:", "10.205.0.1", "fd00:205::1"] {
            if !listed.contains(word) {
                return Err(told(format!("no {word} in the jail: {listed}")));
            }
        }
        tool(site, "jexec", &["cbshop.gate", "ping", "-c", "3", "-o", "-t", "20", "10.205.0.3"]).map_err(told)?;
        site.expect(&["exec", "till@cbshop", "ping", "-c", "3", "-o", "-t", "20", "10.205.0.1"], 0).map_err(told)?;
        site.expect(&["plan", "--detailed-exitcode", &site.file("shop")], 0).map_err(told)?;
        tool(site, "jail", &["-f", &file, "-r", "cbshop.gate"]).map_err(told)?;
    }
    site.expect(&["plan", "--detailed-exitcode", &site.file("shop")], 0)?;
    site.expect(&["down", "cbshop"], 0)
}

fn rc_d(site: &Site) -> Result<(), String> {
    let script = beside("cellblock.in").get_program().to_string_lossy().into_owned();
    let text = std::fs::read_to_string(&script).map_err(|error| format!("{script}: {error}"))?;
    let file = site.file("rc");
    std::fs::write(&file, text.replace("%%PREFIX%%", "/usr/local")).map_err(|error| error.to_string())?;
    let service = |verb: &str| {
        let program = beside("cellblock");
        let mut command = Command::new("sh");
        command.args([&file, verb]).env("cellblock_enable", "YES").env("cellblock_labs", "cbmishap cbshop");
        command
            .env("cellblock_flags", format!("--load-modules --engine freebsd --state-dir {}", site.state().display()));
        command.env("cellblock_cbmishap_file", site.file("lab")).env("cellblock_cbshop_file", site.file("shop"));
        command.env("cellblock_bin", program.get_program());
        command.output().map_err(|error| format!("sh: {error}"))
    };
    let works = |verb: &str| done(&service(verb)?).map_err(|why| format!("service cellblock {verb}: {why}"));
    works("start")?;
    let listed = works("status")?;
    if !["cbmishap", "cbshop"].iter().all(|lab| listed.contains(lab)) {
        return Err(format!("status: {listed}"));
    }
    site.expect(&["test", &site.file("lab")], 0)?;
    works("stop")?;
    let after = service("status")?;
    if after.status.success() {
        return Err(format!("status after stop: {}", said(&after)));
    }
    Ok(())
}
