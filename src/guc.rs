//! Every setting: name, default, unit, context and meaning, and its typed accessor.
//!
//! `docs/settings.md` lists the same for users; a test compares the two.
//!
//! All are an operator's, taken up at reload; none needs a restart. Those that may differ between
//! databases (`ALTER DATABASE … SET`) are `superuser`, the others `sighup`.

use std::ffi::{CStr, CString};
use std::time::Duration;

use pgrx::pg_sys;
use pgrx::{GucContext, GucFlags, GucRegistry, GucSetting};

use pgai_rs_pipeline::document::Secret;
use pgai_rs_pipeline::embed::ollama_url;
use pgai_rs_pipeline::settings::{S3Settings, Settings, UrlStyle};

macro_rules! settings {
    ($($kind:ident $name:ident = $default:expr;)*) => {
        $(static $name: settings!(@type $kind) = settings!(@new $kind $default);)*
    };
    (@type int) => { GucSetting<i32> };
    (@type bool) => { GucSetting<bool> };
    (@type string) => { GucSetting<Option<CString>> };
    (@new int $default:expr) => { GucSetting::<i32>::new($default) };
    (@new bool $default:expr) => { GucSetting::<bool>::new($default) };
    (@new string $default:expr) => { GucSetting::<Option<CString>>::new($default) };
}

settings! {
    string DATABASES = Some(c"");
    int POLL_INTERVAL = 10_000;
    int HEARTBEAT_INTERVAL = 30_000;
    int LEASE_DURATION = 60;
    int MAX_RETRIES = 6;
    int RETRY_BACKOFF = 5_000;
    int RETRY_BACKOFF_MAX = 600_000;
    int MAX_ERRORS = 1_000;
    int MAX_DOCUMENT_SIZE = 64;
    int WORKER_MEMORY_LIMIT = 1_024;
    int MAX_DOCUMENTS_IN_FLIGHT = 4096;
    int LOAD_CONCURRENCY = 32;
    int LOAD_TIMEOUT = 60_000;
    string ALLOWED_URIS = Some(c"s3://");
    string ALLOWED_BASE_URLS = Some(c"");
    string AWS_REGION = Some(c"");
    string AWS_ENDPOINT_URL = Some(c"");
    string AWS_PROFILE = Some(c"");
    string AWS_ACCESS_KEY_ID = Some(c"");
    string AWS_SECRET_ACCESS_KEY = Some(c"");
    string AWS_EXTERNAL_ID = Some(c"");
    string AWS_ROLE_SESSION_NAME = Some(c"timescale-vectorizer");
    int AWS_ROLE_SESSION_DURATION = 0;
    string ALLOWED_ROLE_ARNS = Some(c"arn:");
    string ALLOWED_S3_ENDPOINTS = Some(c"");
    bool S3_ANONYMOUS = true;
    string API_KEY_NAMES = Some(
        c"OPENAI_API_KEY, VOYAGE_API_KEY, COHERE_API_KEY, MISTRAL_API_KEY, GEMINI_API_KEY, AZURE_API_KEY, HUGGINGFACE_API_KEY",
    );
    string API_KEYS = Some(c"");
    string OPENAI_BASE_URL = Some(c"");
    string OLLAMA_BASE_URL = Some(c"");
    int EMBEDDING_CONCURRENCY = 8;
    int EMBEDDING_MAX_INPUTS = 2048;
    int EMBEDDING_MAX_TOKENS = 300_000;
    int EMBEDDING_LINGER = 10;
    int EMBEDDING_TIMEOUT = 60_000;
    int EMBEDDING_RETRIES = 3;
    int EMBEDDING_BACKOFF = 500;
    int QUERY_TIMEOUT = 30_000;
    string ALLOWED_SQS_QUEUES = Some(c"");
    int S3_SOURCE_MAX_DELETE_PERCENT = 50;
    int S3_SOURCE_HISTORY = 100;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, pgrx::PostgresGucEnum)]
#[allow(non_camel_case_types)]
enum S3UrlStyle {
    vhost,
    path,
}

