//! Tokens to a configuration. What is not known is an error that names file and line.

use std::net::IpAddr;

use super::ast::{
    Bird, Destination, FilterUse, Function, InterfacePattern, Kind, Listen, Protocol, Setting, Statement,
};
use super::cursor::Cursor;
use super::filter;
use super::lex::{ParseError, Place, Token, tokens};

/// Reads `file` and what it includes; `read` gives a file's text.
pub fn parse(file: &str, read: &dyn Fn(&str) -> Option<String>) -> Result<Bird, ParseError> {
    let mut bird = Bird::default();
    let end = Place { file: file.to_owned(), line: 0 };
    let text = read(file).ok_or_else(|| ParseError { place: end.clone(), what: "no such file".to_owned() })?;
    let mut c = Cursor::new(tokens(file, &text)?, end);
    while let Some(token) = c.peek().cloned() {
        match token {
            Token::Word(w) if w == "include" => include(&mut c, &mut bird, read)?,
            Token::Word(_) => top_level(&mut c, &mut bird)?,
            Token::Quoted(_)
            | Token::Text(_)
            | Token::Number(_)
            | Token::Ip(_)
            | Token::Prefix(_)
            | Token::Punct(_) => return c.fail("a keyword"),
        }
    }
    Ok(bird)
}

fn include(c: &mut Cursor, bird: &mut Bird, read: &dyn Fn(&str) -> Option<String>) -> Result<(), ParseError> {
    c.words(&["include"])?;
    let file = c.text()?;
    c.punct(";")?;
    let inner = parse(&file, read)?;
    if inner.router_id.is_some() || inner.listen.is_some() {
        return c.fail("nothing of the router itself in an included file");
    }
    bird.templates.extend(inner.templates);
    bird.protocols.extend(inner.protocols);
    bird.functions.extend(inner.functions);
    bird.filters.extend(inner.filters);
    Ok(())
}

fn top_level(c: &mut Cursor, bird: &mut Bird) -> Result<(), ParseError> {
    let place = c.place();
    let twice = |what: &str| Err(ParseError { place: place.clone(), what: format!("{what} a second time") });
    if c.try_word("router") {
        c.words(&["id"])?;
        let IpAddr::V4(id) = c.ip()? else { return c.fail("an IPv4 address") };
        c.punct(";")?;
        if bird.router_id.replace(id).is_some() {
            return twice("router id");
        }
    } else if c.try_word("listen") {
        c.words(&["bgp"])?;
        let mut listen = Listen::default();
        if c.try_word("address") {
            listen.address = Some(c.ip()?);
        }
        if c.try_word("port") {
            listen.port = Some(c.number()?);
        }
        c.punct(";")?;
        if bird.listen.replace(listen).is_some() {
            return twice("listen bgp");
        }
    } else if c.try_word("function") {
        let name = c.name()?;
        let function = function(c)?;
        if bird.functions.insert(name, function).is_some() {
            return twice("function");
        }
    } else if c.try_word("filter") {
        let name = c.name()?;
        let body = filter::block(c, &[])?;
        if bird.filters.insert(name, body).is_some() {
            return twice("filter");
        }
    } else if c.try_word("template") {
        let kind = kind(c)?;
        let name = c.name()?;
        let settings = settings(c, kind)?;
        if bird.templates.insert(name, settings).is_some() {
            return twice("template");
        }
    } else if c.try_word("protocol") {
        let protocol = protocol(c, bird)?;
        bird.protocols.push(protocol);
    } else {
        return c.fail("router, listen, function, filter, template, protocol or include");
    }
    Ok(())
}

fn function(c: &mut Cursor) -> Result<Function, ParseError> {
    c.punct("(")?;
    let mut parameters = Vec::new();
    while !c.at_punct(")") {
        c.words(&["bool"])?;
        parameters.push(c.name()?);
        if !c.at_punct(")") {
            c.punct(",")?;
        }
    }
    c.punct(")")?;
    let body: Vec<Statement> = filter::block(c, &parameters)?;
    Ok(Function { parameters, body })
}

fn kind(c: &mut Cursor) -> Result<Kind, ParseError> {
    for (word, kind) in [
        ("bgp", Kind::Bgp),
        ("device", Kind::Device),
        ("direct", Kind::Direct),
        ("kernel", Kind::Kernel),
        ("static", Kind::Static),
    ] {
        if c.try_word(word) {
            return Ok(kind);
        }
    }
    c.fail("bgp, device, direct, kernel or static")
}

fn protocol(c: &mut Cursor, bird: &Bird) -> Result<Protocol, ParseError> {
    let kind = kind(c)?;
    let name = if c.at_word("from") || c.at_punct("{") { None } else { Some(c.name()?) };
    let mut all = Vec::new();
    if c.try_word("from") {
        let template = c.name()?;
        match bird.templates.get(&template) {
            Some(settings) => all.extend(settings.iter().cloned()),
            None => return c.fail(&format!("a template that is known before {template:?}")),
        }
    }
    all.extend(settings(c, kind)?);
    Ok(Protocol { kind, name, settings: all })
}

fn settings(c: &mut Cursor, kind: Kind) -> Result<Vec<Setting>, ParseError> {
    c.punct("{")?;
    let mut settings = Vec::new();
    while !c.try_punct("}") {
        let setting = match common(c)? {
            Some(setting) => setting,
            None => match kind {
                Kind::Bgp => bgp(c)?,
                Kind::Device => c.fail("a setting of the device protocol")?,
                Kind::Direct => direct(c)?,
                Kind::Kernel => kernel(c)?,
                Kind::Static => static_route(c)?,
            },
        };
        c.punct(";")?;
        settings.push(setting);
    }
    Ok(settings)
}

