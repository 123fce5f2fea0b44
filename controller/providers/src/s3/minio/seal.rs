//! How bodies of MinIO's admin API are encrypted: `EncryptData` and `DecryptData` of its `madmin-go`, which is argon2id
//! over the secret key and `sio-go`'s stream of AEAD fragments. What goes over the wire, and how, is left to `call`.
//!
//! The layout is `salt (32) | algorithm (1) | nonce (8) | fragments`, each fragment up to 16 KiB of text and a tag. The
//! nonce of a fragment ends with its number; its associated data begin with 0x80 where it is the last one. Number 0 is a
//! tag over nothing, which is never sent and is the rest of all associated data.

use argon2::{Algorithm, Argon2, Params, Version};
use ring::aead::{AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

const SALT: usize = 32;
const NONCE: usize = 8;
const HEAD: usize = SALT + 1 + NONCE;
const FRAGMENT: usize = 1 << 14;
const TAG: usize = 16;

/// How the bytes of the key are used, by the number that stands in the head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cipher {
    Aes,
    ChaCha,
}

impl Cipher {
    fn number(self) -> u8 {
        match self {
            Self::Aes => 0,
            Self::ChaCha => 1,
        }
    }
}

/// Why a body cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    #[error("the body is not one of MinIO's: it is too short")]
    TooShort,
    /// 2 is what builds for FIPS use.
    #[error("the body is encrypted in a way that is not known here, number {0}")]
    UnknownCipher(u8),
    #[error(
        "the body cannot be decrypted with the secret key: it is damaged, or made with another key"
    )]
    NotAuthentic,
    #[error("the cipher of the admin API cannot be set up")]
    Setup,
}

/// Encrypts a body. Takes tens of milliseconds and 64 MiB, as intended.
pub fn seal(secret: &str, text: &[u8]) -> Result<Vec<u8>, SealError> {
    let (one, two, three) = (uuid::Uuid::new_v4(), uuid::Uuid::new_v4(), uuid::Uuid::new_v4());
    let mut salt = [0; SALT];
    salt[..16].copy_from_slice(one.as_bytes());
    salt[16..].copy_from_slice(two.as_bytes());
    let mut nonce = [0; NONCE];
    nonce.copy_from_slice(&three.as_bytes()[..NONCE]);
    seal_with(Cipher::Aes, secret, salt, nonce, text)
}

/// Decrypts a body. Takes as long.
pub fn open(secret: &str, body: &[u8]) -> Result<Vec<u8>, SealError> {
    let (head, mut rest) = body.split_at_checked(HEAD).ok_or(SealError::TooShort)?;
    let (salt, head) = head.split_at(SALT);
    let cipher = match head[0] {
        0 => Cipher::Aes,
        1 => Cipher::ChaCha,
        other => return Err(SealError::UnknownCipher(other)),
    };
    let mut nonce = [0; NONCE];
    nonce.copy_from_slice(&head[1..]);
    let stream = Stream::new(cipher, secret, salt, nonce)?;
    let mut text = Vec::with_capacity(rest.len());
    for number in 1.. {
        let last = rest.len() <= FRAGMENT + TAG;
        let (fragment, next) = rest.split_at(rest.len().min(FRAGMENT + TAG));
        let mut fragment = fragment.to_vec();
        let opened = stream
            .key
            .open_in_place(stream.nonce(number), Aad::from(stream.associated(last)), &mut fragment)
            .map_err(|_| SealError::NotAuthentic)?;
        text.extend_from_slice(opened);
        if last {
            break;
        }
        rest = next;
    }
    Ok(text)
}

fn seal_with(
    cipher: Cipher,
    secret: &str,
    salt: [u8; SALT],
    nonce: [u8; NONCE],
    text: &[u8],
) -> Result<Vec<u8>, SealError> {
    let stream = Stream::new(cipher, secret, &salt, nonce)?;
    let mut body = [&salt[..], &[cipher.number()], &nonce[..]].concat();
    let mut rest = text;
    for number in 1.. {
        // What fits into one fragment is the last one, and nothing at all is one too.
        let last = rest.len() <= FRAGMENT;
        let (fragment, next) = rest.split_at(rest.len().min(FRAGMENT));
        let mut fragment = fragment.to_vec();
        stream
            .key
            .seal_in_place_append_tag(
                stream.nonce(number),
                Aad::from(stream.associated(last)),
                &mut fragment,
            )
            .map_err(|_| SealError::Setup)?;
        body.extend_from_slice(&fragment);
        if last {
            break;
        }
        rest = next;
    }
    Ok(body)
}

struct Stream {
    key: LessSafeKey,
    nonce: [u8; NONCE],
    /// The tag of fragment 0.
    tag: [u8; TAG],
}