static S3_URL_STYLE: GucSetting<S3UrlStyle> = GucSetting::<S3UrlStyle>::new(S3UrlStyle::vhost);

#[derive(Debug, Clone, Copy, PartialEq, Eq, pgrx::PostgresGucEnum)]
#[allow(non_camel_case_types)]
enum S3Credentials {
    default,
    role,
}

static S3_CREDENTIALS: GucSetting<S3Credentials> = GucSetting::<S3Credentials>::new(S3Credentials::default);

#[derive(Debug, Clone, Copy, PartialEq, Eq, pgrx::PostgresGucEnum)]
#[allow(non_camel_case_types)]
enum IndexingDefault {
    hnsw,
    diskann,
    none,
}

static INDEXING_DEFAULT: GucSetting<IndexingDefault> =
    GucSetting::<IndexingDefault>::new(IndexingDefault::hnsw);

struct Definer {
    flags: GucFlags,
    superuser: bool,
}

impl Definer {
    /// Who may change it: a superuser in a session, or the operator in the configuration files.
    fn context(&self) -> GucContext {
        if self.superuser {
            GucContext::Suset
        } else {
            GucContext::Sighup
        }
    }

    fn int(
        &self,
        name: &'static CStr,
        setting: &'static GucSetting<i32>,
        range: (i32, i32),
        unit: GucFlags,
        doc: &'static CStr,
    ) {
        GucRegistry::define_int_guc(
            name,
            doc,
            c"",
            setting,
            range.0,
            range.1,
            self.context(),
            self.flags | unit,
        );
    }

    fn string(
        &self,
        name: &'static CStr,
        setting: &'static GucSetting<Option<CString>>,
        extra: GucFlags,
        doc: &'static CStr,
    ) {
        GucRegistry::define_string_guc(name, doc, c"", setting, self.context(), self.flags | extra);
    }
}

const NO_UNIT: GucFlags = GucFlags::empty();

/// Makes all settings known to Postgres; called once, from `_PG_init`.
pub fn define() {
    let sighup = Definer { flags: GucFlags::empty(), superuser: false };
    let superuser = Definer { flags: GucFlags::empty(), superuser: true };
    let secret = Definer { flags: GucFlags::SUPERUSER_ONLY | GucFlags::NO_SHOW_ALL, superuser: false };
    define_worker(&sighup);
    define_loading(&sighup, &superuser);
    define_s3(&sighup, &secret);
    define_roles(&sighup, &superuser);
    define_embedding(&sighup, &secret);
    define_sources(&sighup);
    define_indexing(&superuser);
    // SAFETY: all settings of this prefix are defined above.
    unsafe { pg_sys::MarkGUCPrefixReserved(c"pgai_rs".as_ptr()) };
}

fn define_worker(d: &Definer) {
    let list = GucFlags::from_bits_retain(pg_sys::GUC_LIST_INPUT as i32);
    d.string(c"pgai_rs.databases", &DATABASES, list,
        c"Databases that get a worker, separated by commas; empty means every database that has the extension.");
    d.int(
        c"pgai_rs.poll_interval",
        &POLL_INTERVAL,
        (100, 3_600_000),
        GucFlags::UNIT_MS,
        c"How often the worker looks for work, and the launcher for databases, without being woken.",
    );
    d.int(
        c"pgai_rs.heartbeat_interval",
        &HEARTBEAT_INTERVAL,
        (1_000, 3_600_000),
        GucFlags::UNIT_MS,
        c"How often the worker writes that it lives, and what it has done.",
    );
    d.int(
        c"pgai_rs.lease_duration",
        &LEASE_DURATION,
        (10, 86_400),
        GucFlags::UNIT_S,
        c"How long claimed work stays with a worker that gives no sign of life.",
    );
    d.int(c"pgai_rs.max_retries", &MAX_RETRIES, (0, 1_000), NO_UNIT,
        c"How often a failed row is tried again before it is set aside; for loading the vectorizer says so itself.");
    d.int(
        c"pgai_rs.retry_backoff",
        &RETRY_BACKOFF,
        (0, 3_600_000),
        GucFlags::UNIT_MS,
        c"Pause before a failed row is tried again; doubled each time, with jitter.",
    );
    d.int(
        c"pgai_rs.retry_backoff_max",
        &RETRY_BACKOFF_MAX,
        (0, 86_400_000),
        GucFlags::UNIT_MS,
        c"Longest pause before a failed row is tried again.",
    );
    d.int(
        c"pgai_rs.max_errors",
        &MAX_ERRORS,
        (1, 1_000_000),
        NO_UNIT,
        c"Most rows that ai.vectorizer_errors keeps of one vectorizer.",
    );
    d.int(
        c"pgai_rs.max_documents_in_flight",
        &MAX_DOCUMENTS_IN_FLIGHT,
        (1, 1_000_000),
        NO_UNIT,
        c"Most documents of one vectorizer that the worker holds.",
    );
    d.int(
        c"pgai_rs.worker_memory_limit",
        &WORKER_MEMORY_LIMIT,
        (64, 1_048_576),
        GucFlags::UNIT_MB,
        c"Most memory that a worker takes: documents, their chunks and vectors, requests to models and their answers.",
    );
}

