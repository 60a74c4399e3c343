//! `${…}` inside text: integers, `+ - *`, parentheses, `name`, `name.field`, and `:04` for leading zeros.

use std::ops::Range;

/// Parentheses and signs may stand this deep in each other.
const MOST_DEPTH: usize = 32;
/// The widest number that `:0N` can ask for.
const MOST_WIDTH: usize = 20;

/// A piece of text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece<'t> {
    /// As it is.
    Text(&'t str),
    /// What stands between `${` and `}`, and the whole of it for messages.
    Expression {
        /// Without the braces.
        inside: &'t str,
        /// With the braces.
        whole: &'t str,
    },
}

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found<'a, T> {
    /// The variable of a range.
    Number(i64),
    /// Text of the file or of a CSV file.
    Text(&'a str),
    /// A list or map.
    Tree(&'a T),
}

/// What an expression is worth.
#[derive(Debug, PartialEq, Eq)]
pub enum Worth<'a, T> {
    /// Text, to stand among other text or alone.
    Text(String),
    /// A list or map, which can only stand alone.
    Tree(&'a T),
}

/// What is wrong with an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It cannot be read or computed: the message.
    Expression(String),
    /// A name does not exist or cannot be used like this: message and help.
    Name(String, Option<String>),
}

/// Splits text at its expressions; `$${` becomes the text `${`.
///
/// # Errors
/// The rest of the text, where a `${` has no `}`.
pub fn pieces(text: &str) -> Result<Vec<Piece<'_>>, &str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, from) = rest.split_at(at);
        if let Some(before) = before.strip_suffix('$') {
            pieces.push(Piece::Text(before));
            pieces.push(Piece::Text("${"));
            rest = &from[2..];
            continue;
        }
        let end = from.find('}').ok_or(from)?;
        pieces.push(Piece::Text(before));
        pieces.push(Piece::Expression { inside: &from[2..end], whole: &from[..=end] });
        rest = &from[end + 1..];
    }
    pieces.push(Piece::Text(rest));
    pieces.retain(|piece| *piece != Piece::Text(""));
    Ok(pieces)
}

/// Computes what stands between `${` and `}`; `lookup` knows the names.
///
/// # Errors
/// See [`Trouble`].
pub fn evaluate<'a, T, L>(inside: &str, lookup: &L) -> Result<Worth<'a, T>, Trouble>
where
    L: Fn(&str, Option<&str>) -> Result<Found<'a, T>, Trouble>,
{
    let (expression, width) = match inside.split_once(':') {
        Some((expression, format)) => (expression, Some(width(format)?)),
        None => (inside, None),
    };
    if width.is_none()
        && let Some((name, field)) = lone_name(expression.trim())
    {
        return Ok(match lookup(name, field)? {
            Found::Number(number) => Worth::Text(number.to_string()),
            Found::Text(text) => Worth::Text(text.to_owned()),
            Found::Tree(tree) => Worth::Tree(tree),
        });
    }
    let mut reader = Reader { text: expression, at: 0, depth: 0, lookup };
    let value = reader.sum()?;
    reader.skip_blanks();
    if reader.at < expression.len() {
        return Err(Trouble::Expression(format!("`{}` does not belong in an expression", &expression[reader.at..])));
    }
    Ok(Worth::Text(match width {
        Some(width) => format!("{value:0width$}"),
        None => value.to_string(),
    }))
}

/// The names that the expressions of a text begin their paths with.
pub fn names(text: &str) -> Vec<&str> {
    let inside = pieces(text).unwrap_or_default().into_iter().filter_map(|piece| match piece {
        Piece::Expression { inside, .. } => Some(inside),
        Piece::Text(_) => None,
    });
    inside.flat_map(names_inside).collect()
}

/// The same for what stands between `${` and `}`.
#[must_use]
pub fn names_inside(inside: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut rest = inside;
    while let Some(at) = rest.find(|c: char| c.is_ascii_alphanumeric() || c == '_') {
        let (path, after) = rest[at..].split_at(path_length(&rest[at..]));
        names.extend(lone_name(path).map(|(name, _)| name));
        rest = after;
    }
    names
}

