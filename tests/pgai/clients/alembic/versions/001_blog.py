"""A table and its vectorizer."""

import sqlalchemy as sa
from alembic import context, op
from pgai.vectorizer.configuration import (
    ChunkingRecursiveCharacterTextSplitterConfig,
    EmbeddingOpenaiConfig,
    FormattingPythonTemplateConfig,
    LoadingColumnConfig,
)

revision = "001"
down_revision = None


def upgrade():
    op.create_table("blog", sa.Column("id", sa.Integer, primary_key=True), sa.Column("content", sa.Text))
    op.create_vectorizer(
        source="blog",
        loading=LoadingColumnConfig(column_name="content"),
        embedding=EmbeddingOpenaiConfig(
            model="stub", dimensions=8, base_url=context.get_x_argument(as_dictionary=True)["model"]
        ),
        chunking=ChunkingRecursiveCharacterTextSplitterConfig(chunk_size=50, chunk_overlap=10),
        formatting=FormattingPythonTemplateConfig(template="Blog: $chunk"),
    )


def downgrade():
    op.drop_vectorizer(name="public_blog_embedding_store", drop_all=True)
    op.drop_table("blog")