impl Stream {
    fn new(
        cipher: Cipher,
        secret: &str,
        salt: &[u8],
        nonce: [u8; NONCE],
    ) -> Result<Self, SealError> {
        let mut key = [0; 32];
        let params = Params::new(64 * 1024, 1, 4, Some(key.len())).map_err(|_| SealError::Setup)?;
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(secret.as_bytes(), salt, &mut key)
            .map_err(|_| SealError::Setup)?;
        let algorithm = match cipher {
            Cipher::Aes => &AES_256_GCM,
            Cipher::ChaCha => &CHACHA20_POLY1305,
        };
        let key = UnboundKey::new(algorithm, &key).map_err(|_| SealError::Setup)?;
        let mut stream = Self { key: LessSafeKey::new(key), nonce, tag: [0; TAG] };
        let tag = stream
            .key
            .seal_in_place_separate_tag(stream.nonce(0), Aad::empty(), &mut [])
            .map_err(|_| SealError::Setup)?;
        stream.tag.copy_from_slice(tag.as_ref());
        Ok(stream)
    }

    fn nonce(&self, number: u32) -> Nonce {
        let mut nonce = [0; NONCE_LEN];
        nonce[..NONCE].copy_from_slice(&self.nonce);
        nonce[NONCE..].copy_from_slice(&number.to_le_bytes());
        Nonce::assume_unique_for_key(nonce)
    }

    fn associated(&self, last: bool) -> [u8; 1 + TAG] {
        let mut data = [0; 1 + TAG];
        data[0] = if last { 0x80 } else { 0 };
        data[1..].copy_from_slice(&self.tag);
        data
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest as _, Sha256};

    fn hex(bytes: &[u8]) -> String {
        bytes
            .iter()
            .flat_map(|byte| [byte >> 4, byte & 15])
            .map(|digit| char::from_digit(digit.into(), 16).unwrap())
            .collect()
    }

    fn bytes(hex: &str) -> Vec<u8> {
        let at = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        (0..hex.len()).step_by(2).map(at).collect()
    }

    fn fixed(cipher: Cipher, text: &[u8]) -> Vec<u8> {
        seal_with(cipher, "minioadmin", [7; SALT], [9; NONCE], text).unwrap()
    }

    /// Made with `sio-go` and `x/crypto/argon2`, and read back by `madmin-go`.
    #[test]
    fn bodies_are_those_that_minio_makes() {
        for (cipher, short, empty) in [
            (
                Cipher::Aes,
                "c989db4f705e5b4351f144a24f24da10528361c87036c0b3671cbe0f70bcc7c42f7d95a3",
                "760077ffd6aa3dad7ec1a9c3ac92cd27",
            ),
            (
                Cipher::ChaCha,
                "28d17e900a2e00a2d95e79b7c8e15263709a1fee570440110a9c199dcec10b959e3397f3",
                "3b42dbe8691cf3b1fabec1654418227d",
            ),
        ] {
            assert_eq!(hex(&fixed(cipher, br#"{"status":"enabled"}"#)[HEAD..]), short);
            assert_eq!(hex(&fixed(cipher, b"")[HEAD..]), empty);
        }
    }

    /// At the end of a fragment, one past it, and some fragments on: the hash of the whole body.
    #[test]
    fn long_bodies_are_those_that_minio_makes() {
        for (cipher, length, hash) in [
            (
                Cipher::Aes,
                16384,
                "993453cf1da10afc8f157bd2998923bfe35a4c05ca3f73b304935acc78fdc828",
            ),
            (
                Cipher::Aes,
                16385,
                "707965a034fc57d17c71325ddb0f6d7f0cbf3ac91940e4338689374e5a2fa1f9",
            ),
            (
                Cipher::Aes,
                40000,
                "13bd05f5969e4bdb944a23cf108a7bdaaf92658c9d398fe951936ab6f5e0c0bc",
            ),
            (
                Cipher::ChaCha,
                40000,
                "c365fc1dd93b0cf743cdc08a00a596d5d1df9d2e6c4cc4afe1d931636f54da04",
            ),
        ] {
            let text: Vec<u8> = (0..251).cycle().take(length).collect();
            let body = fixed(cipher, &text);
            assert_eq!(hex(&Sha256::digest(&body)), hash, "{cipher:?} {length}");
            assert_eq!(open("minioadmin", &body).unwrap(), text);
        }
    }

    #[test]
    fn what_madmin_made_is_read() {
        let body = bytes(
            "c56a43f4b29e0f29f6bf5da01adf6da0f840bdff1b3152509cce8ee639ab5e40\
             0022da3580d3040b46f2fb08bd7c4e18eea7df7d2d6ee32cd8bb34e141df19876daba477",
        );
        assert_eq!(open("minioadmin", &body).unwrap(), b"from madmin");
    }

    #[test]
    fn what_is_damaged_cut_or_of_another_key_is_refused() {
        let body = seal("secret", b"text").unwrap();
        assert_eq!(open("secret", &body).unwrap(), b"text");
        assert!(matches!(open("other", &body), Err(SealError::NotAuthentic)));
        assert!(matches!(open("secret", &body[..body.len() - 1]), Err(SealError::NotAuthentic)));
        assert!(matches!(open("secret", b"<html>"), Err(SealError::TooShort)));
        let mut fips = body.clone();
        fips[SALT] = 2;
        assert!(matches!(open("secret", &fips), Err(SealError::UnknownCipher(2))));
        // Without its last fragment, a long one is not taken for a short one.
        let long = seal("secret", &vec![1; 40000]).unwrap();
        let cut = &long[..HEAD + 2 * (FRAGMENT + TAG)];
        assert!(matches!(open("secret", cut), Err(SealError::NotAuthentic)));
    }
}
