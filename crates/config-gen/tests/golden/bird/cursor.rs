//! A place in a list of tokens, and what may come next.

use std::net::IpAddr;

use super::lex::{ParseError, Place, Token};

pub struct Cursor {
    tokens: Vec<(Token, Place)>,
    next: usize,
    end: Place,
}

impl Cursor {
    /// `end` is the place that an error names when nothing is left.
    pub fn new(tokens: Vec<(Token, Place)>, end: Place) -> Self {
        Self { tokens, next: 0, end }
    }

    pub fn place(&self) -> Place {
        self.tokens.get(self.next).map_or(&self.end, |t| &t.1).clone()
    }

    pub fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next).map(|t| &t.0)
    }

    fn peek_second(&self) -> Option<&Token> {
        self.tokens.get(self.next + 1).map(|t| &t.0)
    }

    pub fn take(&mut self) -> Option<Token> {
        let token = self.peek().cloned();
        self.next += usize::from(token.is_some());
        token
    }

    /// An error at what comes next, or at what was just taken.
    pub fn fail<T>(&self, what: &str) -> Result<T, ParseError> {
        let found = self.peek().map_or_else(|| "the end".to_owned(), |t| format!("{:?}", t.to_string()));
        Err(ParseError { place: self.place(), what: format!("{what} expected, not {found}") })
    }

    pub fn at_punct(&self, p: &str) -> bool {
        matches!(self.peek(), Some(Token::Punct(q)) if *q == p)
    }

    pub fn at_word(&self, w: &str) -> bool {
        matches!(self.peek(), Some(Token::Word(v)) if v == w)
    }

    pub fn second_is(&self, p: &str) -> bool {
        matches!(self.peek_second(), Some(Token::Punct(q)) if *q == p)
    }

    /// Takes the mark when it comes next.
    pub fn try_punct(&mut self, p: &str) -> bool {
        let found = self.at_punct(p);
        self.next += usize::from(found);
        found
    }

    /// Takes the word when it comes next.
    pub fn try_word(&mut self, w: &str) -> bool {
        let found = self.at_word(w);
        self.next += usize::from(found);
        found
    }

    pub fn punct(&mut self, p: &str) -> Result<(), ParseError> {
        if self.try_punct(p) { Ok(()) } else { self.fail(&format!("{p:?}")) }
    }

    pub fn words(&mut self, words: &[&str]) -> Result<(), ParseError> {
        for w in words {
            if !self.try_word(w) {
                return self.fail(&format!("{w:?}"));
            }
        }
        Ok(())
    }

    /// A word, or a symbol in quotes.
    pub fn name(&mut self) -> Result<String, ParseError> {
        if let Some(Token::Word(w) | Token::Quoted(w)) = self.peek() {
            let name = w.clone();
            self.next += 1;
            Ok(name)
        } else {
            self.fail("a name")
        }
    }

    pub fn text(&mut self) -> Result<String, ParseError> {
        if let Some(Token::Text(t)) = self.peek() {
            let text = t.clone();
            self.next += 1;
            Ok(text)
        } else {
            self.fail("a text")
        }
    }

    pub fn ip(&mut self) -> Result<IpAddr, ParseError> {
        if let Some(Token::Ip(ip)) = self.peek() {
            let ip = *ip;
            self.next += 1;
            Ok(ip)
        } else {
            self.fail("an address")
        }
    }

    pub fn number<T: TryFrom<u32>>(&mut self) -> Result<T, ParseError> {
        if let Some(Token::Number(n)) = self.peek()
            && let Ok(n) = T::try_from(*n)
        {
            self.next += 1;
            return Ok(n);
        }
        self.fail("a number in range")
    }

    /// `on`, `off`, or nothing, which is `on`.
    pub fn switch(&mut self) -> bool {
        let on = !self.at_word("off");
        if !on || self.at_word("on") {
            self.next += 1;
        }
        on
    }
}
