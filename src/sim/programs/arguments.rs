//! getopt(3), as far as the programs here need it.

/// What was given: options in order, then the rest.
#[derive(Debug, Default)]
pub(super) struct Arguments<'a> {
    /// Options with their values; flags have none.
    pub options: Vec<(char, Option<&'a str>)>,
    /// Operands.
    pub operands: Vec<&'a str>,
}

/// What getopt(3) would complain about.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Mistake {
    /// `illegal option -- x`.
    Unknown(char),
    /// `option requires an argument -- x`.
    NoValue(char),
}

impl std::fmt::Display for Mistake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unknown(option) => write!(f, "illegal option -- {option}"),
            Self::NoValue(option) => write!(f, "option requires an argument -- {option}"),
        }
    }
}

/// Splits `given` by a getopt(3) description such as `c:n`: a letter with a colon takes a value.
pub(super) fn parse<'a>(given: &'a [String], description: &str) -> Result<Arguments<'a>, Mistake> {
    let mut parsed = Arguments::default();
    let mut rest = given.iter().map(String::as_str);
    while let Some(word) = rest.next() {
        if word == "--" {
            parsed.operands.extend(rest.by_ref());
        } else if let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) {
            take_options(letters, description, &mut rest, &mut parsed)?;
        } else {
            parsed.operands.push(word);
            parsed.operands.extend(rest.by_ref());
        }
    }
    Ok(parsed)
}

fn take_options<'a>(
    letters: &'a str,
    description: &str,
    rest: &mut impl Iterator<Item = &'a str>,
    parsed: &mut Arguments<'a>,
) -> Result<(), Mistake> {
    for (place, letter) in letters.char_indices() {
        let known = description.find(letter).filter(|_| letter != ':').ok_or(Mistake::Unknown(letter))?;
        if !description[known + letter.len_utf8()..].starts_with(':') {
            parsed.options.push((letter, None));
            continue;
        }
        let attached = &letters[place + letter.len_utf8()..];
        let value = if attached.is_empty() { rest.next() } else { Some(attached) };
        parsed.options.push((letter, Some(value.ok_or(Mistake::NoValue(letter))?)));
        break;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn values_may_be_attached_or_follow() {
        let given = words("-nc3 -t 5 10.0.0.1");
        let parsed = parse(&given, "c:nt:").unwrap();
        assert_eq!(parsed.options, [('n', None), ('c', Some("3")), ('t', Some("5"))]);
        assert_eq!(parsed.operands, ["10.0.0.1"]);
    }

    #[test]
    fn mistakes_are_named() {
        assert_eq!(parse(&words("-x"), "c:").unwrap_err(), Mistake::Unknown('x'));
        assert_eq!(parse(&words("-c"), "c:").unwrap_err(), Mistake::NoValue('c'));
        assert_eq!(parse(&words("-:"), "c:").unwrap_err(), Mistake::Unknown(':'));
    }
}
