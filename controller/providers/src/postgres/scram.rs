//! SCRAM-SHA-256 verifiers (RFC 5802, RFC 7677), so that a password never travels to the server in a
//! statement: a failing statement ends in the server's log, and so would the password.

use std::io::Read as _;

use agent_harness_model::secret::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

/// PostgreSQL's own default.
const ITERATIONS: u32 = 4096;

/// What `CREATE ROLE … PASSWORD` takes in place of the password, with a new random salt.
pub fn verifier(password: &Secret) -> std::io::Result<String> {
    Ok(with_salt(password, &random::<16>()?, ITERATIONS))
}

/// Whether a stored verifier (`pg_authid.rolpassword`) belongs to the password.
pub fn matches(stored: &str, password: &Secret) -> bool {
    let Some(rest) = stored.strip_prefix("SCRAM-SHA-256$") else { return false };
    let Some((iterations, rest)) = rest.split_once(':') else { return false };
    let Some((salt, _)) = rest.split_once('$') else { return false };
    match (iterations.parse(), STANDARD.decode(salt)) {
        (Ok(iterations @ 1..=100_000), Ok(salt)) => {
            with_salt(password, &salt, iterations) == stored
        }
        _ => false,
    }
}

/// A password of 192 random bits, in letters that need no quoting in a URL or a shell.
pub fn random_password() -> std::io::Result<Secret> {
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    Ok(Secret::new(URL_SAFE_NO_PAD.encode(random::<24>()?)))
}

fn random<const N: usize>() -> std::io::Result<[u8; N]> {
    let mut bytes = [0; N];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn with_salt(password: &Secret, salt: &[u8], iterations: u32) -> String {
    let salted = salted_password(password.reveal().as_bytes(), salt, iterations);
    let stored_key = Sha256::digest(hmac(&salted, b"Client Key"));
    let server_key = hmac(&salted, b"Server Key");
    format!(
        "SCRAM-SHA-256${iterations}:{}${}:{}",
        STANDARD.encode(salt),
        STANDARD.encode(stored_key),
        STANDARD.encode(server_key)
    )
}

/// `Hi` of RFC 5802: PBKDF2 with one block.
fn salted_password(password: &[u8], salt: &[u8], iterations: u32) -> [u8; 32] {
    let mut first = salt.to_vec();
    first.extend_from_slice(&1_u32.to_be_bytes());
    // The key is worked in once; that is half of each round.
    let keyed = keyed(password);
    let mut round = finish(keyed.clone(), &first);
    let mut sum = round;
    for _ in 1..iterations {
        round = finish(keyed.clone(), &round);
        for (sum, byte) in sum.iter_mut().zip(round) {
            *sum ^= byte;
        }
    }
    sum
}

fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    finish(keyed(key), message)
}

#[expect(clippy::expect_used, reason = "it cannot fail, for the reason given there")]
fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length")
}

fn finish(mut keyed: Hmac<Sha256>, message: &[u8]) -> [u8; 32] {
    keyed.update(message);
    keyed.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verifier_is_recognized_and_belongs_to_one_password() {
        let (one, two) = (Secret::new("pencil"), Secret::new("pencil2"));
        let stored = verifier(&one).unwrap();
        assert!(matches(&stored, &one));
        assert!(!matches(&stored, &two));
        assert_ne!(stored, verifier(&one).unwrap(), "the salt is new each time");
        for other in ["", "md5abc", "SCRAM-SHA-256$0:x$y:z", "SCRAM-SHA-256$4096:***$a:b"] {
            assert!(!matches(other, &one), "{other}");
        }
    }

    /// The example of RFC 7677, section 3: user `user`, password `pencil`.
    #[test]
    fn the_example_of_the_standard_comes_out() {
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let salted = salted_password(b"pencil", &salt, 4096);
        let message = b"n=user,r=rOprNGfwEbeRWgbNEkqO,\
            r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
            s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,\
            c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let signature = hmac(&hmac(&salted, b"Server Key"), message);
        assert_eq!(STANDARD.encode(signature), "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    }
}
