//! STS: its regions, and the answers by which it refuses.

use std::error::Error;

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sts::operation::assume_role::AssumeRoleError;
use aws_sdk_sts::operation::assume_role_with_web_identity::AssumeRoleWithWebIdentityError;

/// Partitions that are not `aws`: the ARNs' second part, the beginning of their regions' names, and
/// a region that has STS (<https://docs.aws.amazon.com/general/latest/gr/sts.html>).
const PARTITIONS: &[(&str, &str, &str)] =
    &[("aws-us-gov", "us-gov-", "us-gov-west-1"), ("aws-cn", "cn-", "cn-north-1")];

/// The region whose STS knows a role, if it isn't the configured one: identities of one partition
/// are unknown in the others.
pub(super) fn region(role_arn: &str, configured: Option<&str>) -> Option<&'static str> {
    let partition = role_arn.split(':').nth(1)?;
    let configured = configured.unwrap_or_default();
    match PARTITIONS.iter().find(|(name, _, _)| *name == partition) {
        Some((_, prefix, _)) if configured.starts_with(prefix) => None,
        Some((_, _, region)) => Some(region),
        None if partition == "aws" => {
            let elsewhere = PARTITIONS.iter().any(|(_, prefix, _)| configured.starts_with(prefix));
            elsewhere.then_some("us-east-1")
        }
        None => None,
    }
}

/// STS's answer to a request that it does not grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StsRefusal {
    /// The status of the answer.
    pub status: u16,
    /// The word for the reason, such as `AccessDenied`.
    pub code: Option<String>,
    /// The explanation.
    pub message: Option<String>,
}

/// Returns the refusal of STS that this error is, if it is an answer of STS.
pub(super) fn refusal(error: &(dyn Error + 'static)) -> Option<StsRefusal> {
    if let Some(error) = error.downcast_ref::<SdkError<AssumeRoleError>>() {
        return answer(error);
    }
    error.downcast_ref::<SdkError<AssumeRoleWithWebIdentityError>>().and_then(answer)
}

/// Returns whether this is a request to STS that failed, whatever the reason.
pub(super) fn is_request(error: &(dyn Error + 'static)) -> bool {
    error.is::<SdkError<AssumeRoleError>>() || error.is::<SdkError<AssumeRoleWithWebIdentityError>>()
}

fn answer<E: ProvideErrorMetadata>(error: &SdkError<E>) -> Option<StsRefusal> {
    let response = error.raw_response()?;

    // Some servers have an envelope of their own, of which the SDK makes nothing.
    let body = response.body().bytes().and_then(|body| std::str::from_utf8(body).ok()).unwrap_or_default();
    let told = |told: Option<&str>, name| told.or_else(|| element(body, name)).map(str::to_owned);

    Some(StsRefusal {
        status: response.status().as_u16(),
        code: told(error.code(), "Code"),
        message: told(error.message(), "Message"),
    })
}

/// The text of the first element of that name in an XML document.
pub(super) fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>")).map(|(text, _)| text.trim()).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_assumed_in_its_own_partition() {
        for (partition, configured, expected) in [
            ("aws", "eu-central-1", None),
            ("aws", "cn-north-1", Some("us-east-1")),
            ("aws-cn", "cn-northwest-1", None),
            ("aws-cn", "us-east-1", Some("cn-north-1")),
            ("aws-us-gov", "us-gov-east-1", None),
            ("aws-us-gov", "us-east-1", Some("us-gov-west-1")),
            ("aws-iso", "us-iso-east-1", None),
        ] {
            let arn = format!("arn:{partition}:iam::123456789012:role/reader");
            assert_eq!(region(&arn, Some(configured)), expected, "{partition} {configured}");
        }
        assert_eq!(region("nonsense", None), None);
    }
}
