//! Text to tokens.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use heddle_bgp_core::Prefix;

/// Where something stands: file and line, counted from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub file: String,
    pub line: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    pub place: Place,
    pub what: String,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// A keyword or a symbol.
    Word(String),
    /// A symbol in single quotes.
    Quoted(String),
    /// A text in double quotes.
    Text(String),
    Number(u32),
    Ip(IpAddr),
    Prefix(Prefix),
    /// One of [`PUNCTUATION`].
    Punct(&'static str),
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(w) => f.write_str(w),
            Self::Quoted(w) => write!(f, "'{w}'"),
            Self::Text(t) => write!(f, "{t:?}"),
            Self::Number(n) => n.fmt(f),
            Self::Ip(a) => a.fmt(f),
            Self::Prefix(p) => p.fmt(f),
            Self::Punct(p) => f.write_str(p),
        }
    }
}

/// Longest first.
const PUNCTUATION: &[&str] = &[
    "[=", "=]", "!=", "!~", "&&", "||", "<=", ">=", "{", "}", "(", ")", "[", "]", ";", ",", "=", "~", "<", ">", "!",
    "+", "-", "*", "?", ".",
];

/// All tokens of a file, each with its line.
pub fn tokens(file: &str, text: &str) -> Result<Vec<(Token, Place)>, ParseError> {
    let mut out = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let place = Place { file: file.to_owned(), line: number };
        let mut rest = line.trim_start();
        while !rest.is_empty() && !rest.starts_with('#') {
            let (token, after) = next(rest).map_err(|what| ParseError { place: place.clone(), what })?;
            out.push((token, place.clone()));
            rest = after.trim_start();
        }
    }
    Ok(out)
}

fn next(text: &str) -> Result<(Token, &str), String> {
    if let Some(rest) = text.strip_prefix('"') {
        let (inside, after) = rest.split_once('"').ok_or("a text without its closing quote")?;
        return Ok((Token::Text(inside.to_owned()), after));
    }
    if let Some(rest) = text.strip_prefix('\'') {
        let (inside, after) = rest.split_once('\'').ok_or("a symbol without its closing quote")?;
        return Ok((Token::Quoted(inside.to_owned()), after));
    }
    // "[=" before addresses: nothing else begins with a bracket. Addresses before words and numbers: "feed::1".
    if let Some(found) = address(text)? {
        return Ok(found);
    }
    let word = split_while(text, |c| c.is_ascii_alphanumeric() || c == '_');
    if !word.0.is_empty() {
        return if word.0.starts_with(|c: char| c.is_ascii_digit()) {
            let n = word.0.parse().map_err(|_| format!("{:?} is no number", word.0))?;
            Ok((Token::Number(n), word.1))
        } else {
            Ok((Token::Word(word.0.to_owned()), word.1))
        };
    }
    let punct = PUNCTUATION.iter().find(|p| text.starts_with(**p));
    let punct = punct.ok_or_else(|| format!("unknown character {:?}", text.chars().next().unwrap_or(' ')))?;
    Ok((Token::Punct(punct), text.strip_prefix(*punct).unwrap_or_default()))
}

/// An address, or a prefix when "/LENGTH" follows.
fn address(text: &str) -> Result<Option<(Token, &str)>, String> {
    let (run, after) = split_while(text, |c| c.is_ascii_hexdigit() || c == ':' || c == '.');
    let looks_v4 = run.starts_with(|c: char| c.is_ascii_digit()) && run.contains('.');
    if !run.contains(':') && !looks_v4 {
        return Ok(None);
    }
    let ip = run.parse::<Ipv6Addr>().map(IpAddr::V6).or_else(|_| run.parse::<Ipv4Addr>().map(IpAddr::V4));
    let ip = ip.map_err(|_| format!("{run:?} is no address"))?;
    let Some(after_slash) = after.strip_prefix('/') else { return Ok(Some((Token::Ip(ip), after))) };
    let (length, after) = split_while(after_slash, |c| c.is_ascii_digit());
    let prefix = length.parse().ok().and_then(|l| Prefix::new(ip, l));
    match prefix {
        Some(p) if p.addr() == ip => Ok(Some((Token::Prefix(p), after))),
        Some(_) | None => Err(format!("{run}/{length} is no prefix")),
    }
}

fn split_while(text: &str, f: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !f(c)).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_of_one_line_each() {
        let rows: &[(&str, &str)] = &[
            ("neighbor feed::1 port 10 as 65000;", "neighbor feed::1 port 10 as 65000 ;"),
            ("route 10.0.0.0/30 blackhole; # why", "route 10.0.0.0/30 blackhole ;"),
            ("'bgp_x.y-1'(false);", "'bgp_x.y-1' ( false ) ;"),
            ("[= 65000 * =]", "[= 65000 * =]"),
            ("(65000, 100) ~ bgp_community", "( 65000 , 100 ) ~ bgp_community"),
            ("bgp_path.prepend(1)", "bgp_path . prepend ( 1 )"),
            ("[ 10.0.0.0/8{16,24} ]", "[ 10.0.0.0/8 { 16 , 24 } ]"),
            ("net !~ 5000:0::0/64", "net !~ 5000::/64"),
            ("-\"cali*\", \"*\"", "- \"cali*\" , \"*\""),
        ];
        for (text, want) in rows {
            let got: Vec<String> = tokens("f", text).unwrap().into_iter().map(|t| t.0.to_string()).collect();
            assert_eq!(got.join(" "), *want, "{text}");
        }
    }

    #[test]
    fn what_is_no_token_names_its_line() {
        for bad in ["\"open", "'open", "10.0.0.0.0", "10.0.0.1/24", "10.0.0.0/33", "4294967296", "@", "1x"] {
            let error = tokens("f", &format!("\n{bad}")).unwrap_err();
            assert_eq!((error.place.to_string().as_str(), bad), ("f:2", bad), "{error}");
        }
    }
}
