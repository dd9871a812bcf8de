//! Sizes that depend on how many take part.

use std::fmt;

/// A payload's length: a sum of products of numbers and of `n`, `t` and `m`.
#[derive(Clone, PartialEq, Eq)]
pub struct Size(Expression);

#[derive(Clone, PartialEq, Eq)]
enum Expression {
    Number(i64),
    Parties,
    Threshold,
    Members,
    Operation(Box<Expression>, Operator, Box<Expression>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Plus,
    Minus,
    Times,
}

impl Size {
    /// Reads an expression such as `255 + 90*t`.
    ///
    /// # Errors
    /// A sentence that says what is wrong, if it is none.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parser = Parser { rest: text, depth: 0 };
        let expression = parser.sum()?;
        match parser.peek() {
            None => Ok(Self(expression)),
            Some(other) => Err(format!("`{other}` makes no sense there, in `{text}`")),
        }
    }

    /// The length with `n` parties, threshold `t` and `m` members; `None` if it is negative or
    /// beyond all bounds.
    pub fn bytes(&self, n: u16, t: u16, m: u16) -> Option<u64> {
        u64::try_from(self.0.value([n, t, m].map(i64::from))?).ok()
    }
}

impl fmt::Debug for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.write(f, false)
    }
}

impl Expression {
    fn value(&self, [n, t, m]: [i64; 3]) -> Option<i64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Parties => Some(n),
            Self::Threshold => Some(t),
            Self::Members => Some(m),
            Self::Operation(left, operator, right) => {
                let (left, right) = (left.value([n, t, m])?, right.value([n, t, m])?);
                match operator {
                    Operator::Plus => left.checked_add(right),
                    Operator::Minus => left.checked_sub(right),
                    Operator::Times => left.checked_mul(right),
                }
            }
        }
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, inside: bool) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Parties => f.write_str("n"),
            Self::Threshold => f.write_str("t"),
            Self::Members => f.write_str("m"),
            Self::Operation(left, operator, right) => {
                let sign = match operator {
                    Operator::Plus => " + ",
                    Operator::Minus => " - ",
                    Operator::Times => "*",
                };
                if inside {
                    f.write_str("(")?;
                }
                left.write(f, true)?;
                f.write_str(sign)?;
                right.write(f, true)?;
                if inside {
                    f.write_str(")")?;
                }
                Ok(())
            }
        }
    }
}

/// Deeper nesting is refused rather than followed.
const MAX_DEPTH: usize = 32;

struct Parser<'a> {
    rest: &'a str,
    depth: usize,
}

impl Parser<'_> {
    fn peek(&mut self) -> Option<char> {
        self.rest = self.rest.trim_start();
        self.rest.chars().next()
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.rest = &self.rest[wanted.len_utf8()..];
        }
        found
    }

    fn sum(&mut self) -> Result<Expression, String> {
        let mut left = self.product()?;
        loop {
            let operator = if self.take('+') {
                Operator::Plus
            } else if self.take('-') {
                Operator::Minus
            } else {
                return Ok(left);
            };
            left = Expression::Operation(left.into(), operator, self.product()?.into());
        }
    }

    fn product(&mut self) -> Result<Expression, String> {
        let mut left = self.factor()?;
        while self.take('*') {
            left = Expression::Operation(left.into(), Operator::Times, self.factor()?.into());
        }
        Ok(left)
    }

    fn factor(&mut self) -> Result<Expression, String> {
        if self.take('(') {
            self.depth += 1;
            if self.depth > MAX_DEPTH {
                return Err("has too many parentheses".into());
            }
            let inside = self.sum()?;
            self.depth -= 1;
            return if self.take(')') { Ok(inside) } else { Err("`)` is missing".into()) };
        }
        for (name, expression) in
            [('n', Expression::Parties), ('t', Expression::Threshold), ('m', Expression::Members)]
        {
            if self.take(name) {
                return Ok(expression);
            }
        }
        let digits = match self.peek() {
            None => return Err("ends where a number, n, t or m should come".into()),
            Some(_) => self.rest.bytes().take_while(|b| b.is_ascii_digit() || *b == b'_').count(),
        };
        let (number, rest) = self.rest.split_at(digits);
        let number = number.replace('_', "");
        if number.is_empty() {
            let odd = rest.chars().next().unwrap_or(' ');
            return Err(format!("`{odd}` is neither a number nor n, t or m"));
        }
        self.rest = rest;
        number.parse().map(Expression::Number).map_err(|_| format!("{number} is too large"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_mean_what_they_say() {
        for (text, bytes, shown) in [
            ("32", Some(32), "32"),
            ("255 + 90*t", Some(525), "255 + (90*t)"),
            ("1_000*(n - m)", Some(2000), "1000*(n - m)"),
            ("10 - 2 - 3", Some(5), "(10 - 2) - 3"),
            ("n-t-m", None, "(n - t) - m"),
            ("9000000000000000000*9", None, "9000000000000000000*9"),
        ] {
            let size = Size::parse(text).unwrap();
            assert_eq!(size.bytes(5, 3, 3), bytes, "{text}");
            assert_eq!(size.to_string(), shown);
        }
    }

    #[test]
    fn what_is_no_expression_is_refused_with_a_reason() {
        for (text, why) in [
            ("", "ends where a number, n, t or m should come"),
            ("3 +", "ends where a number, n, t or m should come"),
            ("x", "`x` is neither a number nor n, t or m"),
            ("-3", "`-` is neither a number nor n, t or m"),
            ("(3", "`)` is missing"),
            ("3 4", "`4` makes no sense there, in `3 4`"),
            ("99999999999999999999", "99999999999999999999 is too large"),
        ] {
            assert_eq!(Size::parse(text).unwrap_err(), why);
        }
        let deep = "(".repeat(100_000);
        assert_eq!(Size::parse(&deep).unwrap_err(), "has too many parentheses");
    }
}
