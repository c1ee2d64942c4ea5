//! The declaration of a vectorizer as a whole.

use pgrx::pg_sys;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use pgai_rs_pipeline::config::indexing::Indexing;
use pgai_rs_pipeline::config::{
    CONFIG_VERSION, Chunking, Destination, DestinationNames, Embedding, Formatting, Lenient, Loading,
    Parsing, Processing, Scheduling, Search, VectorizerConfig,
};

use super::config::ConfigPart;
use super::destination::ResolvedType;
use super::{
    chunking, destination, embedding, formatting, indexing, loading, parsing, processing, scheduling, search,
};
use crate::catalog::destination::to_json;
use crate::catalog::relation::{Column, Relation};
use crate::catalog::words;
use crate::pg::error::PgError;

/// The parts of a config that somebody declares, each parsed once.
pub struct ConfigParts {
    /// `ai.loading_*`.
    pub loading: ConfigPart<Loading>,
    /// `ai.parsing_*`.
    pub parsing: ConfigPart<Parsing>,
    /// `ai.embedding_*`.
    pub embedding: ConfigPart<Embedding>,
    /// `ai.chunking_*`.
    pub chunking: ConfigPart<Chunking>,
    /// `ai.indexing_*`.
    pub indexing: ConfigPart<Indexing>,
    /// `ai.formatting_*`.
    pub formatting: ConfigPart<Formatting>,
    /// `ai.scheduling_*`.
    pub scheduling: ConfigPart<Scheduling>,
    /// `ai.processing_*`.
    pub processing: ConfigPart<Processing>,
    /// `ai.destination_*`.
    pub destination: ConfigPart<DestinationNames>,
    /// `ai.search_*`.
    pub search: ConfigPart<Search>,
}

impl ConfigParts {
    /// Parses the parts of a whole config, as it is in a catalog.
    pub fn of_stored(config: &Value) -> Self {
        ConfigParts {
            loading: stored("loading", config),
            parsing: stored("parsing", config),
            embedding: stored("embedding", config),
            chunking: stored("chunking", config),
            indexing: stored("indexing", config),
            formatting: stored("formatting", config),
            scheduling: stored("scheduling", config),
            processing: stored("processing", config),
            destination: stored("destination", config),
            search: stored("search", config),
        }
    }

    /// Errors unless the parts are given that have no default.
    pub fn require_given(&self) -> Result<(), PgError> {
        if !self.embedding.is_given() {
            return Err(PgError::raised("embedding configuration is required"));
        }
        if !self.loading.is_given() {
            return Err(PgError::raised("loading configuration is required"));
        }
        Ok(())
    }

    /// Checks all parts, in pgai's order, and fills in defaults and names.
    pub fn check(
        mut self,
        dimensions: u32,
        source: &Relation,
        columns: &[Column],
    ) -> Result<CheckedConfig, PgError> {
        let loading = loading::check(&self.loading, columns, source.owner)?.clone();
        let parsing = *parsing::check(&self.parsing, &self.loading, columns)?;
        destination::check(&self.destination, &self.chunking)?;
        let embedding = embedding::check(&self.embedding, source.owner)?.clone();
        let chunking = chunking::check(&self.chunking)?.clone();
        self.indexing = indexing::resolve(self.indexing, dimensions)?;
        let of_documents = loading::loads_documents(&self.loading, columns);
        self.formatting = formatting::resolve(self.formatting, columns, of_documents)?;
        self.scheduling = scheduling::resolve(self.scheduling)?;
        let processing = processing::check(&self.processing)?.clone();
        processing::require_batches(&processing, &embedding)?;

        let names = self.destination.readable()?;
        let indexing = self.indexing.readable()?;
        let vector_type = destination::resolve_type(names, columns, dimensions, indexing);
        indexing::require_support(indexing, vector_type.get())?;
        let destination = destination::evaluate(names, source, vector_type.get())?;
        let search = search::check(&self.search, &destination, source.owner)?;

        let config = VectorizerConfig {
            version: CONFIG_VERSION.to_owned(),
            loading,
            parsing,
            embedding,
            chunking,
            indexing: Lenient::Readable(indexing.clone()),
            formatting: self.formatting.readable()?.clone(),
            scheduling: self.scheduling.readable()?.clone(),
            processing,
            destination,
            search,
        };
        let stored = self.into_stored(&config.destination, &config.search);
        Ok(CheckedConfig { config, vector_type, stored })
    }

    /// Returns the parts as they were declared, with the names of the destination and of the table of words filled in.
    fn into_stored(self, destination: &Destination, search: &Search) -> Value {
        let mut stored = json!({
            "version": CONFIG_VERSION,
            "loading": self.loading.into_declared(),
            "parsing": self.parsing.into_declared(),
            "embedding": self.embedding.into_declared(),
            "chunking": self.chunking.into_declared(),
            "indexing": self.indexing.into_declared(),
            "formatting": self.formatting.into_declared(),
            "scheduling": self.scheduling.into_declared(),
            "processing": self.processing.into_declared(),
            "destination": to_json(destination),
        });
        // Without words it is as pgai writes it.
        let words = words::asked_for(search, destination);
        if let Some(search) = words.and_then(|(schema, table)| words::to_json(search, schema, &table)) {
            stored["search"] = search;
        }
        stored
    }

    /// Returns the results of the checks of all parts, for an existing vectorizer of this owner.
    pub fn results(self, columns: &[Column], owner: pg_sys::Oid) -> Vec<Result<(), PgError>> {
        let indexing = self.indexing;
        let indexed = embedding::dimensions(&self.embedding)
            .and_then(|dimensions| indexing::resolve(indexing, dimensions).map(drop));
        vec![
            loading::check(&self.loading, columns, owner).map(drop),
            parsing::check(&self.parsing, &self.loading, columns).map(drop),
            destination::check(&self.destination, &self.chunking),
            embedding::check(&self.embedding, owner).map(drop),
            chunking::check(&self.chunking).map(drop),
            indexed,
            formatting::check_stored(&self.formatting, columns),
            scheduling::resolve(self.scheduling).map(drop),
            processing::check(&self.processing).map(drop),
        ]
    }
}

/// Parses the part of this kind of a whole config.
fn stored<T: DeserializeOwned>(kind: &'static str, config: &Value) -> ConfigPart<T> {
    ConfigPart::parse(kind, config.get(kind).filter(|part| !part.is_null()).cloned())
}

/// A declaration that passed all checks.
pub struct CheckedConfig {
    /// The config as the pipeline reads it.
    pub config: VectorizerConfig,
    /// The type of the vectors, which the config has as well, and where it comes from.
    pub vector_type: ResolvedType,
    /// The config as the catalog keeps it: with whatever keys were declared.
    pub stored: Value,
}
