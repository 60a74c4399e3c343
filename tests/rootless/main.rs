//! Labs on Linux without privilege: the program as a user runs it, each lab in a user namespace that one process holds. Where this
//! machine lets no user make such namespaces, the tests say so and pass.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::print_stdout, reason = "a skipped test says why")]

#[path = "../common/chance.rs"]
mod chance;
mod killed;
mod user;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use user::{User, lives, wait_until};

const TWO: &str = r#"
version: 1
name: two
topology:
  nodes: { a: { kind: host }, b: { kind: host }, s: { kind: switch } }
  links:
    - { endpoints: [ "a:e0", s ], ipv4: [ 10.0.0.1/24, ~ ] }
    - { endpoints: [ "b:e0", s ], ipv4: [ 10.0.0.2/24, ~ ] }
checks:
  - reach: { from: "*", to: "*" }
"#;

fn names(folder: &str) -> BTreeSet<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()).collect()
}

/// A program that stays in a node until it is ended.
fn stay(user: &User, node: &str) -> Child {
    let script = "echo here; while :; do sleep 1000; done";
    let mut child = user.cellblock(&["exec", node, "sh", "-c", script]).stdout(Stdio::piped()).spawn().unwrap();
    let mut word = [0; 4];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut word).unwrap();
    child
}

#[test]
fn a_lab_lives_and_dies_without_privilege() {
    let Some(user) = User::new() else { return };
    user.write("two.yaml", TWO);
    let before = (names("/run"), names("/run/netns"), names("/run/cellblock"));
    let said = user.run(&["up", "two.yaml"]).expect(0);
    assert!(
        said.err.contains("engine linux, each lab in a user namespace of its own: we are not root"),
        "{}",
        said.err
    );
    assert!(said.out.contains("3 nodes, 2 links, engine linux"), "{}", said.out);
    let holder = user.holder("two");
    assert!(lives(holder));
    assert!(user.run(&["plan", "two.yaml"]).expect(0).out.contains("Plan: 0 to add, 0 to change"));
    user.run(&["test", "two"]).expect(0);
    let inside = user.run(&["exec", "a@two", "sh", "-c", "cd /; ls /sys/class/net; id -u; pwd"]).expect(0);
    assert_eq!(inside.out.split_whitespace().collect::<Vec<_>>(), ["e0", "lo", "0", "/"]);
    assert_eq!(user.run(&["exec", "a@two", "sh", "-c", "exit 7"]).code, Some(7));
    assert!(user.run(&["inspect", "two", "--format", "json"]).expect(0).out.contains("10.0.0.2/24"));
    // Nobody else sees anything of it.
    assert_eq!((names("/run"), names("/run/netns"), names("/run/cellblock")), before);
    assert!(user.run(&["down", "two"]).expect(0).out.contains("lab down in"));
    assert!(!lives(holder));
    user.nothing_is_left("two");
}

/// In a user namespace in which nobody may make any: no root, and nothing to be root of.
#[test]
fn where_no_namespace_can_be_made_the_lab_is_simulated_and_one_line_says_why() {
    let Some(user) = User::new() else { return };
    user.write("two.yaml", TWO);
    let limits = "echo 0 > /proc/sys/user/max_user_namespaces && echo 0 > /proc/sys/user/max_net_namespaces";
    for (verb, says) in [("up two.yaml", "3 nodes, 2 links, engine sim"), ("down two", "engine sim")] {
        let script = format!("{limits} && exec ./cellblock {verb}");
        let output = user.as_user("unshare").args(["-U", "-r", "sh", "-c", &script]).output().unwrap();
        let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        assert!(output.status.success() && out.contains(says), "{out}{err}");
        let told: Vec<&str> = err.lines().filter(|line| line.contains("engine ")).collect();
        // Where the lab is known, so is its engine.
        assert_eq!(told.len(), usize::from(verb.starts_with("up")), "{err}");
        assert!(
            told.iter().all(|line| line.starts_with("engine sim: ") && line.contains("no user namespace")),
            "{err}"
        );
    }
    user.nothing_is_left("two");
}

