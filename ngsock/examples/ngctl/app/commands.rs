//! The commands there are.

use std::io;

use super::session::{Outcome, Session};
use super::{change, data, debug, dot, help, msg, show};

/// The words of a command line, the command's first.
pub type Words<'a> = &'a [Vec<u8>];

/// A command.
pub struct Command {
    /// Its name and what it takes.
    pub usage: &'static str,
    /// What it does, in a line.
    pub summary: &'static str,
    /// And at length.
    pub description: Option<&'static str>,
    /// Other names.
    pub aliases: &'static [&'static str],
    pub run: fn(&mut Session<'_>, Words<'_>) -> io::Result<Outcome>,
}

/// In the order of the base tool.
pub static COMMANDS: [Command; 17] = [
    Command {
        usage: "config <path> [arguments]",
        summary: "get or set configuration of node at <path>",
        description: None,
        aliases: &[],
        run: msg::config,
    },
    Command {
        usage: "connect [path] <relpath> <hook> <peerhook>",
        summary: "Connects hook <peerhook> of the node at <relpath> to <hook>",
        description: Some(
            "The connect command creates a link between the two nodes at \"path\" and \"relpath\" using hooks \
             \"hook\" and \"peerhook\", respectively. The \"relpath\", if not absolute, is specified relative to the \
             node at \"path\". If \"path\" is omitted then \".\" is assumed.",
        ),
        aliases: &["join"],
        run: change::connect,
    },
    Command {
        usage: "debug [level]",
        summary: "Get/set debugging verbosity level",
        description: Some(
            "Without any argument, this command displays the current debugging verbosity level. If the argument is \
             ``+'' or ``-'' the debug level is incremented or decremented; otherwise, it must be an absolute \
             numerical level.",
        ),
        aliases: &[],
        run: debug::set,
    },
    Command {
        usage: "dot [-c] [outputfile]",
        summary: "Produce a GraphViz (.dot) of the entire netgraph.",
        description: Some(
            "If no outputfile is specified, stdout will be assumed. The optional -c argument generates a graph \
             without separate structures for edge names. Such a graph is more compact.",
        ),
        aliases: &["graphviz", "confdot"],
        run: dot::dot,
    },
    Command {
        usage: "help [command]",
        summary: "Show command summary or get more help on a specific command",
        description: None,
        aliases: &["?"],
        run: help::help,
    },
    Command {
        usage: "list [-ln]",
        summary: "Show information about all nodes",
        description: Some(
            "The list command shows information about every node that currently exists in the netgraph system. The \
             optional -n argument limits this list to only those nodes with a global name assignment. The optional \
             -l argument provides verbose output that includes hook information as well.",
        ),
        aliases: &["ls"],
        run: show::list,
    },
    Command {
        usage: "mkpeer [path] <type> <hook> <peerhook>",
        summary: "Create and connect a new node to the node at \"path\"",
        description: Some(
            "The mkpeer command atomically creates a new node of type \"type\" and connects it to the node at \
             \"path\". The hooks used for the connection are \"hook\" on the original node and \"peerhook\" on the \
             new node. If \"path\" is omitted then \".\" is assumed.",
        ),
        aliases: &[],
        run: change::mkpeer,
    },
    Command {
        usage: "msg path command [args ... ]",
        summary: "Send a netgraph control message to the node at \"path\"",
        description: Some(
            "The msg command constructs a netgraph control message from the command name and ASCII arguments (if \
             any) and sends that message to the node.  It does this by first asking the node to convert the ASCII \
             message into binary format, and resending the result.",
        ),
        aliases: &["cmd"],
        run: msg::msg,
    },
    Command {
        usage: "name <path> <name>",
        summary: "Assign name <name> to the node at <path>",
        description: None,
        aliases: &[],
        run: change::name,
    },
    Command {
        usage: "read <filename>",
        summary: "Read and execute commands from a file",
        description: None,
        aliases: &["source", "."],
        run: |session, words| session.read(words),
    },
    Command {
        usage: "rmhook [path] <hook>",
        summary: "Disconnect hook \"hook\" of the node at \"path\"",
        description: Some(
            "The rmhook command forces the node at \"path\" to break the link formed by its hook \"hook\", if \
             connected. If \"path\" is omitted then \".\" is assumed.",
        ),
        aliases: &["disconnect"],
        run: change::rmhook,
    },
    Command {
        usage: "show [-n] <path>",
        summary: "Show information about the node at <path>",
        description: Some("If the -n flag is given, hooks are not listed."),
        aliases: &["inquire", "info"],
        run: show::show,
    },
    Command {
        usage: "shutdown <path>",
        summary: "Shutdown the node at <path>",
        description: None,
        aliases: &["kill", "rmnode"],
        run: change::shutdown,
    },
    Command {
        usage: "status <path>",
        summary: "Get human readable status information from the node at <path>",
        description: None,
        aliases: &[],
        run: msg::status,
    },
    Command {
        usage: "types",
        summary: "Show information about all installed node types",
        description: None,
        aliases: &[],
        run: show::types,
    },
    Command {
        usage: "write hook < -f file | byte ... >",
        summary: "Send a data packet down the hook named by \"hook\".",
        description: Some(
            "The data may be contained in a file, or may be described directly on the command line by supplying a \
             sequence of bytes.",
        ),
        aliases: &["w"],
        run: data::write,
    },
    Command {
        usage: "quit",
        summary: "Exit program",
        description: None,
        aliases: &["exit"],
        run: |_, _| Ok(Outcome::Quit),
    },
];

impl Command {
    /// Its name.
    pub fn name(&self) -> &'static str {
        self.usage.split(' ').next().unwrap_or_default()
    }

    /// Whether a word is the beginning of its name or of another name of it.
    fn is_meant(&self, word: &[u8]) -> bool {
        let begins = |name: &str| name.as_bytes().get(..word.len()).is_some_and(|part| part.eq_ignore_ascii_case(word));
        begins(self.name()) || self.aliases.iter().any(|alias| begins(alias))
    }
}

/// The only command that a word can mean; else what to say.
pub fn find(word: &[u8]) -> Result<&'static Command, &'static str> {
    let mut meant = COMMANDS.iter().filter(|command| command.is_meant(word));
    match (meant.next(), meant.next()) {
        (Some(command), None) => Ok(command),
        (Some(_), Some(_)) => Err("ambiguous command"),
        (None, _) => Err("unknown command"),
    }
}
