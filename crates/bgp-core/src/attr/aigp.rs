//! AIGP: accumulated IGP metric (RFC 7311).

use crate::reader::Reader;

/// The type of the only TLV that has a meaning (RFC 7311 §3).
const AIGP_TLV: u8 = 1;
/// Its length: type, length and eight octets of metric.
const AIGP_TLV_LEN: u16 = 11;

/// The value of the attribute is malformed (RFC 7311 §3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MalformedAigp;

/// The metric of the first AIGP TLV; none without one. Further TLVs are skipped (RFC 7311 §3.3).
///
/// # Errors
/// A TLV is cut, or the first AIGP TLV has not 11 octets.
pub fn metric(value: &[u8]) -> Result<Option<u64>, MalformedAigp> {
    let mut r = Reader::new(value);
    let mut metric = None;
    while !r.is_empty() {
        let kind = r.u8().map_err(|_| MalformedAigp)?;
        let len = r.u16().map_err(|_| MalformedAigp)?;
        // The length counts type and length as well.
        let rest = usize::from(len).checked_sub(3).ok_or(MalformedAigp)?;
        let mut tlv = r.sub(rest).map_err(|_| MalformedAigp)?;
        if kind == AIGP_TLV && metric.is_none() {
            if len != AIGP_TLV_LEN {
                return Err(MalformedAigp);
            }
            metric = tlv.array().ok().map(u64::from_be_bytes);
        }
    }
    Ok(metric)
}

/// The value with one AIGP TLV.
#[must_use]
pub fn octets(metric: u64) -> [u8; AIGP_TLV_LEN as usize] {
    let [a, b, c, d, e, f, g, h] = metric.to_be_bytes();
    [AIGP_TLV, 0, 11, a, b, c, d, e, f, g, h]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metric_both_ways() {
        assert_eq!(metric(&octets(10)), Ok(Some(10)));
        assert_eq!(metric(&octets(u64::MAX)), Ok(Some(u64::MAX)));
    }

    #[test]
    fn tlvs() {
        assert_eq!(metric(&[]), Ok(None));
        assert_eq!(metric(&[2, 0, 3]), Ok(None), "an unknown TLV alone");
        let mut two = vec![2, 0, 4, 9];
        two.extend_from_slice(&octets(7));
        two.extend_from_slice(&octets(8));
        assert_eq!(metric(&two), Ok(Some(7)), "the first counts");
        for cut in [&[1][..], &[1, 0], &[1, 0, 5, 0, 0], &[1, 0, 2], &[1, 0, 0], &[1, 0, 11, 0], &[2, 255, 255]] {
            assert_eq!(metric(cut), Err(MalformedAigp), "{cut:?}");
        }
    }
}
