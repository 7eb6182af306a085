using System.Data;
using System.Globalization;
using System.Text;
using Npgsql;

namespace Karya.Node.Storage.Postgres;

/// <summary>Gets one row of the journal with its id; the bytes are valid during the call only.</summary>
internal delegate void NumberedRowReader(long id, ReadOnlySpan<byte> body);

/// <summary>Reads the journal back: rows that the tables may lack, in the order of their ids.</summary>
/// <remarks>
/// A partition's records are all in one stream for as long as it has one owner, and a later owner's ids are higher, so
/// this is their order.
/// </remarks>
internal sealed class PostgresJournalReader(NpgsqlConnection connection)
{
    /// <summary>All streams.</summary>
    /// <exception cref="NpgsqlException">The database failed.</exception>
    public void Read(JournalRowReader reader) => Read(StreamsOf(connection), (_, body) => reader(body));

    /// <summary>One stream.</summary>
    /// <exception cref="NpgsqlException">The database failed.</exception>
    public void Read(int stream, NumberedRowReader reader) => Read([stream], reader);

    public static List<int> StreamsOf(NpgsqlConnection connection)
    {
        var streams = new List<int>();
        using var command = new NpgsqlCommand("SELECT stream FROM journal_stream ORDER BY stream", connection);
        using var rows = command.ExecuteReader();
        while (rows.Read())
            streams.Add(rows.GetInt32(0));
        return streams;
    }

    private void Read(List<int> streams, NumberedRowReader reader)
    {
        if (streams.Count == 0)
            return;
        using var command = new NpgsqlCommand(SqlFor(streams), connection);
        command.CommandTimeout = 0; // As long as it takes; rows come one by one.
        using var rows = command.ExecuteReader(CommandBehavior.SequentialAccess);
        byte[] body = [];
        while (rows.Read())
        {
            long id = rows.GetInt64(0);
            int length = (int)rows.GetBytes(1, 0, null, 0, 0);
            if (body.Length < length)
                body = new byte[Math.Max(length, 2 * body.Length)];
            for (int read = 0; read < length;)
                read += (int)rows.GetBytes(1, read, body, read, length - read);
            reader(id, body.AsSpan(0, length));
        }
    }

    private static string SqlFor(List<int> streams)
    {
        var sql = new StringBuilder("SELECT id, body FROM (");
        string separator = "";
        foreach (int stream in streams)
        {
            for (int segment = 0; segment < PostgresStream.SegmentCount; segment++)
            {
                sql.Append(CultureInfo.InvariantCulture, $"""
                    {separator} SELECT id, body FROM {PostgresStream.TableOf(stream, segment)}
                    WHERE id > (SELECT p.id FROM journal_pruned p WHERE p.stream = {stream})
                    """);
                separator = " UNION ALL";
            }
        }

        return sql.Append(") AS rows ORDER BY id").ToString();
    }
}
