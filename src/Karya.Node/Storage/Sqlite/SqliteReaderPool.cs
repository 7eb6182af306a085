namespace Karya.Node.Storage.Sqlite;

/// <summary>
/// The read connections, opened when they are first needed. Readers see the last commit and block nobody; whoever comes
/// when all are in use waits.
/// </summary>
internal sealed class SqliteReaderPool(string path) : IDisposable
{
    /// <summary>Questions at a time: more than the cores of a small machine would only wait for each other.</summary>
    private const int ReadersMax = 4;

    private readonly object _sync = new();
    private readonly Stack<SqliteReader> _idle = [];
    private int _rented;
    private bool _closed;

    public SqliteReader Rent()
    {
        lock (_sync)
        {
            while (_rented == ReadersMax)
                Monitor.Wait(_sync);
            ObjectDisposedException.ThrowIf(_closed, this);
            var reader = _idle.TryPop(out var idle) ? idle : new SqliteReader(path);
            _rented++;
            return reader;
        }
    }

    public void Return(SqliteReader reader)
    {
        lock (_sync)
        {
            _rented--;
            _idle.Push(reader);
            Monitor.PulseAll(_sync);
        }
    }

    /// <summary>Waits for the questions under way.</summary>
    public void Dispose()
    {
        lock (_sync)
        {
            _closed = true;
            while (_rented > 0)
                Monitor.Wait(_sync);
            while (_idle.TryPop(out var reader))
                reader.Dispose();
        }
    }
}
