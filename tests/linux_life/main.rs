//! What runs in the nodes of labs on the Linux kernel that this test runs on: programs, terminals, stopping and starting. In namespaces
//! that the test makes for itself.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::print_stdout, reason = "a skipped test says why")]

#[path = "../common/alone.rs"]
mod alone;
mod firewall;
mod lost;
mod roots;
#[path = "../support/mod.rs"]
mod support;
mod world;

use std::collections::BTreeSet;
use std::fs;
use std::io::Read as _;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use cellblock::engine::linux::features::Feature;
use cellblock::engine::linux::sys::ask;
use cellblock::lab::{self, Exit, Stream};
use cellblock::plan::render;
use cellblock::terminal::{self, Pty};
use libtest_mimic::{Failed, Trial};
use rustix::termios::{Winsize, tcsetwinsize};
use world::{World, in_our_mounts, keepers, lab, living, mark_of_test, name, node, wait_for, with_argument};

fn main() -> ExitCode {
    alone::run(|| {
        let test = |name: &str, run: fn() -> Result<(), Failed>| Trial::test(name, run);
        vec![
            test("a_lab_without_commands_starts_no_process", no_process),
            test("a_program_sees_its_node_alone", its_own_view),
            test("what_a_program_leaves_behind_is_reaped_and_ends_with_the_node", daemons),
            test("a_stopped_node_ends_politely_and_comes_back", stop_and_start),
            test("what_hides_in_namespaces_of_its_own_ends_too", hidden),
            test("nothing_survives_when_we_are_killed", killed),
            test("what_runs_in_a_lab_that_was_unmounted_ends_with_down", lost::before_down),
            test("what_runs_in_a_lab_that_was_unmounted_ends_with_the_next_up", lost::before_up),
            test("what_runs_in_a_node_that_was_unmounted_ends", lost::one_node),
            test("gc_finds_what_runs_in_a_lab_of_which_nothing_tells", lost::without_record),
            test("a_terminal_has_job_control_and_a_size", on_a_terminal),
            test("commands_of_the_file_are_run", commands),
            test("limits_and_processors_are_those_of_the_file", limits),
            test("a_directory_is_the_root_of_a_node", roots::directory),
            test("a_base_is_shared_and_what_may_be_written_is_copied", roots::layered),
            test("files_change_and_the_network_stays", roots::changed),
            test("a_root_that_cannot_be_is_told_and_undone", roots::refused),
            test("rules_of_nft_are_loaded_changed_and_missed", firewall::loaded),
        ]
    })
}

fn no_process() -> Result<(), Failed> {
    mark_of_test();
    let mut world = World::new();
    let before = living();
    world.up(&lab(""));
    let after: BTreeSet<i32> =
        living().difference(&before).copied().filter(|process| in_our_mounts(*process)).collect();
    assert_eq!(after, BTreeSet::new());
    assert!(!Path::new("/run/cellblock/living/init").exists());
    world.down();
    Ok(())
}

