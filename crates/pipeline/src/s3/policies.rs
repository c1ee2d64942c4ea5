//! The IAM policies that let a Postgres server read a part of a bucket, ready to be pasted into IAM.

use serde_json::{Value, json};

/// Stands for what nobody has told; IAM refuses it, so that it can't be overlooked.
const SERVER_PLACEHOLDER: &str = "arn:aws:iam::ACCOUNT-OF-THE-SERVER:role/ROLE-OF-THE-SERVER";
const ROLE_PLACEHOLDER: &str = "the server's own identity";

/// The access that the policies are to allow.
#[derive(Debug, Clone, Copy)]
pub struct Access<'a> {
    /// The bucket.
    pub bucket: &'a str,
    /// The beginning of the keys; empty for the whole bucket.
    pub prefix: &'a str,
    /// The role that the server assumes; none if it asks as itself.
    pub role_arn: Option<&'a str>,
    /// The server's own identity, as STS or IAM names it.
    pub server_arn: Option<&'a str>,
    /// The external id that the server gives with each request to assume a role.
    pub external_id: Option<&'a str>,
}

/// A policy, and where it belongs.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// `permissions`, `trust` or `assume_role`.
    pub name: &'static str,
    /// The identity that it is attached to.
    pub attach_to: String,
    /// The policy.
    pub document: Value,
}

/// The policies that make an access work: the permissions and, with a role, the role's trust and the
/// server's right to assume it.
pub fn policies(access: &Access<'_>) -> Vec<Policy> {
    let permissions = Policy {
        name: "permissions",
        attach_to: access.role_arn.or(access.server_arn).unwrap_or(ROLE_PLACEHOLDER).to_owned(),
        document: permissions(access),
    };

    let Some(role_arn) = access.role_arn else { return vec![permissions] };
    let server = access.server_arn.map_or_else(|| SERVER_PLACEHOLDER.to_owned(), principal);
    let trust = Policy {
        name: "trust",
        attach_to: role_arn.to_owned(),
        document: trust(&server, access.external_id),
    };

    let assume = statement("AssumeRole", "sts:AssumeRole", &json!(role_arn));
    vec![permissions, trust, Policy { name: "assume_role", attach_to: server, document: policy(&[assume]) }]
}

/// The permissions on the objects and on the bucket. ListBucket is asked for too: without it S3 says of a
/// missing key that it is forbidden, and a bucket can't be listed into a table. Tags are in a statement of their own, which may
/// be left out: only sources whose metadata has them read them.
fn permissions(access: &Access<'_>) -> Value {
    let bucket = format!("arn:{}:s3:::{}", partition(access), access.bucket);
    let objects = json!(format!("{bucket}/{}*", literal(access.prefix)));
    let read = statement("ReadObjects", json!(["s3:GetObject", "s3:GetObjectVersion"]), &objects);
    let tags = statement("ReadTags", "s3:GetObjectTagging", &objects);

    let mut list = statement("ListObjects", "s3:ListBucket", &json!(bucket));
    if !access.prefix.is_empty() {
        list["Condition"] = json!({"StringLike": {"s3:prefix": format!("{}*", literal(access.prefix))}});
    }
    policy(&[read, list, tags])
}

fn trust(server: &str, external_id: Option<&str>) -> Value {
    let mut statement = json!({
        "Sid": "TrustPostgres",
        "Effect": "Allow",
        "Principal": {"AWS": server},
        "Action": "sts:AssumeRole",
    });
    if let Some(external_id) = external_id {
        statement["Condition"] = json!({"StringEquals": {"sts:ExternalId": external_id}});
    }
    policy(&[statement])
}

fn statement(id: &str, action: impl Into<Value>, resource: &Value) -> Value {
    json!({"Sid": id, "Effect": "Allow", "Action": action.into(), "Resource": resource})
}

fn policy(statements: &[Value]) -> Value {
    json!({"Version": "2012-10-17", "Statement": statements})
}

/// `aws`, `aws-us-gov` or `aws-cn`, as the identities have it.
fn partition<'a>(access: &Access<'a>) -> &'a str {
    let arn = access.role_arn.or(access.server_arn);
    arn.and_then(|arn| arn.split(':').nth(1)).filter(|part| !part.is_empty()).unwrap_or("aws")
}

/// Writes a prefix so that IAM takes it literally: IAM reads `*`, `?` and `${…}` of a resource, and those of
/// a key are written as variables.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html>
fn literal(prefix: &str) -> String {
    let mut text = String::with_capacity(prefix.len());
    for c in prefix.chars() {
        match c {
            '*' | '?' | '$' => text.extend(["${", c.encode_utf8(&mut [0; 4]), "}"]),
            other => text.push(other),
        }
    }
    text
}

/// Returns the identity as a trust policy names it: the role, where STS names a session of it.
fn principal(arn: &str) -> String {
    role_of_session(arn).unwrap_or_else(|| arn.to_owned())
}

/// `arn:aws:sts::1:assumed-role/name/session` → `arn:aws:iam::1:role/name`.
fn role_of_session(arn: &str) -> Option<String> {
    let (head, rest) = arn.split_once(":assumed-role/")?;
    let (name, _session) = rest.split_once('/')?;
    Some(format!("{}:role/{name}", head.replacen(":sts:", ":iam:", 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLE: &str = "arn:aws-us-gov:iam::123456789012:role/reader";

    fn access() -> Access<'static> {
        Access { bucket: "b", prefix: "", role_arn: None, server_arn: None, external_id: None }
    }

    #[test]
    fn without_a_role_the_server_itself_may_read() {
        let [permissions] = &policies(&access())[..] else { panic!("one policy") };
        assert_eq!(permissions.attach_to, "the server's own identity");
        assert_eq!(permissions.document["Statement"][0]["Resource"], "arn:aws:s3:::b/*");
        assert_eq!(permissions.document["Statement"][1]["Resource"], "arn:aws:s3:::b");
        assert_eq!(permissions.document["Statement"][1].get("Condition"), None);
        assert_eq!(permissions.document["Statement"][2]["Action"], "s3:GetObjectTagging");
    }

    #[test]
    fn a_role_trusts_the_server_and_its_external_id() {
        let session = "arn:aws-us-gov:sts::123456789012:assumed-role/postgres/i-0abc";
        let access = Access {
            role_arn: Some(ROLE),
            server_arn: Some(session),
            external_id: Some("project/service"),
            ..access()
        };
        let [permissions, trust, assume] = &policies(&access)[..] else { panic!("three policies") };
        let server = "arn:aws-us-gov:iam::123456789012:role/postgres";
        assert_eq!(permissions.document["Statement"][0]["Resource"], "arn:aws-us-gov:s3:::b/*");
        assert_eq!(
            (trust.attach_to.as_str(), &trust.document["Statement"][0]["Principal"]["AWS"]),
            (ROLE, &json!(server))
        );
        let condition = &trust.document["Statement"][0]["Condition"];
        assert_eq!(condition, &json!({"StringEquals": {"sts:ExternalId": "project/service"}}));
        assert_eq!(
            (assume.attach_to.as_str(), &assume.document["Statement"][0]["Resource"]),
            (server, &json!(ROLE))
        );
    }

    #[test]
    fn a_prefix_is_taken_literally() {
        let policies = policies(&Access { prefix: "a*/$b?/", ..access() });
        let statements = &policies[0].document["Statement"];
        assert_eq!(statements[0]["Resource"], "arn:aws:s3:::b/a${*}/${$}b${?}/*");
        assert_eq!(statements[1]["Condition"]["StringLike"]["s3:prefix"], "a${*}/${$}b${?}/*");
    }
}
