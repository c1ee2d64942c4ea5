//! Secrets that lie where others may read: sealed, and opened only by who has the key and knows what each is
//! for.
//!
//! AES-256-GCM with a random nonce for each sealing. What a secret is bound to is not in what is sealed, and
//! must be the same when it is opened.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::rand;

use crate::secret::Secret;

/// First byte of what is sealed: the way in which it is.
const VERSION: u8 = 1;

/// A key that seals and opens.
///
/// ```
/// use pgai_rs_pipeline::secret::Secret;
/// use pgai_rs_pipeline::seal::SealKey;
///
/// let key = SealKey::new(&SealKey::random()?)?;
/// let sealed = key.seal(&Secret::new("sk-1"), &[b"OPENAI_API_KEY"])?;
/// assert_eq!(key.open(&sealed, &[b"OPENAI_API_KEY"])?.expose(), "sk-1");
/// assert!(key.open(&sealed, &[b"VOYAGE_API_KEY"]).is_err());
/// # Ok::<(), pgai_rs_pipeline::seal::SealError>(())
/// ```
pub struct SealKey(RandomizedNonceKey);

/// The reason why something can't be sealed or opened. Says nothing of the secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The key is not of the right length.
    #[error("the key must have {} bytes", SealKey::LENGTH)]
    Key,
    /// The system gives no random bytes, or can't encrypt.
    #[error("encryption is not available")]
    System,
    /// It was sealed with another key, for something else, or was changed.
    #[error("it was encrypted with another key or for another purpose")]
    NotOurs,
}

impl SealKey {
    /// Bytes of a key.
    pub const LENGTH: usize = 32;

    /// Takes a key of [`LENGTH`](Self::LENGTH) bytes.
    ///
    /// # Errors
    ///
    /// [`SealError::Key`] for another length.
    pub fn new(bytes: &[u8]) -> Result<SealKey, SealError> {
        RandomizedNonceKey::new(&AES_256_GCM, bytes).map(SealKey).map_err(|_| SealError::Key)
    }

    /// Makes the bytes of a new key.
    ///
    /// # Errors
    ///
    /// [`SealError::System`] if the system gives no random bytes.
    pub fn random() -> Result<[u8; Self::LENGTH], SealError> {
        let mut bytes = [0; Self::LENGTH];
        rand::fill(&mut bytes).map_err(|_| SealError::System)?;
        Ok(bytes)
    }

    /// Seals a secret, bound to these.
    ///
    /// # Errors
    ///
    /// [`SealError::System`].
    pub fn seal(&self, secret: &Secret, bound_to: &[&[u8]]) -> Result<Vec<u8>, SealError> {
        let mut text = secret.expose().as_bytes().to_vec();
        let nonce = self
            .0
            .seal_in_place_append_tag(Aad::from(joined(bound_to)), &mut text)
            .map_err(|_| SealError::System)?;
        Ok([&[VERSION], nonce.as_ref().as_slice(), &text].concat())
    }

    /// Opens what was sealed, if it was bound to these.
    ///
    /// # Errors
    ///
    /// [`SealError::NotOurs`].
    pub fn open(&self, sealed: &[u8], bound_to: &[&[u8]]) -> Result<Secret, SealError> {
        let rest = sealed.strip_prefix(&[VERSION]).ok_or(SealError::NotOurs)?;
        let (nonce, text) = rest.split_at_checked(NONCE_LEN).ok_or(SealError::NotOurs)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError::NotOurs)?;

        let mut text = text.to_vec();
        let opened = self.0.open_in_place(nonce, Aad::from(joined(bound_to)), &mut text);
        let opened = opened.map_err(|_| SealError::NotOurs)?;
        let opened = String::from_utf8(opened.to_vec()).map_err(|_| SealError::NotOurs)?;
        Ok(Secret::new(opened))
    }
}

/// Parts joined so that no others give the same: each has its length before it.
fn joined(parts: &[&[u8]]) -> Vec<u8> {
    let part = |part: &&[u8]| [(part.len() as u64).to_le_bytes().as_slice(), part].concat();
    parts.iter().flat_map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SealKey {
        SealKey::new(&SealKey::random().unwrap()).unwrap()
    }

    #[test]
    fn a_secret_is_opened_by_its_key_and_for_its_purpose_alone() {
        let (ours, secret) = (key(), Secret::new("sk-secret"));
        let sealed = ours.seal(&secret, &[b"name", b"https://h"]).unwrap();
        assert_eq!(ours.open(&sealed, &[b"name", b"https://h"]), Ok(secret));

        let others: [&[&[u8]]; 5] =
            [&[b"name", b"https://evil"], &[b"nam", b"ehttps://h"], &[b"namehttps://h"], &[b"name"], &[]];
        for bound_to in others {
            assert_eq!(ours.open(&sealed, bound_to), Err(SealError::NotOurs));
        }
        assert_eq!(key().open(&sealed, &[b"name", b"https://h"]), Err(SealError::NotOurs));
    }

    #[test]
    fn what_was_changed_is_not_opened() {
        let ours = key();
        let sealed = ours.seal(&Secret::new("sk-secret"), &[]).unwrap();
        for place in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[place] ^= 1;
            assert_eq!(ours.open(&changed, &[]), Err(SealError::NotOurs), "byte {place}");
            assert_eq!(ours.open(&sealed[..place], &[]), Err(SealError::NotOurs), "{place} bytes");
        }
    }

    #[test]
    fn the_same_is_sealed_differently_each_time_and_shows_nothing() {
        let (ours, secret) = (key(), Secret::new("sk-secret"));
        let (one, other) = (ours.seal(&secret, &[]).unwrap(), ours.seal(&secret, &[]).unwrap());
        assert_ne!(one, other);
        assert!(!one.windows(secret.expose().len()).any(|bytes| bytes == secret.expose().as_bytes()));
    }

    #[test]
    fn a_key_of_another_length_is_none() {
        assert_eq!(SealKey::new(&[0; 31]).err(), Some(SealError::Key));
        assert_eq!(SealKey::new(&[0; 33]).err(), Some(SealError::Key));
        assert_eq!(SealKey::new(&[]).err(), Some(SealError::Key));
    }
}
