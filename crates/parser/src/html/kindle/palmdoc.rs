//! The compression of PalmDOC, a kind of LZ77 within each record.

use super::damaged;
use crate::ParseError;

/// Appends what a record unpacks to, which is at most five times its size.
pub(super) fn unpack(record: &[u8], output: &mut Vec<u8>) -> Result<(), ParseError> {
    let start = output.len();
    let mut rest = record;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            // So many bytes as they are.
            0x01..=0x08 => {
                let (literal, after) = rest
                    .split_at_checked(usize::from(*byte))
                    .ok_or_else(|| damaged("a record of its text ends early"))?;
                output.extend_from_slice(literal);
                rest = after;
            }
            0x00 | 0x09..=0x7f => output.push(*byte),
            // A space, and a letter.
            0xc0..=0xff => output.extend([b' ', byte ^ 0x80]),
            // A distance back, of 11 bits, and a length, of 3.
            0x80..=0xbf => {
                // One that lost its second half at the end is what some writers leave there.
                let Some((low, after)) = rest.split_first() else { return Ok(()) };
                rest = after;
                let pair = u16::from_be_bytes([*byte, *low]);
                let distance = usize::from(pair >> 3 & 0x7ff);
                let length = usize::from(pair & 7) + 3;
                if distance == 0 || distance > output.len() - start {
                    return Err(damaged("its text repeats what is not there"));
                }
                // It may reach into what it writes.
                for _ in 0..length {
                    output.push(output[output.len() - distance]);
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unpacked(record: &[u8]) -> Result<Vec<u8>, ParseError> {
        let mut output = b"of a record before".to_vec();
        unpack(record, &mut output)?;
        Ok(output.split_off(18))
    }

    #[test]
    fn each_of_its_codes_is_read() {
        // "ab", " c", two bytes as they are, "abab" by going back 2 into itself.
        assert_eq!(unpacked(b"ab\xe3"), Ok(b"ab c".to_vec()));
        assert_eq!(unpacked(b"\x02\xc3\xa9!\0"), Ok("é!\0".into()));
        assert_eq!(unpacked(&[b'a', b'b', 0x80, 0x11]), Ok(b"ababab".to_vec()));
    }

    #[test]
    fn a_record_reaches_into_no_other() {
        assert!(matches!(unpacked(&[b'a', 0x80, 0x10]), Err(ParseError::Damaged { .. })));
        assert!(matches!(unpacked(&[0x80, 0x00]), Err(ParseError::Damaged { .. })));
        assert!(matches!(unpacked(b"\x08abc"), Err(ParseError::Damaged { .. })));
    }
}