fn define_loading(d: &Definer, superuser: &Definer) {
    let list = GucFlags::from_bits_retain(pg_sys::GUC_LIST_INPUT as i32);
    d.int(
        c"pgai_rs.max_document_size",
        &MAX_DOCUMENT_SIZE,
        (1, 1_024),
        GucFlags::UNIT_MB,
        c"Largest document that is loaded.",
    );
    d.int(
        c"pgai_rs.load_concurrency",
        &LOAD_CONCURRENCY,
        (1, 1_024),
        NO_UNIT,
        c"Most objects fetched at a time.",
    );
    d.int(
        c"pgai_rs.load_timeout",
        &LOAD_TIMEOUT,
        (100, 3_600_000),
        GucFlags::UNIT_MS,
        c"Longest time for one object, from request to last byte.",
    );
    superuser.string(
        c"pgai_rs.allowed_uris",
        &ALLOWED_URIS,
        list,
        c"Prefixes of the addresses that may be loaded, separated by commas, such as s3://bucket/prefix/.",
    );
    superuser.string(
        c"pgai_rs.allowed_s3_endpoints",
        &ALLOWED_S3_ENDPOINTS,
        list,
        c"Prefixes of the S3 endpoint that roles other than superusers may declare, separated by commas.",
    );
    GucRegistry::define_bool_guc(
        c"pgai_rs.s3_anonymous",
        c"Whether S3 may be asked without credentials where that is declared, as public buckets allow.",
        c"",
        &S3_ANONYMOUS,
        superuser.context(),
        superuser.flags,
    );
}

fn define_s3(d: &Definer, secret: &Definer) {
    d.string(
        c"pgai_rs.aws_region",
        &AWS_REGION,
        NO_UNIT,
        c"Region for S3; empty leaves it to the AWS environment.",
    );
    d.string(
        c"pgai_rs.aws_endpoint_url",
        &AWS_ENDPOINT_URL,
        NO_UNIT,
        c"URL of an S3-compatible server; empty leaves it to the AWS environment.",
    );
    d.string(
        c"pgai_rs.aws_profile",
        &AWS_PROFILE,
        NO_UNIT,
        c"Profile of the AWS configuration files; empty leaves it to the AWS environment.",
    );
    GucRegistry::define_enum_guc(c"pgai_rs.s3_url_style",
        c"Where the bucket's name stands in a URL: vhost (https://bucket.host/key) or path (https://host/bucket/key).",
        c"", &S3_URL_STYLE, d.context(), d.flags);
    secret.string(
        c"pgai_rs.aws_access_key_id",
        &AWS_ACCESS_KEY_ID,
        NO_UNIT,
        c"Access key for S3; empty leaves it to the default credential chain.",
    );
    secret.string(
        c"pgai_rs.aws_secret_access_key",
        &AWS_SECRET_ACCESS_KEY,
        NO_UNIT,
        c"Secret of pgai_rs.aws_access_key_id.",
    );
}

