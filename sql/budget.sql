-- Budgets: what vectorizers, roles and the database may use of models in a day or a month.

-- The first day of the present period, in UTC.
CREATE FUNCTION ai._budget_begins(period text) RETURNS date
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
RETURN date_trunc(period, now() AT TIME ZONE 'UTC')::date;

-- What may be used. Zeroes stand for no vectorizer and for no role; both for the database.
CREATE TABLE ai._budget (
    id         uuid NOT NULL DEFAULT gen_random_uuid() UNIQUE,
    -- ai.vectorizer.uuid.
    vectorizer uuid NOT NULL,
    role       oid NOT NULL,
    purpose    text NOT NULL CONSTRAINT _budget_purpose_check CHECK (purpose IN ('documents', 'queries')),
    period     text NOT NULL CONSTRAINT _budget_period_check CHECK (period IN ('day', 'month')),
    unit       text NOT NULL CONSTRAINT _budget_unit_check CHECK (unit IN ('tokens', 'usd')),
    amount     float8 NOT NULL CONSTRAINT _budget_amount_check CHECK (amount >= 0 AND amount <= 1e15),
    -- What had been used in the period in which it was set.
    before     float8 NOT NULL,
    since      date NOT NULL,
    PRIMARY KEY (vectorizer, role, purpose, period, unit)
);

-- Roles are those of this cluster.
SELECT pg_catalog.pg_extension_config_dump('ai._budget', 'WHERE role = 0');

-- What was used since. In a table of its own, so that the worker, which writes it, never waits for somebody who sets a budget.
CREATE TABLE ai._budget_used (
    budget uuid PRIMARY KEY,
    since  date NOT NULL,
    used   float8 NOT NULL
);
SELECT pg_catalog.pg_extension_config_dump('ai._budget_used', '');

-- Without a policy, so that nobody writes them but the extension.
ALTER TABLE ai._budget ENABLE ROW LEVEL SECURITY;
ALTER TABLE ai._budget_used ENABLE ROW LEVEL SECURITY;

-- The worker is told of what is set.
CREATE TRIGGER _changed AFTER INSERT OR UPDATE OR DELETE ON ai._budget
FOR EACH ROW EXECUTE FUNCTION ai._catalog_changed();
ALTER TABLE ai._budget ENABLE ALWAYS TRIGGER _changed;

CREATE VIEW ai._budget_state AS
SELECT b.id, b.vectorizer, b.role,
       CASE WHEN b.role <> 0 THEN 'role' WHEN b.vectorizer <> '00000000-0000-0000-0000-000000000000' THEN 'vectorizer'
            ELSE 'database' END AS holder,
       coalesce(v.name::text, r.rolname::text,
                CASE WHEN b.role = 0 AND b.vectorizer = '00000000-0000-0000-0000-000000000000' THEN current_database()::text END) AS name,
       b.purpose, b.period, b.unit, b.amount,
       CASE WHEN b.since >= p.begins THEN b.before ELSE 0 END + CASE WHEN u.since >= p.begins THEN u.used ELSE 0 END AS used,
       p.begins, (p.begins + ('1 ' || b.period)::interval)::date AS ends
FROM ai._budget b
CROSS JOIN LATERAL (SELECT ai._budget_begins(b.period)) AS p (begins)
LEFT JOIN ai._budget_used u ON u.budget = b.id
LEFT JOIN ai.vectorizer v ON v.uuid = b.vectorizer
LEFT JOIN pg_catalog.pg_roles r ON r.oid = b.role;

-- NULL as amount drops it; an amount that counts as used lets it begin anew. Of a vectorizer by its owner, else by a superuser.
CREATE FUNCTION ai.set_budget(
    amount float8,
    unit text DEFAULT 'usd',
    period text DEFAULT 'month',
    vectorizer text DEFAULT NULL,
    role name DEFAULT NULL,
    purpose text DEFAULT 'documents',
    used float8 DEFAULT NULL
) RETURNS void
LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'set_budget_wrapper';

-- Of one's own vectorizers and roles; and of all for who monitors all.
CREATE VIEW ai.budgets WITH (security_barrier) AS
SELECT b.holder, b.name, b.purpose, b.period, b.unit, b.amount, round(b.used::numeric, 6)::float8 AS used,
       b.ends::timestamp AT TIME ZONE 'UTC' AS renewed_at
FROM ai._budget_state b
WHERE b.name IS NOT NULL
  AND ((SELECT ai._watches_all())
       OR b.holder = 'role' AND pg_has_role(b.role, 'USAGE')
       OR b.holder = 'vectorizer' AND EXISTS (
           SELECT FROM ai.vectorizer v
           JOIN ai._vectorizer_binding i ON i.vectorizer_id = v.id
           JOIN pg_catalog.pg_class c ON c.oid = i.source
           WHERE v.uuid = b.vectorizer AND pg_has_role(c.relowner, 'USAGE')));

GRANT SELECT ON ai.budgets TO PUBLIC;
