//! Carries scripts out and compares.

use std::time::Duration;

use cellblock::engine::freebsd::doors::Doors;

use super::picture;
use super::script::{Expected, Line, Outcome, RouteDoors, Script, Topic};
use super::verbs;
use super::world::{Failed, Means, PATIENCE, World};

/// What is to come soon is looked for so often at least.
const ATTEMPTS: u32 = 10;

/// A fact and what became of it.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// `topic/script [door]: line`.
    pub name: String,
    /// `None` if it holds, else what came instead.
    pub wrong: Option<String>,
}

/// What scripts said.
#[derive(Debug, Default)]
pub struct Report {
    pub verdicts: Vec<Verdict>,
    /// Topics that were left out, and why.
    pub skipped: Vec<(String, String)>,
}

impl Report {
    pub fn failures(&self) -> impl Iterator<Item = &Verdict> {
        self.verdicts.iter().filter(|verdict| verdict.wrong.is_some())
    }

    pub fn passed(&self) -> usize {
        self.verdicts.len() - self.failures().count()
    }
}

/// Every script of a topic by every door it is for; those that need netlink(4) only if it is to be used.
pub fn topic<D: Doors>(doors: &mut D, topic: &Topic, netlink: bool, report: &mut Report, told: &mut dyn FnMut(&str)) {
    for module in &topic.needs {
        if !doors.has_module(module)
            && let Err(errno) = doors.load_module(module)
        {
            report.skipped.push((topic.name.clone(), format!("module {module} cannot be loaded: {errno}")));
            return;
        }
    }
    for script in &topic.scripts {
        let means: &[(Means, &str)] = match script.doors {
            _ if !netlink && !script.needs_netlink() => &[(Means::Rtsock, " [no netlink]")],
            _ if !netlink => &[],
            RouteDoors::None => &[(Means::Netlink, "")],
            RouteDoors::Both => &[(Means::Netlink, " [netlink]"), (Means::Rtsock, " [rtsock]")],
            RouteDoors::Netlink => &[(Means::Netlink, " [netlink]")],
            RouteDoors::Rtsock => &[(Means::Rtsock, " [rtsock]")],
        };
        for (means, suffix) in means {
            let title = format!("{}/{}{suffix}", topic.name, script.name);
            told(&title);
            one(doors, script, (*means, netlink), &title, report);
        }
    }
}

/// One script; afterwards the kernel must be as it was.
fn one<D: Doors>(doors: &mut D, script: &Script, (means, netlink): (Means, bool), title: &str, report: &mut Report) {
    let before = picture::host_picture_by(doors, netlink);
    let mut world = World::new(doors, means);
    world.before = before.clone();
    let mut broken = None;
    for line in &script.lines {
        let name = format!("{title}: {}", line.text);
        if let Expected::Fact { .. } = line.expected
            && let Some(why) = &broken
        {
            report.verdicts.push(Verdict { name, wrong: Some(format!("not reached: {why}")) });
            continue;
        }
        if broken.is_some() {
            continue;
        }
        match (&line.expected, carry_out(&mut world, line)) {
            (Expected::Step, Ok(())) => {}
            (Expected::Step, Err(why)) => broken = Some(format!("line {}: {why}", line.number)),
            (Expected::Fact { .. }, outcome) => report.verdicts.push(Verdict { name, wrong: outcome.err() }),
        }
    }
    world.close();
    let after = settled(doors, &before, netlink);
    let mut wrong = broken;
    if after != before {
        let differs = difference(&before, &after);
        wrong = Some(wrong.map_or(differs.clone(), |why| format!("{why}; {differs}")));
        clean(doors, &before, netlink);
    }
    let name = format!("{title}: leaves the kernel as it was");
    report.verdicts.push(Verdict { name, wrong });
}

/// The kernel once what goes by itself is gone.
fn settled<D: Doors>(doors: &mut D, before: &[String], netlink: bool) -> Vec<String> {
    let mut after = picture::host_picture_by(doors, netlink);
    let started = doors.now();
    while after != before && doors.now().saturating_sub(started) < PATIENCE {
        doors.wait(Duration::from_millis(20), &[]);
        after = picture::host_picture_by(doors, netlink);
    }
    after
}