fn define_roles(d: &Definer, superuser: &Definer) {
    let list = GucFlags::from_bits_retain(pg_sys::GUC_LIST_INPUT as i32);
    GucRegistry::define_enum_guc(c"pgai_rs.s3_credentials",
        c"What the server's own AWS credentials may do: default (ask S3 where no role is declared) or role (only assume roles).",
        c"", &S3_CREDENTIALS, superuser.context(), superuser.flags);
    superuser.string(
        c"pgai_rs.allowed_role_arns",
        &ALLOWED_ROLE_ARNS,
        list,
        c"Prefixes of the IAM roles that may be assumed, separated by commas.",
    );
    superuser.string(
        c"pgai_rs.aws_external_id",
        &AWS_EXTERNAL_ID,
        NO_UNIT,
        c"External id for assumed roles; empty means the variable AWS_ASSUME_ROLE_EXTERNAL_ID.",
    );
    d.string(
        c"pgai_rs.aws_role_session_name",
        &AWS_ROLE_SESSION_NAME,
        NO_UNIT,
        c"Session name for assumed roles.",
    );
    d.int(
        c"pgai_rs.aws_role_session_duration",
        &AWS_ROLE_SESSION_DURATION,
        (0, 43_200),
        GucFlags::UNIT_S,
        c"Life of an assumed role's credentials, at least 900 s; 0 means the hour that STS gives.",
    );
}