#[test]
fn labs_of_one_user_do_not_meet_and_paths_stay_what_they_were() {
    let Some(user) = User::new() else { return };
    user.write("one.yaml", &TWO.replace("name: two", "name: one"));
    user.write("two.yaml", TWO);
    // A path that is relative means the same in the holder's view of the files.
    for lab in ["one", "two"] {
        user.run(&["--state-dir", "here", "up", &format!("{lab}.yaml")]).expect(0);
    }
    for lab in ["one", "two"] {
        user.run(&["--state-dir", "here", "test", lab]).expect(0);
    }
    user.run(&["--state-dir", "here", "down", "one"]).expect(0);
    user.run(&["--state-dir", "here", "test", "two"]).expect(0);
    user.run(&["--state-dir", "here", "down", "two"]).expect(0);
    assert_eq!(fs::read_dir(user.home.path().join("here/labs")).unwrap().count(), 0);
    assert!(!user.home.path().join("here/holders").exists());
}

#[test]
fn a_holder_that_was_killed_is_replaced_by_up_and_forgotten_by_down() {
    let Some(user) = User::new() else { return };
    user.write("two.yaml", TWO);
    user.run(&["up", "two.yaml"]).expect(0);
    let mut left = stay(&user, "a@two");
    user.kill_holder("two");
    assert!(user.run(&["plan", "two.yaml"]).expect(0).out.contains(" 0 to change, 0 to replace, 0 to destroy"));
    user.run(&["up", "two.yaml"]).expect(0);
    user.run(&["test", "two"]).expect(0);
    // What was started in the lab that is no more is ended, because the new one is not the old one.
    assert!(!left.wait().unwrap().success());

    let mut left = stay(&user, "b@two");
    user.kill_holder("two");
    user.run(&["down", "two"]).expect(0);
    assert!(!left.wait().unwrap().success());
    user.nothing_is_left("two");
}

/// What tells of the first processes of nodes is gone with the lab's file system, in the holder's view and in theirs.
#[test]
fn what_runs_in_a_lab_that_was_unmounted_is_ended() {
    let Some(user) = User::new() else { return };
    user.write("two.yaml", TWO);
    for verb in [["up", "two.yaml"], ["down", "two"]] {
        user.run(&["up", "two.yaml"]).expect(0);
        let mut left = stay(&user, "a@two");
        let holder = user.holder("two").to_string();
        let words = ["-t", &holder, "-U", "-m", "--preserve-credentials", "umount", "-l", "/run/cellblock/two"];
        assert!(user.as_user("nsenter").args(words).status().unwrap().success());
        user.run(&verb).expect(0);
        assert!(!left.wait().unwrap().success());
    }
    user.nothing_is_left("two");
}

#[test]
fn a_process_that_got_the_number_of_a_holder_is_not_taken_for_it() {
    let Some(user) = User::new() else { return };
    user.write("two.yaml", TWO);
    user.run(&["up", "two.yaml"]).expect(0);
    let first = user.holder("two");
    let mut other = user.as_user("sleep").arg("1000").spawn().unwrap();
    let text = fs::read_to_string(user.holder_file("two")).unwrap();
    user.kill_holder("two");
    let text = text.replace(&format!("pid {first}\n"), &format!("pid {}\n", other.id()));
    fs::write(user.holder_file("two"), &text).unwrap();
    user.run(&["up", "two.yaml"]).expect(0);
    assert!(lives(other.id()) && user.holder("two") != other.id());
    user.kill_holder("two");
    fs::write(user.holder_file("two"), &text).unwrap();
    user.run(&["down", "two"]).expect(0);
    assert!(lives(other.id()));
    user.nothing_is_left("two");
    other.kill().unwrap();
    other.wait().unwrap();
}