fn width(format: &str) -> Result<usize, Trouble> {
    let digits = format.trim().strip_prefix('0').filter(|digits| !digits.is_empty());
    let width = digits.and_then(|digits| digits.parse().ok()).filter(|width| (1..=MOST_WIDTH).contains(width));
    width.ok_or_else(|| {
        let advice = format!("write `:0` and the number of digits (1 to {MOST_WIDTH}), such as `:04`");
        Trouble::Expression(format!("`:{format}` is not a way to print a number; {advice}"))
    })
}

/// `name` or `name.field`.
fn lone_name(text: &str) -> Option<(&str, Option<&str>)> {
    if path_length(text) != text.len() || !text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        return None;
    }
    match text.split_once('.') {
        Some((name, field)) => Some((name, Some(field))),
        None => Some((text, None)),
    }
}

/// How far a name with its fields goes. No `-`, which is minus.
fn path_length(text: &str) -> usize {
    text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '.').unwrap_or(text.len())
}

struct Reader<'t, L> {
    text: &'t str,
    at: usize,
    depth: usize,
    lookup: &'t L,
}

impl<'a, T, L> Reader<'_, L>
where
    T: 'a,
    L: Fn(&str, Option<&str>) -> Result<Found<'a, T>, Trouble>,
{
    fn sum(&mut self) -> Result<i64, Trouble> {
        let mut sum = self.product()?;
        loop {
            let value = if self.eat('+') {
                let next = self.product()?;
                sum.checked_add(next)
            } else if self.eat('-') {
                let next = self.product()?;
                sum.checked_sub(next)
            } else {
                return Ok(sum);
            };
            sum = value.ok_or_else(overflow)?;
        }
    }

    fn product(&mut self) -> Result<i64, Trouble> {
        let mut product = self.factor()?;
        while self.eat('*') {
            product = product.checked_mul(self.factor()?).ok_or_else(overflow)?;
        }
        Ok(product)
    }

    fn factor(&mut self) -> Result<i64, Trouble> {
        self.depth += 1;
        if self.depth > MOST_DEPTH {
            return Err(Trouble::Expression(format!("more than {MOST_DEPTH} parentheses or signs in each other")));
        }
        let value = if self.eat('-') {
            self.factor()?.checked_neg().ok_or_else(overflow)?
        } else if self.eat('(') {
            let value = self.sum()?;
            if !self.eat(')') {
                return Err(Trouble::Expression("a `(` is not closed".into()));
            }
            value
        } else {
            self.operand()?
        };
        self.depth -= 1;
        Ok(value)
    }

    fn operand(&mut self) -> Result<i64, Trouble> {
        self.skip_blanks();
        let rest = &self.text[self.at..];
        let word = &rest[..path_length(rest)];
        if word.is_empty() {
            let found = rest.chars().next().map_or("the end".to_owned(), |c| format!("`{c}`"));
            return Err(Trouble::Expression(format!("expected a number or a name, found {found}")));
        }
        self.at += word.len();
        let Some((name, field)) = lone_name(word) else {
            return word.parse().map_err(|_| Trouble::Expression(format!("`{word}` is not a whole number or a name")));
        };
        match (self.lookup)(name, field)? {
            Found::Number(number) => Ok(number),
            Found::Text(text) => text
                .trim()
                .parse()
                .map_err(|_| Trouble::Expression(format!("`{word}` is `{text}`, not a whole number to compute with"))),
            Found::Tree(_) => Err(Trouble::Expression(format!("`{word}` is a list or map, not a number"))),
        }
    }

    fn eat(&mut self, sign: char) -> bool {
        self.skip_blanks();
        let found = self.text[self.at..].starts_with(sign);
        self.at += usize::from(found);
        found
    }

    fn skip_blanks(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
    }
}