fn its_own_view() -> Result<(), Failed> {
    let mut world = World::new();
    let folder = "/etc/netns/living.a";
    fs::create_dir_all(folder)?;
    fs::write(format!("{folder}/hosts"), "10.9.9.9 only-here\n")?;
    fs::write(format!("{folder}/no-such-file-in-etc"), "nothing to lie on\n")?;
    world.up(&lab(""));
    let own = world.sh("a", "cat /etc/hosts; ls /etc/no-such-file-in-etc 2>&1 || true");
    fs::remove_dir_all(folder)?;
    let _ = fs::remove_dir("/etc/netns");
    assert!(own.starts_with("10.9.9.9 only-here\n") && own.contains("No such file"), "{own}");
    assert!(!fs::read_to_string("/etc/hosts")?.contains("only-here"));

    assert_eq!(world.sh("a", "ls /sys/class/net").split_whitespace().collect::<Vec<_>>(), ["eth0", "eth1", "lo"]);
    // /proc is that of the node: its first process, the shell, ls.
    let processes = world.sh("a", "cat /proc/1/comm; echo /proc/[0-9]*");
    let (first, there) = processes.split_once('\n').unwrap();
    assert_eq!((first, there.split_whitespace().count()), ("cellblock-init", 2), "{there}");
    // Nothing of ours is open in it, and nothing of the test: only an empty file of no folder that says whose it is.
    assert_eq!(world.sh("b", "ls /proc/1/fd | tr '\\n' ' '"), "0 1 2 3 ");
    let mark =
        world.sh("b", "readlink /proc/1/fd/3; wc -c < /proc/1/fd/3; echo x 2>/dev/null > /proc/1/fd/3 || echo refused");
    assert!(mark.starts_with("/memfd:cellblock:living:0707") && mark.ends_with(" (deleted)\n0\nrefused\n"), "{mark}");
    // What one program mounts the next one sees, and nobody else.
    let at = world.path("at");
    fs::create_dir(&at)?;
    world.sh("a", &format!("mount -t tmpfs mine {at} && touch {at}/file"));
    assert_eq!(world.sh("a", &format!("ls {at}")), "file\n");
    assert_eq!(world.sh("b", &format!("ls {at}")), "");
    assert!(!fs::read_to_string("/proc/self/mountinfo")?.contains(" mine "));

    assert_eq!(world.run("a", &["sh", "-c", "exit 7"]).0, Exit::Code(7));
    assert_eq!(world.run("a", &["sh", "-c", "kill -TERM $$"]).0, Exit::Signal(15));
    let mut said = (String::new(), String::new());
    let both = ["sh", "-c", "echo out; echo err >&2; pwd"].map(str::to_owned);
    world.site().exec(&name(), &node("a"), &both, &mut |stream, bytes| {
        let text = String::from_utf8_lossy(bytes);
        match stream {
            Stream::Out => said.0.push_str(&text),
            Stream::Error => said.1.push_str(&text),
        }
    })?;
    assert_eq!(said, ("out\n/\n".to_owned(), "err\n".to_owned()));
    let not_run = |world: &mut World, program: &str| {
        let command = [program.to_owned()];
        world.site().exec(&name(), &node("a"), &command, &mut |_, _| {}).unwrap_err()
    };
    assert!(matches!(not_run(&mut world, "/nonexistent"), lab::ExecError::NotFound));
    assert!(matches!(not_run(&mut world, "no-such-program"), lab::ExecError::NotFound));
    assert!(matches!(not_run(&mut world, "/etc/passwd"), lab::ExecError::NotExecutable));
    assert!(matches!(not_run(&mut world, "/etc"), lab::ExecError::NotExecutable));
    world.down();
    Ok(())
}

fn daemons() -> Result<(), Failed> {
    let mut world = World::new();
    world.up(&lab(""));
    // It ends while what it left behind still holds its pipes.
    let said = world.sh("a", "setsid sleep 77001 & echo begun");
    assert_eq!(said, "begun\n");
    wait_for("the daemon", || with_argument("77001").len() == 1);
    // Its parent is the node's first process now, which leaves no zombies.
    world.sh("a", "for i in 1 2 3; do (setsid sh -c 'exit 0' &) ; done");
    wait_for("the end of the last orphan", || {
        world.sh("a", "cat /proc/[0-9]*/stat 2>/dev/null || true").lines().all(|line| !line.contains(") Z "))
    });
    world.reopen();
    assert_eq!(world.sh("a", "cat /proc/[0-9]*/comm 2>/dev/null | grep -c sleep"), "1\n");
    let first = keepers();
    assert_eq!(first.len(), 1);
    world.sh("a", "true");
    assert_eq!(keepers(), first);
    world.down();
    assert_eq!((with_argument("77001"), keepers()), (BTreeSet::new(), BTreeSet::new()));
    Ok(())
}

fn stop_and_start() -> Result<(), Failed> {
    let mut world = World::new();
    let model = lab("");
    world.up(&model);
    assert!(world.reaches("c", "10.0.0.2"));
    let told = world.path("told");
    // One that takes SIGTERM as it is meant gets its time for it. (What it writes to a pipe that nobody reads would end it.)
    let script = format!("trap \"echo told > {told}; exit\" TERM; touch {told}; while :; do sleep 0.1; done");
    world.sh("a", &format!("setsid sh -c '{script}' x 77002 >/dev/null 2>&1 & "));
    wait_for("the trap", || Path::new(&told).exists());
    world.stop(&["a"], Duration::from_secs(60));
    assert_eq!((fs::read_to_string(&told)?.as_str(), with_argument("77002")), ("told\n", BTreeSet::new()));
    world.start(&["a"]);
    // One that does not hear is killed.
    fs::remove_file(&told)?;
    world.sh(
        "a",
        &format!("setsid sh -c 'trap : TERM; touch {told}; while :; do sleep 1; done' x 77003 >/dev/null 2>&1 & "),
    );
    wait_for("the trap", || Path::new(&told).exists());
    world.stop(&["a"], Duration::from_millis(300));
    assert_eq!(with_argument("77003"), BTreeSet::new());
    assert!(!Path::new("/run/netns/living.a").exists());
    // As with a machine that is switched off: the neighbour's interface stays, with its address and without a carrier.
    let neighbour = world.sh("b", "ip -br addr show eth0");
    assert!(neighbour.contains("DOWN") && neighbour.contains("10.0.0.2/24"), "{neighbour}");
    assert!(!world.reaches("c", "10.0.0.2"));
    let plan = world.start(&["a"]);
    assert!(plan.steps.iter().any(|planned| format!("{:?}", planned.step).contains("CreateNamespace")));
    assert!(world.reaches("c", "10.0.0.2") && world.reaches("b", "10.0.1.2"));
    assert!(world.site().plan(&model)?.is_empty());

    // `up` brings stopped nodes back, whatever their neighbours are; `down` minds none.
    world.stop(&["a", "c"], Duration::ZERO);
    world.stop(&["b"], Duration::ZERO);
    world.up(&model);
    assert!(world.reaches("c", "10.0.0.2"));
    world.stop(&["b"], Duration::ZERO);
    world.down();
    Ok(())
}

