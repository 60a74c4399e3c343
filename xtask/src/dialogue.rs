//! The conversation on the serial line: log in, start the work, hear of its end.
//!
//! It goes by what the guest says, never by time; the caller tells when the line has been quiet for a while, because a
//! message of the kernel may have hidden a prompt.

/// Said by the guest's shell once it listens. It is sent with quotes inside, so that its echo is not taken for it.
const READY: &str = "cellblock-ready";
/// Said when the work is over, with its exit code behind.
const OVER: &str = "cellblock-over ";
/// So much of what was heard is kept to look for a prompt in.
const MEMORY: usize = 4096;

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Type this.
    Send(String),
    /// The work is over, with this exit code; the guest shuts itself down.
    Over(i32),
    /// It cannot go on.
    Failed(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Until somebody asks who we are.
    Booting,
    /// A shell of whatever kind was asked to become sh.
    Shell,
    /// sh was asked to say that it listens.
    Asked,
    /// The work is under way.
    Working,
    Ended,
}

/// Where the conversation stands.
#[derive(Debug)]
pub struct Dialogue {
    stage: Stage,
    work: String,
    heard: String,
}

impl Dialogue {
    /// A conversation that starts `work`, a line for sh, and waits for its end.
    pub fn new(work: &str) -> Self {
        Self { stage: Stage::Booting, work: work.to_owned(), heard: String::new() }
    }

    /// Whether the work was started.
    pub fn is_working(&self) -> bool {
        self.stage == Stage::Working
    }

    /// What the guest said.
    pub fn hear(&mut self, bytes: &[u8]) -> Option<Action> {
        if self.stage == Stage::Ended {
            return None;
        }
        self.heard.push_str(&String::from_utf8_lossy(bytes));
        let action = self.trouble().or_else(|| self.answer());
        match action {
            Some(_) => self.heard.clear(),
            None if self.heard.len() > MEMORY => {
                let mut cut = self.heard.len() - MEMORY / 2;
                while !self.heard.is_char_boundary(cut) {
                    cut += 1;
                }
                self.heard.drain(..cut);
            }
            None => {}
        }
        action
    }

    /// The guest has said nothing for a while: a prompt may have been missed.
    pub fn quiet(&mut self) -> Option<Action> {
        match self.stage {
            Stage::Booting | Stage::Shell => Some(Action::Send("\n".to_owned())),
            Stage::Asked => Some(Action::Send(question())),
            Stage::Working | Stage::Ended => None,
        }
    }

    fn trouble(&mut self) -> Option<Action> {
        let line = |sign: &str| {
            let line = self.heard.lines().find(|line| line.contains(sign))?;
            // The line must be whole to be told.
            self.heard.contains(&format!("{line}\n")).then(|| line.trim().to_owned()).or_else(|| {
                let ended = self.heard.split(sign).nth(1).is_some_and(|rest| rest.contains(['\r', '\n']));
                ended.then(|| line.trim().to_owned())
            })
        };
        let signs = [
            ("panic: ", "the kernel panicked"),
            ("Fatal trap ", "the kernel panicked"),
            ("KDB: enter", "the kernel stopped in its debugger"),
        ];
        let (why, said) = signs.iter().find_map(|(sign, why)| line(sign).map(|said| (*why, said)))?;
        self.stage = Stage::Ended;
        Some(Action::Failed(format!("{why}: {said}")))
    }

    fn answer(&mut self) -> Option<Action> {
        let send = |text: &str| Some(Action::Send(text.to_owned()));
        match self.stage {
            Stage::Booting => {
                let last = last_line(&self.heard);
                if last.ends_with("login:") {
                    send("root\n")
                } else if last.ends_with("Password:") {
                    self.stage = Stage::Ended;
                    Some(Action::Failed("root has a password on this machine's console".to_owned()))
                } else if last.ends_with("mountroot>") {
                    self.stage = Stage::Ended;
                    Some(Action::Failed("the kernel does not find its root file system".to_owned()))
                } else if last.ends_with("RETURN for /bin/sh:") {
                    send("\n")
                } else if is_prompt(last) {
                    self.stage = Stage::Shell;
                    send("exec /bin/sh\n")
                } else {
                    None
                }
            }
            Stage::Shell => {
                if !is_prompt(last_line(&self.heard)) {
                    return None;
                }
                self.stage = Stage::Asked;
                Some(Action::Send(question()))
            }
            Stage::Asked => {
                if !self.heard.contains(READY) {
                    return None;
                }
                self.stage = Stage::Working;
                Some(Action::Send(format!("{}; echo cellblock''-over $?; shutdown -p now\n", self.work)))
            }
            Stage::Working => {
                let (_, rest) = self.heard.split_once(OVER)?;
                let (code, _) = rest.split_once(['\r', '\n'])?;
                self.stage = Stage::Ended;
                Some(match code.trim().parse() {
                    Ok(code) => Action::Over(code),
                    Err(_) => Action::Failed(format!("the guest ended its work with `{}`", code.trim())),
                })
            }
            Stage::Ended => None,
        }
    }
}

