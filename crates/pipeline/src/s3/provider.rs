//! The provider of the server's credentials, in words.

use aws_credential_types::Credentials;
use aws_credential_types::credential_feature::AwsCredentialFeature as Feature;

use crate::settings::S3Settings;

/// Names the source of credentials. A provider that builds upon another's leaves its mark beside that
/// one's.
pub(super) fn name(credentials: &Credentials, settings: &S3Settings) -> String {
    if settings.access_key.is_some() {
        return "the setting pgai_rs.aws_access_key_id".to_owned();
    }

    let marks = credentials.get_property::<Vec<Feature>>().map(Vec::as_slice).unwrap_or_default();
    let has = |wanted: &[Feature]| marks.iter().any(|mark| wanted.contains(mark));
    let by_web_identity = [
        Feature::CredentialsEnvVarsStsWebIdToken,
        Feature::CredentialsProfileStsWebIdToken,
        Feature::CredentialsStsAssumeRoleWebId,
    ];

    if has(&by_web_identity) {
        "a web identity token".to_owned()
    } else if has(&[Feature::CredentialsProfileProcess, Feature::CredentialsProcess]) {
        format!("{}, by its credential process", profile(settings))
    } else if has(&[Feature::CredentialsProfileSso, Feature::CredentialsSso]) {
        format!("{}, by single sign-on", profile(settings))
    } else if has(&[Feature::CredentialsImds]) {
        "the instance's role (IMDS)".to_owned()
    } else if has(&[Feature::CredentialsHttp]) {
        "the container's role".to_owned()
    } else if has(&[Feature::CredentialsProfile]) {
        profile(settings)
    } else if has(&[Feature::CredentialsEnvVars]) {
        "environment variables".to_owned()
    } else {
        "the AWS environment".to_owned()
    }
}

fn profile(settings: &S3Settings) -> String {
    let from_environment = || std::env::var("AWS_PROFILE").ok();
    let name = settings.profile.clone().or_else(from_environment);
    format!("profile {}", name.as_deref().unwrap_or("default"))
}

/// The ends of a key's id, by which its owner knows it.
pub(super) fn shortened(id: &str) -> String {
    const SHOWN: usize = 4;
    let letters: Vec<char> = id.chars().collect();
    if letters.len() < 3 * SHOWN {
        return "...".to_owned();
    }

    let first = &letters[..SHOWN];
    let last = &letters[letters.len() - SHOWN..];
    first.iter().chain(&['.'; 3]).chain(last).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_known_by_its_ends() {
        assert_eq!(shortened("AKIAIOSFODNN7EXAMPLE"), "AKIA...MPLE");
        assert_eq!(shortened("short"), "...");
    }
}
