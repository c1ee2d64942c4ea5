"""Alembic's environment, as pgai's guide tells its users to write it."""

from alembic import context
from pgai.alembic import register_operations
from sqlalchemy import create_engine

register_operations()

with create_engine(context.get_x_argument(as_dictionary=True)["url"]).connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
