-- Fills Karya's tables for explain.sql: 5 M ended plans over 8 ranges, 2 M ended tasks, 0.5 M errors, 1 M plans that
-- go on. Into an empty database, in the schema of search_path:
--
--   psql -1 -f 0001_tables.sql -f 0002_history.sql -f 0003_results.sql -f fill.sql    (1 to 3 are migrations)
--   psql -f explain.sql
\set width_ms 75600000
\set day_zero 1512000000000

SELECT add_history_range(:day_zero + n * :width_ms, :day_zero + (n + 1) * :width_ms) FROM generate_series(0, 10) AS n;

-- Ids in the order of their creation, as Karya's are. 1,000 users; every 50th plan has a parent.
CREATE FUNCTION id_of(number bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS
  $$ SELECT (lpad(to_hex(number), 12, '0') || '7000' || '8' || substr(md5(number::text), 1, 15))::uuid $$;
CREATE FUNCTION user_of(number bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS
  $$ SELECT md5((number % 1000)::text)::uuid $$;

INSERT INTO users (id, name, created_ms, plan_count)
SELECT user_of(n), convert_to('user ' || n, 'UTF8'), :day_zero, 6000 FROM generate_series(0, 999) AS n;

INSERT INTO plan_history
SELECT id_of(n), user_of(n), CASE WHEN n % 50 = 0 THEN id_of(n - 7) END, n % 64, 2 + (n % 10 = 0)::int,
  :day_zero + n * 121, :day_zero + n * 121, '\x00', decode(repeat(md5(n::text), 14), 'hex'), decode(md5(n::text), 'hex')
FROM generate_series(1, 5000000) AS n;

INSERT INTO plans
SELECT id_of(n), user_of(n), CASE WHEN n % 50 = 0 THEN id_of(n - 7) END, n % 64, 1,
  :day_zero + n * 121, :day_zero + n * 121, :day_zero + 1000000000 + ((n * 7919::bigint) % 3600000), '\x00',
  decode(repeat(md5(n::text), 14), 'hex'), NULL
FROM generate_series(5000001, 6000000) AS n;

-- 10 occurrences of each of 200,000 plans, one in twenty failed.
INSERT INTO task_history
SELECT id_of(5000001 + n % 200000), 1 + n / 200000, 0, 2 + (n % 20 = 0)::int, 0, 1 + n / 200000,
  :day_zero + n * 121, :day_zero + n * 121, :day_zero + n * 121, :day_zero + n * 121, 1
FROM generate_series(0, 1999999) AS n;

INSERT INTO errors
SELECT id_of(5000001 + n % 50000), 1 + n / 50000, 0, 1, :day_zero + n * 1210, convert_to('connection refused', 'UTF8')
FROM generate_series(0, 499999) AS n;
