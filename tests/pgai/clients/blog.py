"""A user's application on pgai's SQLAlchemy relationship: blog.py URL OF_THE_MODEL. Prints what it found."""

import json
import sys
import time

from pgai.sqlalchemy import vectorizer_relationship
from pgai.vectorizer import CreateVectorizer
from pgai.vectorizer.configuration import EmbeddingOpenaiConfig, LoadingColumnConfig
from sqlalchemy import Text, create_engine, func, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

DEADLINE = 30


class Base(DeclarativeBase):
    pass


class Blog(Base):
    __tablename__ = "blog"
    id: Mapped[int] = mapped_column(primary_key=True)
    content: Mapped[str] = mapped_column(Text)
    embeddings = vectorizer_relationship(dimensions=8)


def main(url: str, model: str) -> None:
    engine = create_engine(url)
    Base.metadata.create_all(engine, tables=[Blog.__table__])
    declared = CreateVectorizer(
        source="blog",
        loading=LoadingColumnConfig(column_name="content"),
        embedding=EmbeddingOpenaiConfig(model="stub", dimensions=8, base_url=model),
    )
    with Session(engine) as session:
        session.execute(text(declared.to_sql()))
        session.add_all([Blog(id=1, content="of cats"), Blog(id=2, content="of dogs")])
        session.commit()
        Embedding = Blog.embeddings
        until = time.monotonic() + DEADLINE
        while session.scalar(select(func.count()).select_from(Embedding)) < 2 and time.monotonic() < until:
            session.rollback()
        question = func.ai.vectorizer_embed(text("1"), "of dogs")
        nearest = session.scalars(select(Embedding).order_by(Embedding.embedding.cosine_distance(question))).first()
        blogs = session.scalars(select(Blog).order_by(Blog.id)).all()
        found = {
            "nearest": nearest.parent.content,
            "chunks": {blog.id: [embedding.chunk for embedding in blog.embeddings] for blog in blogs},
        }
    print(json.dumps(found))


main(*sys.argv[1:])
