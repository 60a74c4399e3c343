//! A lab on the kernel that the test runs on, and what is left of it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use cellblock::lab::{
    Access, Applied, ApplyOptions, EngineKind, Exit, LabError, Probe, ProbeResult, RouteDoorKind, Site, SiteOptions,
};
use cellblock::model::{LabName, Model, NodeName};
use cellblock::plan::{Plan, render};

use crate::support::model;

pub const NAME: &str = "living";

/// Two routers, joined, and a host on a switch; `settings` are those of `a`.
pub fn lab(settings: &str) -> Model {
    model(&format!(
        "version: 1\nname: {NAME}\nrouting: auto\ntopology:\n  nodes:\n    n: {{ kind: switch }}\n    \
         a: {{ kind: router, {settings} }}\n    b: {{ kind: router }}\n    c: {{ kind: host }}\n  links:\n    \
         - {{ endpoints: [ \"a:eth0\", \"b:eth0\" ], ipv4: [ 10.0.0.1/24, 10.0.0.2/24 ] }}\n    \
         - {{ endpoints: [ \"a:eth1\", n ], ipv4: [ 10.0.1.1/24, ~ ] }}\n    \
         - {{ endpoints: [ \"c:eth0\", n ], ipv4: [ 10.0.1.2/24, ~ ] }}\n"
    ))
}

pub fn name() -> LabName {
    NAME.parse().unwrap()
}

pub fn node(name: &str) -> NodeName {
    name.parse().unwrap()
}

/// A site of its own; whatever of the lab is left goes with it.
pub struct World {
    pub site: Option<Site>,
    pub dir: tempfile::TempDir,
}

impl World {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut world = Self { site: None, dir };
        world.reopen();
        world
    }

    pub fn reopen(&mut self) {
        if let Some(site) = self.site.take() {
            site.close().unwrap();
        }
        let options = SiteOptions {
            state_dir: self.dir.path().join("state"),
            access: Access::Change,
            route_door: RouteDoorKind::default(),
            load_modules: false,
            wait: Duration::ZERO,
            holder: "a test".into(),
            // Tests of other programs may run beside this one: their labs are not to be taken for ours.
            entropy: [[7; 12].as_slice(), &std::process::id().to_ne_bytes()].concat().try_into().unwrap(),
        };
        self.site = Some(Site::open(EngineKind::Linux, options).unwrap());
    }

    pub fn site(&mut self) -> &mut Site {
        self.site.as_mut().unwrap()
    }

    pub fn try_up(&mut self, model: &Model) -> Result<Plan, LabError> {
        let plan = self.site().plan(model)?;
        self.site().apply(&plan, Some(model), &ApplyOptions::default(), &mut |_| {})?;
        Ok(plan)
    }

    pub fn up(&mut self, model: &Model) -> Plan {
        let plan = self.try_up(model).unwrap_or_else(|error| panic!("{error:#?}"));
        let again = self.site().plan(model).unwrap();
        assert!(again.is_empty(), "the second plan is not empty:\n{}", render::text(&again));
        plan
    }

    pub fn down(&mut self) {
        let down = self.site().down(&name(), &ApplyOptions::default(), &mut |_| {});
        down.unwrap_or_else(|error| panic!("{error:#?}"));
        assert_eq!(residue(), Vec::<String>::new());
    }

    pub fn stop(&mut self, nodes: &[&str], grace: Duration) -> Applied {
        let nodes: Vec<NodeName> = nodes.iter().map(|name| node(name)).collect();
        let stopped = self.site().stop(&name(), &nodes, grace, &ApplyOptions::default(), &mut |_| {});
        stopped.unwrap_or_else(|error| panic!("{error:#?}"))
    }

    pub fn start(&mut self, nodes: &[&str]) -> Plan {
        let nodes: Vec<NodeName> = nodes.iter().map(|name| node(name)).collect();
        self.site()
            .start(&name(), &nodes, &ApplyOptions::default(), &mut |_| {})
            .unwrap_or_else(|error| panic!("{error:#?}"))
            .1
    }

    /// Runs a command to its end: how it ended and what it wrote.
    pub fn run(&mut self, at: &str, command: &[&str]) -> (Exit, String) {
        let mut out = Vec::new();
        let command: Vec<String> = command.iter().map(|word| (*word).to_owned()).collect();
        let exit = self.site().exec(&name(), &node(at), &command, &mut |_, bytes| out.extend_from_slice(bytes));
        (exit.unwrap_or_else(|error| panic!("{command:?}: {error:?}")), String::from_utf8(out).unwrap())
    }

    /// The same for a script that must succeed.
    pub fn sh(&mut self, at: &str, script: &str) -> String {
        let (exit, out) = self.run(at, &["sh", "-c", script]);
        assert_eq!(exit, Exit::Code(0), "{script}: {out}");
        out
    }

    pub fn reaches(&mut self, from: &str, to: &str) -> bool {
        let probe = Probe {
            from: node(from),
            to: to.parse().unwrap(),
            interface: None,
            tries: 3,
            timeout: Duration::from_secs(1),
        };
        let results = self.site().probe(&name(), &[probe]).unwrap();
        matches!(results[..], [ProbeResult::Answered { .. }])
    }

    pub fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(mut site) = self.site.take() {
            let _ = site.down(
                &name(),
                &ApplyOptions { timeout: Some(Duration::from_secs(1)), ..ApplyOptions::default() },
                &mut |_| {},
            );
        }
    }
}

