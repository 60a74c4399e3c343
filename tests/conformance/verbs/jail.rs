//! Jails by jail_set(2), jail_get(2), jail_remove(2).

use cellblock::abi::Errno;
use cellblock::abi::JailParam;
use cellblock::abi::jail::{JAIL_ATTACH, STRING_BUFFER};
use cellblock::engine::freebsd::doors::{Doors, JAIL_CREATE, JAIL_DYING, JAIL_UPDATE, JailRefusal};

use super::{Arguments, Word, done, listed};
use crate::world::{Failed, Reply, World};

/// Parameters that are texts; the others are numbers.
const TEXTS: [&str; 7] = ["name", "path", "host.hostname", "host.domainname", "host.hostuuid", "osrelease", "meta"];

impl From<JailRefusal> for Failed {
    fn from(refusal: JailRefusal) -> Self {
        Self::Kernel(refusal.errno, refusal.message)
    }
}

pub fn perform<D: Doors>(world: &mut World<'_, D>, verb: &str, arguments: &mut Arguments<'_>) -> Reply {
    match verb {
        // jail NAME [vnet] [PARAMETER…]: a persistent jail, for what comes next.
        "jail" => {
            let mut parameters =
                vec![JailParam::string("name", arguments.next("a name")?), JailParam::boolean("persist", true)];
            let mut rest = arguments.rest();
            if rest.first().is_some_and(|word| word.text == "vnet") {
                parameters.push(JailParam::int("vnet", 1));
                rest = &rest[1..];
            }
            parameters.push(JailParam::string("path", "/"));
            parameters.extend(given(rest));
            Ok(world.doors.jail_set(&parameters, JAIL_CREATE)?.0.to_string())
        }
        // jail_set FLAG[,FLAG] PARAMETER…: exactly that.
        "jail_set" => {
            let flags = flags(arguments.next("flags")?)?;
            let parameters: Vec<JailParam> = given(arguments.rest()).collect();
            Ok(world.doors.jail_set(&parameters, flags)?.0.to_string())
        }
        // jail_get FLAGS KEY=VALUE WANTED…
        "jail_get" => {
            let flags = flags(arguments.next("flags")?)?;
            let mut parameters: Vec<JailParam> = arguments
                .rest()
                .iter()
                .map(|word| if word.text.contains('=') { parameter(word) } else { wanted(&word.text) })
                .collect();
            let keys = parameters.clone();
            world.doors.jail_get(&mut parameters, flags)?;
            let shown = parameters.iter().zip(&keys).filter(|(_, key)| is_wanted(key)).map(|(found, _)| show(found));
            Ok(shown.collect::<Vec<_>>().join(" "))
        }
        "jail_remove" => {
            let jail = arguments.next("a jail")?;
            let jid = world.jid(jail)?;
            world.doors.jail_remove(jid)?;
            done()
        }
        "jid" => {
            let jail = arguments.next("a jail")?;
            Ok(world.jid(jail)?.0.to_string())
        }
        // Those that were not there before; dying ones in brackets.
        _ => jails(world),
    }
}

fn flags(text: &str) -> Result<i32, Failed> {
    text.split(',').try_fold(0, |flags, word| {
        Ok(flags
            | match word {
                "create" => JAIL_CREATE,
                "update" => JAIL_UPDATE,
                "attach" => JAIL_ATTACH,
                "dying" => JAIL_DYING,
                "none" => 0,
                other => return Err(Failed::Script(format!("there is no jail flag `{other}`"))),
            })
    })
}

fn given(words: &[Word]) -> impl Iterator<Item = JailParam> + '_ {
    words.iter().map(parameter)
}

/// `name` is a NULL pointer, `name=5` an int, `name="5"` and `name=text` a string, `name=#N` N zero bytes.
fn parameter(word: &Word) -> JailParam {
    let Some((name, value)) = word.text.split_once('=') else {
        return JailParam { name: word.text.clone(), value: None };
    };
    match (word.quoted, value.parse::<i32>(), value.strip_prefix('#').and_then(|count| count.parse::<usize>().ok())) {
        (false, Ok(number), _) => JailParam::int(name, number),
        (false, _, Some(count)) => JailParam::buffer(name, count.min(STRING_BUFFER)),
        _ => JailParam::string(name, value),
    }
}

fn wanted(name: &str) -> JailParam {
    if TEXTS.contains(&name) { JailParam::string_buffer(name) } else { JailParam::int_buffer(name) }
}

fn is_wanted(parameter: &JailParam) -> bool {
    parameter.value.as_ref().is_some_and(|value| value.iter().all(|byte| *byte == 0) && !value.is_empty())
}

fn show(parameter: &JailParam) -> String {
    let value = match parameter.as_int() {
        Some(number) if !TEXTS.contains(&parameter.name.as_str()) => number.to_string(),
        _ => parameter.as_string().unwrap_or_default(),
    };
    format!("{}={value}", parameter.name)
}

fn jails<D: Doors>(world: &mut World<'_, D>) -> Reply {
    let mut found = Vec::new();
    let mut last = 0;
    loop {
        let mut parameters =
            [JailParam::int("lastjid", last), JailParam::string_buffer("name"), JailParam::int_buffer("dying")];
        match world.doors.jail_get(&mut parameters, JAIL_DYING) {
            Ok(jid) => {
                last = jid.0;
                let name = parameters[1].as_string().unwrap_or_default();
                if world.before.contains(&format!("jail {name}")) {
                    continue;
                }
                found.push(if parameters[2].as_int() == Some(1) { format!("({name})") } else { name });
            }
            Err(refusal) if refusal.errno == Errno::ENOENT => return Ok(listed(found)),
            Err(refusal) => return Err(refusal.into()),
        }
    }
}
