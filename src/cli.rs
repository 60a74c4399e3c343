//! What can be typed: clap types and nothing else, so help, completions and manual come from one place.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Declare a network in one YAML file; get it as VNET jails wired by netgraph, planned, applied, verified and
/// removed without a trace.
#[derive(Debug, Parser)]
#[command(name = "cellblock", version, max_term_width = 100, propagate_version = true)]
#[command(after_help = "Exit codes: 0 done, 1 a check failed, 2 changes (plan), 64 usage, 65 the file is wrong, \
                        66 no such file, lab or node, 69 engine not available, 70 bug, 71 kernel refused (undone), \
                        73 could not be undone, 75 lab locked, 77 not permitted, 78 bad state or host.")]
pub struct Cli {
    /// What every verb understands.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What every verb understands.
#[derive(Args, Clone, Debug)]
pub struct Global {
    /// Take FILE as the topology, whatever it is called (`-` is standard input)
    #[arg(short = 't', long = "topology", value_name = "FILE", global = true, conflicts_with = "lab")]
    pub topology: Option<PathBuf>,
    /// Mean the lab of that name, whatever files there are
    #[arg(long, value_name = "NAME", global = true)]
    pub lab: Option<String>,
    /// Where the lab is to exist
    #[arg(long, value_enum, global = true, env = "CELLBLOCK_ENGINE", hide_env_values = true)]
    pub engine: Option<EngineChoice>,
    /// Set a variable of the topology (repeatable)
    #[arg(short = 's', long = "set", value_name = "KEY=VALUE", global = true)]
    pub set: Vec<String>,
    /// Give the lab another name than the file does
    #[arg(long, value_name = "NAME", global = true, env = "CELLBLOCK_NAME", hide_env_values = true)]
    pub name: Option<String>,
    /// Give up waiting for the kernel after this time, such as 30s
    #[arg(long, value_name = "TIME", global = true, env = "CELLBLOCK_TIMEOUT", hide_env_values = true)]
    pub timeout: Option<String>,
    /// Steps that may run at one time, where the engine can do that; one if not said
    #[arg(long, value_name = "N", global = true, env = "CELLBLOCK_JOBS", hide_env_values = true)]
    pub jobs: Option<std::num::NonZeroUsize>,
    /// How to write the result [env: CELLBLOCK_FORMAT, where the verb has that format]
    #[arg(long, value_enum, global = true)]
    pub format: Option<Format>,
    /// Say nothing but the result and errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Say more on the way
    #[arg(short, long, global = true)]
    pub verbose: bool,
    /// How addresses and routes reach a FreeBSD kernel
    #[arg(long, value_enum, value_name = "DOOR", global = true)]
    pub route_door: Option<RouteDoor>,
    /// Load the kernel modules that a lab needs; they stay loaded
    #[arg(long, global = true)]
    pub load_modules: bool,
    /// Where labs are remembered
    #[arg(long, value_name = "DIR", global = true, env = "CELLBLOCK_STATE_DIR", hide_env_values = true)]
    pub state_dir: Option<PathBuf>,
}

/// How addresses and routes reach a FreeBSD kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RouteDoor {
    /// Messages of netlink(4), many at once; where the kernel has none, the other
    Netlink,
    /// Address ioctls, the routing socket and the lists of sysctl(3)
    Rtsock,
}

/// Where a lab is to exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EngineChoice {
    /// freebsd on FreeBSD; linux where namespaces can be made, as root or in a user namespace; else sim. One line says which and why
    Auto,
    /// VNET jails and netgraph, as root
    Freebsd,
    /// Network namespaces: as root the machine's own, else each lab in a user namespace
    Linux,
    /// A FreeBSD kernel simulated in this process
    Sim,
}