/// Living processes with that word among their arguments, wherever they are.
pub fn with_argument(word: &str) -> BTreeSet<i32> {
    let has = |process: &i32| {
        let line = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
        line.split(|octet| *octet == 0).any(|argument| argument == word.as_bytes())
    };
    living().into_iter().filter(has).collect()
}

pub fn living() -> BTreeSet<i32> {
    let number = |entry: fs::DirEntry| entry.file_name().to_str()?.parse().ok();
    let all = fs::read_dir("/proc").unwrap().filter_map(|entry| number(entry.unwrap()));
    let is_alive = |process: &i32| {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z') && !rest.starts_with('X'))
    };
    all.filter(is_alive).collect()
}

/// The first processes of nodes.
pub fn keepers() -> BTreeSet<i32> {
    let is_one = |process: &i32| {
        fs::read_to_string(format!("/proc/{process}/comm")).is_ok_and(|name| name == "cellblock-init\n")
    };
    let own = |process: &i32| in_our_mounts(*process);
    living().into_iter().filter(is_one).filter(own).collect()
}

/// Whether a process sees this test's own /run: tests of other programs may run beside this one.
pub fn in_our_mounts(process: i32) -> bool {
    let table = fs::read_to_string(format!("/proc/{process}/mountinfo")).unwrap_or_default();
    table.lines().any(|line| line.split(' ').nth(4) == Some("/run/cellblock/living"))
        && fs::read_link(format!("/proc/{process}/root/run/cellblock-test")).is_ok_and(|mark| mark == mark_of_test())
}

/// Says whose /run it is.
pub fn mark_of_test() -> std::path::PathBuf {
    let mark = Path::new("/run/cellblock-test");
    if let Ok(found) = fs::read_link(mark) {
        return found;
    }
    let own = std::path::PathBuf::from(format!("pid-{}", std::process::id()));
    std::os::unix::fs::symlink(&own, mark).unwrap();
    own
}

/// What is left of labs in this test's /run.
pub fn residue() -> Vec<String> {
    let mut left = Vec::new();
    for folder in ["/run/cellblock", "/run/netns"] {
        let entries = fs::read_dir(folder).into_iter().flatten();
        left.extend(entries.map(|entry| entry.unwrap().path().display().to_string()));
    }
    left
}

/// Waits for something that comes by itself.
#[track_caller]
pub fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(60), "{what} did not come");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}