fn hidden() -> Result<(), Failed> {
    let mut world = World::new();
    world.up(&lab(""));
    world.sh("a", "unshare --net setsid sleep 77004 & ");
    world.sh("a", "unshare --net --pid --fork --kill-child=TERM setsid sleep 77005 & ");
    wait_for("both", || with_argument("77004").len() == 1 && !with_argument("77005").is_empty());
    world.stop(&["a"], Duration::ZERO);
    assert_eq!((with_argument("77004"), with_argument("77005")), (BTreeSet::new(), BTreeSet::new()));
    world.start(&["a"]);
    world.sh("a", "unshare --net setsid sleep 77006 & ");
    wait_for("it", || with_argument("77006").len() == 1);
    world.down();
    assert_eq!(with_argument("77006"), BTreeSet::new());
    Ok(())
}

/// A program that is killed leaves the lab to the next one, with everything that runs in it.
fn killed() -> Result<(), Failed> {
    let mut world = World::new();
    world.up(&lab(""));
    world.site.take().unwrap().close()?;
    let state = world.path("state");
    let mut child = Command::new(env!("CARGO_BIN_EXE_cellblock"))
        .args(["--engine", "linux", "--state-dir", &state, "exec", "a@living", "--", "sh", "-c"])
        .arg("setsid sleep 77007 & echo begun; sleep 77008")
        .stdout(Stdio::piped())
        .spawn()?;
    let mut begun = [0; 6];
    child.stdout.take().unwrap().read_exact(&mut begun)?;
    wait_for("both", || with_argument("77007").len() == 1 && with_argument("77008").len() == 1);
    child.kill()?;
    child.wait()?;
    world.reopen();
    // The node is as it was, and what runs there still does.
    assert_eq!(world.sh("a", "cat /proc/[0-9]*/comm 2>/dev/null | grep -c sleep"), "2\n");
    world.down();
    assert_eq!((with_argument("77007"), with_argument("77008")), (BTreeSet::new(), BTreeSet::new()));

    // Its first process was killed by somebody: the next program gets a new one.
    world.up(&lab(""));
    world.sh("a", "setsid sleep 77009 & ");
    let [first] = keepers().into_iter().collect::<Vec<_>>()[..] else { return Err("one first process".into()) };
    rustix::process::kill_process(rustix::process::Pid::from_raw(first).unwrap(), rustix::process::Signal::KILL)?;
    wait_for("its end", || with_argument("77009").is_empty() && keepers().is_empty());
    assert_eq!(world.sh("a", "cat /proc/1/comm"), "cellblock-init\n");
    world.down();
    Ok(())
}

#[allow(unsafe_code)]
fn ignore_interrupts() {
    // SAFETY: to ignore a signal is no code of ours.
    unsafe { libc::signal(libc::SIGINT, libc::SIG_IGN) };
}

fn on_a_terminal() -> Result<(), Failed> {
    let mut world = World::new();
    world.up(&lab(""));
    let pty = Pty::open(std::io::stdin().as_fd())?;
    tcsetwinsize(pty.program_side(), Winsize { ws_row: 33, ws_col: 101, ws_xpixel: 0, ws_ypixel: 0 })?;
    // As for what a script begins in the background: that is not said of the terminal of a node's program.
    ignore_interrupts();
    // Job control: ^C ends the job in front alone.
    let command = ["sh", "-c", "trap : INT; stty size; set -m; sleep 77010 & sleep 77011; jobs; echo on; exit 3"];
    let command = command.map(str::to_owned);
    let program = world.site().start_program(&name(), &node("a"), &command, pty.program_side())?;
    let ours = fs::File::from(pty.into_ours());
    wait_for("the job in front", || with_argument("77011").len() == 1);
    assert_eq!(rustix::io::write(&ours, b"\x03")?, 1);
    let mut seen = String::new();
    let mut buffer = [0; 1024];
    wait_for("the end", || {
        while let Ok(length @ 1..) = rustix::io::read(&ours, &mut buffer) {
            seen.push_str(&String::from_utf8_lossy(&buffer[..length]));
        }
        terminal::ended_within(program.ended(), Duration::ZERO).unwrap()
    });
    assert!(seen.starts_with("33 101\r\n") && seen.contains("Running") && seen.contains("on\r\n"), "{seen}");
    assert_eq!(program.wait()?, Exit::Code(3));
    world.down();
    assert_eq!(with_argument("77010"), BTreeSet::new());
    Ok(())
}