fn common(c: &mut Cursor) -> Result<Option<Setting>, ParseError> {
    if c.try_word("debug") {
        if c.try_word("all") {
            return Ok(Some(Setting::Debug(vec!["all".to_owned()])));
        }
        c.punct("{")?;
        let mut what = vec![c.name()?];
        while c.try_punct(",") {
            what.push(c.name()?);
        }
        c.punct("}")?;
        Ok(Some(Setting::Debug(what)))
    } else if c.try_word("description") {
        Ok(Some(Setting::Description(c.text()?)))
    } else if c.try_word("scan") {
        c.words(&["time"])?;
        Ok(Some(Setting::ScanTime(c.number()?)))
    } else if c.try_word("import") {
        Ok(Some(Setting::Import(filter_use(c)?)))
    } else if c.try_word("export") {
        Ok(Some(Setting::Export(filter_use(c)?)))
    } else {
        Ok(None)
    }
}

fn filter_use(c: &mut Cursor) -> Result<FilterUse, ParseError> {
    if c.try_word("all") {
        Ok(FilterUse::All)
    } else if c.try_word("none") {
        Ok(FilterUse::None)
    } else {
        c.words(&["filter"])?;
        if c.at_punct("{") { filter::block(c, &[]).map(FilterUse::Body) } else { c.name().map(FilterUse::Named) }
    }
}

fn kernel(c: &mut Cursor) -> Result<Setting, ParseError> {
    if c.try_word("learn") {
        Ok(Setting::Learn)
    } else if c.try_word("persist") {
        Ok(Setting::Persist)
    } else if c.try_word("graceful") {
        c.words(&["restart"])?;
        Ok(Setting::GracefulRestart)
    } else if c.try_word("merge") {
        c.words(&["paths", "on"])?;
        Ok(Setting::MergePaths)
    } else {
        c.fail("a setting of the kernel protocol")
    }
}

fn direct(c: &mut Cursor) -> Result<Setting, ParseError> {
    c.words(&["interface"])?;
    let mut patterns = Vec::new();
    loop {
        let takes = !c.try_punct("-");
        patterns.push(InterfacePattern { glob: c.text()?, takes });
        if !c.try_punct(",") {
            return Ok(Setting::Interfaces(patterns));
        }
    }
}

fn static_route(c: &mut Cursor) -> Result<Setting, ParseError> {
    c.words(&["route"])?;
    let Some(Token::Prefix(prefix)) = c.peek().cloned() else { return c.fail("a prefix") };
    c.take();
    if c.try_word("blackhole") {
        return Ok(Setting::Route(prefix, Destination::Blackhole));
    }
    c.words(&["via"])?;
    Ok(Setting::Route(prefix, Destination::Via(c.ip()?)))
}

fn bgp(c: &mut Cursor) -> Result<Setting, ParseError> {
    if let Some(setting) = bgp_session(c)? {
        return Ok(setting);
    }
    if c.try_word("graceful") {
        c.words(&["restart"])?;
        if c.try_word("time") { c.number().map(Setting::GracefulRestartTime) } else { Ok(Setting::GracefulRestart) }
    } else if c.try_word("keepalive") {
        c.words(&["time"])?;
        c.number().map(Setting::KeepaliveTime)
    } else if c.try_word("rr") {
        if c.try_word("client") {
            return Ok(Setting::RrClient);
        }
        c.words(&["cluster", "id"])?;
        match c.ip()? {
            IpAddr::V4(id) => Ok(Setting::RrClusterId(id)),
            IpAddr::V6(_) => c.fail("a cluster id"),
        }
    } else if c.try_word("next") {
        c.words(&["hop"])?;
        if c.try_word("self") {
            return Ok(Setting::NextHopSelf);
        }
        c.words(&["keep"])?;
        Ok(Setting::NextHopKeep)
    } else if c.try_word("allow") {
        c.words(&["local", "as"])?;
        c.number().map(Setting::AllowLocalAs)
    } else if c.try_word("gateway") {
        c.words(&["recursive"])?;
        Ok(Setting::GatewayRecursive)
    } else if c.try_word("add") {
        c.words(&["paths", "on"])?;
        Ok(Setting::AddPaths)
    } else if c.try_word("connect") {
        if c.try_word("delay") {
            c.words(&["time"])?;
            return c.number().map(Setting::ConnectDelay);
        }
        c.words(&["retry", "time"])?;
        c.number().map(Setting::ConnectRetry)
    } else if c.try_word("error") {
        c.words(&["wait", "time"])?;
        let least = c.number()?;
        c.punct(",")?;
        Ok(Setting::ErrorWait(least, c.number()?))
    } else {
        c.fail("a setting of the BGP protocol")
    }
}

/// Settings that say who talks with whom, and how.
fn bgp_session(c: &mut Cursor) -> Result<Option<Setting>, ParseError> {
    Ok(Some(if c.try_word("neighbor") {
        let address = c.ip()?;
        let port = if c.try_word("port") { Some(c.number()?) } else { None };
        c.words(&["as"])?;
        Setting::Neighbor { address, port, asn: c.number()? }
    } else if c.try_word("local") {
        c.words(&["as"])?;
        Setting::LocalAs(c.number()?)
    } else if c.try_word("source") {
        c.words(&["address"])?;
        Setting::SourceAddress(c.ip()?)
    } else if c.try_word("ttl") {
        c.words(&["security"])?;
        Setting::TtlSecurity(c.switch())
    } else if c.try_word("multihop") {
        Setting::Multihop(if c.at_punct(";") { None } else { Some(c.number()?) })
    } else if c.try_word("passive") {
        Setting::Passive(c.switch())
    } else if c.try_word("password") {
        Setting::Password(c.text()?)
    } else {
        return Ok(None);
    }))
}
