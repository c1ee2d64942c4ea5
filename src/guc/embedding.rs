//! Settings for embedding models: their addresses, keys and request limits.

use pgai_rs_pipeline::embed::{is_listed, ollama_url};
use pgai_rs_pipeline::secret::{ApiKey, Secret};
use pgai_rs_pipeline::settings::{Settings, defaults};

use super::setting::*;

settings! {
    string API_KEY_NAMES = Some(
        c"OPENAI_API_KEY, VOYAGE_API_KEY, COHERE_API_KEY, MISTRAL_API_KEY, GEMINI_API_KEY, AZURE_API_KEY, HUGGINGFACE_API_KEY, \
          JINA_AI_API_KEY",
    );
    string API_KEYS = Some(c"");
    string ALLOWED_BASE_URLS = Some(c"");
    string OPENAI_BASE_URL = Some(c"");
    string OLLAMA_BASE_URL = Some(c"");
    int EMBEDDING_CONCURRENCY = defaults::EMBEDDING_CONCURRENCY;
    int EMBEDDING_MAX_INPUTS = defaults::EMBEDDING_MAX_INPUTS;
    int EMBEDDING_MAX_TOKENS = defaults::EMBEDDING_MAX_TOKENS;
    int EMBEDDING_LINGER = defaults::EMBEDDING_LINGER;
    int EMBEDDING_TIMEOUT = defaults::EMBEDDING_TIMEOUT;
    int EMBEDDING_RETRIES = defaults::EMBEDDING_RETRIES;
    int EMBEDDING_BACKOFF = defaults::EMBEDDING_BACKOFF;
    int QUERY_TIMEOUT = 30_000;
}

/// Defines these settings.
pub fn define(d: &Definer, superuser: &Definer, secret: &Definer) {
    define_keys(superuser, secret);
    define_servers(d, superuser);
    define_requests(d);
    define_times(d);
}

fn define_keys(superuser: &Definer, secret: &Definer) {
    superuser.string(
        c"pgai_rs.api_key_names",
        &API_KEY_NAMES,
        list_input(),
        (
            c"Lists the names that api_key_name may have.",
            c"NAME=URL lets the server at that URL receive the key as the provider's own may.",
        ),
    );
    secret.string(
        c"pgai_rs.api_keys",
        &API_KEYS,
        list_input(),
        c"Sets the API keys of model providers, as a list of NAME=key.",
    );
}

fn define_servers(d: &Definer, superuser: &Definer) {
    // The URLs may contain a name and a password.
    let hidden = GucFlags::SUPERUSER_ONLY;
    d.string(
        c"pgai_rs.openai_base_url",
        &OPENAI_BASE_URL,
        hidden,
        (
            c"Sets the base URL of OpenAI's API for vectorizers that declare none.",
            c"If it is empty, the variable OPENAI_BASE_URL is used, and else OpenAI's own server.",
        ),
    );
    d.string(
        c"pgai_rs.ollama_base_url",
        &OLLAMA_BASE_URL,
        hidden,
        (
            c"Sets the URL of the Ollama server for vectorizers that declare none.",
            c"If it is empty, the variable OLLAMA_HOST is used, and else http://localhost:11434.",
        ),
    );
    superuser.string(
        c"pgai_rs.allowed_base_urls",
        &ALLOWED_BASE_URLS,
        list_input(),
        c"Lists the prefixes of the base_url that roles other than superusers may declare.",
    );
}

fn define_requests(d: &Definer) {
    d.int(
        c"pgai_rs.embedding_concurrency",
        &EMBEDDING_CONCURRENCY,
        (1, 256),
        NO_UNIT,
        c"Sets the maximum number of concurrent requests to a model with the same API key.",
    );
    d.int(
        c"pgai_rs.embedding_max_inputs",
        &EMBEDDING_MAX_INPUTS,
        (1, 2_048),
        NO_UNIT,
        c"Sets the maximum number of inputs in a request to a model.",
    );
    d.int(
        c"pgai_rs.embedding_max_tokens",
        &EMBEDDING_MAX_TOKENS,
        (1, 10_000_000),
        NO_UNIT,
        (
            c"Sets the maximum number of tokens in a request to a model.",
            c"Their number is estimated as a quarter of its bytes.",
        ),
    );
    d.int(
        c"pgai_rs.embedding_retries",
        &EMBEDDING_RETRIES,
        (0, 100),
        NO_UNIT,
        (
            c"Sets the maximum number of times that a failed request to a model is repeated.",
            c"After that its rows are returned to the queue.",
        ),
    );
}