/// How a result is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Table,
    /// For programs
    Json,
    /// For programs that prefer YAML
    Yaml,
    /// For CI systems (test)
    Junit,
    /// For Graphviz (graph)
    Dot,
    /// For Markdown pages (graph)
    Mermaid,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Check a topology file and say everything that is wrong with it
    Validate(ValidateArgs),
    /// Show what `up` would change, and change nothing
    #[command(visible_alias = "diff")]
    Plan(PlanArgs),
    /// Make the lab exist as the file says
    #[command(visible_alias = "deploy")]
    Up(UpArgs),
    /// Carry out a plan that `plan --out` wrote, if the world is still as it was then
    Apply(ApplyArgs),
    /// Remove a lab; needs no file
    #[command(visible_alias = "destroy")]
    Down(DownArgs),
    /// Make stopped nodes run again, with everything they had
    Start(StartArgs),
    /// End what runs in nodes and remove their jails; wires and files stay
    Stop(StopArgs),
    /// Stop nodes and start them again
    Restart(RestartArgs),
    /// Show a lab as the kernel holds it
    Inspect(InspectArgs),
    /// Run a command in a node
    Exec(ExecArgs),
    /// Open a shell in a node
    Shell(ShellArgs),
    /// Run the checks of the file on the running lab
    Test(TestArgs),
    /// Draw the topology
    Graph(GraphArgs),
    /// Say where the names, addresses, MACs and routes of a node come from
    Explain(ExplainArgs),
    /// Hand the interfaces of a node that another tool runs to the host, and print their names
    Attach(HandArgs),
    /// Take the interfaces of a node that another tool ran back into the lab
    Detach(HandArgs),
    /// Write a lab in the form of another tool
    Export(ExportArgs),
    /// Find what is left of labs that nobody has any more, and say why it is ours
    Gc(GcArgs),
    /// Print the JSON Schema of topology files
    Schema,
    /// Say which engines work here, and what the others lack
    Doctor,
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
}

/// A topology file or a lab.
#[derive(Args, Clone, Debug)]
pub struct TargetArgs {
    /// A file (contains `/`, ends in .yaml or .yml, or is `-`) or the name of a lab; the only topology file of the
    /// directory if omitted
    #[arg(value_name = "FILE|LAB")]
    pub target: Option<String>,
}

/// Arguments of `validate`.
#[derive(Args, Clone, Debug)]
pub struct ValidateArgs {
    /// The topology file.
    #[command(flatten)]
    pub target: TargetArgs,
    /// Treat warnings, and what the engine cannot do, as errors
    #[arg(long)]
    pub strict: bool,
}

/// Arguments of `plan`.
#[derive(Args, Clone, Debug)]
pub struct PlanArgs {
    /// The topology file.
    #[command(flatten)]
    pub target: TargetArgs,
    /// Show the ngctl, ifconfig, jail and route lines that would do the same
    #[arg(long)]
    pub show_commands: bool,
    /// Exit with 2 if there is something to change
    #[arg(long)]
    pub detailed_exitcode: bool,
    /// Write the plan to FILE, for `apply`
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Plan for this node and its links alone (repeatable)
    #[arg(long = "target", value_name = "NODE")]
    pub only: Vec<String>,
    /// Pass nothing over: refuse what the engine would leave out, and undo routes that programs in nodes made, nothing else of theirs
    #[arg(long)]
    pub strict: bool,
}

/// Arguments of `up`.
#[derive(Args, Clone, Debug)]
pub struct UpArgs {
    /// The topology file.
    #[command(flatten)]
    pub target: TargetArgs,
    /// Do not run the `exec` commands of the file
    #[arg(long)]
    pub no_exec: bool,
    /// Change this node and its links alone (repeatable)
    #[arg(long = "target", value_name = "NODE")]
    pub only: Vec<String>,
    /// Pass nothing over: refuse what the engine would leave out, and undo routes that programs in nodes made, nothing else of theirs
    #[arg(long)]
    pub strict: bool,
}

/// Arguments of `apply`.
#[derive(Args, Clone, Debug)]
pub struct ApplyArgs {
    /// The file that `plan --out` wrote
    #[arg(value_name = "PLAN")]
    pub plan: PathBuf,
    /// Do not run the `exec` commands of the file
    #[arg(long)]
    pub no_exec: bool,
}

/// Arguments of `gc`.
#[derive(Args, Clone, Debug)]
pub struct GcArgs {
    /// Remove what is found
    #[arg(long)]
    pub yes: bool,
}

/// Arguments of `down`.
#[derive(Args, Clone, Debug)]
pub struct DownArgs {
    /// The lab, or the file it came from.
    #[command(flatten)]
    pub target: TargetArgs,
    /// Wait until the kernel has done all of it; Linux goes on in the background
    #[arg(long)]
    pub wait: bool,
}

