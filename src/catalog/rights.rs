//! Rights to have the server fetch and send: EXECUTE on a builder function, which is granted to roles and not
//! to PUBLIC.
//!
//! A config is JSON that can be written by hand, so denying a role the builder is not enough. The right is
//! checked where a config is accepted, and again for the owner before work is done with it.

use pgrx::{PgSqlErrorCode, pg_sys};

use pgai_rs_pipeline::config::{Author, Embedding, Loading, RerankProtocol};
use pgai_rs_pipeline::embed;

use super::definitions;
use crate::pg::error::PgError;
use crate::pg::identity::{as_superuser, current_user, is_superuser};
use crate::pg::sql;

/// Returns what a role is to the pipeline. Must be called within a transaction.
pub fn author(role: pg_sys::Oid) -> Author {
    match is_superuser(role) {
        true => Author::Superuser,
        false => Author::Other,
    }
}

/// A function of the extension; EXECUTE on it is the right to what it declares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// Sending texts to OpenAI, or to a server with the same API.
    EmbeddingOpenai,
    /// Sending texts to an Ollama server.
    EmbeddingOllama,
    /// Sending texts to Voyage AI.
    EmbeddingVoyageai,
    /// Sending texts to the other providers.
    EmbeddingLitellm,
    /// Sending texts to Cohere, or to a server with the same API, to have them ranked.
    RerankCohere,
    /// The same with Voyage AI.
    RerankVoyageai,
    /// The same with Jina AI.
    RerankJina,
    /// The same with Text Embeddings Inference.
    RerankTei,
    /// Fetching objects from S3.
    LoadingUri,
    /// Listing buckets, and receiving their events.
    CreateS3Source,
}

impl Right {
    /// All rights, in the order of their declaration: a role that has them may declare anything.
    pub const ALL: [Right; definitions::RIGHTS_WATCHED] = [
        Right::EmbeddingOpenai,
        Right::EmbeddingOllama,
        Right::EmbeddingVoyageai,
        Right::EmbeddingLitellm,
        Right::RerankCohere,
        Right::RerankVoyageai,
        Right::RerankJina,
        Right::RerankTei,
        Right::LoadingUri,
        Right::CreateS3Source,
    ];

    /// Returns the rights needed to send texts to the provider of an embedding: LiteLLM's model names lead to
    /// the other builders' providers, too.
    pub fn to_embed(embedding: &Embedding) -> Vec<Right> {
        let of_provider = match embed::provider_prefix(embedding) {
            Some("openai") => Some(Right::EmbeddingOpenai),
            Some("ollama") => Some(Right::EmbeddingOllama),
            Some("voyage") => Some(Right::EmbeddingVoyageai),
            _ => None,
        };
        let of_builder = match embedding {
            Embedding::Openai { .. } => Right::EmbeddingOpenai,
            Embedding::Ollama { .. } => Right::EmbeddingOllama,
            Embedding::Voyageai { .. } => Right::EmbeddingVoyageai,
            Embedding::Litellm { .. } => Right::EmbeddingLitellm,
        };

        let more = of_provider.filter(|right| *right != of_builder);
        [of_builder].into_iter().chain(more).collect()
    }

    /// Errors (42501) unless the role has the rights to send texts to the provider of an embedding.
    pub fn require_to_embed(embedding: &Embedding, role: pg_sys::Oid) -> Result<(), PgError> {
        Right::to_embed(embedding).into_iter().try_for_each(|right| right.require(role))
    }

    /// Returns the right to have texts ranked over this protocol.
    pub fn to_rerank(protocol: RerankProtocol) -> Right {
        match protocol {
            RerankProtocol::Cohere => Right::RerankCohere,
            RerankProtocol::Voyageai => Right::RerankVoyageai,
            RerankProtocol::Jina => Right::RerankJina,
            RerankProtocol::Tei => Right::RerankTei,
        }
    }

    /// Returns the right to fetch documents; `None` if they are in the source itself.
    pub fn to_load(loading: &Loading) -> Option<Right> {
        match loading {
            Loading::Column { .. } => None,
            Loading::Uri { .. } => Some(Right::LoadingUri),
        }
    }