fn define_times(d: &Definer) {
    d.int(
        c"pgai_rs.embedding_linger",
        &EMBEDDING_LINGER,
        (0, 10_000),
        GucFlags::UNIT_MS,
        c"Sets the maximum time that an input waits for those of other documents that are on their way, to share a request.",
    );
    d.int(
        c"pgai_rs.embedding_timeout",
        &EMBEDDING_TIMEOUT,
        (100, 3_600_000),
        GucFlags::UNIT_MS,
        c"Sets the maximum time of a request to a model.",
    );
    d.int(
        c"pgai_rs.embedding_backoff",
        &EMBEDDING_BACKOFF,
        (0, 600_000),
        GucFlags::UNIT_MS,
        (
            c"Sets the time to wait before a failed request to a model is repeated for the first time.",
            c"It is doubled for each further attempt, with jitter.",
        ),
    );
    d.int(
        c"pgai_rs.query_timeout",
        &QUERY_TIMEOUT,
        (100, 3_600_000),
        GucFlags::UNIT_MS,
        c"Sets the maximum time that ai.vectorizer_embed waits for the model.",
    );
}

/// Copies these settings into those of the pipeline.
pub fn tell(settings: &mut Settings) {
    settings.allowed_base_urls = list(&ALLOWED_BASE_URLS);
    settings.api_key_names = list(&API_KEY_NAMES);
    settings.openai_base_url = openai_base_url();
    settings.ollama_base_url = ollama_base_url();
    settings.embedding_concurrency = number(&EMBEDDING_CONCURRENCY);
    settings.embedding_max_inputs = number(&EMBEDDING_MAX_INPUTS);
    settings.embedding_max_tokens = number(&EMBEDDING_MAX_TOKENS);
    settings.embedding_linger = millis(&EMBEDDING_LINGER);
    settings.embedding_timeout = millis(&EMBEDDING_TIMEOUT);
    settings.embedding_retries = number(&EMBEDDING_RETRIES) as u32;
    settings.embedding_backoff = millis(&EMBEDDING_BACKOFF);
}

/// Returns the maximum time that `ai.vectorizer_embed` waits for the model.
pub fn query_timeout() -> Duration {
    millis(&QUERY_TIMEOUT)
}

/// Returns the server's API key of a name, which `catalog::secret` uses if the database has none: from
/// `pgai_rs.api_keys`, else from the server's environment. `None` if there is no such key or the name is not
/// in `pgai_rs.api_key_names`.
pub fn api_key(name: &str) -> Option<ApiKey> {
    if !is_listed(name, &list(&API_KEY_NAMES)) {
        return None;
    }
    list(&API_KEYS)
        .iter()
        .find_map(|pair| {
            pair.split_once('=')
                .filter(|(key, _)| key.trim() == name)
                .map(|(_, value)| value.trim().to_owned())
        })
        .filter(|value| !value.is_empty())
        .or_else(|| variable(name))
        .map(|key| ApiKey::of_server(Secret::new(key)))
}

fn openai_base_url() -> String {
    text_opt(&OPENAI_BASE_URL)
        .or_else(|| variable("OPENAI_BASE_URL"))
        .unwrap_or_else(|| Settings::default().openai_base_url)
        .trim_end_matches('/')
        .to_owned()
}

/// Returns the address of the Ollama server that the administrator has configured; `None` if none is.
fn ollama_base_url() -> Option<String> {
    let named =
        text_opt(&OLLAMA_BASE_URL).or_else(|| variable("OLLAMA_HOST").map(|host| ollama_url(&host)))?;
    Some(named.trim_end_matches('/').to_owned())
}
