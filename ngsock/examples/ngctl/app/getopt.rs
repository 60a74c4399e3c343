//! getopt(3): short options up to the first word that is none.

/// What an option turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub enum Opt<'a> {
    Flag(char),
    Value(char, &'a [u8]),
    /// What getopt(3) prints.
    Wrong(String),
}

/// The words, the place reached in them, and the options there are; `:` follows those with a value.
#[derive(Debug)]
pub struct Getopt<'a> {
    words: &'a [Vec<u8>],
    options: &'static str,
    /// The letters of a word that are still to be looked at.
    letters: &'a [u8],
}

impl<'a> Getopt<'a> {
    pub fn new(words: &'a [Vec<u8>], options: &'static str) -> Self {
        Self { words, options, letters: &[] }
    }

    /// The word to be looked at next, unless we are in the middle of one.
    pub fn whole_word(&self) -> Option<&'a [u8]> {
        if self.letters.is_empty() { self.words.first().map(Vec::as_slice) } else { None }
    }

    /// Leaves that word out.
    pub fn skip(&mut self) {
        self.words = self.words.get(1..).unwrap_or_default();
    }

    /// What follows the options.
    pub fn rest(&self) -> &'a [Vec<u8>] {
        self.words
    }

    pub fn next(&mut self) -> Option<Opt<'a>> {
        if self.letters.is_empty() {
            let letters = self.words.first()?.strip_prefix(b"-").filter(|letters| !letters.is_empty())?;
            self.skip();
            if letters == b"-" {
                return None;
            }
            self.letters = letters;
        }
        let (&letter, rest) = self.letters.split_first()?;
        self.letters = rest;
        let letter = char::from(letter);
        let Some(place) = self.options.find(letter).filter(|_| letter != ':') else {
            return Some(Opt::Wrong(format!("illegal option -- {letter}")));
        };
        if !self.options.get(place + 1..).is_some_and(|after| after.starts_with(':')) {
            return Some(Opt::Flag(letter));
        }
        if !rest.is_empty() {
            self.letters = &[];
            return Some(Opt::Value(letter, rest));
        }
        let Some(value) = self.words.first() else {
            return Some(Opt::Wrong(format!("option requires an argument -- {letter}")));
        };
        self.skip();
        Some(Opt::Value(letter, value))
    }
}
