-- Daily quotas.

-- What roles that are no superusers have spent of their daily quotas, by day of UTC. Written by the worker; no dump has it, for
-- the roles are those of this cluster.
CREATE TABLE ai._spent (
    role   oid NOT NULL,
    day    date NOT NULL,
    tokens bigint NOT NULL,
    bytes  bigint NOT NULL,
    PRIMARY KEY (role, day)
);

-- Without a policy, so that not even who may write all data can write off a debt.
ALTER TABLE ai._spent ENABLE ROW LEVEL SECURITY;
