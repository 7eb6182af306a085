using System.Data;
using System.Globalization;
using System.Text;
using Npgsql;

namespace Karya.Node.Storage.Postgres;

/// <summary>Reads the journal back: all rows of all streams that the tables lack, in the order of their ids.</summary>
/// <remarks>
/// A partition's records are all in one stream for as long as it has one owner, and a later owner's ids are higher, so
/// this is their order.
/// </remarks>
internal sealed class PostgresJournalReader(NpgsqlConnection connection)
{
    /// <exception cref="NpgsqlException">The database failed.</exception>
    public void Read(JournalRowReader reader)
    {
        var streams = StreamsOf(connection);
        if (streams.Count == 0)
            return;
        using var command = new NpgsqlCommand(SqlFor(streams), connection);
        command.CommandTimeout = 0; // As long as it takes; rows come one by one.
        using var rows = command.ExecuteReader(CommandBehavior.SequentialAccess);
        byte[] body = [];
        while (rows.Read())
        {
            int length = (int)rows.GetBytes(0, 0, null, 0, 0);
            if (body.Length < length)
                body = new byte[Math.Max(length, 2 * body.Length)];
            for (int read = 0; read < length;)
                read += (int)rows.GetBytes(0, read, body, read, length - read);
            reader(body.AsSpan(0, length));
        }
    }

    public static List<int> StreamsOf(NpgsqlConnection connection)
    {
        var streams = new List<int>();
        using var command = new NpgsqlCommand("SELECT stream FROM journal_stream ORDER BY stream", connection);
        using var rows = command.ExecuteReader();
        while (rows.Read())
            streams.Add(rows.GetInt32(0));
        return streams;
    }

    private static string SqlFor(List<int> streams)
    {
        var sql = new StringBuilder("SELECT body FROM (");
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