#[test]
fn an_up_that_was_killed_leaves_nothing_that_down_does_not_find() {
    let Some(user) = User::new() else { return };
    let mut text = "version: 1\nname: many\ntopology:\n  nodes: { s: { kind: switch }".to_owned();
    (0..60).for_each(|n| text += &format!(", h{n}: {{ kind: host }}"));
    text += " }\n  links:\n";
    (0..60).for_each(|n| {
        text += &format!("    - {{ endpoints: [ \"h{n}:e0\", s ], ipv4: [ 10.0.0.{}/24, ~ ] }}\n", n + 1)
    });
    user.write("many.yaml", &text);
    let moments: [&dyn Fn(&Path) -> bool; 3] = [
        &|state: &Path| state.join("labs/many.lab").exists(),
        &|state: &Path| state.join("holders/many").exists(),
        &|state: &Path| {
            let text = fs::read_to_string(state.join("holders/many")).unwrap_or_default();
            let process = text.lines().find_map(|line| line.strip_prefix("pid "));
            process.is_some_and(|process| {
                let table = fs::read_to_string(format!("/proc/{process}/mountinfo")).unwrap_or_default();
                table.contains("/run/cellblock/many/ns/h2")
            })
        },
    ];
    for (number, moment) in moments.iter().enumerate() {
        let mut up = user.cellblock(&["up", "many.yaml"]).stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        wait_until(|| moment(&user.state()) || up.try_wait().unwrap().is_some());
        up.kill().unwrap();
        up.wait().unwrap();
        let holder = user.holder_file("many").exists().then(|| user.holder("many"));
        if number % 2 == 0 {
            user.run(&["up", "many.yaml"]).expect(0);
            assert!(user.run(&["plan", "many.yaml"]).expect(0).out.contains("Plan: 0 to add, 0 to change"));
        }
        user.run(&["down", "many"]).expect(0);
        user.nothing_is_left("many");
        assert!(holder.is_none_or(|process| !lives(process)));
    }
}

#[test]
fn what_needs_privilege_is_refused_where_it_stands() {
    let Some(user) = User::new() else { return };
    let text = "version: 1\nname: own\ntopology:\n  nodes: { me: { kind: self }, a: { kind: host } }\n  links:\n    - \
                { endpoints: [ \"me:lab0\", \"a:e0\" ] }\n";
    user.write("own.yaml", text);
    for verb in ["up", "validate"] {
        let said = user.run(&[verb, "own.yaml"]).expect(65);
        assert!(said.err.contains("L011") && said.err.contains("run as root"), "{}", said.err);
    }
    user.nothing_is_left("own");
    let doctor = user.run(&["doctor"]).expect(0);
    assert!(doctor.out.contains("auto: engine linux, each lab in a user namespace of its own"), "{}", doctor.out);
}

/// A directory of the user's in which a shell runs: with what ldd(1) says that it needs.
fn root(user: &User, name: &str) -> Option<PathBuf> {
    let root = user.home.path().join(name);
    let own = |path: &Path| user.uid.map_or(Ok(()), |uid| chown(path, Some(uid), Some(uid))).unwrap();
    let mut needed = BTreeSet::new();
    for program in ["/bin/sh", "/bin/cat"] {
        needed.insert(PathBuf::from(program));
        let Ok(said) = Command::new("ldd").arg(program).output() else {
            println!("skipped: ldd(1) cannot be run");
            return None;
        };
        let text = String::from_utf8(said.stdout).unwrap();
        needed.extend(text.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from));
    }
    let files = needed.iter().map(|path| path.strip_prefix("/").unwrap().to_owned());
    let folders = ["dev", "proc", "sys", "etc", "var"].map(PathBuf::from);
    for folder in files.clone().filter_map(|path| path.parent().map(Path::to_owned)).chain(folders) {
        for part in folder.ancestors().collect::<Vec<_>>().into_iter().rev() {
            fs::create_dir_all(root.join(part)).unwrap();
            own(&root.join(part));
        }
    }
    for file in files {
        fs::copy(Path::new("/").join(&file), root.join(&file)).unwrap();
    }
    fs::write(root.join("etc/motd"), "of the base\n").unwrap();
    own(&root.join("etc/motd"));
    Some(root)
}

