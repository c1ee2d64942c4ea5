//! The administrator's lists of addresses and of roles, and their meaning for one who asks.
//!
//! A list that names something binds everybody. An empty one is closed: what it would allow is for
//! superusers, who are administrators, and not for what others declare.

use std::sync::LazyLock;

use crate::config::{Author, S3Access};

/// The prefix of every object.
static EVERYTHING: LazyLock<[String; 1]> = LazyLock::new(|| ["s3://".to_owned()]);

/// Returns the prefixes of the objects that may be asked for with `access`, where `pgai_rs.allowed_uris` is
/// `prefixes`.
///
/// If that is empty, a role that is assumed gets what its own policies let it, and the server's own
/// credentials get nothing for anybody but a superuser: whatever they can read would be everybody's.
///
/// ```
/// use pgai_rs_pipeline::config::{Author, S3Access};
/// use pgai_rs_pipeline::s3::reachable;
///
/// let own = S3Access::default();
/// let superusers = S3Access { author: Author::Superuser, ..S3Access::default() };
/// let role = Some("arn:aws:iam::1:role/reader".to_owned());
/// let in_role = S3Access { aws_role_arn: role, ..S3Access::default() };
/// let public = S3Access { anonymous: true, ..S3Access::default() };
///
/// let listed = ["s3://documents/".to_owned()];
/// assert!([&own, &superusers, &in_role].iter().all(|access| reachable(&listed, access) == listed));
///
/// assert_eq!(reachable(&[], &superusers), ["s3://"]);
/// assert_eq!(reachable(&[], &in_role), ["s3://"]);
/// assert!(reachable(&[], &own).is_empty() && reachable(&[], &public).is_empty());
/// ```
pub fn reachable<'a>(prefixes: &'a [String], access: &S3Access) -> &'a [String] {
    let bound_otherwise = access.author == Author::Superuser || access.aws_role_arn.is_some();
    match prefixes.is_empty() && bound_otherwise {
        true => &*EVERYTHING,
        false => prefixes,
    }
}

/// Returns whether a role may be assumed for an author, where `pgai_rs.allowed_role_arns` is `prefixes`.
///
/// If that is empty, a superuser may name any. Others may name none: a role trusts this server, and not one
/// tenant of it, so that each could name the roles of the others.
///
/// ```
/// use pgai_rs_pipeline::config::Author;
/// use pgai_rs_pipeline::s3::role_allowed;
///
/// let ours = ["arn:aws:iam::1:role/documents-".to_owned()];
/// for author in [Author::Superuser, Author::Other] {
///     assert!(role_allowed("arn:aws:iam::1:role/documents-a", &ours, author));
///     assert!(!role_allowed("arn:aws:iam::1:role/admin", &ours, author));
/// }
///
/// assert!(role_allowed("arn:aws:iam::1:role/admin", &[], Author::Superuser));
/// assert!(!role_allowed("arn:aws:iam::1:role/admin", &[], Author::Other));
/// ```
pub fn role_allowed(role_arn: &str, prefixes: &[String], author: Author) -> bool {
    match prefixes {
        [] => author == Author::Superuser,
        prefixes => prefixes.iter().any(|prefix| !prefix.is_empty() && role_arn.starts_with(prefix.as_str())),
    }
}
