//! Nodes with files of their own.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use cellblock::lab::Exit;
use cellblock::plan::render;
use libtest_mimic::Failed;

use crate::world::{World, keepers, lab, wait_for, with_argument};

/// Folders that hold the programs of a machine.
const PROGRAMS: [&str; 5] = ["bin", "sbin", "lib", "lib64", "usr"];

/// A directory that programs can run in: with the machine's own programs, mounted read-only. It lies in this test's own /run, which
/// nobody removes: what is mounted in it is safe.
fn root(name: &str) -> PathBuf {
    let root = Path::new("/run").join(name);
    for folder in ["dev", "proc", "sys", "etc", "var/db", "root", "tmp"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    fs::write(root.join("etc/hosts"), format!("10.9.9.9 {name}\n")).unwrap();
    for folder in PROGRAMS {
        let (host, own) = (Path::new("/").join(folder), root.join(folder));
        if own.exists() {
            continue;
        }
        if let Ok(leads) = fs::read_link(&host) {
            symlink(leads, own).unwrap();
        } else if host.is_dir() {
            fs::create_dir(&own).unwrap();
            mount(&["--bind".as_ref(), host.as_ref(), own.as_ref()]);
            mount(&["-o".as_ref(), "remount,bind,ro".as_ref(), own.as_ref()]);
        }
    }
    root
}

fn mount(arguments: &[&Path]) {
    assert!(Command::new("mount").args(arguments).status().unwrap().success(), "{arguments:?}");
}

/// The mounts that this test sees.
fn mounts() -> String {
    fs::read_to_string("/proc/self/mountinfo").unwrap()
}

pub fn directory() -> Result<(), Failed> {
    let base = root("own-root");
    let before = mounts();
    let own = "/etc/netns/living.a";
    fs::create_dir_all(own)?;
    fs::write(format!("{own}/resolv.conf"), "nameserver 10.9.9.8\n")?;
    fs::write(format!("{own}/absent"), "nothing to lie on\n")?;
    // What leads to the host's files leads to the node's own there.
    fs::write(base.join("etc/theirs"), "of the node\n")?;
    symlink("/etc/theirs", base.join("etc/resolv.conf")).or_else(|_| fs::metadata(&base).map(drop))?;
    let mut world = World::new();
    let model = lab(&format!("rootfs: {}", base.display()));
    let plan = world.up(&model);
    let text = render::text(&plan);
    assert!(text.contains(&format!("+   root of a  path {}", base.display())), "{text}");
    assert!(text.contains("nodes share the host's files: b, c"), "{text}");

    assert_eq!(world.sh("a", "cat /etc/hosts"), "10.9.9.9 own-root\n");
    assert_eq!(world.sh("a", "cat /etc/theirs; ls /etc/absent 2>/dev/null || true"), "nameserver 10.9.9.8\n");
    fs::remove_dir_all(own)?;
    let _ = fs::remove_dir("/etc/netns");
    let there = world.sh("a", "ls /").split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert!(there.contains(&"dev".to_owned()) && !there.contains(&"run".to_owned()), "{there:?}");
    // Its own processes, interfaces and devices, and nothing of the host's.
    assert_eq!(world.sh("a", "cat /proc/1/comm; ls /sys/class/net | tr '\\n' ' '"), "cellblock-init\neth0 eth1 lo ");
    let devices = world.sh("a", "ls -A /dev | tr '\\n' ' '");
    assert_eq!(devices, "fd full null ptmx pts random shm stderr stdin stdout tty urandom zero ");
    let bytes =
        world.sh("a", "echo x > /dev/null; head -c 3 /dev/zero | wc -c; head -c 5 /dev/urandom | wc -c; ls /dev/pts");
    assert_eq!(bytes.split_whitespace().collect::<Vec<_>>(), ["3", "5", "ptmx"]);
    let seen = world.sh("a", "cut -d' ' -f5 /proc/self/mountinfo");
    assert!(seen.lines().all(|at| !at.contains("/run") && !at.contains(".host")), "{seen}");
    // A directory is used as it is.
    world.sh("a", "echo written > /var/db/file");
    assert_eq!(fs::read_to_string(base.join("var/db/file"))?, "written\n");
    assert_eq!(world.sh("b", "ls /var/db/file 2>/dev/null || true"), "");
    assert_eq!(world.run("a", &["cat", "/nonexistent"]).0, Exit::Code(1));
    assert!(world.reaches("c", "10.0.0.2") && world.reaches("a", "10.0.1.2"));

    // What ran in it when its first process was killed does so no more, and the next one has the same files.
    let first = keepers_anywhere();
    assert_eq!(first.len(), 1, "{first:?}");
    rustix::process::kill_process(rustix::process::Pid::from_raw(first[0]).unwrap(), rustix::process::Signal::KILL)?;
    wait_for("its end", || keepers_anywhere().is_empty());
    assert_eq!(world.sh("a", "cat /etc/hosts"), "10.9.9.9 own-root\n");
    world.down();
    assert!(keepers().is_empty() && keepers_anywhere().is_empty());
    assert_eq!(mounts(), before);
    assert_eq!(fs::read_to_string(base.join("var/db/file"))?, "written\n");
    Ok(())
}

/// First processes of nodes whose root is one of ours: they do not see our /run.
fn keepers_anywhere() -> Vec<i32> {
    let is_one = |process: &i32| {
        fs::read_to_string(format!("/proc/{process}/comm")).is_ok_and(|name| name == "cellblock-init\n")
            && fs::read_to_string(format!("/proc/{process}/root/etc/hosts")).is_ok_and(|text| text.contains("-root\n"))
    };
    crate::world::living().into_iter().filter(is_one).collect()
}

pub fn layered() -> Result<(), Failed> {
    let base = root("base-root");
    fs::write(base.join("var/db/kept"), "of the base\n")?;
    let before = mounts();
    let mut world = World::new();
    let shared = format!("rootfs: {{ base: {}, rw: [ etc, var/db, tmp ] }}", base.display());
    let model = lab(&shared);
    let plan = world.up(&model);
    let text = render::text(&plan);
    let line = format!("+   root of a  path {} (read-only), private etc, tmp, var/db", base.display());
    assert!(text.contains(&line), "{text}");
    let copies = Path::new(&world.path("state")).join("roots/living/a");
    assert_eq!(fs::read_dir(&copies)?.count(), 3);

    world.sh("a", "echo 'own only' > /etc/hosts; echo new > /var/db/new; echo t > /tmp/t");
    assert_eq!(world.sh("a", "cat /etc/hosts /var/db/kept"), "own only\nof the base\n");
    assert_eq!(fs::read_to_string(base.join("etc/hosts"))?, "10.9.9.9 base-root\n");
    assert!(!base.join("var/db/new").exists());
    for file in ["/root/x", "/var/x", "/usr/x", "/x"] {
        let (exit, said) = world.run("a", &["sh", "-c", &format!("echo x > {file}")]);
        assert_eq!(exit, Exit::Code(2), "{file}: {said}");
    }
    // What is mounted below is read-only too, and stays as it is for everybody else.
    fs::write(base.join("root/by-the-host"), "x")?;
    assert_eq!(world.sh("a", "ls /root"), "by-the-host\n");
    // It is the node's own while the node is: stopping does not lose it.
    world.sh("a", "setsid sleep 77021 >/dev/null 2>&1 & ");
    wait_for("it", || with_argument("77021").len() == 1);
    world.stop(&["a"], Duration::ZERO);
    assert!(with_argument("77021").is_empty());
    world.start(&["a"]);
    assert_eq!(world.sh("a", "cat /etc/hosts /var/db/new"), "own only\nnew\n");
    assert!(world.site().plan(&model)?.is_empty());
    world.down();
    assert!(!copies.exists() && !Path::new(&world.path("state")).join("roots").join("living").exists());
    assert_eq!(mounts(), before);
    Ok(())
}

pub fn changed() -> Result<(), Failed> {
    let (first, second) = (root("first-root"), root("second-root"));
    let before = mounts();
    let mut world = World::new();
    let of = |base: &Path| lab(&format!("rootfs: {{ base: {}, rw: etc }}, limits: {{}}", base.display()));
    world.up(&lab(""));
    world.sh("a", "setsid sleep 77022 >/dev/null 2>&1 & ");
    wait_for("it", || with_argument("77022").len() == 1);
    // The files are other ones, and what ran on the old ones ends; the network is not touched.
    let namespace = fs::metadata("/run/netns/living.a").map(|about| std::os::unix::fs::MetadataExt::ino(&about))?;
    world.up(&of(&first));
    assert!(with_argument("77022").is_empty());
    world.sh("a", "echo own > /etc/hosts");
    let plan = world.up(&of(&second));
    let text = render::text(&plan);
    assert!(text.contains("-/+ root of a  path /run/first-root (read-only) -> /run/second-root (read-only)"), "{text}");
    assert_eq!(world.sh("a", "cat /etc/hosts"), "10.9.9.9 second-root\n");
    let plan = world.up(&lab(""));
    assert!(render::text(&plan).contains("-   root of a"), "{}", render::text(&plan));
    assert_eq!(world.sh("a", "cat /etc/hosts"), fs::read_to_string("/etc/hosts")?);
    let now = fs::metadata("/run/netns/living.a").map(|about| std::os::unix::fs::MetadataExt::ino(&about))?;
    assert_eq!(now, namespace);
    // Somebody took what is known of it away: it is seen, and mended.
    world.up(&of(&first));
    fs::remove_file("/run/cellblock/living/roots/a")?;
    let plan = world.up(&of(&first));
    assert!(render::text(&plan).contains("+   root of a"), "{}", render::text(&plan));
    world.down();
    assert_eq!(mounts(), before);
    Ok(())
}

pub fn refused() -> Result<(), Failed> {
    let base = root("bare-root");
    fs::remove_dir(base.join("proc"))?;
    let before = mounts();
    let mut world = World::new();
    let roots = [
        (format!("rootfs: {}", base.display()), "/proc"),
        (format!("rootfs: {{ base: {} }}", base.display()), "/proc"),
        ("rootfs: /nonexistent/root".to_owned(), "/nonexistent/root"),
        ("rootfs: { base: /nonexistent/root }".to_owned(), "/nonexistent/root"),
        ("rootfs: /etc/passwd".to_owned(), "/etc/passwd"),
    ];
    for (settings, about) in roots {
        let error = world.try_up(&lab(&settings)).unwrap_err();
        assert!(format!("{error:#?}").contains(about), "{settings}: {error:#?}");
        assert!(error.left.is_empty(), "{settings}: {error:#?}");
        assert_eq!(mounts(), before, "{settings}");
        assert!(keepers_anywhere().is_empty());
        assert_eq!(crate::world::residue(), Vec::<String>::new());
        assert!(!Path::new(&world.path("state")).join("roots/living").exists(), "{settings}");
    }
    let zfs = world.try_up(&lab("rootfs: { zfs: tank/base@1 }")).unwrap_err();
    assert!(zfs.diagnostics.iter().any(|finding| finding.code == "L009" && finding.message.contains("tank/base@1")));
    Ok(())
}