#[test]
fn nodes_have_files_of_their_own_without_privilege() {
    let Some(user) = User::new() else { return };
    let Some(base) = root(&user, "base") else { return };
    let rootfs = format!("kind: host, rootfs: {{ base: {}, rw: [ etc, var ] }}", base.display());
    user.write("two.yaml", &TWO.replace("a: { kind: host }", &format!("a: {{ {rootfs} }}")));
    user.run(&["up", "two.yaml"]).expect(0);
    let script = "cat /etc/motd; echo own > /etc/motd; cat /etc/motd; cat /proc/1/comm; echo x > /dev/null; echo /dev/pts/* \
                  /sys/class/net/*; echo x > /x";
    let said = user.run(&["exec", "a@two", "sh", "-c", script]).expect(2);
    assert_eq!(said.out, "of the base\nown\ncellblock-init\n/dev/pts/ptmx /sys/class/net/e0 /sys/class/net/lo\n");
    assert!(said.err.contains("Read-only"), "{}", said.err);
    assert_eq!(fs::read_to_string(base.join("etc/motd")).unwrap(), "of the base\n");
    assert!(user.run(&["plan", "two.yaml"]).expect(0).out.contains("Plan: 0 to add, 0 to change"));
    user.run(&["test", "two"]).expect(0);
    user.run(&["down", "--wait", "two"]).expect(0);
    user.nothing_is_left("two");
    assert!(!user.state().join("roots/two").exists());
}

#[test]
fn down_waits_without_privilege_until_the_kernel_has_taken_everything_apart() {
    let Some(user) = User::new() else { return };
    user.write("two.yaml", TWO);
    for _ in 0..2 {
        user.run(&["up", "two.yaml"]).expect(0);
        assert!(user.run(&["down", "--wait", "two"]).expect(0).out.contains("lab down in"));
        user.nothing_is_left("two");
    }
    // A lab that is not there is no lab to wait for.
    user.run(&["down", "--wait", "two"]).expect(66);
}

#[test]
fn gc_finds_labs_of_which_no_file_tells_by_their_processes() {
    let Some(user) = User::new() else { return };
    user.write("two.yaml", TWO);
    user.write("one.yaml", &TWO.replace("name: two", "name: one"));
    for lab in ["one", "two"] {
        user.run(&["up", &format!("{lab}.yaml")]).expect(0);
    }
    assert_eq!(user.run(&["gc"]).expect(0).out, "nothing is left of any lab\n");
    let (one, two) = (user.holder("one"), user.holder("two"));
    let mut inside = stay(&user, "a@two");
    // Of one lab the record is gone, of the other one all files.
    fs::remove_file(user.record("one")).unwrap();
    fs::remove_file(user.record("two")).unwrap();
    fs::remove_file(user.holder_file("two")).unwrap();
    let mut other = user.as_user("sleep").arg("1000").spawn().unwrap();
    let found = user.run(&["gc"]).expect(0).out;
    assert!(found.contains("lab one: processes of yours keep it") && found.contains("lab two: processes"), "{found}");
    assert!(found.contains("bears `cellblock:") && found.contains("no record in this state directory"), "{found}");
    for holder in [one, two] {
        assert!(found.contains(&format!("process {holder} (cellblock-hold), started ")), "{found}");
        assert!(lives(holder), "it was only looked");
    }
    assert!(!found.contains(&format!("process {} ", other.id())), "{found}");
    assert!(user.run(&["gc", "--yes"]).expect(0).out.contains("2 labs removed"));
    assert!(!lives(one) && !lives(two) && lives(other.id()));
    assert!(!inside.wait().unwrap().success());
    assert_eq!(user.run(&["gc"]).expect(0).out, "nothing is left of any lab\n");
    ["one", "two"].into_iter().for_each(|lab| user.nothing_is_left(lab));
    other.kill().unwrap();
    other.wait().unwrap();
    user.run(&["up", "two.yaml"]).expect(0);
    user.run(&["down", "two"]).expect(0);
}
