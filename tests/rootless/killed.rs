//! kill -9 of the program at random moments of its life, with a lab without privilege: the next command finishes the work, and in the end
//! there is no process, no mount and no file of it.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use crate::chance::{self, Chance, KINDS, Wanted, kind};
use crate::user::User;

/// So many commands are killed when nobody says how many.
const KILLS: usize = 12;
/// Where the chances begin.
const SEED: u64 = 0x0000_5EED;

const FIRST: &str = r#"
version: 1
name: killed
topology:
  nodes:
    s: { kind: switch }
    r: { kind: router }
    a: { kind: host, routes: [ { to: default, via: 10.0.0.1 } ], exec: [ "true" ] }
    b: { kind: host, sysctls: { net.inet.ip.ttl: 20 } }
  links:
    - { endpoints: [ "r:lan", s ], ipv4: [ 10.0.0.1/16, ~ ] }
    - { endpoints: [ "a:e0", s ], ipv4: [ 10.0.0.2/16, ~ ] }
    - { endpoints: [ "b:e0", "r:b" ], ipv4: [ 10.1.0.2/24, 10.1.0.1/24 ], mtu: 1400 }
"#;

/// The same after an edit: something is added, changed, replaced and taken away.
fn second() -> String {
    FIRST
        .replace("10.0.0.2/16", "10.0.0.4/16")
        .replace("    b: {", "    c: { kind: host, exec: [ \"true\" ] }\n    b: {")
        .replace(", mtu: 1400", "")
        .replace("sysctls: { net.inet.ip.ttl: 20 }", "exec: [ \"true\" ]")
}

/// Processes that run this user's copy of the program or were forked by it, other than dead ones that nobody has waited for: whoever
/// holds a lab or is the first of a node has neither its words nor its environment changed.
fn processes(user: &User) -> Vec<String> {
    let home = user.home.path().to_string_lossy().into_owned();
    let is_ours = |process: &PathBuf| {
        let environment = fs::read(process.join("environ")).unwrap_or_default();
        String::from_utf8_lossy(&environment).contains(&format!("HOME={home}\0"))
    };
    let all = fs::read_dir("/proc").unwrap().filter_map(|entry| Some(entry.ok()?.path()));
    let ours = all.filter(|path| path.file_name().unwrap().to_string_lossy().parse::<u32>().is_ok() && is_ours(path));
    ours.filter_map(|path| fs::read_to_string(path.join("stat")).ok()).collect()
}

/// Whose tables of mounts have a lab of this name in them.
fn mounts(user: &User) -> Vec<String> {
    let owner = fs::metadata(user.home.path()).unwrap().uid();
    let all = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok());
    let theirs = all.filter(|entry| entry.metadata().is_ok_and(|about| about.uid() == owner));
    let tables = theirs.filter_map(|entry| fs::read_to_string(entry.path().join("mountinfo")).ok());
    tables.filter(|table| table.contains("/run/cellblock/killed")).collect()
}

/// Everything below the state directory but what stays when all labs are gone.
fn files(user: &User) -> BTreeSet<PathBuf> {
    let (mut found, mut waiting) = (BTreeSet::new(), vec![user.state()]);
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            if entry.file_type().unwrap().is_dir() {
                waiting.push(entry.path());
            } else if entry.file_name() != "lock" {
                found.insert(entry.path());
            }
        }
    }
    found
}

#[track_caller]
fn is_clean(user: &User, moment: &str) {
    assert_eq!(files(user), BTreeSet::new(), "{moment}: files");
    assert_eq!(processes(user), Vec::<String>::new(), "{moment}: processes");
    assert_eq!(mounts(user), Vec::<String>::new(), "{moment}: mounts");
}

/// A lab comes, is edited and goes, and each time the command is killed; then one command that nobody kills.
#[test]
fn what_was_killed_at_random_moments_is_finished_by_the_next_command() {
    let Some(user) = User::new() else { return };
    user.write("first.yaml", FIRST);
    user.write("second.yaml", &second());
    let (all, mut chance) = (chance::kills(KILLS), Chance(SEED));
    let (mut whole, mut now) = ([Duration::ZERO; 3], Wanted::Nothing);
    for next in [Wanted::First, Wanted::Second, Wanted::Nothing] {
        let began = Instant::now();
        user.run(&next.command()).expect(0);
        whole[kind(now, next)] = began.elapsed();
        now = next;
    }
    is_clean(&user, "before the first is killed");
    let (mut kills, mut faster) = ([0; 3], 0);
    while kills.iter().sum::<usize>() < all || kills.contains(&0) {
        // What was killed less often is next, of what can be: a command may be over before its moment comes.
        let next = match (now, kills[2] <= kills[1]) {
            (Wanted::Nothing, _) => chance.of(&[Wanted::First, Wanted::Second]),
            (_, true) => Wanted::Nothing,
            (Wanted::First, _) => Wanted::Second,
            (Wanted::Second, _) => Wanted::First,
        };
        let kind = kind(now, next);
        let mut child = user.cellblock(&next.command()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        thread::sleep(chance.part(whole[kind]));
        child.kill().unwrap();
        if child.wait().unwrap().signal() == Some(9) {
            kills[kind] += 1;
        } else {
            // It was faster than the first: what is slept is a part of less.
            faster += 1;
            whole[kind] = whole[kind] * 9 / 10;
        }
        let then = chance.of(&[Wanted::First, Wanted::Second, Wanted::Nothing]);
        let moment = format!("kill {kills:?} of {} towards {next:?}, then {then:?}", KINDS[kind]);
        let said = user.run(&then.command());
        match (then, said.code) {
            // Killed before anything was written down, or after everything was undone, there is no such lab.
            (Wanted::Nothing, Some(0 | 66)) => is_clean(&user, &moment),
            (_, Some(0)) => {
                let plan = user.run(&["plan", then.command()[1], "--detailed-exitcode"]);
                assert_eq!(plan.code, Some(0), "{moment}\n{}{}", plan.out, plan.err);
            }
            _ => panic!("{moment}\n{:?}\n{}{}", said.code, said.out, said.err),
        }
        now = then;
        assert!(kills.iter().sum::<usize>() + faster < 10 * all, "commands end before they can be killed: {whole:?}");
    }
    if now != Wanted::Nothing {
        user.run(&Wanted::Nothing.command()).expect(0);
    }
    is_clean(&user, "at the end");
    println!("killed: {kills:?} of {KINDS:?} from seed {SEED:#x}; {faster} were faster");
}

/// Who was killed while it wrote down which process holds the lab has left what did not become that file.
#[test]
fn what_did_not_become_the_file_about_a_holder_goes_with_the_lab() {
    let Some(user) = User::new() else { return };
    user.write("first.yaml", FIRST);
    let before = files(&user);
    for lives in [true, false] {
        user.run(&Wanted::First.command()).expect(0);
        if !lives {
            user.kill_holder("killed");
            fs::remove_file(user.holder_file("killed")).unwrap();
        }
        fs::write(user.holder_file("killed").with_added_extension("new"), "cellblock hol").unwrap();
        user.run(&Wanted::Nothing.command()).expect(0);
        assert_eq!(files(&user), before, "the holder lives: {lives}");
    }
    is_clean(&user, "afterwards");
}
