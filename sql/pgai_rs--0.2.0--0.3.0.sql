-- From 0.2.0 to 0.3.0.

\echo Use "ALTER EXTENSION pgai_rs UPDATE" to load this file. \quit
