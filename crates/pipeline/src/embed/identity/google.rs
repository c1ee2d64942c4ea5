//! Requests that carry a token of a Google service account.
//!
//! An account's key names the server that gives its tokens. A key that a caller brings along, or that was set
//! for a database, must name one of Google's own; the administrator's, which may lie in a file, is believed.

use std::io::Read;
use std::time::{Duration, Instant, SystemTime};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Client, Request, Url};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Mutex;

use crate::embed::error::{ADMINISTRATOR, EmbedError};
use crate::embed::request::body::read_body;
use crate::embed::request::network_error::network_error;
use crate::failure::{Failure, Retry, Scope, Step};
use crate::message::truncate_message;
use crate::secret::{ApiKey, Secret};
use crate::server_url::ServerUrl;

/// Rights that a token gives; Google has no narrower ones for Vertex AI.
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
/// Google's token servers, as the keys of today and of former years name them.
const TOKEN_SERVERS: [&str; 3] = [
    "https://oauth2.googleapis.com/token",
    "https://accounts.google.com/o/oauth2/token",
    "https://www.googleapis.com/oauth2/v4/token",
];
/// The cloud that is Google's own, and not another's that runs its software.
const UNIVERSE: &str = "googleapis.com";
/// Name of the kind of grant (RFC 7523).
const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// Life of a claim; Google's longest.
const CLAIM_LIFE: Duration = Duration::from_secs(3600);
/// A token is asked for anew so long before it ends.
const BEFORE_EXPIRY: Duration = Duration::from_secs(5 * 60);
/// The largest number of bytes of a key, and of an answer: both have two to three thousand.
const BYTES: usize = 64 << 10;

const HINT: &str = "Check the service account's key, and that the account has the role for Vertex AI (roles/aiplatform.user).";

/// A service account's tokens, each kept until it is about to expire.
pub(in crate::embed) struct AccessTokens {
    key: ApiKey,
    client: Client,
    timeout: Duration,
    kept: Mutex<Option<Token>>,
}

/// A token.
struct Token {
    value: HeaderValue,
    until: Instant,
}

impl AccessTokens {
    /// Tokens of the account whose key this is, or whose key is in the file of that name if it is the
    /// server's.
    pub(in crate::embed) fn new(key: ApiKey, client: Client, timeout: Duration) -> Self {
        AccessTokens { key, client, timeout, kept: Mutex::new(None) }
    }

    /// Adds a token to a request.
    ///
    /// # Errors
    ///
    /// `invalid_credentials` if there is no key that can be used, `provider_refused_key` if Google does not
    /// accept it.
    pub(in crate::embed) async fn authorize(&self, request: &mut Request) -> Result<(), EmbedError> {
        let mut kept = self.kept.lock().await;
        let token = match kept.take().filter(|token| Instant::now() < token.until) {
            Some(token) => token,
            None => self.ask().await?,
        };
        request.headers_mut().insert(AUTHORIZATION, token.value.clone());
        *kept = Some(token);
        Ok(())
    }

    /// Forgets the token after a refusal: somebody may have mended the account.
    pub(in crate::embed) async fn forget(&self) {
        *self.kept.lock().await = None;
    }

    async fn ask(&self) -> Result<Token, EmbedError> {
        let account = ServiceAccount::read(&self.key).await?;
        let claim = account.claim()?;
        let form = [("grant_type", GRANT_TYPE), ("assertion", claim.expose())];
        let asked = self.client.post(account.token_server).timeout(self.timeout).form(&form).send();
        let response = asked.await.map_err(token_server_failed)?;

        let status = response.status();
        let (body, complete) = read_body(response, BYTES).await?;
        match status.is_success() && complete {
            true => Token::read(&body),
            false if status.is_server_error() || complete == status.is_success() => Err(
                EmbedError::Unavailable(format!("Google's token server responded with {}", status.as_u16())),
            ),
            false => Err(refused(&body)),
        }
    }
}

impl Token {
    fn read(body: &[u8]) -> Result<Token, EmbedError> {
        #[derive(Deserialize)]
        struct Answer {
            access_token: String,
            expires_in: u64,
        }

        let unreadable = || EmbedError::Unavailable("could not read Google's token".to_owned());
        let answer: Answer = serde_json::from_slice(body).map_err(|_| unreadable())?;

        let mut value =
            HeaderValue::from_str(&format!("Bearer {}", answer.access_token)).map_err(|_| unreadable())?;
        value.set_sensitive(true);

        let life = Duration::from_secs(answer.expires_in).min(CLAIM_LIFE).saturating_sub(BEFORE_EXPIRY);
        Ok(Token { value, until: Instant::now() + life })
    }
}

/// A service account.
struct ServiceAccount {
    email: String,
    key_id: Option<String>,
    private_key: KeyPair,
    token_server: Url,
}

