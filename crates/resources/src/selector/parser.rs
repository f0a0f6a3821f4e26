//! Words to an expression.

use super::ast::{Comparison, Expression, Membership};
use super::tokenizer::{Token, Tokenizer};
use super::{MAX_DEPTH, SelectorError};

/// An expression and how deep it is.
type Deep = (Expression, usize);

/// Parses a selector. Without any word in it, it is `all()`.
pub(super) fn parse(text: &str) -> Result<Expression, SelectorError> {
    let mut parser = Parser::new(text)?;
    if parser.ahead == Token::End {
        return Ok(Expression::All);
    }
    let (root, _) = parser.disjunction(0)?;
    match parser.ahead {
        Token::End => Ok(root),
        _ => Err(parser.expected("&& or || or nothing")),
    }
}

struct Parser<'t> {
    words: Tokenizer<'t>,
    ahead: Token<'t>,
    /// The text from `ahead` on.
    rest: &'t str,
}

impl<'t> Parser<'t> {
    fn new(text: &'t str) -> Result<Self, SelectorError> {
        let mut parser = Self { words: Tokenizer::new(text), ahead: Token::End, rest: text };
        parser.advance()?;
        Ok(parser)
    }

    /// Takes the word ahead.
    fn advance(&mut self) -> Result<Token<'t>, SelectorError> {
        self.words.skip_spaces();
        let rest = self.words.rest();
        let next = self.words.next()?;
        self.rest = rest;
        Ok(std::mem::replace(&mut self.ahead, next))
    }

    fn expected(&self, expected: &'static str) -> SelectorError {
        SelectorError::Expected { at: self.words.position(self.rest), expected }
    }

    /// Operations joined by `||`. `depth`: how many parentheses are open.
    fn disjunction(&mut self, depth: usize) -> Result<Deep, SelectorError> {
        let mut operands = vec![self.conjunction(depth)?];
        while self.ahead == Token::Or {
            self.advance()?;
            operands.push(self.conjunction(depth)?);
        }
        join(operands, Expression::Or)
    }

    /// Operations joined by `&&`.
    fn conjunction(&mut self, depth: usize) -> Result<Deep, SelectorError> {
        let mut operands = vec![self.operation(depth)?];
        while self.ahead == Token::And {
            self.advance()?;
            operands.push(self.operation(depth)?);
        }
        join(operands, Expression::And)
    }

    fn operation(&mut self, depth: usize) -> Result<Deep, SelectorError> {
        let mut negated = false;
        while self.ahead == Token::Not {
            self.advance()?;
            negated = !negated;
        }
        let operand = match self.ahead {
            Token::Has(label) => self.leaf(Expression::Has(label.into()))?,
            Token::All => self.leaf(Expression::All)?,
            Token::Global => self.leaf(Expression::Global)?,
            Token::Label(label) => {
                self.advance()?;
                (self.comparison(label)?, 1)
            }
            Token::LeftParenthesis => {
                if depth >= MAX_DEPTH {
                    return Err(SelectorError::TooDeep);
                }
                self.advance()?;
                let inner = self.disjunction(depth + 1)?;
                if self.ahead != Token::RightParenthesis {
                    return Err(self.expected("a closing parenthesis"));
                }
                self.advance()?;
                inner
            }
            _ => return Err(self.expected("the name of a label, has(), all() or a parenthesis")),
        };
        if !negated {
            return Ok(operand);
        }
        let (operand, inner) = operand;
        deeper(Expression::Not(Box::new(operand)), inner)
    }

    fn leaf(&mut self, expression: Expression) -> Result<Deep, SelectorError> {
        self.advance()?;
        Ok((expression, 1))
    }

    /// What comes behind a label.
    fn comparison(&mut self, label: &str) -> Result<Expression, SelectorError> {
        let comparison = match self.ahead {
            Token::Equal => Comparison::Equal,
            Token::NotEqual => Comparison::NotEqual,
            Token::Contains => Comparison::Contains,
            Token::StartsWith => Comparison::StartsWith,
            Token::EndsWith => Comparison::EndsWith,
            Token::In => return self.set(label, Membership::In),
            Token::NotIn => return self.set(label, Membership::NotIn),
            _ => return Err(self.expected("an operator such as == or in, and a value in quotation marks behind it,")),
        };
        self.advance()?;
        match self.ahead {
            Token::Text(value) => {
                self.advance()?;
                Ok(Expression::Compare(label.into(), comparison, value.into()))
            }
            _ => Err(self.expected("a text in quotation marks")),
        }
    }

    /// `{"a", "b"}`: may be empty, and a comma may stand at the end.
    fn set(&mut self, label: &str, membership: Membership) -> Result<Expression, SelectorError> {
        self.advance()?;
        if self.ahead != Token::LeftBrace {
            return Err(self.expected("a set such as {\"a\", \"b\"}"));
        }
        self.advance()?;
        let mut values: Vec<Box<str>> = Vec::new();
        while let Token::Text(value) = self.ahead {
            values.push(value.into());
            self.advance()?;
            if self.ahead != Token::Comma {
                break;
            }
            self.advance()?;
        }
        if self.ahead != Token::RightBrace {
            return Err(self.expected("a closing brace"));
        }
        self.advance()?;
        values.sort();
        values.dedup();
        Ok(Expression::Set(label.into(), membership, values.into()))
    }
}

/// One operand is itself, several are joined.
fn join(mut operands: Vec<Deep>, joined: fn(Box<[Expression]>) -> Expression) -> Result<Deep, SelectorError> {
    if operands.len() == 1
        && let Some(single) = operands.pop()
    {
        return Ok(single);
    }
    let inner = operands.iter().map(|(_, depth)| *depth).max().unwrap_or(0);
    deeper(joined(operands.into_iter().map(|(operand, _)| operand).collect()), inner)
}

/// One level more. The canonical form has at most as many parentheses within each other as the expression has levels.
fn deeper(expression: Expression, inner: usize) -> Result<Deep, SelectorError> {
    if inner >= MAX_DEPTH { Err(SelectorError::TooDeep) } else { Ok((expression, inner + 1)) }
}