fn define_embedding(d: &Definer, secret: &Definer) {
    let list = GucFlags::from_bits_retain(pg_sys::GUC_LIST_INPUT as i32);
    d.string(c"pgai_rs.api_key_names", &API_KEY_NAMES, list,
        c"Names that api_key_name may have, separated by commas; looked up in pgai_rs.api_keys, then in the server's environment.");
    secret.string(c"pgai_rs.api_keys", &API_KEYS, list, c"API keys as NAME=key, separated by commas.");
    d.string(
        c"pgai_rs.allowed_base_urls",
        &ALLOWED_BASE_URLS,
        list,
        c"Prefixes of the base_url that roles other than superusers may declare, separated by commas.",
    );
    d.string(c"pgai_rs.openai_base_url", &OPENAI_BASE_URL, NO_UNIT,
        c"Where OpenAI's wire is spoken if a vectorizer does not say; empty means the variable OPENAI_BASE_URL, else OpenAI.");
    d.string(c"pgai_rs.ollama_base_url", &OLLAMA_BASE_URL, NO_UNIT,
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

fn define_sources(d: &Definer) {
    let list = GucFlags::from_bits_retain(pg_sys::GUC_LIST_INPUT as i32);
    d.string(
        c"pgai_rs.allowed_sqs_queues",
        &ALLOWED_SQS_QUEUES,
        list,
        c"Prefixes of the queue_url that roles other than superusers may declare, separated by commas.",
    );
    d.int(c"pgai_rs.s3_source_max_delete_percent", &S3_SOURCE_MAX_DELETE_PERCENT, (1, 100), NO_UNIT,
        c"Largest share of a source's rows that a listing deletes, if it is more than 1,000 rows; 100 means any.");
    d.int(
        c"pgai_rs.s3_source_history",
        &S3_SOURCE_HISTORY,
        (1, 100_000),
        NO_UNIT,
        c"Most runs that ai.s3_source_runs keeps of one source.",
    );
}

fn define_indexing(d: &Definer) {
    GucRegistry::define_enum_guc(
        c"pgai_rs.indexing_default",
        c"What ai.indexing_default() means when a vectorizer is declared: hnsw, diskann or none.",
        c"",
        &INDEXING_DEFAULT,
        d.context(),
        d.flags,
    );
}

fn text(setting: &GucSetting<Option<CString>>) -> String {
    setting.get().map(|value| value.to_string_lossy().into_owned()).unwrap_or_default()
}

fn text_opt(setting: &GucSetting<Option<CString>>) -> Option<String> {
    Some(text(setting)).filter(|value| !value.is_empty())
}

fn list(setting: &GucSetting<Option<CString>>) -> Vec<String> {
    text(setting).split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
}

fn millis(setting: &GucSetting<i32>) -> Duration {
    Duration::from_millis(number(setting) as u64)
}

fn number(setting: &GucSetting<i32>) -> usize {
    // Every number's range starts at zero or above.
    usize::try_from(setting.get()).unwrap_or_default()
}

/// Databases that get a worker; empty means all that have the extension.
pub fn databases() -> Vec<String> {
    list(&DATABASES)
}

/// How often worker and launcher look without being woken.
pub fn poll_interval() -> Duration {
    millis(&POLL_INTERVAL)
}

/// How often the worker writes that it lives.
pub fn heartbeat_interval() -> Duration {
    millis(&HEARTBEAT_INTERVAL)
}

/// How long claimed work stays with a silent worker.
pub fn lease_duration() -> Duration {
    Duration::from_secs(number(&LEASE_DURATION) as u64)
}

/// Most bytes of one document.
pub fn max_document_size() -> u64 {
    (number(&MAX_DOCUMENT_SIZE) as u64) << 20
}

/// How often a failed row is tried again.
pub fn max_retries() -> u32 {
    number(&MAX_RETRIES) as u32
}

/// First and longest pause before a failed row is tried again.
pub fn retry_backoff() -> (Duration, Duration) {
    (millis(&RETRY_BACKOFF), millis(&RETRY_BACKOFF_MAX))
}

/// Most error rows of one vectorizer.
pub fn max_errors() -> i64 {
    number(&MAX_ERRORS) as i64
}

/// Most requests to S3 at a time.
pub fn load_concurrency() -> usize {
    number(&LOAD_CONCURRENCY)
}

/// Longest wait of `ai.vectorizer_embed`.
pub fn query_timeout() -> Duration {
    millis(&QUERY_TIMEOUT)
}

/// Whether a role that is no superuser may declare this `base_url`.
pub fn base_url_allowed(url: &str) -> bool {
    within(&ALLOWED_BASE_URLS, url)
}

/// A prefix ends where a part of the address does: `https://host` allows neither
/// `https://host.evil.example` nor `https://host@evil.example`.
fn within(prefixes: &GucSetting<Option<CString>>, url: &str) -> bool {
    list(prefixes).iter().any(|prefix| {
        let rest = url.strip_prefix(prefix.trim_end_matches('/'));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

/// Whether a role that is no superuser may declare this `queue_url`.
pub fn queue_url_allowed(url: &str) -> bool {
    within(&ALLOWED_SQS_QUEUES, url)
}

/// Largest share, in percent, of a source's rows that a listing deletes.
pub fn s3_source_max_delete_percent() -> u64 {
    number(&S3_SOURCE_MAX_DELETE_PERCENT) as u64
}

/// Most runs that are kept of one source.
pub fn s3_source_history() -> i64 {
    number(&S3_SOURCE_HISTORY) as i64
}

/// The names that `api_key_name` may have.
pub fn api_key_names() -> Vec<String> {
    list(&API_KEY_NAMES)
}

/// The key of a name: from `pgai_rs.api_keys`, else from the server's environment. None for a name
/// outside `pgai_rs.api_key_names`.
pub fn api_key(name: &str) -> Option<Secret> {
    if !api_key_names().iter().any(|allowed| allowed == name) {
        return None;
    }
    list(&API_KEYS)
        .iter()
        .find_map(|pair| {
            pair.split_once('=').filter(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
        })
        .or_else(|| std::env::var(name).ok())
        .filter(|value| !value.is_empty())
        .map(Secret::new)
}

/// Whether a role that is no superuser may declare this S3 endpoint.
pub fn s3_endpoint_allowed(url: &str) -> bool {
    within(&ALLOWED_S3_ENDPOINTS, url)
}

/// Whether the server's own credentials only ever assume roles.
pub fn s3_role_only() -> bool {
    S3_CREDENTIALS.get() == S3Credentials::role
}

/// Whether S3 may be asked without credentials.
pub fn s3_anonymous() -> bool {
    S3_ANONYMOUS.get()
}

/// Whether this role may be assumed.
pub fn role_arn_allowed(arn: &str) -> bool {
    list(&ALLOWED_ROLE_ARNS).iter().any(|prefix| arn.starts_with(prefix.as_str()))
}

/// What `ai.indexing_default()` means.
pub fn indexing_default() -> &'static str {
    match INDEXING_DEFAULT.get() {
        IndexingDefault::hnsw => "hnsw",
        IndexingDefault::diskann => "diskann",
        IndexingDefault::none => "none",
    }
}

fn openai_base_url() -> String {
    text_opt(&OPENAI_BASE_URL)
        .or_else(|| std::env::var("OPENAI_BASE_URL").ok().filter(|url| !url.is_empty()))
        .unwrap_or_else(|| Settings::default().openai_base_url)
        .trim_end_matches('/')
        .to_owned()
}

fn ollama_base_url() -> String {
    let from_environment = || std::env::var("OLLAMA_HOST").ok().filter(|host| !host.trim().is_empty());
    text_opt(&OLLAMA_BASE_URL)
        .or_else(|| from_environment().map(|host| ollama_url(&host)))
        .unwrap_or_else(|| Settings::default().ollama_base_url)
        .trim_end_matches('/')
        .to_owned()
}

fn s3() -> S3Settings {
    S3Settings {
        region: text_opt(&AWS_REGION),
        endpoint_url: text_opt(&AWS_ENDPOINT_URL),
        url_style: match S3_URL_STYLE.get() {
            S3UrlStyle::vhost => UrlStyle::VirtualHosted,
            S3UrlStyle::path => UrlStyle::Path,
        },
        profile: text_opt(&AWS_PROFILE),
        access_key: text_opt(&AWS_ACCESS_KEY_ID).zip(text_opt(&AWS_SECRET_ACCESS_KEY).map(Secret::new)),
        external_id: text_opt(&AWS_EXTERNAL_ID),
        role_session_name: text(&AWS_ROLE_SESSION_NAME),
        role_session_duration: role_session_duration(),
        role_only: s3_role_only(),
        allowed_role_arns: list(&ALLOWED_ROLE_ARNS),
        allow_anonymous: s3_anonymous(),
    }
}

/// STS gives no less than a quarter of an hour.
fn role_session_duration() -> Option<Duration> {
    const SHORTEST: usize = 900;
    let seconds = number(&AWS_ROLE_SESSION_DURATION);
    (seconds > 0).then(|| Duration::from_secs(seconds.max(SHORTEST) as u64))
}

/// The pipeline's settings as they are now. To be called on the main thread.
pub fn pipeline() -> Settings {
    Settings {
        max_document_size: max_document_size(),
        memory_limit: (number(&WORKER_MEMORY_LIMIT) as u64) << 20,
        max_documents_in_flight: number(&MAX_DOCUMENTS_IN_FLIGHT),
        load_concurrency: number(&LOAD_CONCURRENCY),
        load_timeout: millis(&LOAD_TIMEOUT),
        allowed_uris: list(&ALLOWED_URIS),
        s3: s3(),
        openai_base_url: openai_base_url(),
        ollama_base_url: ollama_base_url(),
        embedding_concurrency: number(&EMBEDDING_CONCURRENCY),
        embedding_max_inputs: number(&EMBEDDING_MAX_INPUTS),
        embedding_max_tokens: number(&EMBEDDING_MAX_TOKENS),
        embedding_linger: millis(&EMBEDDING_LINGER),
        embedding_timeout: millis(&EMBEDDING_TIMEOUT),
        embedding_retries: number(&EMBEDDING_RETRIES) as u32,
        embedding_backoff: millis(&EMBEDDING_BACKOFF),
    }
}

/// A setting that no library defines, such as pgai's; none if it is not set.
pub fn foreign(name: &CStr) -> Option<String> {
    // SAFETY: the answer is valid until the setting changes, and copied at once.
    unsafe {
        let value = pg_sys::GetConfigOption(name.as_ptr(), true, false);
        (!value.is_null()).then(|| CStr::from_ptr(value).to_string_lossy().into_owned())
    }
    .filter(|value| !value.is_empty())
}
