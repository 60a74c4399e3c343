//! Scripts of facts: read from text into lines that can be carried out.

/// A file of scripts.
#[derive(Debug)]
pub struct Topic {
    pub name: String,
    /// Modules that the scripts rest on.
    pub needs: Vec<String>,
    pub scripts: Vec<Script>,
}

/// What is done to one kernel, from its untouched state back to it.
#[derive(Debug)]
pub struct Script {
    pub name: String,
    pub doors: RouteDoors,
    pub lines: Vec<Line>,
}

/// By which route doors a script is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteDoors {
    /// It has nothing to do with addresses or routes.
    None,
    /// Once by each.
    Both,
    Netlink,
    Rtsock,
}

impl Script {
    /// Whether it cannot be carried out without netlink(4).
    pub fn needs_netlink(&self) -> bool {
        let is = |line: &Line, at: usize, text: &str| line.words.get(at).is_some_and(|word| word.text == text);
        let asks = |line: &Line| is(line, 0, "nl") || (is(line, 0, "hold") && is(line, 1, "netlink"));
        self.doors == RouteDoors::Netlink || self.lines.iter().any(asks)
    }
}

/// One operation, and what must come of it.
#[derive(Debug)]
pub struct Line {
    /// Number in the file.
    pub number: usize,
    /// Who does it: the host, a jail or a socket that is held.
    pub who: String,
    pub words: Vec<Word>,
    /// Names for the words of the reply.
    pub names: Vec<String>,
    pub expected: Expected,
    /// As it is written.
    pub text: String,
}

/// A word of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    pub text: String,
    /// It stood in quotes: not a number, not a variable.
    pub quoted: bool,
}

/// What must come of an operation.
#[derive(Debug, PartialEq, Eq)]
pub enum Expected {
    /// Not a fact: a step on the way to one, which must succeed.
    Step,
    Fact {
        outcome: Outcome,
        /// It may take a moment.
        soon: bool,
    },
}

/// The outcome that a fact states.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Success, whatever the reply.
    Success,
    /// An errno, and words that the kernel's own text has.
    Refused { errno: String, text: Option<String> },
    /// The whole reply, in which `*` stands for anything.
    Reply(String),
    /// Words of the reply.
    Has(Vec<String>),
    /// Words that the reply does not have.
    Lacks(Vec<String>),
}

/// Reads a file; an error names its line.
pub fn parse(name: &str, text: &str) -> Result<Topic, String> {
    let mut topic = Topic { name: name.to_owned(), needs: Vec::new(), scripts: Vec::new() };
    for (at, line) in text.lines().enumerate() {
        let number = at + 1;
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        let wrong = |why: String| format!("{name}.facts:{number}: {why}");
        if let Some(modules) = trimmed.strip_prefix("needs ") {
            topic.needs.extend(modules.split_whitespace().map(str::to_owned));
        } else if let Some(title) = trimmed.strip_prefix("script ") {
            let (title, doors) = match title.rsplit_once(" by ") {
                Some((title, "netlink")) => (title, RouteDoors::Netlink),
                Some((title, "rtsock")) => (title, RouteDoors::Rtsock),
                _ => (title, RouteDoors::None),
            };
            topic.scripts.push(Script { name: title.to_owned(), doors, lines: Vec::new() });
        } else {
            let script = topic.scripts.last_mut().ok_or_else(|| wrong("a line before the first script".into()))?;
            let line = line_of(number, trimmed).map_err(wrong)?;
            let by_door = matches!(line.words.first().map(|word| word.text.as_str()), Some("addr" | "route"));
            if script.doors == RouteDoors::None && by_door {
                script.doors = RouteDoors::Both;
            }
            script.lines.push(line);
        }
    }
    Ok(topic)
}

fn line_of(number: usize, text: &str) -> Result<Line, String> {
    let (operation, expected) = match text.split_once(" => ") {
        Some((operation, expected)) => (operation, fact(expected.trim())?),
        None => (text, Expected::Step),
    };
    let mut words = words(operation)?;
    let who = match words.first() {
        Some(word) if !word.quoted && word.text.ends_with(':') && word.text.len() > 1 => {
            words.remove(0).text.trim_end_matches(':').to_owned()
        }
        _ => "host".to_owned(),
    };
    let names = match words.iter().position(|word| !word.quoted && word.text == "as") {
        Some(at) => words.split_off(at).into_iter().skip(1).map(|word| word.text).collect(),
        None => Vec::new(),
    };
    if words.is_empty() {
        return Err("no operation".to_owned());
    }
    Ok(Line { number, who, words, names, expected, text: text.to_owned() })
}

