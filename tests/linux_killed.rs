//! kill -9 and Ctrl-C of the program itself with labs on Linux, in namespaces of the test's own: at random moments of its life, and at
//! moments that a command in a node makes certain. The next command finishes the work, and nothing is left over.

#![cfg_attr(not(target_os = "linux"), allow(unused, reason = "signals are sent where there is Linux"))]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::print_stdout, reason = "a test of chance says what it did")]

#[path = "common/alone.rs"]
mod alone;
#[path = "common/chance.rs"]
mod chance;
mod common;
#[path = "common/machine.rs"]
mod machine;

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader, Lines, PipeReader, PipeWriter, Read as _, Write as _, pipe};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitCode, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use chance::{Chance, KINDS, Wanted, kind};
use common::{Said, Sandbox};
use libtest_mimic::{Failed, Trial};
use machine::{Machine, assert_same, machine};
use rustix::fs::OFlags;
use rustix::process::{Pid, Signal, kill_process};

/// So many commands are killed when nobody says how many.
const KILLS: usize = 100;
/// Where the chances begin: the same moments in each run, as far as the machine lets them be.
const SEED: u64 = 0x000C_E11B_10C4;

/// After so long a command that was to get somewhere hangs.
const PATIENCE: Duration = Duration::from_secs(60);

const FIRST: &str = r#"
version: 1
name: killed
topology:
  nodes:
    s: { kind: switch }
    n: { kind: hub }
    r: { kind: router }
    me: { kind: self, sysctls: { net.inet.ip.ttl: 32 } }
    a: { kind: host, routes: [ { to: default, via: 10.0.0.1 } ], exec: [ "true" ] }
    b: { kind: host, sysctls: { net.inet.ip.ttl: 20 } }
  links:
    - { endpoints: [ s, n ] }
    - { endpoints: [ "r:lan", n ], ipv4: [ 10.0.0.1/16, ~ ] }
    - { endpoints: [ "a:e0", s ], ipv4: [ 10.0.0.2/16, ~ ] }
    - { endpoints: [ "b:e0", s ], ipv4: [ 10.0.0.3/16, ~ ] }
    - { endpoints: [ "me:killed0", "r:up" ], ipv6: [ "fd00::1/64", "fd00::2/64" ] }
"#;

/// The same after an edit: something is added, changed, replaced and taken away.
fn second() -> String {
    FIRST
        .replace("    - { endpoints: [ s, n ] }\n", "    - { endpoints: [ s, n ], mtu: 1400 }\n")
        .replace("10.0.0.2/16", "10.0.0.4/16")
        .replace("    n: { kind: hub }\n", "    n: { kind: hub }\n    c: { kind: host, exec: [ \"true\" ] }\n")
        .replace("sysctls: { net.inet.ip.ttl: 20 }", "routes: [ { to: default, via: 10.0.0.1 } ]")
        .replace("ipv6: [ \"fd00::1/64\", \"fd00::2/64\" ]", "ipv4: [ 10.9.0.1/24, 10.9.0.2/24 ]")
}

/// The same without what is otherwise on Linux.
fn plain(text: &str) -> String {
    text.replace("kind: hub", "kind: switch")
}

fn main() -> ExitCode {
    alone::run(|| {
        vec![
            Trial::test("kill_at_random_moments_of_up_of_an_edit_and_of_down", killed),
            Trial::test("one_interrupt_of_up_takes_back_what_was_done", interrupted_once),
            Trial::test("two_interrupts_of_up_leave_it_to_the_next_command", interrupted_twice),
            Trial::test("an_interrupt_of_down_leaves_the_rest_to_the_next_one", interrupted_down),
            Trial::test("an_interrupt_ends_the_wait_for_ports_of_a_spanning_tree", interrupted_while_reading_back),
            Trial::test("an_interrupt_ends_the_wait_for_processes", interrupted_grace),
            Trial::test("an_interrupt_ends_a_command_of_the_file_and_takes_back_what_was_done", interrupted_command),
            Trial::test("what_died_between_directory_and_mount_is_swept_up", swept_up),
            Trial::test("the_last_lab_takes_away_what_the_first_one_made", last_of_two),
        ]
    })
}

struct World {
    sandbox: Sandbox,
    before: Machine,
}

impl World {
    fn new() -> Self {
        let sandbox = Sandbox::new().with("CELLBLOCK_ENGINE", "linux");
        let state = sandbox.path().join("state").to_string_lossy().into_owned();
        let sandbox = sandbox.with("CELLBLOCK_STATE_DIR", &state);
        sandbox.write("first.yaml", FIRST);
        sandbox.write("second.yaml", &second());
        // These nobody has to be warned about: the first thing that is said of them is what was done.
        sandbox.write("plain.yaml", &plain(FIRST));
        sandbox.write("edited.yaml", &plain(&second()));
        Self { sandbox, before: machine() }
    }

