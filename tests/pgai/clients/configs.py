"""Prints, a line each as JSON, the SQL of pgai's client for every config that it knows: configs.py OF_THE_MODEL."""

import json
import sys

from pgai.vectorizer import CreateVectorizer
from pgai.vectorizer import configuration as c

[model] = sys.argv[1:]
EMBEDDING = c.EmbeddingOpenaiConfig(model="stub", dimensions=3, base_url=model)
LOADING = c.LoadingColumnConfig(column_name="content", retries=3)

VARIATIONS = [
    {"loading": c.LoadingUriConfig(column_name="content", retries=2)},
    {"parsing": c.ParsingAutoConfig()},
    {"parsing": c.ParsingNoneConfig()},
    {"chunking": c.ChunkingNoneConfig()},
    {
        "chunking": c.ChunkingCharacterTextSplitterConfig(
            chunk_size=100, chunk_overlap=10, separator="\n", is_separator_regex=False
        )
    },
    {
        "chunking": c.ChunkingRecursiveCharacterTextSplitterConfig(
            chunk_size=100, chunk_overlap=10, separators=["\n\n", ";", " "], is_separator_regex=False
        )
    },
    {"formatting": c.FormattingPythonTemplateConfig(template="title: $chunk")},
    {"indexing": c.IndexingNoneConfig()},
    {"indexing": c.IndexingDefaultConfig()},
    {
        "indexing": c.IndexingHnswConfig(
            min_rows=10, opclass="vector_l1_ops", m=16, ef_construction=64, create_when_queue_empty=False
        )
    },
    {"scheduling": c.SchedulingNoneConfig()},
    {"scheduling": c.SchedulingDefaultConfig()},
    {"processing": c.ProcessingDefaultConfig(batch_size=50, concurrency=2)},
    {"destination": c.DestinationTableConfig(destination="blog_vectors")},
    {"destination": c.DestinationTableConfig(target_schema="public", target_table="s", view_schema="public", view_name="v")},
    {"destination": c.DestinationColumnConfig(embedding_column="vector"), "chunking": c.ChunkingNoneConfig()},
    {"embedding": c.EmbeddingOllamaConfig(model="nomic-embed-text", dimensions=3, base_url=model, keep_alive="5m")},
    {"embedding": c.EmbeddingVoyageaiConfig(model="voyage-3", dimensions=1024, input_type="document")},
    {"embedding": c.EmbeddingLitellmConfig(model="cohere/embed-english-v3.0", dimensions=1024)},
    {"name": "mine", "enqueue_existing": False, "grant_to": ["postgres"]},
    {"queue_schema": "public", "queue_table": "blog_queue"},
]

for variation in VARIATIONS:
    print(json.dumps(CreateVectorizer(**({"source": "blog", "embedding": EMBEDDING, "loading": LOADING} | variation)).to_sql()))
