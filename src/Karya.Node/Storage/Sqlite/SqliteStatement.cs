using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Text;
using Karya.Engine;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace Karya.Node.Storage.Sqlite;

/// <summary>
/// One prepared statement, used again and again without allocating. Parameters count from 1, columns from 0, as SQLite
/// has it. Failures are <see cref="SqliteException"/>s; what they mean is decided where the transaction is.
/// </summary>
internal sealed class SqliteStatement
{
    private readonly sqlite3 _database;
    private readonly sqlite3_stmt _statement;

    public SqliteStatement(sqlite3 database, string sql)
    {
        _database = database;
        int code = raw.sqlite3_prepare_v3(database, sql, raw.SQLITE_PREPARE_PERSISTENT, out _statement);
        if (code != raw.SQLITE_OK)
            throw Failure(database);
    }

    /// <summary>What SQLite says about the call that failed last on this connection.</summary>
    public static SqliteException Failure(sqlite3 database)
    {
        int code = raw.sqlite3_extended_errcode(database);
        string text = raw.sqlite3_errmsg(database).utf8_to_string();
        return new SqliteException($"SQLite error {code}: {text}", code & 0xFF, code);
    }

    public SqliteStatement Bind(int index, long value)
    {
        Check(raw.sqlite3_bind_int64(_statement, index, value));
        return this;
    }

    /// <summary>Binds 16 big-endian bytes: their order as bytes is the order of the numbers.</summary>
    [SkipLocalsInit]
    public SqliteStatement Bind(int index, UInt128 value)
    {
        Span<byte> bytes = stackalloc byte[16];
        BinaryPrimitives.WriteUInt128BigEndian(bytes, value);
        Check(raw.sqlite3_bind_blob(_statement, index, bytes));
        return this;
    }

    /// <summary>
    /// Binds a blob. An empty one is not NULL; the library would allocate for it if it were bound as a span.
    /// </summary>
    public SqliteStatement Bind(int index, ReadOnlySpan<byte> value)
    {
        Check(value.IsEmpty
            ? raw.sqlite3_bind_zeroblob(_statement, index, 0)
            : raw.sqlite3_bind_blob(_statement, index, value));
        return this;
    }

    public SqliteStatement Bind(int index, in TaskKey key) =>
        Bind(index, key.Plan.Value).Bind(index + 1, key.Occurrence).Bind(index + 2, key.Hook);

    public SqliteStatement BindNull(int index)
    {
        Check(raw.sqlite3_bind_null(_statement, index));
        return this;
    }

    /// <summary>Goes to the next row; false after the last one. Reset it when you stop before that.</summary>
    public bool Step()
    {
        int code = raw.sqlite3_step(_statement);
        if (code == raw.SQLITE_ROW)
            return true;
        if (code == raw.SQLITE_DONE)
        {
            Reset();
            return false;
        }

        var failure = Failure(_database);   // Before the reset, which might change what the connection says.
        Reset();
        throw failure;
    }

    /// <summary>Runs a statement that has no rows to read.</summary>
    public void Run()
    {
        while (Step())
        {
        }
    }

    /// <summary>Lets go of the read lock and the snapshot. It keeps its bindings.</summary>
    public void Reset() => raw.sqlite3_reset(_statement);

    public long Int64(int column) => raw.sqlite3_column_int64(_statement, column);

    public int Int32(int column) => raw.sqlite3_column_int(_statement, column);

    public bool IsNull(int column) => raw.sqlite3_column_type(_statement, column) == raw.SQLITE_NULL;

    /// <summary>The UUID in this column; 0 for NULL.</summary>
    public UInt128 Key(int column)
    {
        var bytes = Bytes(column);
        return bytes.Length == 16 ? BinaryPrimitives.ReadUInt128BigEndian(bytes) : UInt128.Zero;
    }

    /// <summary>Valid until the next step.</summary>
    public ReadOnlySpan<byte> Bytes(int column) => raw.sqlite3_column_blob(_statement, column);

    public string Text(int column) => Encoding.UTF8.GetString(Bytes(column));

    /// <summary>Called by the <see cref="SqliteDatabase"/>, which owns its statements.</summary>
    public void Finish() => _statement.Dispose();

    private void Check(int code)
    {
        if (code != raw.SQLITE_OK)
            throw Failure(_database);
    }
}
