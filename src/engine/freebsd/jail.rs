//! Jails: making, changing, finding and removing them.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::time::Duration;

use super::FreeBsd;
use super::doors::{Actor, Doors, JAIL_CREATE, JAIL_DYING, JAIL_UPDATE, JailParam, JailRefusal, Jid};
use crate::abi::Errno;
use crate::engine::{EngineError, StepResult, jail_name};
use crate::graph::{Jail, Place};
use crate::model::LabName;

/// How often and how long at a time to wait for a jail to be gone: sockets of others may hold it.
const DYING_ROUNDS: u32 = 100;
const DYING_PAUSE: Duration = Duration::from_millis(50);

/// How jail(2) takes a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Boolean,
    /// 0 disable, 1 new, 2 inherit.
    System,
    Integer,
    Text,
}

impl Kind {
    fn of(name: &str) -> Self {
        match name {
            "vnet" | "host" | "ip4" | "ip6" | "sysvmsg" | "sysvsem" | "sysvshm" => Self::System,
            "children.max" | "children.cur" | "enforce_statfs" | "securelevel" | "devfs_ruleset" | "osreldate" => {
                Self::Integer
            }
            "persist" | "ip4.saddrsel" | "ip6.saddrsel" => Self::Boolean,
            _ if name.starts_with("allow.") => Self::Boolean,
            _ => Self::Text,
        }
    }
}

/// A parameter as jail_set(2) takes it.
fn parameter(name: &str, value: &str) -> JailParam {
    let number = |value: &str| value.parse().ok();
    match Kind::of(name) {
        Kind::Boolean => JailParam::boolean(name, !matches!(value, "false" | "0" | "no")),
        Kind::System => {
            let value = match value {
                "disable" => Some(0),
                "new" => Some(1),
                "inherit" => Some(2),
                other => number(other),
            };
            value.map_or_else(|| JailParam::string(name, ""), |value| JailParam::int(name, value))
        }
        Kind::Integer => {
            number(value).map_or_else(|| JailParam::string(name, value), |value| JailParam::int(name, value))
        }
        Kind::Text => JailParam::string(name, value),
    }
}

/// Room for a parameter's value.
fn buffer(name: &str) -> JailParam {
    match Kind::of(name) {
        Kind::Text => JailParam::string_buffer(name),
        _ => JailParam::int_buffer(name),
    }
}

/// A parameter's value as jail(8) writes it.
fn text(parameter: &JailParam) -> Option<String> {
    Some(match Kind::of(&parameter.name) {
        Kind::Boolean => if parameter.as_int()? == 0 { "false" } else { "true" }.to_owned(),
        Kind::System => match parameter.as_int()? {
            0 => "disable".to_owned(),
            1 => "new".to_owned(),
            2 => "inherit".to_owned(),
            other => other.to_string(),
        },
        Kind::Integer => parameter.as_int()?.to_string(),
        Kind::Text => parameter.as_string()?,
    })
}

/// The sysctl that exists where jails have a `meta` parameter.
const META: &str = "security.jail.param.meta";

/// Every live jail that could be a lab and bears a token, in the order of their numbers.
pub(super) fn tokens<D: Doors>(doors: &mut D) -> Result<Vec<(LabName, String)>, EngineError> {
    let key = match doors.sysctl_get(Actor::Host, META) {
        Ok(_) => "meta",
        Err(Errno::ENOENT) => "host.domainname",
        Err(errno) => return Err(EngineError::refused(META, "sysctl", errno)),
    };
    let mut found = Vec::new();
    let mut last = 0;
    loop {
        let mut parameters =
            [JailParam::int("lastjid", last), JailParam::string_buffer("name"), JailParam::string_buffer(key)];
        let jid = match doors.jail_get(&mut parameters, 0) {
            Ok(jid) => jid,
            Err(refusal) if refusal.errno == Errno::ENOENT => return Ok(found),
            Err(refusal) => return Err(refused("every jail", "jail_get", refusal)),
        };
        let [_, name, bears] = &parameters;
        let bears = bears.as_string().unwrap_or_default();
        let token = bears.lines().find_map(|line| line.strip_prefix("cellblock="));
        let name = name.as_string().and_then(|name| name.parse().ok());
        found.extend(name.zip(token.map(str::to_owned)));
        if jid.0 <= last {
            return Ok(found);
        }
        last = jid.0;
    }
}