/// Nodes of one lab.
#[derive(Args, Clone, Debug)]
pub struct NodesArgs {
    /// The nodes, or NODE@LAB
    #[arg(value_name = "NODE", required = true)]
    pub nodes: Vec<String>,
}

/// Arguments of `start`.
#[derive(Args, Clone, Debug)]
pub struct StartArgs {
    /// The nodes.
    #[command(flatten)]
    pub nodes: NodesArgs,
    /// Do not run the `exec` commands of the file
    #[arg(long)]
    pub no_exec: bool,
}

/// Arguments of `stop`.
#[derive(Args, Clone, Debug)]
pub struct StopArgs {
    /// The nodes.
    #[command(flatten)]
    pub nodes: NodesArgs,
    /// How long processes may take to end before they are killed, 10s if not given
    #[arg(long, value_name = "TIME")]
    pub grace: Option<String>,
}

/// Arguments of `restart`.
#[derive(Args, Clone, Debug)]
pub struct RestartArgs {
    /// How the nodes are started again.
    #[command(flatten)]
    pub start: StartArgs,
    /// How long processes may take to end before they are killed, 10s if not given
    #[arg(long, value_name = "TIME")]
    pub grace: Option<String>,
}

/// Arguments of `shell`.
#[derive(Args, Clone, Debug)]
pub struct ShellArgs {
    /// The node, or NODE@LAB
    #[arg(value_name = "NODE")]
    pub node: String,
    /// What to run on a terminal in the node, /bin/sh if not given
    #[arg(value_name = "COMMAND", trailing_var_arg = true, allow_hyphen_values = true)]
    pub command: Vec<String>,
}

/// Arguments of `inspect`.
#[derive(Args, Clone, Debug)]
pub struct InspectArgs {
    /// The lab.
    #[command(flatten)]
    pub target: TargetArgs,
    /// Map the kernel's names to the author's and back
    #[arg(long)]
    pub names: bool,
    /// Show what somebody else has changed since the lab was applied
    #[arg(long, conflicts_with = "names")]
    pub drift: bool,
    /// With --drift: routes, interfaces and netgraph nodes that programs in nodes made count, too
    #[arg(long, requires = "drift")]
    pub strict: bool,
    /// With --drift: exit with 2 if there is something
    #[arg(long, requires = "drift")]
    pub detailed_exitcode: bool,
    /// List every lab of the state directory
    #[arg(long, conflicts_with_all = ["names", "drift", "target"])]
    pub all: bool,
}

/// Arguments of `exec`.
#[derive(Args, Clone, Debug)]
pub struct ExecArgs {
    /// The node, or NODE@LAB
    #[arg(value_name = "NODE")]
    pub node: String,
    /// The program and its arguments
    #[arg(value_name = "COMMAND", required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    pub command: Vec<String>,
}

/// Arguments of `test`.
#[derive(Args, Clone, Debug)]
pub struct TestArgs {
    /// The lab, or the file it came from.
    #[command(flatten)]
    pub target: TargetArgs,
}

/// Arguments of `graph`.
#[derive(Args, Clone, Debug)]
pub struct GraphArgs {
    /// The topology file.
    #[command(flatten)]
    pub target: TargetArgs,
    /// Draw the kernel objects and their hooks instead of what the author wrote
    #[arg(long)]
    pub objects: bool,
}

/// Arguments of `explain`.
#[derive(Args, Clone, Debug)]
pub struct ExplainArgs {
    /// The node, or one of its interfaces
    #[arg(value_name = "NODE[:IF]")]
    pub what: String,
    /// The topology file.
    #[command(flatten)]
    pub target: TargetArgs,
}

/// Arguments of `attach` and `detach`.
#[derive(Args, Clone, Debug)]
pub struct HandArgs {
    /// The node, or one of its interfaces, and its lab
    #[arg(value_name = "NODE[:IF][@LAB]")]
    pub what: String,
}

/// Arguments of `export`.
#[derive(Args, Clone, Debug)]
pub struct ExportArgs {
    /// The form
    #[arg(value_enum, value_name = "FORM")]
    pub form: ExportForm,
    /// The lab, or the file it is made from.
    #[command(flatten)]
    pub target: TargetArgs,
}

/// Forms that a lab can be written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportForm {
    /// What jail(8) reads
    #[value(name = "jail.conf")]
    JailConf,
}

/// Arguments of `completions`.
#[derive(Args, Clone, Debug)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}
