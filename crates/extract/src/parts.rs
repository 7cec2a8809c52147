//! The parts of a request that a complex value consists of. Its text names the variables, and NGINX's variables for
//! parts of a request reveal their source by their names.

use super::exchange::{Exchange, Side};
use super::{cookie, query};

/// Headers that describe a client and are in every record; they do not become secrets by being part of a key.
const DESCRIBES: &[&[u8]] =
    &[b"user_agent", b"host", b"accept", b"accept_language", b"accept_encoding", b"referer"];

/// A part of a request that a variable reads. Names are lower-case, since NGINX looks them up case-insensitively.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// `$cookie_NAME`.
    Cookie(Box<[u8]>),
    /// `$http_NAME`, with `_` for `-`.
    Header(Box<[u8]>),
    /// `$arg_NAME`.
    Argument(Box<[u8]>),
    /// `$args`, and variables that include it.
    Arguments,
    /// `$request_body`.
    Body,
    /// `$remote_addr`, if the text is that variable alone.
    Address,
    /// `$host`, if the text is that variable alone.
    Host,
}

impl Part {
    /// The parts of a text with variables.
    pub(super) fn of(text: &str) -> Box<[Part]> {
        let whole = |name: &str| text.trim_matches(['$', '{', '}']) == name;
        names(text)
            .filter_map(|name| Part::named(&name.to_ascii_lowercase(), whole(name)))
            .collect()
    }

    /// `alone`: the text is this variable only.
    fn named(name: &str, alone: bool) -> Option<Part> {
        let boxed = |name: &str| name.as_bytes().into();
        if let Some(name) = name.strip_prefix("cookie_") {
            return Some(Part::Cookie(boxed(name)));
        }
        if let Some(name) = name.strip_prefix("arg_") {
            return Some(Part::Argument(boxed(name)));
        }
        match name {
            "args" | "query_string" | "request_uri" | "request" => Some(Part::Arguments),
            "request_body" => Some(Part::Body),
            "remote_addr" | "binary_remote_addr" => alone.then_some(Part::Address),
            "host" | "http_host" => alone.then_some(Part::Host),
            _ => {
                let header = name.strip_prefix("http_")?;
                let is_one = alone || !DESCRIBES.contains(&header.as_bytes());
                is_one.then(|| Part::Header(boxed(header)))
            }
        }
    }

    /// Whether the part is the header with this name.
    pub fn is_header(&self, name: &[u8]) -> bool {
        let Part::Header(known) = self else { return false };
        let as_variable = |byte: &u8| if *byte == b'-' { b'_' } else { byte.to_ascii_lowercase() };
        name.iter().map(as_variable).eq(known.iter().copied())
    }

    /// Calls `each` with every undecoded value of a cookie, header or argument; other parts have no single value.
    pub fn read<X: Exchange + ?Sized>(&self, exchange: &X, each: &mut dyn FnMut(&[u8])) {
        match self {
            Part::Cookie(known) => exchange.headers(Side::Request, &mut |name, value| {
                if name.eq_ignore_ascii_case(b"cookie") {
                    cookie::pairs(value)
                        .filter(|(name, _)| name.eq_ignore_ascii_case(known))
                        .for_each(|(_, value)| each(value));
                }
                true
            }),
            Part::Header(_) => exchange.headers(Side::Request, &mut |name, value| {
                if self.is_header(name) {
                    each(value.trim_ascii());
                }
                true
            }),
            Part::Argument(known) => query::pairs(exchange.query())
                .filter(|(name, _)| name.eq_ignore_ascii_case(known))
                .for_each(|(_, value)| each(value)),
            Part::Arguments | Part::Body | Part::Address | Part::Host => {}
        }
    }
}

/// Names of the variables in a text: `$name` and `${name}`.
fn names(text: &str) -> impl Iterator<Item = &str> {
    text.split('$').skip(1).filter_map(|behind| {
        let name = behind.strip_prefix('{').unwrap_or(behind);
        let end = name
            .find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
            .unwrap_or(name.len());
        name.get(..end).filter(|name| !name.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::FakeExchange;

    fn boxed(name: &str) -> Box<[u8]> {
        name.as_bytes().into()
    }

    #[test]
    fn variables_say_where_they_come_from() {
        for (text, parts) in [
            ("$cookie_a:$cookie_B", vec![Part::Cookie(boxed("a")), Part::Cookie(boxed("b"))]),
            ("${http_x_token}x", vec![Part::Header(boxed("x_token"))]),
            ("a$arg_t-$args", vec![Part::Argument(boxed("t")), Part::Arguments]),
            ("$remote_addr", vec![Part::Address]),
            ("${host}", vec![Part::Host]),
            ("$http_user_agent", vec![Part::Header(boxed("user_agent"))]),
            // A value that every record shows does not become a secret by being combined with another.
            ("$remote_addr$http_user_agent", vec![]),
            ("$1$", vec![]),
        ] {
            assert_eq!(*Part::of(text), *parts, "{text}");
        }
    }

    #[test]
    fn parts_are_read_as_nginx_finds_them() {
        let exchange = FakeExchange::get("/?T=one&t=two")
            .header("Cookie", "SID=three")
            .header("X-To-Ken", " four ");
        let mut read = Vec::new();
        for part in Part::of("$arg_t$cookie_sid$http_x_to_ken") {
            part.read(&exchange, &mut |value| {
                read.push(String::from_utf8_lossy(value).into_owned())
            });
        }
        assert_eq!(read, ["one", "two", "three", "four"]);
    }
}
