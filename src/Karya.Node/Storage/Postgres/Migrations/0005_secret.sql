-- By which nodes of a cluster know each other: whoever can read it could as well write to the tables.
CREATE TABLE cluster_secret (secret text NOT NULL);
INSERT INTO cluster_secret SELECT gen_random_uuid()::text || gen_random_uuid()::text;
