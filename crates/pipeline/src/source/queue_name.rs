//! The queue that a URL names, however it is written.

use crate::server_url::ServerUrl;

/// The region of `queue.amazonaws.com`, which has none in its name.
const FIRST_REGION: &str = "us-east-1";

/// The region in the name of an SQS host: `sqs.<region>.amazonaws.com`, with FIPS `sqs-fips.`, for IPv6 `….api.aws`, through a
/// VPC's endpoint `<endpoint>.sqs.<region>.vpce.amazonaws.com`, and before 2012 `<region>.queue.amazonaws.com` (AWS General
/// Reference, "Amazon SQS endpoints"; Amazon SQS Developer Guide, "VPC endpoints").
pub(super) fn region(host: &str) -> Option<&str> {
    let suffixes = [".amazonaws.com", ".amazonaws.com.cn", ".api.aws"];
    let name = suffixes.iter().find_map(|suffix| host.strip_suffix(suffix))?;
    if name == "queue" {
        return Some(FIRST_REGION);
    }
    if let Some(name) = name.strip_suffix(".vpce") {
        return name.split_once(".sqs.").map(|(_, region)| region);
    }
    let named = name.strip_prefix("sqs.").or_else(|| name.strip_prefix("sqs-fips."));
    named.or_else(|| name.strip_suffix(".queue"))
}

/// Returns a text that is the same for all URLs of a queue: of SQS, whose hosts lead to the same queues in a region, its region
/// and path, and else host, port and path. The scheme does not count.
///
/// ```
/// use pgai_rs_pipeline::server_url::ServerUrl;
/// use pgai_rs_pipeline::source::queue_name;
///
/// let name = |url| queue_name(&ServerUrl::parse(url).unwrap());
/// assert_eq!(name("https://SQS.eu-west-1.amazonaws.com:443/1/q/"), name("https://sqs.eu-west-1.amazonaws.com/1/%71"));
/// assert_ne!(name("https://sqs.eu-west-1.amazonaws.com/1/q"), name("https://sqs.eu-west-1.amazonaws.com/1/Q"));
/// ```
pub fn queue_name(url: &ServerUrl) -> String {
    let host = url.host();
    let server = match region(&host) {
        Some(region) => format!("SQS in {region}"),
        None => host.into_owned(),
    };
    let port = url.url().port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{server}{port}{}", url.decoded_path())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(url: &str) -> String {
        queue_name(&ServerUrl::parse(url).unwrap())
    }

    #[test]
    fn a_queues_address_names_its_region() {
        for (host, expected) in [
            ("sqs.eu-central-1.amazonaws.com", Some("eu-central-1")),
            ("sqs.cn-north-1.amazonaws.com.cn", Some("cn-north-1")),
            ("us-east-2.queue.amazonaws.com", Some("us-east-2")),
            ("queue.amazonaws.com", Some("us-east-1")),
            ("sqs-fips.us-east-1.amazonaws.com", Some("us-east-1")),
            ("sqs.eu-west-1.api.aws", Some("eu-west-1")),
            ("vpce-0a-1b.sqs.us-east-1.vpce.amazonaws.com", Some("us-east-1")),
            ("sqs.eu-west-1.amazonaws.com.example.com", None),
            ("127.0.0.1", None),
        ] {
            assert_eq!(region(host), expected, "{host}");
        }
    }

    #[test]
    fn a_queue_has_one_name_however_it_is_written() {
        for same in [
            "https://SQS.eu-west-1.amazonaws.com/1/q",
            "https://sqs.eu-west-1.amazonaws.com:443/1/q",
            "https://sqs.eu-west-1.amazonaws.com./1/q//",
            "http://sqs.eu-west-1.amazonaws.com/1/q",
            "https://sqs.eu-west-1.amazonaws.com/1/%2571",
            "https://eu-west-1.queue.amazonaws.com/1/q",
            "https://vpce-0a.sqs.eu-west-1.vpce.amazonaws.com/1/q",
        ] {
            assert_eq!(name(same), "SQS in eu-west-1/1/q", "{same}");
        }
        assert_eq!(name("http://127.0.0.1:4566/1/q/"), "127.0.0.1:4566/1/q");
        assert_eq!(name("http://[::1]:4566/1/q"), "[::1]:4566/1/q");
    }

    #[test]
    fn other_queues_have_other_names() {
        let others = [
            "https://sqs.eu-west-1.amazonaws.com/1/q",
            "https://sqs.eu-west-1.amazonaws.com/1/Q",
            "https://sqs.eu-west-1.amazonaws.com/2/q",
            "https://sqs.eu-west-2.amazonaws.com/1/q",
            "https://example.com/1/q",
            "https://example.com:4566/1/q",
        ];
        let names: std::collections::HashSet<_> = others.map(name).into();
        assert_eq!(names.len(), others.len());
    }
}
