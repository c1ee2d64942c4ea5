-- S3: what to do that it works, and what is wrong when it does not.

-- The IAM policies that let this server read a bucket or, as s3://bucket/prefix/, a part of it: the
-- permissions and, with a role, the role's trust and the server's right to assume it. server_arn is
-- the server's identity, as ai.check_s3 shows it.
CREATE FUNCTION ai.s3_policies(bucket text, aws_role_arn text DEFAULT NULL, server_arn text DEFAULT NULL)
RETURNS TABLE (policy text, attach_to text, document jsonb)
LANGUAGE c STABLE AS 'MODULE_PATHNAME', 's3_policies_wrapper';

-- Walks the way to an object, a row a step. ok is NULL for a step that was not come to, or that can't
-- tell and does not matter. It asks as the server does, whatever the caller may do otherwise, and
-- says who the server is: the administrator decides who may call it.
CREATE FUNCTION ai.check_s3(
    uri text,
    aws_role_arn text DEFAULT NULL,
    region text DEFAULT NULL,
    endpoint text DEFAULT NULL,
    url_style text DEFAULT NULL,
    anonymous bool DEFAULT false
) RETURNS TABLE (step text, ok bool, message text, hint text)
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'check_s3_wrapper';
REVOKE EXECUTE ON FUNCTION ai.check_s3 FROM PUBLIC;
