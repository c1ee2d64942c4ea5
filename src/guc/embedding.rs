//! Settings for embedding models: their addresses, keys and request limits.

use pgai_rs_pipeline::embed::{is_listed, ollama_url};
use pgai_rs_pipeline::secret::{ApiKey, Secret};
use pgai_rs_pipeline::settings::{Settings, defaults};

use super::setting::*;

settings! {
    string API_KEY_NAMES = Some(
        c"OPENAI_API_KEY, VOYAGE_API_KEY, COHERE_API_KEY, MISTRAL_API_KEY, GEMINI_API_KEY, AZURE_API_KEY, HUGGINGFACE_API_KEY",
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
pub fn define(d: &Definer, secret: &Definer) {
    let list = list_input();
    d.string(c"pgai_rs.api_key_names", &API_KEY_NAMES, list,
        c"Names that api_key_name may have, separated by commas; NAME=URL for each server beside the provider's own that may receive that key.");
    secret.string(c"pgai_rs.api_keys", &API_KEYS, list, c"API keys as NAME=key, separated by commas.");
    d.string(
        c"pgai_rs.allowed_base_urls",
        &ALLOWED_BASE_URLS,
        list,
        c"Prefixes of the base_url that roles other than superusers may declare, separated by commas.",
    );
    // The URLs may contain a name and a password.
    let hidden = GucFlags::SUPERUSER_ONLY;
    d.string(c"pgai_rs.openai_base_url", &OPENAI_BASE_URL, hidden,
        c"Where OpenAI's wire is spoken if a vectorizer does not say; empty means the variable OPENAI_BASE_URL, else OpenAI.");
    d.string(c"pgai_rs.ollama_base_url", &OLLAMA_BASE_URL, hidden,
        c"Where Ollama is asked if a vectorizer does not say; empty means the variable OLLAMA_HOST, else http://localhost:11434.");
    d.int(
        c"pgai_rs.embedding_concurrency",
        &EMBEDDING_CONCURRENCY,
        (1, 256),
        NO_UNIT,
        c"Most requests in flight to one provider, base URL, model and key.",
    );
    d.int(
        c"pgai_rs.embedding_max_inputs",
        &EMBEDDING_MAX_INPUTS,
        (1, 2_048),
        NO_UNIT,
        c"Most inputs of one request.",
    );
    d.int(
        c"pgai_rs.embedding_max_tokens",
        &EMBEDDING_MAX_TOKENS,
        (1, 10_000_000),
        NO_UNIT,
        c"Most tokens of one request, estimated as a quarter of its bytes.",
    );
    d.int(
        c"pgai_rs.embedding_linger",
        &EMBEDDING_LINGER,
        (0, 10_000),
        GucFlags::UNIT_MS,
        c"How long an input waits for others to share its request.",
    );
    d.int(
        c"pgai_rs.embedding_timeout",
        &EMBEDDING_TIMEOUT,
        (100, 3_600_000),
        GucFlags::UNIT_MS,
        c"Longest time for one request.",
    );
    d.int(
        c"pgai_rs.embedding_retries",
        &EMBEDDING_RETRIES,
        (0, 100),
        NO_UNIT,
        c"How often a failed request is repeated before its rows are given back to the queue.",
    );
    d.int(
        c"pgai_rs.embedding_backoff",
        &EMBEDDING_BACKOFF,
        (0, 600_000),
        GucFlags::UNIT_MS,
        c"Pause before a failed request is repeated; doubled each time, with jitter.",
    );
    d.int(
        c"pgai_rs.query_timeout",
        &QUERY_TIMEOUT,
        (100, 3_600_000),
        GucFlags::UNIT_MS,
        c"Longest time that ai.vectorizer_embed waits for the model.",
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