impl<D: Doors> FreeBsd<'_, D> {
    /// Whether jails have a `meta` parameter.
    pub(super) fn has_meta(&mut self) -> Result<bool, EngineError> {
        if let Some(known) = self.meta {
            return Ok(known);
        }
        let found = match self.doors.sysctl_get(Actor::Host, META) {
            Ok(_) => true,
            Err(Errno::ENOENT) => false,
            Err(errno) => return Err(EngineError::refused(META, "sysctl", errno)),
        };
        self.meta = Some(found);
        Ok(found)
    }

    /// The parameter that carries the token, and how it reads there.
    fn token_parameter(&mut self) -> Result<(&'static str, String), EngineError> {
        let name = if self.has_meta()? { "meta" } else { "host.domainname" };
        Ok((name, format!("cellblock={}", self.token)))
    }

    pub(super) fn create_jail(&mut self, jail: &Jail) -> Result<(), EngineError> {
        let parameters = self.parameters_of(jail)?;
        let made = self.doors.jail_set(&parameters, JAIL_CREATE);
        self.made(jail, made)
    }

    /// Several that do not need each other, up to `jobs` at a time.
    pub(super) fn create_jails(&mut self, jails: &[&Jail], jobs: NonZeroUsize) -> Vec<StepResult> {
        let mut sets = Vec::with_capacity(jails.len());
        for jail in jails {
            match self.parameters_of(jail) {
                Ok(parameters) => sets.push(parameters),
                Err(error) => {
                    let mut results = vec![StepResult::Failed(error)];
                    results.resize(jails.len(), StepResult::NotTried);
                    return results;
                }
            }
        }
        let made = self.doors.jail_set_all(&sets, JAIL_CREATE, jobs);
        let result = |(jail, made): (&&Jail, Option<Result<Jid, JailRefusal>>)| match made.map(|m| self.made(jail, m)) {
            Some(Ok(())) => StepResult::Done,
            Some(Err(error)) => StepResult::Failed(error),
            None => StepResult::NotTried,
        };
        jails.iter().zip(made).map(result).collect()
    }

    fn parameters_of(&mut self, jail: &Jail) -> Result<Vec<JailParam>, EngineError> {
        let name = self.name_of(&jail.place)?;
        let hostname = match &jail.place {
            Place::Node(node) => node.as_str().to_owned(),
            Place::Host | Place::Lab => self.lab.as_str().to_owned(),
        };
        let mut parameters = vec![JailParam::string("name", &name)];
        if !jail.parameters.contains_key("path") {
            parameters.push(JailParam::string("path", "/"));
        }
        if !jail.parameters.contains_key("host.hostname") {
            parameters.push(JailParam::string("host.hostname", &hostname));
        }
        parameters.push(JailParam::int("vnet", 1));
        parameters.push(JailParam::boolean("persist", true));
        if jail.place == Place::Lab {
            let (key, token) = self.token_parameter()?;
            parameters.push(JailParam::string(key, &token));
        }
        parameters.extend(jail.parameters.iter().map(|(name, value)| parameter(name, value)));
        Ok(parameters)
    }

    /// Notes the number of a jail that was made.
    fn made(&mut self, jail: &Jail, made: Result<Jid, JailRefusal>) -> Result<(), EngineError> {
        let name = self.name_of(&jail.place)?;
        let jid = made.map_err(|refusal| not_made(&name, jail.parameters.get("path"), refusal))?;
        self.jids.insert(jail.place.clone(), jid);
        Ok(())
    }

    pub(super) fn set_jail(&mut self, place: &Place, to: &BTreeMap<String, String>) -> Result<(), EngineError> {
        let name = self.name_of(place)?;
        let mut parameters = vec![JailParam::int("jid", self.jid(place)?.0)];
        parameters.extend(to.iter().map(|(name, value)| parameter(name, value)));
        self.doors.jail_set(&parameters, JAIL_UPDATE).map_err(|refusal| refused(&name, "jail_set", refusal))?;
        Ok(())
    }

    /// Removes a jail and waits until nothing of it is left.
    pub(super) fn remove_jail(&mut self, place: &Place) -> Result<(), EngineError> {
        let name = self.name_of(place)?;
        self.jids.remove(place);
        let Some(jid) = self.find_jail(place)? else { return Ok(()) };
        // Sockets of ours would keep it from dying.
        match self.parked.take(jid) {
            Some(session) => session.close(self.doors),
            None if *place == Place::Lab => drop(self.parked.clear(self.doors)),
            None => {}
        }
        match self.doors.jail_remove_named(jid, &name) {
            Ok(()) => {}
            // Gone meanwhile, with its parent or by itself.
            Err(Errno::EINVAL) if self.find_jail(place)?.is_none() => {}
            Err(errno) => return Err(EngineError::refused(name, "jail_remove", errno)),
        }
        if *place == Place::Lab {
            self.jids.clear();
        }
        for _ in 0..DYING_ROUNDS {
            if !self.is_dying(jid)? {
                return Ok(());
            }
            self.doors.wait(DYING_PAUSE, &[]);
        }
        Err(EngineError::strange(&name, "jail_remove", format!("jail `{name}` will not die")).hint(
            "a socket that was opened inside is still open in another process (`fstat` and `procstat -f` show whose), or a program that \
             was started there has ended and its parent has not taken notice (`ps -axo jid,pid,ppid,stat` shows Z)",
        ))
    }

    /// The live jail of a place.
    pub(super) fn find_jail(&mut self, place: &Place) -> Result<Option<Jid>, EngineError> {
        let name = self.name_of(place)?;
        let mut parameters = [JailParam::string("name", &name), JailParam::int_buffer("jid")];
        match self.doors.jail_get(&mut parameters, 0) {
            Ok(jid) => Ok(Some(jid)),
            Err(refusal) if refusal.errno == Errno::ENOENT => Ok(None),
            Err(refusal) => Err(refused(&name, "jail_get", refusal)),
        }
    }

    fn is_dying(&mut self, jid: Jid) -> Result<bool, EngineError> {
        match self.doors.jail_get(&mut [JailParam::int("jid", jid.0)], JAIL_DYING) {
            Ok(_) => Ok(true),
            Err(refusal) if refusal.errno == Errno::ENOENT => Ok(false),
            Err(refusal) => Err(refused(&format!("jail {}", jid.0), "jail_get", refusal)),
        }
    }

    /// The lab jail, if there is one; one that bears another token is not ours.
    pub(super) fn own_lab(&mut self) -> Result<Option<Jid>, EngineError> {
        let name = self.lab.as_str().to_owned();
        let (key, token) = self.token_parameter()?;
        let mut parameters = [JailParam::string("name", &name), JailParam::string_buffer(key)];
        let jid = match self.doors.jail_get(&mut parameters, 0) {
            Ok(jid) => jid,
            Err(refusal) if refusal.errno == Errno::ENOENT => return Ok(None),
            Err(refusal) => return Err(refused(&name, "jail_get", refusal)),
        };
        let found = parameters[1].as_string().unwrap_or_default();
        if found.lines().any(|line| line == token) {
            return Ok(Some(jid));
        }
        Err(EngineError::strange(&name, "jail_get", format!("there is a jail `{name}` that is not ours"))
            .hint("give the lab another name (`--name`), or remove that jail if nobody needs it"))
    }

    /// The value of parameters that are asked for; those the kernel does not know are left out.
    pub(super) fn jail_parameters<'n>(
        &mut self,
        jid: Jid,
        names: impl Iterator<Item = &'n String>,
    ) -> Result<BTreeMap<String, String>, EngineError> {
        let mut parameters = vec![JailParam::int("jid", jid.0)];
        parameters.extend(names.map(|name| buffer(name)));
        if parameters.len() == 1 {
            return Ok(BTreeMap::new());
        }
        self.doors
            .jail_get(&mut parameters, 0)
            .map_err(|refusal| refused(&format!("jail {}", jid.0), "jail_get", refusal))?;
        Ok(parameters[1..].iter().filter_map(|found| Some((found.name.clone(), text(found)?))).collect())
    }

    /// Every live jail below the lab's: its last name and number, in the order of the numbers.
    pub(super) fn children(&mut self) -> Result<Vec<(String, Jid)>, EngineError> {
        let prefix = format!("{}.", self.lab);
        let mut found = Vec::new();
        let mut last = 0;
        loop {
            let mut parameters = [JailParam::int("lastjid", last), JailParam::string_buffer("name")];
            let jid = match self.doors.jail_get(&mut parameters, 0) {
                Ok(jid) => jid,
                Err(refusal) if refusal.errno == Errno::ENOENT => return Ok(found),
                Err(refusal) => return Err(refused(self.lab.as_str(), "jail_get", refusal)),
            };
            let name = parameters[1].as_string().unwrap_or_default();
            if let Some(child) = name.strip_prefix(&prefix).filter(|child| !child.contains('.')) {
                found.push((child.to_owned(), jid));
            }
            if jid.0 <= last {
                return Ok(found);
            }
            last = jid.0;
        }
    }

    pub(super) fn name_of(&self, place: &Place) -> Result<String, EngineError> {
        jail_name(self.lab.as_str(), place)
            .ok_or_else(|| EngineError::strange("the host", "jail_get", "the host is no jail of ours"))
    }
}