    /// Returns the function's name in the schema `ai`; an older version of the extension may lack the
    /// function.
    pub fn function(self) -> &'static str {
        match self {
            Right::EmbeddingOpenai => "embedding_openai",
            Right::EmbeddingOllama => "embedding_ollama",
            Right::EmbeddingVoyageai => "embedding_voyageai",
            Right::EmbeddingLitellm => "embedding_litellm",
            Right::RerankCohere => "rerank_cohere",
            Right::RerankVoyageai => "rerank_voyageai",
            Right::RerankJina => "rerank_jina",
            Right::RerankTei => "rerank_tei",
            Right::LoadingUri => "loading_uri",
            Right::CreateS3Source => "create_s3_source",
        }
    }

    /// Errors (42501) unless the role has the right.
    pub fn require(self, role: pg_sys::Oid) -> Result<(), PgError> {
        let mut found = self.look(role, "EXECUTE")?;
        // Changes before it was watched were not noticed.
        if found.as_ref().is_some_and(|function| definitions::watch_function(self as usize, function.oid)) {
            found = self.look(role, "EXECUTE")?;
        }
        if found.is_some_and(|function| function.is_permitted) {
            return Ok(());
        }

        let name = self.function();
        let (role, literal) = names_of(role)?;
        Err(PgError::new(
            PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE,
            format!("permission denied for function {name}"),
        )
        .with_detail(format!(
            "Role {role} lacks EXECUTE on ai.{name}, which is the right to declare what it returns."
        ))
        .with_hint(format!(
            "GRANT EXECUTE ON FUNCTION ai.{name} TO {role}; or, for all vectorizers and S3 sources, SELECT \
             ai.grant_vectorizer_usage({literal});"
        )))
    }

    /// Returns whether the role has the right.
    pub fn is_of(self, role: pg_sys::Oid) -> Result<bool, PgError> {
        let found = self.look(role, "EXECUTE")?;
        Ok(found.is_some_and(|function| function.is_permitted))
    }

    /// Returns whether the role may grant the right to others, or nobody has to: an older version of the extension lacks the
    /// function.
    pub fn may_grant(self, role: pg_sys::Oid) -> Result<bool, PgError> {
        let found = self.look(role, "EXECUTE WITH GRANT OPTION")?;
        Ok(found.is_none_or(|function| function.is_permitted))
    }

    /// Returns the extension's function, and whether a role has a privilege on it; `None` if there is none. A
    /// function of the same name that is not the extension's does not count.
    fn look(self, role: pg_sys::Oid, privilege: &str) -> Result<Option<Function>, PgError> {
        let found = as_superuser(|| {
            sql::read_now(
                "SELECT p.oid, p.oid::pg_catalog.regprocedure::pg_catalog.text,
                        pg_catalog.has_function_privilege($1, p.oid, $3)
                 FROM pg_catalog.pg_proc p
                 JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
                 JOIN pg_catalog.pg_depend d
                   ON d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid AND d.deptype = 'e'
                  AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
                 JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
                 WHERE n.nspname = 'ai' AND p.proname = $2::pg_catalog.name AND e.extname = 'pgai_rs'",
                &[role.into(), self.function().to_owned().into(), privilege.to_owned().into()],
                |row| Ok(Function { oid: row.get(1)?, signature: row.get(2)?, is_permitted: row.get(3)? }),
            )
        })?;
        Ok(found.into_iter().next())
    }
}

/// A function of the extension.
struct Function {
    oid: pg_sys::Oid,
    /// Its name with its schema and the types of its arguments.
    signature: String,
    /// True if the role has the privilege that was asked about.
    is_permitted: bool,
}

/// Grants rights with the current user's own grant option to a role, whose name is quoted if necessary.
pub fn grant(rights: &[Right], role: &str) -> Result<(), PgError> {
    let mut functions = Vec::new();
    for right in rights {
        functions.extend(right.look(current_user(), "EXECUTE")?.map(|function| function.signature));
    }
    sql::execute(&format!("GRANT EXECUTE ON FUNCTION {} TO {role}", functions.join(", ")), &[]).map(drop)
}

/// Returns a role's name as an identifier, quoted if necessary, and as a literal.
fn names_of(role: pg_sys::Oid) -> Result<(String, String), PgError> {
    let names = as_superuser(|| {
        sql::read_now(
            "SELECT pg_catalog.quote_ident(r.name::pg_catalog.text), pg_catalog.quote_literal(r.name::pg_catalog.text)
             FROM pg_catalog.pg_get_userbyid($1) AS r (name)",
            &[role.into()],
            |row| Ok((row.get::<String>(1)?, row.get::<String>(2)?)),
        )
    })?;
    names.into_iter().next().ok_or_else(|| PgError::internal("could not look up the name of a role"))
}
