//! Patterns of interface names: shell globs, as BIRD's `ifname ~ "cali*"` has them.
//!
//! `*` stands for any number of characters, `?` for one; everything else for itself. There are no other wildcards.

use std::fmt;

/// A pattern of interface names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct InterfacePattern(Box<str>);

impl InterfacePattern {
    /// A pattern; every text is one.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// Whether it matches a name, the whole of it.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        // On a mismatch the last `*` takes one character more: at most (length of pattern) x (length of name) steps.
        let (mut pattern, mut name) = (self.0.chars(), name.chars());
        let mut retry: Option<(std::str::Chars<'_>, std::str::Chars<'_>)> = None;
        loop {
            let mut rest = pattern.clone();
            match (rest.next(), name.clone().next()) {
                (Some('*'), _) => {
                    retry = Some((rest.clone(), name.clone()));
                    pattern = rest;
                    continue;
                }
                (None, None) => return true,
                (Some(p), Some(n)) if p == '?' || p == n => {
                    pattern = rest;
                    name.next();
                    continue;
                }
                (Some(_), _) | (None, Some(_)) => {}
            }
            let Some((after, from)) = &mut retry else { return false };
            if from.next().is_none() {
                return false;
            }
            (pattern, name) = (after.clone(), from.clone());
        }
    }
}

impl fmt::Display for InterfacePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs() {
        let rows = [
            ("eth0", "eth0", true),
            ("eth0", "eth01", false),
            ("eth", "eth0", false),
            ("cali*", "cali1234", true),
            ("cali*", "cali", true),
            ("cali*", "xcali1", false),
            ("*.cali", "vxlan.cali", true),
            ("*.cali", "vxlan-v6.calico", false),
            ("bpf*.cali", "bpfin.cali", true),
            ("eth?", "eth1", true),
            ("eth?", "eth", false),
            ("eth?", "eth10", false),
            ("*", "", true),
            ("?", "", false),
            ("", "", true),
            ("", "a", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("**a", "bca", true),
            ("tunl0", "tunl0*", false),
            ("*é?", "calié1", true),
        ];
        for (pattern, name, expected) in rows {
            assert_eq!(InterfacePattern::new(pattern).matches(name), expected, "{pattern} {name}");
        }
        assert_eq!(InterfacePattern::new("cali*").to_string(), "cali*");
    }

    /// Backtracking does not explode.
    #[test]
    fn long_patterns_end() {
        let pattern = InterfacePattern::new(&format!("{}b", "a*".repeat(100)));
        assert!(!pattern.matches(&"a".repeat(300)));
    }
}
