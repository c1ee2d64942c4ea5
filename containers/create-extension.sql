-- In the database that the image makes, $POSTGRES_DB, when its data directory is made.
CREATE EXTENSION pgai_rs CASCADE;