/// Its key, as Google's console writes it.
#[derive(Deserialize)]
struct KeyFile {
    #[serde(rename = "type")]
    kind: String,
    client_email: String,
    private_key: String,
    private_key_id: Option<String>,
    token_uri: String,
    universe_domain: Option<String>,
}

impl ServiceAccount {
    async fn read(key: &ApiKey) -> Result<ServiceAccount, EmbedError> {
        let given = key.expose().trim();
        // The administrator may give the name of a file instead.
        let json = match given.starts_with('{') {
            true => Secret::new(given),
            false if !key.is_servers() => {
                return Err(unusable("the service account's key must be JSON"));
            }
            false => read_file(given.to_owned()).await?,
        };

        let file: KeyFile = serde_json::from_str(json.expose())
            .map_err(|_| unusable("could not read the service account's key"))?;
        if file.kind != "service_account" {
            return Err(unusable("the key does not belong to a service account"));
        }
        if file.universe_domain.as_deref().is_some_and(|universe| universe != UNIVERSE) {
            return Err(unusable("the service account does not belong to Google's own cloud"));
        }

        let private_key = private_key(&file.private_key)
            .ok_or_else(|| unusable("could not read the service account's key"))?;
        let token_server = token_server(&file.token_uri, key)?;
        Ok(ServiceAccount {
            email: file.client_email,
            key_id: file.private_key_id,
            private_key,
            token_server,
        })
    }

    /// A claim to be this account, signed (RFC 7523).
    fn claim(&self) -> Result<Secret, EmbedError> {
        let unsigned = || unusable("could not sign with the service account's key");
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_err(|_| unsigned())?;

        let header = json!({"alg": "RS256", "typ": "JWT", "kid": self.key_id});
        let claims = json!({
            "iss": self.email, "scope": SCOPE, "aud": self.token_server.as_str(),
            "iat": now.as_secs(), "exp": (now + CLAIM_LIFE).as_secs(),
        });
        let encoded = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", encoded(header), encoded(claims));

        let mut signature = vec![0; self.private_key.public_modulus_len()];
        self.private_key
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature)
            .map_err(|_| unsigned())?;
        Ok(Secret::new(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))))
    }
}

/// Returns the server of an account's tokens: the one that its key names, if the key may be believed.
fn token_server(named: &str, key: &ApiKey) -> Result<Url, EmbedError> {
    let is_googles = TOKEN_SERVERS.contains(&named);
    if !key.is_servers() && !is_googles {
        return Err(unusable("the service account's token_uri is not one of Google's"));
    }
    match ServerUrl::parse(named) {
        Ok(url) => Ok(url.url().clone()),
        Err(error) => Err(unusable(&format!("the service account's token_uri {error}"))),
    }
}

/// Reads the administrator's file.
async fn read_file(path: String) -> Result<Secret, EmbedError> {
    match tokio::task::spawn_blocking(move || read_bounded(&path)).await {
        Ok(Ok(secret)) => Ok(secret),
        Ok(Err(_)) | Err(_) => Err(unusable("could not read the service account's key file")),
    }
}

/// Reads as much of a file as a key may have.
fn read_bounded(path: &str) -> std::io::Result<Secret> {
    let mut text = String::new();
    std::fs::File::open(path)?.take(BYTES as u64).read_to_string(&mut text)?;
    Ok(Secret::new(text))
}

/// A key in PEM, as Google writes it (PKCS #8).
fn private_key(pem: &str) -> Option<KeyPair> {
    let (_, rest) = pem.split_once("-----BEGIN PRIVATE KEY-----")?;
    let (base64, _) = rest.split_once("-----END PRIVATE KEY-----")?;
    let base64: String = base64.split_whitespace().collect();
    KeyPair::from_pkcs8(&STANDARD.decode(base64).ok()?).ok()
}

/// The refusal of a key. Of Google's words it repeats only the one for the reason.
fn refused(body: &[u8]) -> EmbedError {
    #[derive(Deserialize)]
    struct Answer {
        error: String,
    }

    let word =
        serde_json::from_slice(body).map_or_else(|_| "no reason given".to_owned(), |a: Answer| a.error);
    let is_word = word.chars().all(|c| c.is_ascii_lowercase() || matches!(c, '_' | ' '));
    let word = if is_word { truncate_message(&word, 60) } else { "no reason given".into() };
    EmbedError::refused("provider_refused_key", format!("Google did not issue a token: {word}"), HINT)
}

fn token_server_failed(error: reqwest::Error) -> EmbedError {
    match network_error(error) {
        EmbedError::Refused(failure) => EmbedError::Refused(failure),
        _ => EmbedError::Unreachable("could not connect to Google's token server".to_owned()),
    }
}

fn unusable(message: &str) -> EmbedError {
    let failure = Failure::new(Step::Embedding, "invalid_credentials", message, Retry::After(ADMINISTRATOR));
    EmbedError::Refused(failure.concerning(Scope::Provider).with_hint(HINT))
}
