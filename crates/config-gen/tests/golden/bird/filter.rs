//! Statements and expressions of the filter language.

use heddle_bgp_core::Prefix;

use super::ast::{Action, Attribute, Expression, Operator, PathItem, PrefixPattern, RouteSource, Statement};
use super::cursor::Cursor;
use super::lex::{ParseError, Token};

/// `{ statement … }`; `parameters` are those of the function it belongs to.
pub fn block(c: &mut Cursor, parameters: &[String]) -> Result<Vec<Statement>, ParseError> {
    c.punct("{")?;
    let mut statements = Vec::new();
    while !c.try_punct("}") {
        statements.push(statement(c, parameters)?);
    }
    Ok(statements)
}

fn statement(c: &mut Cursor, parameters: &[String]) -> Result<Statement, ParseError> {
    let place = c.place();
    let action = if c.at_punct("{") {
        Action::Block(block(c, parameters)?)
    } else if c.try_word("if") {
        let condition = expression(c, parameters)?;
        c.words(&["then"])?;
        let then = vec![statement(c, parameters)?];
        let otherwise = if c.try_word("else") { vec![statement(c, parameters)?] } else { Vec::new() };
        Action::If { condition, then, otherwise }
    } else {
        let action = simple(c, parameters)?;
        c.punct(";")?;
        action
    };
    Ok(Statement { place, action })
}

/// A statement that ends with a semicolon.
fn simple(c: &mut Cursor, parameters: &[String]) -> Result<Action, ParseError> {
    if c.try_word("accept") {
        return Ok(Action::Accept);
    }
    if c.try_word("reject") {
        return Ok(Action::Reject);
    }
    if c.second_is("(") {
        let name = c.name()?;
        return Ok(Action::Call(name, arguments(c, parameters)?));
    }
    let attribute = attribute(c)?;
    if c.try_punct("=") {
        return Ok(Action::Assign(attribute, expression(c, parameters)?));
    }
    c.punct(".")?;
    let add = c.try_word("add");
    if !add {
        c.words(&["prepend"])?;
    }
    c.punct("(")?;
    let value = expression(c, parameters)?;
    c.punct(")")?;
    Ok(if add { Action::Add(attribute, value) } else { Action::Prepend(attribute, value) })
}

fn arguments(c: &mut Cursor, parameters: &[String]) -> Result<Vec<Expression>, ParseError> {
    c.punct("(")?;
    let mut arguments = Vec::new();
    while !c.at_punct(")") {
        arguments.push(expression(c, parameters)?);
        if !c.at_punct(")") {
            c.punct(",")?;
        }
    }
    c.punct(")")?;
    Ok(arguments)
}

fn attribute(c: &mut Cursor) -> Result<Attribute, ParseError> {
    let found = if let Some(Token::Word(w)) = c.peek() { Attribute::from_name(w) } else { None };
    match found {
        Some(attribute) => {
            c.take();
            Ok(attribute)
        }
        None => c.fail("an attribute of a route"),
    }
}

/// `&&` and `||` bind alike in BIRD 1.6; a mixture without parentheses is refused rather than guessed.
fn expression(c: &mut Cursor, parameters: &[String]) -> Result<Expression, ParseError> {
    let mut left = comparison(c, parameters)?;
    let mut seen = None;
    loop {
        let operator = if c.at_punct("&&") {
            Operator::And
        } else if c.at_punct("||") {
            Operator::Or
        } else {
            return Ok(left);
        };
        if *seen.get_or_insert(operator) != operator {
            return c.fail("parentheses between && and ||");
        }
        c.take();
        left = binary(operator, left, comparison(c, parameters)?);
    }
}

const COMPARISONS: &[(&str, Operator)] = &[
    ("=", Operator::Equal),
    ("!=", Operator::NotEqual),
    ("~", Operator::In),
    ("!~", Operator::NotIn),
    ("<", Operator::Less),
    ("<=", Operator::LessEqual),
    (">", Operator::Greater),
    (">=", Operator::GreaterEqual),
];

fn comparison(c: &mut Cursor, parameters: &[String]) -> Result<Expression, ParseError> {
    let left = sum(c, parameters)?;
    let found = COMPARISONS.iter().find(|(p, _)| c.at_punct(p));
    let Some((_, operator)) = found else { return Ok(left) };
    c.take();
    Ok(binary(*operator, left, sum(c, parameters)?))
}

fn sum(c: &mut Cursor, parameters: &[String]) -> Result<Expression, ParseError> {
    let mut left = unary(c, parameters)?;
    loop {
        let operator = if c.try_punct("+") {
            Operator::Add
        } else if c.try_punct("-") {
            Operator::Subtract
        } else {
            return Ok(left);
        };
        left = binary(operator, left, unary(c, parameters)?);
    }
}

