-- S3: what to do that it works, and what is wrong when it does not.

-- The IAM policies that let this server read a bucket or, as s3://bucket/prefix/, a part of it: the
-- permissions and, with a role, the role's trust and the server's right to assume it. server_arn is
-- the server's identity, as ai.check_s3 shows it.
CREATE FUNCTION ai.s3_policies(bucket text, aws_role_arn text DEFAULT NULL, server_arn text DEFAULT NULL)
RETURNS TABLE (policy text, attach_to text, document jsonb)
LANGUAGE c STABLE AS 'MODULE_PATHNAME', 's3_policies_wrapper';