/// Words between blanks; quotes hold blanks together and may begin inside a word (`name="a b"`).
pub fn words(text: &str) -> Result<Vec<Word>, String> {
    let mut found = Vec::new();
    let mut word = Word { text: String::new(), quoted: false };
    let mut inside = false;
    for c in text.chars() {
        match c {
            '"' => {
                inside = !inside;
                word.quoted = true;
            }
            c if c.is_whitespace() && !inside => {
                if word.quoted || !word.text.is_empty() {
                    found.push(std::mem::replace(&mut word, Word { text: String::new(), quoted: false }));
                }
            }
            c => word.text.push(c),
        }
    }
    if inside {
        return Err("a quote is not closed".to_owned());
    }
    if word.quoted || !word.text.is_empty() {
        found.push(word);
    }
    Ok(found)
}

fn fact(text: &str) -> Result<Expected, String> {
    let (text, soon) = match text.strip_prefix("soon ") {
        Some(rest) => (rest.trim(), true),
        None => (text, false),
    };
    let list = |rest: &str| rest.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let outcome = if text.is_empty() {
        return Err("nothing is expected".to_owned());
    } else if text == "ok" {
        Outcome::Success
    } else if let Some(rest) = text.strip_prefix("has ") {
        Outcome::Has(list(rest))
    } else if let Some(rest) = text.strip_prefix("lacks ") {
        Outcome::Lacks(list(rest))
    } else if let Some(errno) = text.split_whitespace().next().filter(|word| is_errno(word)) {
        let rest = text[errno.len()..].trim();
        let rest =
            rest.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).or((!rest.is_empty()).then_some(rest));
        Outcome::Refused { errno: errno.to_owned(), text: rest.map(str::to_owned) }
    } else {
        Outcome::Reply(text.trim_matches('"').to_owned())
    };
    Ok(Expected::Fact { outcome, soon })
}

fn is_errno(word: &str) -> bool {
    word.len() > 2 && word.starts_with('E') && word.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
}

/// Whether `text` fits `pattern`, in which `*` stands for any characters.
pub fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

impl Outcome {
    /// Whether this is what came; `got` is the reply, or errno and the kernel's text.
    pub fn is(&self, got: &Result<String, (String, String)>) -> bool {
        let has = |reply: &str, word: &String| reply.split_whitespace().any(|other| fits(word, other));
        match (self, got) {
            (Self::Success, Ok(_)) => true,
            (Self::Reply(pattern), Ok(reply)) => fits(pattern, reply),
            (Self::Has(words), Ok(reply)) => words.iter().all(|word| has(reply, word)),
            (Self::Lacks(words), Ok(reply)) => !words.iter().any(|word| has(reply, word)),
            (Self::Refused { errno, text }, Err((other, said))) => {
                errno == other && text.as_ref().is_none_or(|text| said.contains(text.as_str()))
            }
            _ => false,
        }
    }
}

/// What the reader promises of itself, told as a list of failures.
pub fn self_test() -> Result<(), String> {
    let require = |holds: bool, what: &str| if holds { Ok(()) } else { Err(what.to_owned()) };
    require(fits("a*c", "abc") && fits("*", "") && fits("a*b*", "a1b2") && !fits("a*c", "abd"), "patterns")?;
    require(!fits("ab", "abc") && fits("*a*a", "aa") && !fits("a*a", "a"), "ends of patterns")?;
    let topic = parse("t", "needs x\nscript s\n j: create \"a b\" as p q => soon EEXIST \"why\"\n addr add i 1/2\n")?;
    let script = &topic.scripts[0];
    require(script.doors == RouteDoors::Both, "a script of addresses is for both doors")?;
    let line = &script.lines[0];
    require(line.who == "j" && line.names == ["p", "q"] && line.words.len() == 2 && line.words[1].quoted, "words")?;
    let wanted = Outcome::Refused { errno: "EEXIST".into(), text: Some("why".into()) };
    require(line.expected == Expected::Fact { outcome: wanted, soon: true }, "facts")?;
    require(parse("t", " create x\n").is_err() && parse("t", "script s\n \"x\n").is_err(), "wrong lines")
}
