-- Embedding a query with a vectorizer's own model.
--
-- STABLE, for the answer is remembered for the rest of the statement: an ORDER BY that calls it for
-- every row asks the model once. Not IMMUTABLE: it goes over the network.

CREATE FUNCTION ai.vectorizer_embed(embedding_config jsonb, input_text text, input_type text DEFAULT NULL)
RETURNS vector
LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'vectorizer_embed_config';

CREATE FUNCTION ai.vectorizer_embed(vectorizer_id int4, input_text text, input_type text DEFAULT NULL)
RETURNS vector
LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'vectorizer_embed_id';

CREATE FUNCTION ai.vectorizer_embed(name text, input_text text, input_type text DEFAULT NULL)
RETURNS vector
LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'vectorizer_embed_name';
