using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace Karya.Node.Storage.Sqlite;

/// <summary>One connection with its prepared statements. One thread at a time.</summary>
internal sealed class SqliteDatabase : IDisposable
{
    /// <summary>
    /// Nobody of ours waits for a lock (one writer, and readers never block), so that this is for a person who looks
    /// into the file with another tool.
    /// </summary>
    private const int BusyTimeoutMs = 2000;

    private readonly List<SqliteStatement> _statements = [];

    private SqliteDatabase(SqliteConnection connection)
    {
        Connection = connection;
    }

    public SqliteConnection Connection { get; }

    /// <summary>
    /// A transaction was begun and has neither been committed nor rolled back, by us or by SQLite itself.
    /// </summary>
    public bool InTransaction => raw.sqlite3_get_autocommit(Handle) == 0;

    /// <summary>How many rows the last statement changed.</summary>
    public int Changes => raw.sqlite3_changes(Handle);

    private sqlite3 Handle => Connection.Handle!;

    /// <param name="path">The file.</param>
    /// <param name="mode">Whether it may be created or written.</param>
    /// <param name="cacheKib">Pages kept in memory, in KiB.</param>
    public static SqliteDatabase Open(string path, SqliteOpenMode mode, int cacheKib)
    {
        var settings = new SqliteConnectionStringBuilder { DataSource = path, Mode = mode, Pooling = false };
        var database = new SqliteDatabase(new SqliteConnection(settings.ConnectionString));
        try
        {
            database.Connection.Open();
            database.Execute($"PRAGMA busy_timeout = {BusyTimeoutMs}");
            database.Execute($"PRAGMA cache_size = -{cacheKib}");
            database.Execute("PRAGMA temp_store = MEMORY");
            return database;
        }
        catch
        {
            database.Dispose();
            throw;
        }
    }

    /// <summary>Prepares a statement that lives as long as the connection.</summary>
    public SqliteStatement Prepare(string sql)
    {
        var statement = new SqliteStatement(Handle, sql);
        _statements.Add(statement);
        return statement;
    }

    /// <summary>Runs one or several statements whose rows nobody wants.</summary>
    public void Execute(string sql)
    {
        if (raw.sqlite3_exec(Handle, sql) != raw.SQLITE_OK)
            throw SqliteStatement.Failure(Handle);
    }

    /// <summary>The first column of the first row as a number; 0 when there is no row or NULL.</summary>
    public long ReadInt64(string sql)
    {
        var statement = new SqliteStatement(Handle, sql);
        try
        {
            return statement.Step() ? statement.Int64(0) : 0;
        }
        finally
        {
            statement.Finish();
        }
    }

    public void Dispose()
    {
        foreach (var statement in _statements)
            statement.Finish();
        Connection.Dispose();
    }
}