/// A jail that could not be made. Of a path that is missing the kernel gives no more than the number.
fn not_made(name: &str, path: Option<&String>, refusal: JailRefusal) -> EngineError {
    let silent = refusal.message.is_empty();
    match path.filter(|_| silent && matches!(refusal.errno, Errno::ENOENT | Errno::ENOTDIR)) {
        Some(path) => refused(name, "jail_set", refusal)
            .detail(format!("there is no directory `{path}`"))
            .hint("the node's `rootfs` says so: make that directory, or name another one"),
        None => refused(name, "jail_set", refusal),
    }
}

fn refused(name: &str, call: &str, refusal: JailRefusal) -> EngineError {
    let error = EngineError::refused(name, call, refusal.errno);
    let error = match (call, refusal.errno) {
        ("jail_set", Errno::EEXIST) => error
            .hint("somebody else has made that jail meanwhile: `jls` shows it; give the lab another name (`--name`)"),
        ("jail_set", Errno::EINVAL) if refusal.message == "unknown parameter: vnet" => {
            error.hint("the kernel has no VIMAGE: boot one with `options VIMAGE`, as GENERIC is")
        }
        _ => error,
    };
    if refusal.message.is_empty() { error } else { error.detail(refusal.message) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_go_and_come_as_jail_8_writes_them() {
        assert_eq!(parameter("allow.raw_sockets", "false").name, "allow.noraw_sockets");
        assert_eq!(parameter("children.max", "3"), JailParam::int("children.max", 3));
        assert_eq!(parameter("sysvmsg", "new"), JailParam::int("sysvmsg", 1));
        assert_eq!(parameter("host.hostname", "a"), JailParam::string("host.hostname", "a"));
        for (name, value) in [("allow.chflags", "true"), ("sysvshm", "inherit"), ("securelevel", "2")] {
            let back = match parameter(name, value) {
                JailParam { value: None, name } => JailParam::int(&name, 1),
                other => other,
            };
            assert_eq!(text(&back).as_deref(), Some(value));
        }
    }
}
