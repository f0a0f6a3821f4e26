//! Messages: the header, several of them in one datagram, and the kernel's answer to a request (`NLMSG_ERROR`) with its
//! extended acknowledgement.

use nix::errno::Errno;

use crate::attribute::{Attributes, Mark, TooLong, aligned};
use crate::wire::{NLM_F_ACK_TLVS, NLM_F_CAPPED, NLM_F_REQUEST, NLMSGERR_ATTR_MSG};

/// Octets of a message's header.
pub(crate) const HEADER: usize = 16;

/// One message that came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message<'a> {
    pub(crate) kind: u16,
    pub(crate) flags: u16,
    pub(crate) sequence: u32,
    pub(crate) payload: &'a [u8],
}

/// The messages of a datagram. It ends at the first one that does not fit; [`Messages::rest`] is empty then only if all
/// was read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Messages<'a>(pub(crate) &'a [u8]);

impl Messages<'_> {
    /// What was not read.
    pub(crate) fn rest(&self) -> &[u8] {
        self.0
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Message<'a>> {
        let header: &[u8; HEADER] = self.0.first_chunk()?;
        let length = usize::try_from(u32_at(header, 0)?).ok()?;
        let message = Message {
            kind: u16_at(header, 4)?,
            flags: u16_at(header, 6)?,
            sequence: u32_at(header, 8)?,
            payload: self.0.get(HEADER..length)?,
        };
        self.0 = self.0.get(aligned(length)..).unwrap_or_default();
        Some(message)
    }
}

/// The number of two octets at a place.
pub(crate) fn u16_at(octets: &[u8], at: usize) -> Option<u16> {
    octets.get(at..)?.first_chunk().map(|number| u16::from_ne_bytes(*number))
}

/// The number of four octets at a place.
pub(crate) fn u32_at(octets: &[u8], at: usize) -> Option<u32> {
    octets.get(at..)?.first_chunk().map(|number| u32::from_ne_bytes(*number))
}

/// Opens a message; [`finish`] closes it. `flags` come beside `NLM_F_REQUEST`.
pub(crate) fn begin(buffer: &mut Vec<u8>, kind: u16, flags: u16, sequence: u32) -> Mark {
    let mark = Mark(buffer.len());
    buffer.extend_from_slice(&[0; 4]);
    buffer.extend_from_slice(&kind.to_ne_bytes());
    buffer.extend_from_slice(&(flags | NLM_F_REQUEST).to_ne_bytes());
    buffer.extend_from_slice(&sequence.to_ne_bytes());
    buffer.extend_from_slice(&[0; 4]);
    mark
}

/// Writes the length of a message.
pub(crate) fn finish(buffer: &mut [u8], mark: Mark) -> Result<(), TooLong> {
    let length = u32::try_from(buffer.len().saturating_sub(mark.0)).map_err(|_| TooLong)?;
    let field = buffer.get_mut(mark.0..).and_then(|rest| rest.first_chunk_mut()).ok_or(TooLong)?;
    *field = length.to_ne_bytes();
    Ok(())
}

/// The kernel's answer to one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// `None`: done as asked.
    pub(crate) error: Option<Errno>,
    /// What the kernel says about it, in its own words.
    pub(crate) text: Option<Box<str>>,
}

impl Answer {
    /// Reads an `NLMSG_ERROR`, or an `NLMSG_DONE`, whose code says whether the dump came to its end.
    pub(crate) fn decode(message: &Message<'_>) -> Option<Answer> {
        let error = error_of(message.payload)?;
        let has_text = message.flags & NLM_F_ACK_TLVS != 0;
        let text = if has_text { Answer::text(message) } else { None };
        Some(Answer { error, text })
    }

    fn text(message: &Message<'_>) -> Option<Box<str>> {
        let own = message.payload.get(4..)?;
        let request = if message.kind == crate::wire::NLMSG_DONE {
            0
        } else if message.flags & NLM_F_CAPPED != 0 {
            HEADER
        } else {
            aligned(usize::try_from(u32_at(own, 0)?).ok()?)
        };
        Attributes(own.get(request..)?)
            .find(|attribute| attribute.kind == NLMSGERR_ATTR_MSG)
            .map(|attribute| attribute.text().into_boxed_str())
    }
}

/// The error code at the beginning of an answer: 0, or a negative errno.
fn error_of(payload: &[u8]) -> Option<Option<Errno>> {
    let code = payload.first_chunk().map(|code| i32::from_ne_bytes(*code))?;
    Some(if code < 0 { Some(Errno::from_raw(code.saturating_neg())) } else { None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attribute;
    use crate::wire::{NLMSG_ERROR, RTM_NEWROUTE};

    fn answer(flags: u16, code: i32, request: &[u8], text: &str) -> Vec<u8> {
        let mut buffer = Vec::new();
        let mark = begin(&mut buffer, NLMSG_ERROR, flags, 42);
        buffer.extend_from_slice(&code.to_ne_bytes());
        buffer.extend_from_slice(request);
        attribute::put(&mut buffer, NLMSGERR_ATTR_MSG, text.as_bytes());
        finish(&mut buffer, mark).expect("short");
        buffer
    }

    fn request() -> Vec<u8> {
        let mut request = Vec::new();
        let mark = begin(&mut request, RTM_NEWROUTE, 0, 42);
        request.extend_from_slice(&[0; 12]);
        finish(&mut request, mark).expect("short");
        request
    }

    #[test]
    fn the_text_is_found_with_and_without_the_request_before_it() {
        let request = request();
        let capped = answer(NLM_F_ACK_TLVS | NLM_F_CAPPED, -17, &request[..HEADER], "no such thing\0");
        let whole = answer(NLM_F_ACK_TLVS, -17, &request, "no such thing\0");
        for datagram in [capped, whole] {
            let message = Messages(&datagram).next().expect("a message");
            assert_eq!((message.kind, message.sequence), (NLMSG_ERROR, 42));
            let answer = Answer::decode(&message).expect("an answer");
            assert_eq!(answer, Answer { error: Some(Errno::EEXIST), text: Some("no such thing".into()) });
        }
    }

    #[test]
    fn a_datagram_cut_anywhere_ends_without_panic() {
        let datagram = answer(NLM_F_ACK_TLVS, -17, &request(), "text\0");
        for cut in 0..datagram.len() {
            let mut messages = Messages(&datagram[..cut]);
            assert!(messages.next().is_none(), "{cut}");
            assert_eq!(messages.rest().len(), cut);
        }
        let payload = &datagram[HEADER..];
        for cut in 0..payload.len() {
            for flags in [0, NLM_F_ACK_TLVS, NLM_F_ACK_TLVS | NLM_F_CAPPED] {
                let _ = Answer::decode(&Message { kind: NLMSG_ERROR, flags, sequence: 0, payload: &payload[..cut] });
            }
        }
    }

    #[test]
    fn zero_is_an_acknowledgement() {
        let datagram = answer(0, 0, &request(), "");
        let message = Messages(&datagram).next().expect("a message");
        assert_eq!(Answer::decode(&message), Some(Answer { error: None, text: None }));
    }
}
