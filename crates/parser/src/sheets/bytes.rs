//! Numbers and texts in binary files.

/// Bytes that are being read; past their end there is nothing.
#[derive(Clone, Copy)]
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl<'a> Bytes<'a> {
    /// Returns so many bytes, and goes on behind them.
    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    /// Reads an unsigned number of 8 bits.
    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    /// Reads an unsigned number of 16 bits, its low byte first.
    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    /// Reads an unsigned number of 32 bits, its low byte first.
    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    /// Reads a floating-point number of 64 bits, its low byte first.
    pub(super) fn f64(&mut self) -> Option<f64> {
        self.array().map(f64::from_le_bytes)
    }

    /// Returns a text of so many units of UTF-16.
    pub(super) fn utf16(&mut self, units: usize) -> Option<String> {
        let bytes = self.take(units.checked_mul(2)?)?;
        Some(encoding_rs::UTF_16LE.decode_without_bom_handling(bytes).0.into_owned())
    }

    /// Returns a text that has its length in 32 bits before it.
    pub(super) fn wide(&mut self) -> Option<String> {
        let units = self.u32()?;
        if units == u32::MAX {
            return Some(String::new());
        }
        self.utf16(usize::try_from(units).ok()?)
    }
}
