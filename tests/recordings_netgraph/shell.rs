//! The commands of the base system that were run beside the recorded messages.

use cellblock::engine::freebsd::doors::Exit;
use cellblock::sim::ifnet;
use cellblock::sim::kernel::VnetId;
use cellblock::sim::{Kernel, programs};

use super::app::session::Session;
use super::kernel::Simulated;
use super::replay::Replay;

impl Replay {
    /// Runs a line of commands and compares what they print; `None` if the simulator has not all of them.
    pub fn shell(&mut self, line: &str, recorded: &str) -> Option<Result<(), String>> {
        let mut printed = String::new();
        for command in line.split(';') {
            printed += &self.command(command.trim(), recorded)?;
        }
        let (recorded, printed) = (masked(recorded), masked(&printed));
        Some(if recorded == printed { Ok(()) } else { Err(format!("prints\n{printed}  recorded\n{recorded}")) })
    }

    fn command(&mut self, command: &str, recorded: &str) -> Option<String> {
        let (command, pattern) = match command.split_once('|') {
            Some((command, filter)) => (command.trim(), Some(filter.trim().strip_prefix("grep ")?)),
            None => (command, None),
        };
        let words: Vec<&str> = command.split_whitespace().collect();
        let printed = match *words.as_slice() {
            ["ifconfig", name, "name", new] => {
                let index = ifnet::find(&self.kernel, VnetId::HOST, name)?;
                ifnet::rename(&mut self.kernel, index, new).ok()?;
                format!("{new}\n")
            }
            ["ifconfig", cloner, "create"] => {
                let index = ifnet::create(&mut self.kernel, VnetId::HOST, cloner, None).ok()?;
                format!("{}\n", self.kernel.interfaces.get(index)?.name)
            }
            ["ngctl", ref words @ ..] => self.ngctl(words, recorded),
            ["ifconfig", ..] => self.program(&words)?,
            _ => return None,
        };
        let kept = |line: &&str| pattern.is_none_or(|pattern| line.contains(pattern));
        Some(printed.split_inclusive('\n').filter(kept).collect())
    }

    /// A program of the simulator; `None` if it does not take such arguments.
    fn program(&mut self, words: &[&str]) -> Option<String> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let mut printed = Vec::new();
        let exit = programs::run(&mut self.kernel, VnetId::HOST, 0, &words, &mut |_, bytes| printed.extend(bytes));
        match exit {
            Ok(Exit::Code(0)) => Some(String::from_utf8(printed).unwrap()),
            _ => None,
        }
    }

    /// ngctl(8), as the example of ngsock has it: a process with a socket of its own, named after its number, which
    /// only a listing in the recording knows.
    fn ngctl(&mut self, words: &[&str], recorded: &str) -> String {
        let name = recorded.split_whitespace().find(|word| word.starts_with("ngctl") && *word != "ngctl:");
        let name = name.unwrap_or("ngctl1").as_bytes();
        let (mut printed, mut complaints) = (Vec::new(), Vec::new());
        // The example has a kernel for itself.
        let kernel = std::mem::replace(&mut self.kernel, Kernel::boot(0));
        let mut simulated = Simulated::prepared(kernel, name).unwrap();
        let words: Vec<Vec<u8>> = words.iter().map(|word| word.as_bytes().to_vec()).collect();
        Session::new(&mut simulated, &mut printed, &mut complaints, 0).command(&words).unwrap();
        self.kernel = simulated.release();
        let printed = [printed, complaints].map(|text| String::from_utf8(text).unwrap()).concat();
        printed.split_inclusive('\n').map(|line| self.numbered(line)).collect()
    }

    /// A line of a listing with the recorded number of its node.
    fn numbered(&mut self, line: &str) -> String {
        let parts = line.split_once(" ID: ").and_then(|(before, rest)| Some((before, rest.split_at_checked(8)?)));
        match parts.and_then(|(before, (id, after))| Some((before, u32::from_str_radix(id, 16).ok()?, after))) {
            Some((before, id, after)) => format!("{before} ID: {:08x}{after}", self.recorded_number(id)),
            None => line.to_owned(),
        }
    }
}

/// Without Ethernet addresses, which the kernel makes by chance.
fn masked(printed: &str) -> String {
    let line = |line: &str| match line.split_once("ether ") {
        Some((before, _)) if line.trim_start().starts_with("ether ") && !line.contains("02:00:00") => {
            format!("{before}ether (made by the kernel)\n")
        }
        _ => line.to_owned(),
    };
    printed.split_inclusive('\n').map(line).collect()
}
