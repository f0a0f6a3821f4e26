//! BIRD 2 as a top-of-rack switch.

use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::neighbors;
use crate::plan::{Host, Session};

/// The daemon.
pub const PROGRAM: &str = "/usr/sbin/bird";

/// Its configuration: BGP to the kernel with all equal paths, a session a family.
#[must_use]
pub fn config(host: &Host, asn: u32, hold_time: u16, sessions: &[&Session]) -> String {
    let Some(address) = host.address else { return String::new() };
    let mut text = format!(
        "log stderr all;\n\
        router id {};\n\
        protocol device {{ scan time 2; }}\n\
        protocol kernel kernel4 {{ merge paths on; ipv4 {{ import none; export where source = RTS_BGP; }}; }}\n\
        protocol kernel kernel6 {{ merge paths on; ipv6 {{ import none; export where source = RTS_BGP; }}; }}\n\
        template bgp fabric {{\n\
        \tlocal as {asn};\n\
        \tdirect;\n\
        \tcheck link on;\n\
        \thold time {hold_time};\n\
        \tconnect delay time 1;\n\
        \tconnect retry time 1;\n\
        \terror wait time 1, 4;\n\
        \tgraceful restart;\n\
        }}\n",
        address.v4.ip(),
    );
    for neighbor in neighbors(sessions) {
        let family = if neighbor.address.is_ipv4() { 4 } else { 6 };
        let _ = write!(
            text,
            "protocol bgp {}_v{family} from fabric {{\n\
            \tneighbor {} as {};\n\
            \tipv{family} {{ import all; export where source = RTS_BGP; }};\n\
            }}\n",
            // A symbol of BIRD's has no hyphen.
            neighbor.name.replace('-', "_"),
            neighbor.address,
            neighbor.asn,
        );
    }
    text
}

/// Runs a command as `birdc` does and returns the text of the reply.
///
/// # Errors
/// Why there was no reply, or BIRD's message for a reply code of 8000 and above.
pub fn command(socket: &Path, command: &str) -> io::Result<String> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    read_reply(&mut reader)?;
    stream.write_all(format!("{command}\n").as_bytes())?;
    read_reply(&mut reader)
}

/// Lines begin with a code of four digits, or with a space when it is that of the line before; a hyphen after the code says
/// that more follows.
fn read_reply(reader: &mut impl BufRead) -> io::Result<String> {
    let mut text = String::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(rest) = line.strip_prefix(' ') {
            text.push_str(rest);
            continue;
        }
        let (code, rest) = line.split_at_checked(4).ok_or(io::ErrorKind::InvalidData)?;
        text.push_str(rest.get(1..).unwrap_or_default());
        if rest.starts_with(' ') || rest.trim_end().is_empty() {
            let failed = code.starts_with('8') || code.starts_with('9');
            return if failed { Err(io::Error::other(text)) } else { Ok(text) };
        }
    }
}

/// Sessions in `show protocols all`: the peer's address and the state.
#[must_use]
pub fn sessions(text: &str) -> Vec<(String, String)> {
    let mut sessions = Vec::new();
    let mut state = String::new();
    for line in text.lines().map(str::trim) {
        if let Some(value) = line.strip_prefix("BGP state:") {
            value.trim().clone_into(&mut state);
        }
        if let Some(address) = line.strip_prefix("Neighbor address:") {
            sessions.push((address.trim().to_owned(), std::mem::take(&mut state)));
        }
    }
    sessions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_reply_of_many_lines() {
        let mut text = "1002-Name       Proto\n node1_v4   BGP\n1006-  BGP state:          Established\n     \
            Neighbor address: 10.65.0.1\n0000 \n"
            .as_bytes();
        let reply = read_reply(&mut text).expect("a reply");
        assert_eq!(sessions(&reply), [("10.65.0.1".to_owned(), "Established".to_owned())]);
    }

    #[test]
    fn a_refusal_is_an_error() {
        let mut text = "9001 syntax error\n".as_bytes();
        assert_eq!(read_reply(&mut text).expect_err("refused").to_string(), "syntax error\n");
        assert!(read_reply(&mut "".as_bytes()).is_err());
    }
}
