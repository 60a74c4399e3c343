//! Somebody takes a lab, or a node of it, out of everybody's sight while programs run there: what is left of it are processes.

use std::collections::BTreeSet;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command};

use cellblock::lab::StrayKind;
use libtest_mimic::Failed;

use crate::world::{World, lab, name, residue, wait_for, with_argument};

/// What runs in the lab: beneath first processes, and in a network stack alone.
const WORDS: [&str; 3] = ["77011", "77012", "77013"];

/// A lab in which something runs.
fn busy() -> (World, Child) {
    let mut world = World::new();
    world.up(&lab(""));
    world.sh("a", "setsid sleep 77011 >/dev/null 2>&1 &");
    world.sh("c", "setsid sleep 77012 >/dev/null 2>&1 &");
    let outside = Command::new("nsenter").args(["--net=/run/netns/living.a", "sleep", "77013"]).spawn().unwrap();
    wait_for("all of them", || WORDS.iter().all(|word| with_argument(word).len() == 1));
    (world, outside)
}

fn unmount(at: &str) {
    assert!(Command::new("umount").args(["-l", at]).status().unwrap().success(), "{at}");
}

#[track_caller]
fn nothing_runs(mut outside: Child) {
    assert!(!outside.wait().unwrap().success());
    for word in WORDS {
        assert_eq!(with_argument(word), BTreeSet::new(), "{word}");
    }
}

/// `down` ends what runs in a lab whose file system was unmounted.
pub fn before_down() -> Result<(), Failed> {
    let (mut world, outside) = busy();
    // It has the name of a first process, and a network stack of its own, and is none.
    let program = world.path("cellblock-init");
    assert!(Command::new("cp").args(["/bin/sleep", &program]).status()?.success());
    let mut other = Command::new("unshare").args(["--net", &program, "77014"]).spawn()?;
    wait_for("the look-alike", || with_argument("77014").len() == 1);
    unmount("/run/cellblock/living");
    world.down();
    nothing_runs(outside);
    assert!(other.try_wait()?.is_none());
    other.kill()?;
    other.wait()?;
    Ok(())
}

/// `up` makes the lab anew, and ends what runs in the one that was there.
pub fn before_up() -> Result<(), Failed> {
    let (mut world, outside) = busy();
    unmount("/run/cellblock/living");
    world.up(&lab(""));
    nothing_runs(outside);
    assert_eq!(world.sh("a", "cat /proc/1/comm"), "cellblock-init\n");
    assert!(world.reaches("a", "10.0.0.2"));
    world.down();
    Ok(())
}

/// The same with one node of it alone.
pub fn one_node() -> Result<(), Failed> {
    for repairs in [true, false] {
        let (mut world, mut outside) = busy();
        unmount("/run/cellblock/living/ns/a");
        if repairs {
            world.up(&lab(""));
            assert_eq!(with_argument("77011"), BTreeSet::new());
            assert_eq!(with_argument("77012").len(), 1, "in a node that is there");
            assert_eq!(world.sh("a", "cat /proc/1/comm"), "cellblock-init\n");
        }
        // In a network stack that nobody finds any more; it is the test's own child.
        outside.kill()?;
        world.down();
        nothing_runs(outside);
    }
    Ok(())
}

/// Where the record is gone, too, `gc` finds the processes, and says why they are ours.
pub fn without_record() -> Result<(), Failed> {
    let (mut world, outside) = busy();
    unmount("/run/cellblock/living");
    std::fs::remove_file(world.path("state/labs/living.lab"))?;
    world.reopen();
    // Others' labs may be lost at the same time.
    let here = |world: &mut World| {
        let [first] = with_argument("77011").into_iter().collect::<Vec<_>>()[..] else { return None };
        let strays = world.site().strays().unwrap();
        let network = std::fs::read_link(format!("/proc/{first}/ns/net")).unwrap();
        let is_here = |object: &String| {
            let number = object.split(' ').nth(1).unwrap_or_default();
            std::fs::read_link(format!("/proc/{number}/ns/net")).is_ok_and(|found| found == network)
        };
        strays.into_iter().find(|stray| stray.objects.iter().any(is_here))
    };
    let Some(stray) = here(&mut world) else { return Err("it is not found".into()) };
    assert_eq!((stray.lab.clone(), stray.kind, stray.objects.len()), (name(), StrayKind::Unknown, 2), "{stray:?}");
    assert!(stray.why.contains("have open bears `cellblock:"), "{stray:?}");
    let mut other = look_alike(&world, &stray.objects[0])?;
    assert_eq!(
        here(&mut world).map(|found| found.objects),
        Some(stray.objects.clone()),
        "of others there is nothing to say"
    );
    world.site().remove_stray(&stray, &mut |_| {})?;
    nothing_runs(outside);
    assert!(other.try_wait()?.is_none());
    other.kill()?;
    other.wait()?;
    // Names that lead nowhere are left, and taken away with the next lab of that name.
    world.up(&lab(""));
    world.down();
    assert_eq!(residue(), Vec::<String>::new());
    Ok(())
}

/// Another user's program that has the name of a first process, a network stack of its own, and the very file by which `original` is
/// known.
fn look_alike(world: &World, original: &str) -> Result<Child, Failed> {
    let program = world.path("cellblock-init");
    std::fs::copy("/bin/sleep", &program)?;
    std::fs::set_permissions(world.path("."), Permissions::from_mode(0o711))?;
    let number = original.split(' ').nth(1).ok_or("a process has a number")?;
    let mark = format!("/proc/{number}/fd/3");
    let begin = "exec 3<\"$1\"; exec unshare --net setpriv --reuid=65534 --regid=65534 --clear-groups \"$0\" 77015";
    let other = Command::new("sh").args(["-c", begin, &program, &mark]).spawn()?;
    let process = format!("/proc/{}", other.id());
    wait_for("the look-alike", || {
        std::fs::read_to_string(format!("{process}/comm")).is_ok_and(|name| name == "cellblock-init\n")
    });
    assert_eq!(std::fs::read_link(format!("{process}/fd/3"))?, std::fs::read_link(&mark)?);
    Ok(other)
}