fn commands() -> Result<(), Failed> {
    let mut world = World::new();
    let model = lab("exec: { linux: [ \"sh -c 'ip -br link show eth1'\", \"false\" ], freebsd: [ \"true\" ] }");
    let plan = world.up(&model);
    let mut said = String::new();
    let failures = world.site().run_commands(&plan, &model, &lab::ApplyOptions::default(), &mut |node, _, bytes| {
        said.push_str(&format!("{node}: {}", String::from_utf8_lossy(bytes)));
    })?;
    assert!(said.starts_with("a: eth1"), "{said} {failures:?}");
    let [failure] = &failures[..] else { return Err(format!("{failures:?}").into()) };
    assert_eq!((failure.command.as_str(), failure.why.as_str()), ("false", "ended with status 1"));
    world.stop(&["a"], Duration::ZERO);
    let plan = world.start(&["a"]);
    assert_eq!(world.site().run_commands(&plan, &model, &lab::ApplyOptions::default(), &mut |_, _, _| {})?.len(), 1);
    world.down();
    Ok(())
}

fn limits() -> Result<(), Failed> {
    for feature in [Feature::MemoryGroups, Feature::ProcessGroups, Feature::ProcessorGroups] {
        if let Err(why) = ask(feature) {
            println!("skipped: no {}: {why}", feature.name());
            return Ok(());
        }
    }
    let groups = || {
        let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let mounts: Vec<String> = table
            .lines()
            .filter(|line| line.contains(" - cgroup"))
            .filter_map(|line| line.split(' ').nth(4).map(str::to_owned))
            .collect();
        let mut found = BTreeSet::new();
        let mut waiting: Vec<std::path::PathBuf> = mounts.into_iter().map(Into::into).collect();
        while let Some(folder) = waiting.pop() {
            let below = fs::read_dir(&folder).into_iter().flatten().map(|entry| entry.unwrap().path());
            waiting.extend(below.filter(|path| path.is_dir()));
            if folder.file_name().is_some_and(|name| name == "cellblock.living.a") {
                found.insert(folder);
            }
        }
        found
    };
    let mut world = World::new();
    world.up(&lab("limits: { memoryuse: 64000001, maxproc: 12 }, cpus: 0"));
    assert!(!groups().is_empty());
    assert_eq!(world.sh("a", "grep Cpus_allowed_list /proc/self/status"), "Cpus_allowed_list:\t0\n");
    // Eleven more than the shell may run; the twelfth is refused.
    let script = "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14; do sleep 77012 >/dev/null 2>&1 & done; true";
    let (exit, _) = world.run("a", &["sh", "-c", script]);
    assert_eq!(exit, Exit::Code(2), "the shell cannot fork");
    wait_for("all of them", || with_argument("77012").len() == 11);
    // What is changed is changed for those that run, too; what somebody else changed is seen.
    world.up(&lab("limits: { maxproc: 40 }"));
    assert!(world.sh("a", "sleep 0 & wait; grep Cpus_allowed_list /proc/self/status").contains("0-"));
    let file = groups().into_iter().map(|folder| folder.join("pids.max")).find(|file| file.exists()).unwrap();
    assert_eq!(fs::read_to_string(&file)?, "41\n");
    fs::write(&file, "99")?;
    let plan = world.site().plan(&lab("limits: { maxproc: 40 }"))?;
    assert!(render::text(&plan).contains("amount 98 -> 40"), "{}", render::text(&plan));
    world.up(&lab("limits: { maxproc: 40 }"));
    // They go with the node, and come with it.
    world.stop(&["a"], Duration::ZERO);
    assert_eq!((groups(), with_argument("77012")), (BTreeSet::new(), BTreeSet::new()));
    world.start(&["a"]);
    assert_eq!(fs::read_to_string(&file)?, "41\n");
    world.down();
    assert_eq!(groups(), BTreeSet::new());
    Ok(())
}
