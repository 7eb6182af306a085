using System.Data;
using Npgsql;

namespace Karya.Node.Storage.Postgres;

/// <summary>
/// A connection of one thread: opened when it is needed, kept while it works, thrown away when it broke.
/// </summary>
/// <param name="source">Without a pool, so that what is thrown away never comes back.</param>
internal sealed class PostgresLink(NpgsqlDataSource source) : IDisposable
{
    private NpgsqlConnection? _connection;

    /// <summary>The server's number for the session that was opened last; 0 before the first.</summary>
    public int SessionId { get; private set; }

    /// <summary>Counts connections; prepared statements belong to one of them.</summary>
    public int Generation { get; private set; }

    /// <summary>The connection. Throws when there is none to be had; then nothing was sent.</summary>
    public NpgsqlConnection Open()
    {
        if (_connection is { State: ConnectionState.Open })
            return _connection;
        Drop(); // Some errors (a full disk, say) make the driver close it although the server goes on.
        _connection = source.OpenConnection();
        Generation++;
        SessionId = _connection.ProcessID;
        return _connection;
    }

    /// <summary>
    /// The connection broke, or what it does is not known: the next call gets another one. The server ends the session
    /// when it notices.
    /// </summary>
    public void Drop()
    {
        try
        {
            _connection?.Dispose();
        }
        catch (Exception e) when (PostgresFailure.IsOne(e))
        {
            // It was broken anyway.
        }

        _connection = null;
    }

    public void Dispose()
    {
        Drop();
        _connection?.Dispose(); // Drop has done it; the analyzer does not look into it.
    }
}