pub fn difference(before: &[String], after: &[String]) -> String {
    let missing = before.iter().filter(|line| !after.contains(line)).map(|line| format!("missing: {line}"));
    let left = after.iter().filter(|line| !before.contains(line)).map(|line| format!("left: {line}"));
    missing.chain(left).collect::<Vec<_>>().join("; ")
}

/// Removes what a script left, so that the next one is not judged by it.
fn clean<D: Doors>(doors: &mut D, before: &[String], netlink: bool) {
    let mut world = World::new(doors, Means::Netlink);
    world.before = before.to_vec();
    for (verb, prefix) in [("jail_remove", "jail "), ("ng shutdown", "node "), ("destroy", "interface ")] {
        let now = picture::host_picture_by(world.doors, netlink);
        for line in now.iter().filter(|line| !before.contains(line)) {
            let Some(object) = line.strip_prefix(prefix).and_then(|rest| rest.split_whitespace().next()) else {
                continue;
            };
            let object =
                if verb == "ng shutdown" { format!("{}:", object.trim_matches('"')) } else { object.to_owned() };
            let words = super::script::words(&format!("{verb} \"{object}\"")).unwrap_or_default();
            let _ = verbs::perform(&mut world, "host", &words);
        }
    }
    world.close();
}

fn carry_out<D: Doors>(world: &mut World<'_, D>, line: &Line) -> Result<(), String> {
    let started = world.doors.now();
    let mut attempts = 0;
    loop {
        attempts += 1;
        let got = match attempt(world, line) {
            Ok(reply) => Ok(reply),
            Err(Failed::Kernel(errno, text)) => Err((format!("{errno:?}"), text)),
            Err(Failed::Script(why)) => return Err(format!("the script is wrong: {why}")),
        };
        let (outcome, soon) = match &line.expected {
            Expected::Step => (&Outcome::Success, false),
            Expected::Fact { outcome, soon } => (outcome, *soon),
        };
        let outcome = filled(world, outcome).map_err(|_| "the script is wrong: an unknown name".to_owned())?;
        if outcome.is(&got) {
            return Ok(());
        }
        // On a machine that is starved one attempt may use up all the time while the kernel has not had its turn.
        let tried_enough = attempts >= ATTEMPTS && world.doors.now().saturating_sub(started) >= PATIENCE;
        if !soon || tried_enough {
            return Err(match got {
                Ok(reply) => format!("line {}: got `{reply}`", line.number),
                Err((errno, text)) => format!("line {}: got {errno} \"{text}\"", line.number),
            });
        }
        world.doors.wait(Duration::from_millis(20), &[]);
    }
}

fn attempt<D: Doors>(world: &mut World<'_, D>, line: &Line) -> Result<String, Failed> {
    let words = world.words(&line.words)?;
    let who = world.filled(&line.who)?;
    let reply = verbs::perform(world, &who, &words)?;
    let mut parts = reply.split_whitespace();
    for name in &line.names {
        let value = parts.next().ok_or_else(|| format!("nothing to call `{name}` in `{reply}`"))?;
        world.names.insert(name.clone(), value.to_owned());
    }
    Ok(reply)
}

fn filled<D: Doors>(world: &World<'_, D>, outcome: &Outcome) -> Result<Outcome, Failed> {
    let each = |words: &[String]| words.iter().map(|word| world.filled(word)).collect::<Result<Vec<_>, _>>();
    Ok(match outcome {
        Outcome::Success => Outcome::Success,
        Outcome::Refused { errno, text } => Outcome::Refused { errno: errno.clone(), text: text.clone() },
        Outcome::Reply(reply) => Outcome::Reply(world.filled(reply)?),
        Outcome::Has(words) => Outcome::Has(each(words)?),
        Outcome::Lacks(words) => Outcome::Lacks(each(words)?),
    })
}
