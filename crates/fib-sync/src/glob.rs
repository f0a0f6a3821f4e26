//! Shell globs on names of interfaces: `*`, `?` and character sets.

/// Whether a name matches a pattern as a whole.
#[must_use]
pub fn matches(pattern: &str, name: &str) -> bool {
    matches_octets(pattern.as_bytes(), name.as_bytes())
}

/// Whether a name matches one of the patterns.
#[must_use]
pub fn matches_any(patterns: &[String], name: &str) -> bool {
    patterns.iter().any(|pattern| matches(pattern, name))
}

/// Greedy, with one place to come back to: linear in practice, never exponential.
fn matches_octets(mut pattern: &[u8], mut name: &[u8]) -> bool {
    let mut resume: Option<(&[u8], &[u8])> = None;
    loop {
        let step = match (pattern.split_first(), name.split_first()) {
            (None, None) => return true,
            (Some((b'*', rest)), _) => {
                resume = Some((rest, name));
                pattern = rest;
                continue;
            }
            (Some((b'?', rest)), Some((_, tail))) => Some((rest, tail)),
            (Some((b'[', rest)), Some((octet, tail))) => match set(rest, *octet) {
                Some((true, rest)) => Some((rest, tail)),
                Some((false, _)) => None,
                None => (*octet == b'[').then_some((rest, tail)),
            },
            (Some((wanted, rest)), Some((octet, tail))) => (wanted == octet).then_some((rest, tail)),
            (Some(_), None) | (None, Some(_)) => None,
        };
        (pattern, name) = match (step, resume) {
            (Some(step), _) => step,
            (None, Some((after, from))) => {
                let Some((_, from)) = from.split_first() else { return false };
                resume = Some((after, from));
                (after, from)
            }
            (None, None) => return false,
        };
    }
}

/// Whether an octet is in the set that begins here, and what follows the set; none when it is not closed.
fn set(pattern: &[u8], octet: u8) -> Option<(bool, &[u8])> {
    let (negated, mut rest) = match pattern.split_first() {
        Some((b'!' | b'^', rest)) => (true, rest),
        Some(_) | None => (false, pattern),
    };
    let mut found = false;
    let mut first = true;
    loop {
        let (&from, tail) = rest.split_first()?;
        if from == b']' && !first {
            return Some((found != negated, tail));
        }
        first = false;
        match tail {
            [b'-', to, tail @ ..] if *to != b']' => {
                found |= (from..=*to).contains(&octet);
                rest = tail;
            }
            tail => {
                found |= from == octet;
                rest = tail;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_a_shell_does() {
        for (pattern, name, expected) in [
            ("cali*", "cali12ab", true),
            ("cali*", "cali", true),
            ("cali*", "xcali1", false),
            ("*", "", true),
            ("eth?", "eth0", true),
            ("eth?", "eth10", false),
            ("*.cali", "vxlan.cali", true),
            ("*.cali", "vxlan.calico", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("eth[0-2]", "eth1", true),
            ("eth[!0-2]", "eth1", false),
            ("eth[]a]", "eth]", true),
            ("eth[0", "eth[0", true),
            ("eth0", "eth0", true),
            ("eth0", "eth00", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} on {name}");
        }
    }
}