fn question() -> String {
    "echo cellblock''-ready\n".to_owned()
}

fn last_line(heard: &str) -> &str {
    heard.rsplit(['\n', '\r']).next().unwrap_or_default().trim_end()
}

/// Root's prompt: whatever ends with `#`, unless it begins with one and is a comment.
fn is_prompt(line: &str) -> bool {
    line == "#" || (line.ends_with('#') && !line.starts_with('#'))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is sent when the guest says these pieces, one after the other.
    fn talk(dialogue: &mut Dialogue, pieces: &[&str]) -> Vec<Action> {
        pieces.iter().filter_map(|piece| dialogue.hear(piece.as_bytes())).collect()
    }

    fn send(text: &str) -> Action {
        Action::Send(text.to_owned())
    }

    const ASK: &str = "echo cellblock''-ready\n";
    const WORK: &str = "work; echo cellblock''-over $?; shutdown -p now\n";

    #[test]
    fn an_official_image() {
        let mut dialogue = Dialogue::new("work");
        let heard = talk(
            &mut dialogue,
            &[
                "Autoboot in 3 seconds.\r\n---<<BOOT>>---\r\nCopyright\r\n# a comment of the kernel #1\r\n",
                "\r\nFreeBSD/amd64 (freebsd) (ttyu0)\r\n\r\nlog",
                "in: ",
                "root\r\nFreeBSD 15.1-RELEASE\r\nWelcome!\r\n",
                "root@freebsd:~ # ",
                "exec /bin/sh\r\n# ",
                "echo cellblock''-ready\r\n",
                "cellblock-ready\r\n# ",
                "work; echo cellblock''-over $?; shutdown -p now\r\nok 1\r\nok 2\r\n",
                "cellblock-over 0\r\nShutdown NOW!\r\n",
            ],
        );
        assert_eq!(heard, [send("root\n"), send("exec /bin/sh\n"), send(ASK), send(WORK), Action::Over(0)]);
        assert_eq!(dialogue.hear(b"login: "), None, "it is over");
    }

    #[test]
    fn a_shell_without_a_login() {
        let mut dialogue = Dialogue::new("work");
        let pieces = ["Enter full pathname of shell or RETURN for /bin/sh: ", "\r\n# ", "# ", "cellblock-ready\n"];
        assert_eq!(talk(&mut dialogue, &pieces), [send("\n"), send("exec /bin/sh\n"), send(ASK), send(WORK)]);
        assert!(dialogue.is_working());
        assert_eq!(talk(&mut dialogue, &["cellblock-over 1", "3\r\n"]), [Action::Over(13)]);
    }

    #[test]
    fn a_prompt_that_a_message_hides() {
        let mut dialogue = Dialogue::new("work");
        assert_eq!(dialogue.hear(b"root@freebsd:~ # epair0a: Ethernet address\r\n"), None);
        assert_eq!(dialogue.quiet(), Some(send("\n")));
        assert_eq!(dialogue.hear(b"\r\nroot@freebsd:~ # "), Some(send("exec /bin/sh\n")));
        assert_eq!(dialogue.quiet(), Some(send("\n")));
        assert_eq!(dialogue.hear(b"# "), Some(send(ASK)));
        assert_eq!(dialogue.quiet(), Some(send(ASK)));
        assert_eq!(dialogue.hear(b"cellblock-ready"), Some(send(WORK)));
        assert_eq!(dialogue.quiet(), None, "work may be silent");
    }

    #[test]
    fn what_goes_wrong_is_told() {
        for (said, told) in [
            ("x\r\npanic: mutex owned\r\ncpuid = 0\r\n", "the kernel panicked: panic: mutex owned"),
            ("Fatal trap 12: page fault\n", "the kernel panicked: Fatal trap 12: page fault"),
            ("mountroot> ", "the kernel does not find its root file system"),
            ("Password:", "root has a password on this machine's console"),
        ] {
            let mut dialogue = Dialogue::new("work");
            assert_eq!(dialogue.hear(said.as_bytes()), Some(Action::Failed(told.to_owned())));
        }
        let mut dialogue = Dialogue::new("work");
        assert_eq!(dialogue.hear(b"panic: mut"), None, "the line is not whole");
        assert_eq!(dialogue.hear(b"ex\n"), Some(Action::Failed("the kernel panicked: panic: mutex".into())));
    }

    #[test]
    fn a_guest_that_never_stops_talking_is_bounded() {
        let mut dialogue = Dialogue::new("work");
        for _ in 0..10_000 {
            assert_eq!(dialogue.hear("lots of words, \u{e9}\u{e9}\r\n".as_bytes()), None);
        }
        assert!(dialogue.heard.len() <= MEMORY);
        assert!(dialogue.hear(&[0xff, 0xfe, b'\n']).is_none());
    }
}