fn overflow() -> Trouble {
    Trouble::Expression("the number is too large".into())
}

/// `a..b` of whole numbers; `None` if it is something else.
#[must_use]
pub fn range(text: &str) -> Option<Range<i64>> {
    let (first, last) = text.trim().split_once("..")?;
    let last: i64 = last.trim().parse().ok()?;
    Some(first.trim().parse().ok()?..last.checked_add(1)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(inside: &str) -> Result<String, String> {
        let lookup = |name: &str, field: Option<&str>| match (name, field) {
            ("n", None) => Ok(Found::Number(7)),
            ("x", Some("port")) => Ok(Found::Text("010")),
            ("x", Some("name")) => Ok(Found::Text("web")),
            ("list", None) => Ok(Found::Tree(&())),
            _ => Err(Trouble::Name(format!("no {name}"), None)),
        };
        match evaluate::<(), _>(inside, &lookup) {
            Ok(Worth::Text(text)) => Ok(text),
            Ok(Worth::Tree(())) => Ok("tree".into()),
            Err(Trouble::Expression(message) | Trouble::Name(message, _)) => Err(message),
        }
    }

    #[test]
    fn expressions_are_computed() {
        for (inside, result) in [
            ("n", "7"),
            (" n ", "7"),
            ("n:04", "0007"),
            ("n+1:02", "08"),
            ("2 + 3*n - 1", "22"),
            ("(2+3)*n", "35"),
            ("-n:04", "-007"),
            ("n - -1", "8"),
            ("x.port", "010"),
            ("x.port+0", "10"),
            ("x.name", "web"),
            ("list", "tree"),
            ("12", "12"),
        ] {
            assert_eq!(value(inside).as_deref(), Ok(result), "{inside}");
        }
    }

    #[test]
    fn what_cannot_be_computed_is_refused() {
        for (inside, part) in [
            ("", "found the end"),
            ("n n", "`n` does not belong"),
            ("n/2", "`/2` does not belong"),
            ("n+", "found the end"),
            ("(n", "not closed"),
            ("x.name+1", "`web`, not a whole number"),
            ("x.name:03", "`web`, not a whole number"),
            ("list+1", "a list or map"),
            ("m", "no m"),
            ("n:4", "not a way to print"),
            ("n:0", "not a way to print"),
            ("n:0x", "not a way to print"),
            ("n:099", "not a way to print"),
            ("9223372036854775807+n", "too large"),
            ("9223372036854775808", "not a whole number"),
            ("1.5*n", "`1.5` is not a whole number"),
            ("é", "found `é`"),
        ] {
            let error = value(inside).unwrap_err();
            assert!(error.contains(part), "{inside}: {error}");
        }
        assert!(value(&"(".repeat(100_000)).unwrap_err().contains("in each other"));
        assert!(value(&"-".repeat(100_000)).unwrap_err().contains("in each other"));
    }

    #[test]
    fn text_is_split_at_expressions() {
        let expression = |inside, whole| Piece::Expression { inside, whole };
        assert_eq!(
            pieces("pc${n:02}-x"),
            Ok(vec![Piece::Text("pc"), expression("n:02", "${n:02}"), Piece::Text("-x")])
        );
        assert_eq!(pieces("$${HOME} $5"), Ok(vec![Piece::Text("${"), Piece::Text("HOME} $5")]));
        assert_eq!(pieces("a ${n"), Err("${n"));
        assert_eq!(pieces(""), Ok(vec![]));
        assert_eq!(names("${a+b.c*2}x${(d)} e $${f}"), ["a", "b", "d"]);
    }

    #[test]
    fn ranges_are_inclusive() {
        assert_eq!(range("1..8"), Some(1..9));
        assert_eq!(range(" -2 .. 3 "), Some(-2..4));
        assert_eq!(range("../a.csv"), None);
        assert_eq!(range("1..9223372036854775807"), None);
        assert_eq!(range("7"), None);
    }
}
