//! The codes of diagnostics about the text of a file. A code is never given a new meaning.

/// A file cannot be read.
pub const UNREADABLE: &str = "T001";
/// A file is not UTF-8.
pub const NOT_UTF8: &str = "T002";
/// A file has nothing in it.
pub const EMPTY: &str = "T003";
/// A limit is passed: bytes, depth, events, aliases, rows.
pub const LIMIT: &str = "T004";
/// The text is not YAML.
pub const SYNTAX: &str = "T005";
/// YAML that a topology may not use: merge keys, tags, complex keys, several documents.
pub const UNUSED_YAML: &str = "T006";
/// A key stands twice in a map, a node twice in a topology.
pub const DUPLICATE: &str = "T007";
/// The version is missing or not known.
pub const VERSION: &str = "T008";
/// A key that does not exist.
pub const UNKNOWN_KEY: &str = "T009";
/// A key is missing.
pub const MISSING_KEY: &str = "T010";
/// A map where text is wanted, and the like.
pub const WRONG_TYPE: &str = "T011";
/// A value that its key cannot take.
pub const BAD_VALUE: &str = "T012";
/// A name that breaks the rules for names.
pub const BAD_NAME: &str = "T013";
/// An endpoint that is not `node:interface`.
pub const BAD_ENDPOINT: &str = "T014";
/// A kind, group or other named thing that the file does not have.
pub const UNKNOWN_NAME: &str = "T015";
/// A key where it means nothing.
pub const OUT_OF_PLACE: &str = "T016";
/// Something that format 1 plans for and this version cannot do.
pub const NOT_YET: &str = "T017";
/// `include` that cannot be followed.
pub const INCLUDE: &str = "T018";
/// A variable that does not exist, or that names itself.
pub const VARIABLE: &str = "T019";
/// `${…}` that cannot be read or computed.
pub const EXPRESSION: &str = "T020";
/// `each` that cannot be repeated.
pub const EACH: &str = "T021";
/// A CSV file that cannot be used.
pub const CSV: &str = "T022";
/// More findings than are worth listing.
pub const MORE: &str = "T099";
