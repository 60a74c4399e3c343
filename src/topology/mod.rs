//! What the author wrote: texts, spans, includes, variables, repetition, decoding.

pub mod source;
