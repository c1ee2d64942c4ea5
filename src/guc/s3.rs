//! Settings for S3: its address, and the credentials to access it.

use pgai_rs_pipeline::config::Author;
use pgai_rs_pipeline::s3::role_allowed;
use pgai_rs_pipeline::secret::Secret;
use pgai_rs_pipeline::settings::{S3Settings, UrlStyle, defaults};

use super::setting::*;

settings! {
    string AWS_REGION = Some(c"");
    string AWS_ENDPOINT_URL = Some(c"");
    string AWS_PROFILE = Some(c"");
    string AWS_ACCESS_KEY_ID = Some(c"");
    string AWS_SECRET_ACCESS_KEY = Some(c"");
    string AWS_EXTERNAL_ID = Some(c"");
    string AWS_ROLE_SESSION_NAME = Some(defaults::AWS_ROLE_SESSION_NAME);
    int AWS_ROLE_SESSION_DURATION = 0;
    string ALLOWED_ROLE_ARNS = Some(c"");
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

/// Defines these settings.
pub fn define(d: &Definer, superuser: &Definer, secret: &Definer) {
    define_servers(d, secret);
    define_roles(d, superuser);
}

fn define_servers(d: &Definer, secret: &Definer) {
    // The URL may contain a name and a password.
    let hidden = GucFlags::SUPERUSER_ONLY;
    d.string(
        c"pgai_rs.aws_region",
        &AWS_REGION,
        PLAIN,
        (c"Sets the region for requests to S3.", c"If it is empty, the AWS environment decides."),
    );
    d.string(
        c"pgai_rs.aws_endpoint_url",
        &AWS_ENDPOINT_URL,
        hidden,
        (c"Sets the URL of an S3-compatible server.", c"If it is empty, the AWS environment decides."),
    );
    d.string(
        c"pgai_rs.aws_profile",
        &AWS_PROFILE,
        PLAIN,
        (
            c"Sets the profile to use of the AWS configuration files.",
            c"If it is empty, the AWS environment decides.",
        ),
    );
    d.choice(
        c"pgai_rs.s3_url_style",
        &S3_URL_STYLE,
        (
            c"Sets the place of the bucket's name in a URL.",
            c"vhost stands for https://bucket.host/key, path for https://host/bucket/key.",
        ),
    );

    secret.string(
        c"pgai_rs.aws_access_key_id",
        &AWS_ACCESS_KEY_ID,
        PLAIN,
        (c"Sets the access key ID for S3.", c"If it is empty, the default credential chain is used."),
    );
    secret.string(
        c"pgai_rs.aws_secret_access_key",
        &AWS_SECRET_ACCESS_KEY,
        PLAIN,
        c"Sets the secret access key of pgai_rs.aws_access_key_id.",
    );
}

fn define_roles(d: &Definer, superuser: &Definer) {
    superuser.choice(
        c"pgai_rs.s3_credentials",
        &S3_CREDENTIALS,
        (
            c"Sets what the server's own AWS credentials may be used for.",
            c"default sends requests to S3 where no role is declared, too; role only assumes roles.",
        ),
    );
    superuser.string(
        c"pgai_rs.allowed_role_arns",
        &ALLOWED_ROLE_ARNS,
        list_input(),
        c"Lists the prefixes of the IAM roles that may be assumed.",
    );
    superuser.string(
        c"pgai_rs.aws_external_id",
        &AWS_EXTERNAL_ID,
        PLAIN,
        (
            c"Sets the external ID for assumed roles.",
            c"If it is empty, the environment variable AWS_ASSUME_ROLE_EXTERNAL_ID is used.",
        ),
    );

    d.string(
        c"pgai_rs.aws_role_session_name",
        &AWS_ROLE_SESSION_NAME,
        PLAIN,
        c"Sets the session name for assumed roles.",
    );
    d.int(
        c"pgai_rs.aws_role_session_duration",
        &AWS_ROLE_SESSION_DURATION,
        (0, 43_200),
        GucFlags::UNIT_S,
        (
            c"Sets the time for which an assumed role's credentials are valid.",
            c"It is at least 900 s; 0 leaves it to STS, which gives an hour.",
        ),
    );
}

/// Returns whether the server's own credentials may only be used to assume roles.
pub fn s3_role_only() -> bool {
    S3_CREDENTIALS.get() == S3Credentials::role
}

/// Returns whether this role may be assumed for this author.
pub fn role_arn_allowed(arn: &str, author: Author) -> bool {
    role_allowed(arn, &list(&ALLOWED_ROLE_ARNS), author)
}

/// Returns these settings for the pipeline.
pub fn s3() -> S3Settings {
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
        allow_anonymous: super::s3_anonymous(),
        // The other fields are set where their settings are defined.
        ..S3Settings::default()
    }
}

/// Returns the duration of a role session; `None` for the default. STS grants no less than 900 s.
fn role_session_duration() -> Option<Duration> {
    const SHORTEST: usize = 900;
    let seconds = number(&AWS_ROLE_SESSION_DURATION);
    (seconds > 0).then(|| Duration::from_secs(seconds.max(SHORTEST) as u64))
}