    fn run(&self, wanted: Wanted) -> Said {
        self.sandbox.run(&wanted.command())
    }

    fn start(&self, arguments: &[&str]) -> Child {
        self.sandbox.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// The lab is there as the file says, and the program says so.
    #[track_caller]
    fn holds(&self, wanted: Wanted, moment: &str) {
        let said = self.sandbox.run(&["plan", wanted.command()[1], "--detailed-exitcode"]);
        assert_eq!(said.code, 0, "{moment}\n{}{}", said.out, said.err);
    }

    /// Nothing is there any more: no namespace, interface, file, group or process; and the machine is what it was.
    #[track_caller]
    fn is_clean(&self, moment: &str) {
        assert_same(&machine(), &self.before, moment);
        assert_eq!(groups(), BTreeSet::<PathBuf>::new(), "{moment}: groups");
        let state = self.sandbox.path().join("state");
        let labs = fs::read_dir(state.join("labs")).map_or(0, Iterator::count);
        assert_eq!(labs, 0, "{moment}: {:?}", fs::read_dir(&state).unwrap().collect::<Vec<_>>());
        let processes = processes(&state);
        assert_eq!(processes, Vec::<String>::new(), "{moment}: processes");
    }
}

/// Control groups of the lab.
fn groups() -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut waiting = vec![PathBuf::from("/sys/fs/cgroup")];
    while let Some(folder) = waiting.pop() {
        for path in fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
            if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("cellblock.killed.")) {
                found.insert(path.clone());
            }
            // A group may go while we look.
            if fs::symlink_metadata(&path).is_ok_and(|about| about.is_dir()) {
                waiting.push(path);
            }
        }
    }
    found
}

/// Processes that were started by the program for this state directory, other than dead ones that nobody has waited for.
fn processes(state: &Path) -> Vec<String> {
    let state = state.to_string_lossy().into_owned();
    let is_ours = |process: &Path| {
        let about = fs::read(process.join("environ")).unwrap_or_default();
        String::from_utf8_lossy(&about).contains(&state)
    };
    let all = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
    let ours =
        all.filter(|process| process.file_name().unwrap().to_string_lossy().parse::<u32>().is_ok() && is_ours(process));
    ours.map(|process| fs::read_to_string(process.join("stat")).unwrap_or_default())
        .filter(|stat| !stat.is_empty())
        .collect()
}

fn was_killed(status: ExitStatus) -> bool {
    std::os::unix::process::ExitStatusExt::signal(&status) == Some(9)
}

/// A lab comes, is edited and goes, and each time the command is killed; then one command that nobody kills.
fn killed() -> Result<(), Failed> {
    let (world, all) = (World::new(), chance::kills(KILLS));
    let mut chance = Chance(SEED);
    let mut whole = [Duration::ZERO; 3];
    let mut now = Wanted::Nothing;
    for next in [Wanted::First, Wanted::Second, Wanted::Nothing] {
        let began = Instant::now();
        world.run(next).expect(0);
        whole[kind(now, next)] = began.elapsed();
        now = next;
    }
    world.is_clean("before the first is killed");
    let (mut kills, mut faster) = ([0; 3], 0);
    while kills.iter().sum::<usize>() < all {
        let choice: &[Wanted] = match now {
            Wanted::Nothing => &[Wanted::First, Wanted::Second],
            Wanted::First => &[Wanted::Second, Wanted::Nothing],
            Wanted::Second => &[Wanted::First, Wanted::Nothing],
        };
        let next = chance.of(choice);
        let kind = kind(now, next);
        let mut child = world.start(&next.command());
        thread::sleep(chance.part(whole[kind]));
        child.kill().unwrap();
        if was_killed(child.wait().unwrap()) {
            kills[kind] += 1;
        } else {
            // It was faster than the first: what is slept is a part of less.
            faster += 1;
            whole[kind] = whole[kind] * 9 / 10;
        }
        let then = chance.of(&[Wanted::First, Wanted::Second, Wanted::Nothing]);
        let moment = format!("kill {kills:?} of {} towards {next:?}, then {then:?}", KINDS[kind]);
        let said = world.run(then);
        match then {
            // Killed before anything was written down, or after everything was undone, there is no such lab.
            Wanted::Nothing if said.code == 66 => {}
            _ if said.code != 0 => {
                // What was there before it is there again: what it wanted to do says more.
                let plan = world.sandbox.run(&["plan", then.command()[1], "--show-commands"]);
                panic!("{moment}\n{said:#?}\n{plan:#?}");
            }
            _ => {}
        }
        match then {
            Wanted::Nothing => world.is_clean(&moment),
            _ => world.holds(then, &moment),
        }
        now = then;
        assert!(faster < 10 * all, "commands end before they can be killed: {whole:?}");
    }
    if now != Wanted::Nothing {
        world.run(Wanted::Nothing).expect(0);
    }
    world.is_clean("at the end");
    println!("killed: {kills:?} of {KINDS:?} from seed {SEED:#x}; {faster} were faster");
    assert!(kills.iter().all(|number| *number >= all / 10), "{kills:?}");
    Ok(())
}

