//! The table that says which sector of a compound file follows which (MS-CFB 2.3).

/// The length of the head.
const HEAD: usize = 512;

/// The places of sectors of the table that the head itself lists, as far as there are any.
const LISTED: std::ops::Range<usize> = 76..HEAD;

/// The place in the head of the first sector that lists further ones.
const FIRST_LIST: usize = 68;

/// The number of an entry, and of a sector, that stands for none.
const FREE: u32 = 0xffff_ffff;

/// Returns the file with a table that has no entries for sectors behind its end, where some programs leave what they
/// had; `None` if it has none there.
pub(super) fn without_sectors_past_the_end(bytes: &[u8]) -> Option<Vec<u8>> {
    let length = match bytes.get(30)? {
        9 => 512,
        12 => 4096,
        _ => return None,
    };
    let sectors = bytes.len().div_ceil(length).checked_sub(1)?;
    let mut mended = bytes.to_vec();
    let mut is_mended = false;
    for (place, sector) in table(bytes, length, sectors)?.into_iter().enumerate() {
        let start = (sector as usize).checked_add(1)?.checked_mul(length)?;
        let past = sectors.saturating_sub(place * (length / 4)).min(length / 4);
        let entries = mended.get_mut(start + past * 4..start + length)?;
        is_mended |= entries.iter().any(|byte| *byte != 0xff);
        entries.fill(0xff);
    }
    is_mended.then_some(mended)
}

/// Returns the sectors that the table is in, of a file of so many.
fn table(bytes: &[u8], length: usize, sectors: usize) -> Option<Vec<u32>> {
    let mut table: Vec<u32> = numbers(bytes.get(LISTED)?).collect();
    let mut next = number(bytes.get(FIRST_LIST..FIRST_LIST + 4)?)?;
    // Each list is a sector, so that more of them than there are sectors go round in a circle.
    for _ in 0..sectors {
        let start = (next as usize).checked_add(1)?.checked_mul(length)?;
        let Some(list) = bytes.get(start..start + length) else { break };
        let (listed, last) = list.split_at(length - 4);
        table.extend(numbers(listed));
        next = number(last)?;
    }
    table.retain(|sector| (*sector as usize) < sectors);
    (table.len() <= sectors).then_some(table)
}

fn numbers(bytes: &[u8]) -> impl Iterator<Item = u32> {
    bytes.chunks_exact(4).filter_map(number).filter(|number| *number != FREE)
}

fn number(bytes: &[u8]) -> Option<u32> {
    bytes.try_into().ok().map(u32::from_le_bytes)
}