fn binary(operator: Operator, left: Expression, right: Expression) -> Expression {
    Expression::Binary(operator, Box::new(left), Box::new(right))
}

fn unary(c: &mut Cursor, parameters: &[String]) -> Result<Expression, ParseError> {
    if c.try_punct("!") {
        return Ok(Expression::Not(Box::new(unary(c, parameters)?)));
    }
    if c.try_punct("(") {
        return parenthesis(c, parameters);
    }
    if c.try_punct("[=") {
        return path_mask(c);
    }
    if c.try_punct("[") {
        return set(c);
    }
    if c.try_word("defined") {
        c.punct("(")?;
        let attribute = attribute(c)?;
        c.punct(")")?;
        return Ok(Expression::Defined(attribute));
    }
    let found = match c.peek() {
        Some(Token::Number(n)) => Some(Expression::Number(*n)),
        Some(Token::Text(t)) => Some(Expression::Text(t.clone())),
        Some(Token::Ip(ip)) => Some(Expression::Ip(*ip)),
        Some(Token::Prefix(p)) => Some(Expression::Prefix(*p)),
        Some(Token::Word(w)) => word(w, parameters),
        Some(Token::Quoted(_) | Token::Punct(_)) | None => None,
    };
    match found {
        Some(expression) => {
            c.take();
            Ok(expression)
        }
        None => c.fail("a value"),
    }
}

fn word(word: &str, parameters: &[String]) -> Option<Expression> {
    match word {
        "true" => Some(Expression::Bool(true)),
        "false" => Some(Expression::Bool(false)),
        _ if parameters.iter().any(|p| p == word) => Some(Expression::Parameter(word.to_owned())),
        _ => RouteSource::from_name(word)
            .map(Expression::RouteSource)
            .or_else(|| Attribute::from_name(word).map(Expression::Attribute)),
    }
}

/// After "(": an expression, a pair or a triple.
fn parenthesis(c: &mut Cursor, parameters: &[String]) -> Result<Expression, ParseError> {
    if matches!(c.peek(), Some(Token::Number(_))) && c.second_is(",") {
        let a = c.number()?;
        c.punct(",")?;
        let b = c.number()?;
        let third = if c.try_punct(",") { Some(c.number()?) } else { None };
        c.punct(")")?;
        return Ok(third.map_or(Expression::Pair(a, b), |third| Expression::Triple(a, b, third)));
    }
    let inner = expression(c, parameters)?;
    c.punct(")")?;
    Ok(inner)
}

/// After "[=".
fn path_mask(c: &mut Cursor) -> Result<Expression, ParseError> {
    let mut items = Vec::new();
    while !c.try_punct("=]") {
        if c.try_punct("*") {
            items.push(PathItem::Any);
        } else if c.try_punct("?") {
            items.push(PathItem::One);
        } else {
            items.push(PathItem::As(c.number()?));
        }
    }
    Ok(Expression::PathMask(items))
}

/// After "[": route sources, or prefixes with `{least,greatest}` lengths, or `+`, or neither.
fn set(c: &mut Cursor) -> Result<Expression, ParseError> {
    let (mut sources, mut prefixes) = (Vec::new(), Vec::new());
    loop {
        let token = c.peek().cloned();
        match token {
            Some(Token::Prefix(p)) => {
                c.take();
                prefixes.push(PrefixPattern { prefix: p, lengths: lengths(c, p)? });
            }
            Some(Token::Word(w)) if RouteSource::from_name(&w).is_some() => {
                c.take();
                sources.extend(RouteSource::from_name(&w));
            }
            Some(_) | None => return c.fail("a prefix or a route source"),
        }
        if c.try_punct("]") {
            break;
        }
        c.punct(",")?;
    }
    match (sources.is_empty(), prefixes.is_empty()) {
        (true, false) => Ok(Expression::PrefixSet(prefixes)),
        (false, true) => Ok(Expression::SourceSet(sources)),
        (true, true) | (false, false) => c.fail("a set of one kind before this"),
    }
}

fn lengths(c: &mut Cursor, prefix: Prefix) -> Result<(u8, u8), ParseError> {
    if c.try_punct("+") {
        return Ok((prefix.len(), if prefix.addr().is_ipv4() { 32 } else { 128 }));
    }
    if !c.try_punct("{") {
        return Ok((prefix.len(), prefix.len()));
    }
    let least = c.number()?;
    c.punct(",")?;
    let greatest = c.number()?;
    c.punct("}")?;
    Ok((least, greatest))
}