/// A command that was started and can say nothing yet: the pipe to which it writes is full. With the first word about what it has done
/// it stands still, in the middle of its work, for as long as it takes.
struct Held {
    child: Child,
    said: PipeReader,
}

impl Held {
    fn start(world: &World, arguments: &[&str]) -> Self {
        let (said, full) = pipe().unwrap();
        fill(&full);
        let child = world.sandbox.command(arguments).stdout(Stdio::null()).stderr(full).spawn().unwrap();
        Self { child, said }
    }

    /// Waits until it has done something that can be seen.
    fn until(&mut self, mut is_so: impl FnMut() -> bool) {
        let began = Instant::now();
        while !is_so() {
            assert!(self.child.try_wait().unwrap().is_none(), "it ended before that");
            if began.elapsed() > PATIENCE {
                self.child.kill().unwrap();
                panic!("it does not come");
            }
            thread::yield_now();
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Listens, and lets it go on to its end.
    fn end(mut self) -> (Option<i32>, String) {
        let mut text = String::new();
        self.said.read_to_string(&mut text).unwrap();
        (self.child.wait().unwrap().code(), text.trim_start_matches('#').to_owned())
    }
}

/// Writes into a pipe until not one octet more fits. It is opened once more for that: whoever has it waits when they write.
fn fill(pipe: &PipeWriter) {
    let mut again = fs::OpenOptions::new();
    again.write(true).custom_flags(i32::try_from(OFlags::NONBLOCK.bits()).unwrap());
    let mut again = again.open(format!("/proc/self/fd/{}", pipe.as_raw_fd())).unwrap();
    for size in [4096, 1] {
        let octets = vec![b'#'; size];
        while again.write_all(&octets).is_ok() {}
    }
}

impl World {
    /// The lab's namespace is there: the first level of steps has begun, and a command that is held cannot get beyond the second.
    fn is_begun(&self) -> bool {
        self.is_changing() && Path::new("/run/netns/killed").exists()
    }

    /// A change is written down and not over.
    fn is_changing(&self) -> bool {
        self.sandbox.path().join("state/labs/killed.journal").exists()
    }
}

fn interrupted_once() -> Result<(), Failed> {
    let world = World::new();
    for signal in [Signal::INT, Signal::TERM] {
        let mut up = Held::start(&world, &["up", "plain.yaml"]);
        up.until(|| world.is_begun());
        up.signal(signal);
        let (code, said) = up.end();
        assert_eq!(code, Some(71), "{said}");
        assert!(said.contains("interrupted; undoing"), "{said}");
        world.is_clean("interrupted once");
    }
    // An edit is taken back to what was there.
    world.sandbox.run(&["up", "plain.yaml"]).expect(0);
    let mut edit = Held::start(&world, &["up", "edited.yaml"]);
    edit.until(|| world.is_changing());
    edit.signal(Signal::INT);
    let (code, said) = edit.end();
    assert_eq!(code, Some(71), "{said}");
    world.sandbox.run(&["plan", "plain.yaml", "--detailed-exitcode"]).expect(0);
    world.run(Wanted::Nothing).expect(0);
    world.is_clean("at the end");
    Ok(())
}

fn interrupted_twice() -> Result<(), Failed> {
    let world = World::new();
    for next in [Wanted::First, Wanted::Second, Wanted::Nothing] {
        let mut up = Held::start(&world, &["up", "plain.yaml"]);
        up.until(|| world.is_begun());
        // The same signal twice may come as one.
        up.signal(Signal::INT);
        up.signal(Signal::TERM);
        let (code, said) = up.end();
        assert_eq!(code, Some(73), "{said}");
        assert!(world.is_begun(), "it is left as it is: {said}");
        assert!(said.contains("`up` or `cellblock down killed` finishes it"), "{said}");
        let labs = world.sandbox.run(&["inspect", "--all"]).expect(0).out;
        assert!(labs.contains("unfinished"), "{labs}");
        world.run(next).expect(0);
        if next != Wanted::Nothing {
            world.holds(next, "after two interrupts");
            world.run(Wanted::Nothing).expect(0);
        }
        world.is_clean("after two interrupts");
    }
    Ok(())
}

fn interrupted_down() -> Result<(), Failed> {
    let world = World::new();
    world.run(Wanted::First).expect(0);
    let mut down = Held::start(&world, &["down", "killed"]);
    down.until(|| world.is_changing());
    down.signal(Signal::INT);
    let (code, said) = down.end();
    // All of it is one level: where that has begun there is nothing to interrupt.
    assert!(matches!(code, Some(0 | 73)), "{said}");
    if code == Some(73) {
        assert!(said.contains("interrupted"), "{said}");
        world.run(Wanted::Nothing).expect(0);
    }
    world.is_clean("after down");
    Ok(())
}

/// Ports of a spanning tree wait for half a minute before they forward, and `up` with them.
fn interrupted_while_reading_back() -> Result<(), Failed> {
    let world = World::new();
    let tree = FIRST.replace("s: { kind: switch }", "s: { kind: switch, driver: if_bridge, stp: true }");
    world.sandbox.write("tree.yaml", &tree);
    let mut up = world.start(&["up", "tree.yaml", "-v"]);
    let mut said = BufReader::new(up.stderr.take().unwrap()).lines();
    let reading = said.by_ref().map(Result::unwrap).find(|line| line.contains("reading back"));
    assert!(reading.is_some(), "{:?}", up.wait());
    kill_process(Pid::from_child(&up), Signal::INT).unwrap();
    let rest: Vec<String> = said.map(Result::unwrap).collect();
    assert_eq!(up.wait().unwrap().code(), Some(71), "{rest:#?}");
    assert!(rest.iter().any(|line| line.contains("interrupted; undoing")), "{rest:#?}");
    world.is_clean("interrupted while reading back");
    Ok(())
}

/// A program in a node that says when it is told to end, and does not.
struct Stubborn {
    child: Child,
    said: Lines<BufReader<ChildStdout>>,
}

impl Stubborn {
    fn start(world: &World, node: &str) -> Self {
        let script = "trap 'echo told' TERM; echo here; while :; do sleep 1000 & wait; done";
        let mut child = world.start(&["exec", node, "sh", "-c", script]);
        let said = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut stubborn = Self { child, said };
        stubborn.hears("here");
        stubborn
    }

    #[track_caller]
    fn hears(&mut self, word: &str) {
        assert_eq!(self.said.next().unwrap().unwrap(), word);
    }

    fn is_there(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

/// Waits until a command of the file says something, then asks for the end with these signals; gives code and what was said after.
fn interrupt_command(world: &World, file: &str, signals: &[Signal]) -> (Option<i32>, String) {
    let mut up = world.start(&["up", file]);
    let mut said = BufReader::new(up.stderr.take().unwrap()).lines();
    let begun = said.by_ref().map(Result::unwrap).find(|line| line.contains("here"));
    assert!(begun.is_some(), "{:?}", up.wait());
    for signal in signals {
        kill_process(Pid::from_child(&up), *signal).unwrap();
    }
    let rest: Vec<String> = said.map(Result::unwrap).collect();
    (up.wait().unwrap().code(), rest.join("\n"))
}

fn interrupted_command() -> Result<(), Failed> {
    let world = World::new();
    let willing = "sh -c 'echo here; exec sleep 1000'";
    let with =
        |text: &str, command: &str| text.replace("exec: [ \"true\" ]", &format!("exec: [ \"{command}\", false ]"));
    world.sandbox.write("slow.yaml", &with(&plain(FIRST), willing));
    let (code, said) = interrupt_command(&world, "slow.yaml", &[Signal::INT]);
    assert_eq!(code, Some(71), "{said}");
    assert!(said.contains("was interrupted") && said.contains("everything is as before"), "{said}");
    world.is_clean("a command was interrupted");
    // An edit is taken back to what was there.
    world.sandbox.run(&["up", "plain.yaml"]).expect(0);
    world.sandbox.write("slow.yaml", &with(&plain(&second()), willing));
    let (code, said) = interrupt_command(&world, "slow.yaml", &[Signal::TERM]);
    assert_eq!(code, Some(71), "{said}");
    world.sandbox.run(&["plan", "plain.yaml", "--detailed-exitcode"]).expect(0);
    world.run(Wanted::Nothing).expect(0);
    // Whoever cannot wait has it killed, and the lab stays.
    world
        .sandbox
        .write("slow.yaml", &with(&plain(FIRST), "sh -c 'trap : TERM INT; echo here; while :; do sleep 1; done'"));
    let (code, said) = interrupt_command(&world, "slow.yaml", &[Signal::INT, Signal::TERM]);
    assert_eq!(code, Some(73), "{said}");
    assert!(said.contains("`cellblock down killed` takes it away"), "{said}");
    world.run(Wanted::Nothing).expect(0);
    world.is_clean("at the end");
    Ok(())
}

fn interrupted_grace() -> Result<(), Failed> {
    let world = World::new();
    world.run(Wanted::First).expect(0);
    let mut stubborn = Stubborn::start(&world, "b@killed");
    let interrupt = |arguments: &[&str], stubborn: &mut Stubborn| {
        let command = world.start(arguments);
        stubborn.hears("told");
        kill_process(Pid::from_child(&command), Signal::INT).unwrap();
        let output = command.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("interrupted"), "{said}");
        assert!(stubborn.is_there(), "{arguments:?}: it was not waited for, nor killed: {said}");
        output.status.code()
    };
    for verb in ["stop", "restart"] {
        let code = interrupt(&[verb, "b@killed", "--grace", "600s"], &mut stubborn);
        assert_eq!(code, Some(71), "{verb}");
        world.holds(Wanted::First, verb);
    }
    // An edit that takes the node away, and the end of the lab.
    let without = FIRST.lines().filter(|line| !line.contains("    b: {") && !line.contains("\"b:e0\""));
    world.sandbox.write("without.yaml", &without.collect::<Vec<_>>().join("\n"));
    assert_eq!(interrupt(&["up", "without.yaml"], &mut stubborn), Some(71));
    world.holds(Wanted::First, "an edit");
    assert_eq!(interrupt(&["down", "killed"], &mut stubborn), Some(73));
    assert!(world.sandbox.run(&["inspect", "--all"]).expect(0).out.contains("unfinished"));
    world.sandbox.run(&["down", "killed", "--timeout", "1ms"]).expect(0);
    stubborn.child.wait()?;
    world.is_clean("afterwards");
    Ok(())
}

/// A directory without its mount, and files that were not renamed: what death in the midst of making and taking away leaves.
fn swept_up() -> Result<(), Failed> {
    let world = World::new();
    world.run(Wanted::First).expect(0);
    let record = world.sandbox.path().join("state/labs/killed.lab");
    let kept = fs::read(&record)?;
    world.run(Wanted::Nothing).expect(0);
    fs::create_dir_all("/run/cellblock/killed")?;
    fs::write(&record, &kept)?;
    fs::write(record.with_added_extension("new"), "half a rec")?;
    fs::write(record.with_extension("journal.new"), "half a jour")?;
    world.run(Wanted::Nothing).expect(0);
    world.is_clean("a directory and files");
    // The directory is mounted, and there is no namespace yet.
    world.sandbox.run(&["up", "first.yaml", "--no-exec"]).expect(0);
    for namespace in fs::read_dir("/run/cellblock/killed/ns")?.map(|entry| entry.unwrap().path()) {
        unmount(&namespace);
        fs::remove_file(&namespace)?;
    }
    unmount(Path::new("/run/cellblock/killed/lab"));
    fs::remove_file("/run/cellblock/killed/lab")?;
    for name in fs::read_dir("/run/netns")?.map(|entry| entry.unwrap().path()) {
        fs::remove_file(&name)?;
    }
    world.run(Wanted::Nothing).expect(0);
    world.is_clean("a directory with its mount");
    // Of a lab that was never written down there are these files alone.
    fs::write(record.with_extension("journal.new"), "half a jour")?;
    world.run(Wanted::Nothing).expect(66);
    world.is_clean("a file");
    Ok(())
}

fn last_of_two() -> Result<(), Failed> {
    let world = World::new();
    world.sandbox.write("other.yaml", "version: 1\nname: other\ntopology: { nodes: { a: { kind: host } } }\n");
    world.run(Wanted::First).expect(0);
    world.sandbox.run(&["up", "other.yaml"]).expect(0);
    world.run(Wanted::Nothing).expect(0);
    world.sandbox.run(&["down", "other"]).expect(0);
    world.is_clean("after both");
    Ok(())
}

fn unmount(at: &Path) {
    let own = Path::new("/run/mount");
    let was_there = own.exists();
    assert!(Command::new("umount").arg(at).status().unwrap().success(), "{}", at.display());
    // umount(8) makes it for itself.
    if !was_there && own.exists() {
        fs::remove_dir_all(own).unwrap();
    }
}
