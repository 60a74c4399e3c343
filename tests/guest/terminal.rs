//! `shell` on a real kernel, under script(1), which gives the program a terminal as a person would: job control, signals that
//! reach the foreground job alone, the size of the window, the status.

use std::io::{Read as _, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use super::mishaps::Site;
use super::outcome::Suite;
use super::{Wanted, beside, said};

/// Longest wait for something to be said: a machine may be emulated.
const PATIENCE: Duration = Duration::from_secs(60);
/// What is repeated until it is answered is repeated so often.
const PAUSE: Duration = Duration::from_secs(3);

/// What is tried, and whether it came out as it should.
type Case<'c> = &'c dyn Fn(&mut Terminal) -> Result<(), String>;

pub fn run(wanted: &Wanted) -> Suite {
    let mut suite = Suite::new("shell");
    let site = match Site::new("shell") {
        Ok(site) => site,
        Err(why) => {
            suite.case("a folder for it".to_owned(), Err(why));
            return suite;
        }
    };
    if let Err(why) = site.expect(&["up", &site.file("lab")], 0) {
        suite.case("the lab".to_owned(), Err(why));
        return suite;
    }
    let cases: [(&str, Case<'_>); 4] = [
        ("what is typed is done, and the status comes out", &status),
        ("a job is stopped and taken up again, and interrupted", &job_control),
        ("an interrupt reaches the foreground job alone", &foreground),
        ("the size of the window is passed on", &window),
    ];
    for (name, case) in cases {
        if wanted.fits(name) {
            let outcome = Terminal::open(&site).and_then(|mut terminal| {
                let outcome = terminal.hear("# ").and_then(|()| case(&mut terminal));
                terminal.close(outcome)
            });
            suite.case(name.to_owned(), outcome);
        }
    }
    suite.case("down".to_owned(), site.expect(&["down", "cbmishap"], 0));
    suite
}

fn status(terminal: &mut Terminal) -> Result<(), String> {
    terminal.say("echo in-$(hostname)-$((6 * 7))\n")?;
    terminal.hear("in-h1-42")?;
    terminal.say("test -t 0 && tty && echo a-$((6 * 7))-terminal\n")?;
    terminal.hear("a-42-terminal")
}

/// A job that shows that it runs; as it is typed it reads otherwise than as it speaks.
const JOB: &str = "sh -c 'while :; do echo tick-$((6 * 7)); sleep 1; done'\n";
const TICK: &str = "tick-42";

fn job_control(terminal: &mut Terminal) -> Result<(), String> {
    terminal.say(JOB)?;
    terminal.hear(TICK)?;
    terminal.until(&["\x1a"], "Suspended")?;
    terminal.say("fg\n")?;
    terminal.hear(TICK)?;
    // The keys of signals throw away what was typed and not read, and a shell may lose the first one after them.
    terminal.until(&["\x03", "\n", "echo ended-$((6 * 7))\n"], "ended-42")
}

fn foreground(terminal: &mut Terminal) -> Result<(), String> {
    terminal.say("sleep 1000 & behind=$!\n")?;
    terminal.say(JOB)?;
    terminal.hear(TICK)?;
    terminal.until(&["\x03", "\n", "kill -0 $behind && echo alive-$?-$((6 * 7))\n"], "alive-0-42")?;
    terminal.say("kill $behind; wait $behind; echo gone-$?\n")?;
    terminal.hear("gone-143")
}

fn window(terminal: &mut Terminal) -> Result<(), String> {
    let outer = terminal.name()?;
    let sized = Command::new("stty").args(["-f", &outer, "rows", "47", "columns", "111"]).output();
    let sized = sized.map_err(|error| format!("stty: {error}"))?;
    if !sized.status.success() {
        return Err(format!("{outer}: {}", said(&sized)));
    }
    // The signal that tells of it takes its time.
    terminal.until(&["stty size\n"], "47 111")
}

/// The program on a terminal of script(1).
struct Terminal {
    child: Child,
    keys: ChildStdin,
    heard: Receiver<Vec<u8>>,
    text: String,
}

impl Terminal {
    fn open(site: &Site) -> Result<Self, String> {
        let mut command = Command::new("script");
        command.args(["-q", "-F", "/dev/null"]).arg(beside("cellblock").get_program());
        command.args(["--engine", "freebsd", "--state-dir"]).arg(site.state()).args(["shell", "h1@cbmishap"]);
        command.env("PS1", "# ").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(|error| format!("script: {error}"))?;
        let (Some(keys), Some(mut screen)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("script has no pipes".to_owned());
        };
        let (sender, heard) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = screen.read(&mut buffer) {
                if sender.send(buffer[..length].to_vec()).is_err() {
                    break;
                }
            }
        });
        Ok(Self { child, keys, heard, text: String::new() })
    }

    fn say(&mut self, keys: &str) -> Result<(), String> {
        self.keys.write_all(keys.as_bytes()).and_then(|()| self.keys.flush()).map_err(|error| error.to_string())
    }

    /// Waits for a word on the screen; what stood there up to it is forgotten.
    fn hear(&mut self, word: &str) -> Result<(), String> {
        if self.hears(word, PATIENCE) { Ok(()) } else { Err(format!("no `{word}` in {:?}", self.text)) }
    }

    fn hears(&mut self, word: &str, patience: Duration) -> bool {
        let started = Instant::now();
        loop {
            if let Some(at) = self.text.find(word) {
                self.text.drain(..at + word.len());
                return true;
            }
            match self.heard.recv_timeout(patience.saturating_sub(started.elapsed())) {
                Ok(bytes) => self.text.push_str(&String::from_utf8_lossy(&bytes)),
                Err(_) => return false,
            }
        }
    }

    /// Types until a word comes.
    fn until(&mut self, keys: &[&str], word: &str) -> Result<(), String> {
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            for key in keys {
                self.say(key)?;
            }
            if self.hears(word, PAUSE) {
                return Ok(());
            }
        }
        Err(format!("no `{word}` in {:?}", self.text))
    }

    /// The terminal that script(1) made, which is that of its child.
    fn name(&self) -> Result<String, String> {
        let listed = Command::new("ps")
            .args(["-ax", "-o", "ppid=", "-o", "tty="])
            .output()
            .map_err(|error| error.to_string())?;
        let script = self.child.id().to_string();
        let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
        let own = |line: &str| {
            let (parent, terminal) = line.trim().split_once(char::is_whitespace)?;
            (parent == script).then(|| format!("/dev/{}", terminal.trim()))
        };
        listed.lines().find_map(own).ok_or_else(|| format!("script has no child: {listed}"))
    }

    /// Ends the shell, which hands its status out through everything.
    fn close(mut self, outcome: Result<(), String>) -> Result<(), String> {
        if outcome.is_err() {
            let _ = self.child.kill();
            let _ = self.child.wait();
            return outcome;
        }
        self.say("exit 7\n")?;
        let started = Instant::now();
        // The screen goes dark when everything behind it has ended.
        while self.heard.recv_timeout(PAUSE) != Err(RecvTimeoutError::Disconnected) {
            if started.elapsed() > PATIENCE {
                let _ = self.child.kill();
                let _ = self.child.wait();
                return Err("the shell did not end".to_owned());
            }
        }
        let status = self.child.wait().map_err(|error| error.to_string())?;
        if status.code() == Some(7) { Ok(()) } else { Err(format!("it ended with {status} instead of 7")) }
    }
}
