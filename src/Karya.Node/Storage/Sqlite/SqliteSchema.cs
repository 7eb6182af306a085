using System.Globalization;
using Karya.Engine.Journal;

namespace Karya.Node.Storage.Sqlite;

/// <summary>Brings a file to the schema of this binary, checks that it fits the node, and takes it over.</summary>
/// <remarks>
/// Migrations are the embedded files <c>Migrations/NNNN_*.sql</c>, applied in the order of their numbers, forward
/// only, all in one transaction: a file is at one version or another, never between.
/// </remarks>
internal sealed class SqliteSchema(SqliteDatabase database, string path)
{
    private const string MigrationPrefix = "Karya.Node.Storage.Sqlite.Migrations.";
    private const int VersionDigits = 4;

    private const string MetaSql = "CREATE TABLE meta (key TEXT NOT NULL PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID";

    /// <summary>Migrates and raises the epoch of every partition.</summary>
    /// <returns>Epoch and projected sequence number per partition, in the order of the partitions.</returns>
    public IReadOnlyList<ProjectedMark> TakeOver(int partitionCount, long nowMs)
    {
        // These work outside a transaction only; the page size is that of the file once it has any page.
        database.Execute("PRAGMA page_size = 8192");
        RequireWriteAheadLog();

        database.Execute("BEGIN EXCLUSIVE");
        try
        {
            Migrate(nowMs);
            MatchPartitions(partitionCount);
            database.Execute("UPDATE partitions SET epoch = epoch + 1");
            var marks = ReadMarks();
            database.Execute("COMMIT");
            return marks;
        }
        catch
        {
            if (database.InTransaction)
                database.Execute("ROLLBACK");
            throw;
        }
    }

    private void RequireWriteAheadLog()
    {
        var mode = database.Prepare("PRAGMA journal_mode = WAL");
        bool isOn = mode.Step() && mode.Text(0) == "wal";
        mode.Reset();
        if (!isOn)
        {
            throw new StoreException(
                $"The store {path} cannot have a write-ahead log, which needs shared memory beside the file. Put it "
                + "on a local disk; network file systems will not do.");
        }
    }

    private void Migrate(long nowMs)
    {
        string[] migrations = [.. typeof(SqliteSchema).Assembly.GetManifestResourceNames()
            .Where(name => name.StartsWith(MigrationPrefix, StringComparison.Ordinal))
            .Order(StringComparer.Ordinal)];
        int known = VersionOf(migrations[^1]);
        long stored = ReadVersion(nowMs);
        if (stored > known)
        {
            throw new StoreException(
                $"The store {path} has schema version {stored}; this karya knows versions up to {known}. Run a karya "
                + "at least as new as the one that wrote it; there is no way back.");
        }

        foreach (string migration in migrations)
        {
            if (VersionOf(migration) > stored)
                database.Execute(ReadText(migration));
        }

        WriteMeta("schema", known);
    }

    private long ReadVersion(long nowMs)
    {
        if (database.ReadInt64("SELECT count(*) FROM sqlite_schema WHERE name = 'meta'") > 0)
            return database.ReadInt64("SELECT value FROM meta WHERE key = 'schema'");
        if (database.ReadInt64("SELECT count(*) FROM sqlite_schema") > 0)
            throw new StoreException($"The file {path} is an SQLite database of another program. Name another file.");

        database.Execute(MetaSql);
        WriteMeta("created_ms", nowMs);
        return 0;
    }

    private static int VersionOf(string migration) =>
        int.Parse(migration.AsSpan(MigrationPrefix.Length, VersionDigits), CultureInfo.InvariantCulture);

    private static string ReadText(string migration)
    {
        using var reader = new StreamReader(typeof(SqliteSchema).Assembly.GetManifestResourceStream(migration)!);
        return reader.ReadToEnd();
    }

    private void WriteMeta(string key, long value) =>
        database.Execute($"INSERT INTO meta VALUES ('{key}', {value}) ON CONFLICT (key) DO UPDATE SET value = {value}");

    private void MatchPartitions(int partitionCount)
    {
        long stored = database.ReadInt64("SELECT value FROM meta WHERE key = 'partitions'");
        if (stored == partitionCount)
            return;
        if (stored != 0)
        {
            throw new StoreException(
                $"The store {path} was created with {stored} partitions and the node is set to {partitionCount}. The "
                + $"number is fixed when a store is created: set it to {stored}.");
        }

        WriteMeta("partitions", partitionCount);
        var insert = database.Prepare("INSERT INTO partitions VALUES (?1, 0, 0)");
        for (int partition = 0; partition < partitionCount; partition++)
            insert.Bind(1, partition).Run();
    }

    private List<ProjectedMark> ReadMarks()
    {
        var marks = new List<ProjectedMark>();
        var rows = database.Prepare("SELECT partition, epoch, projected FROM partitions ORDER BY partition");
        while (rows.Step())
        {
            marks.Add(new ProjectedMark
            {
                Partition = rows.Int32(0),
                Epoch = rows.Int64(1),
                Sequence = rows.Int64(2),
            });
        }

        return marks;
    }
}
