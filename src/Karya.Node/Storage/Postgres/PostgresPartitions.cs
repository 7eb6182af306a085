using Karya.Engine.Journal;
using Karya.Engine.Shards;
using Karya.Protocol;
using Karya.Protocol.Messages;
using Npgsql;

namespace Karya.Node.Storage.Postgres;

/// <summary>
/// Partitions that come and go while this process runs: reads what their last owners left, and clears away what owners
/// that are gone have written when nobody needs it any more. Any thread.
/// </summary>
internal sealed class PostgresPartitions(PostgresReader reader)
{
    /// <summary>A stream of a process that is gone, and what was found in it.</summary>
    private sealed record OldStream(int Number, string Writer);

    /// <summary>
    /// What the journal has of them beyond the tables, oldest first, and the plans that this changed. Reads the journal
    /// once for all of them.
    /// </summary>
    public IReadOnlyList<PartitionImage> Load(
        NpgsqlConnection connection, IReadOnlyList<ClaimedPartition> claimed, int partitionCount)
    {
        long[] marks = ReadMarks(connection, claimed.Select(one => one.Partition).ToArray());
        var images = new PartitionImage[claimed.Count];
        var byPartition = new Dictionary<int, PartitionImage>();
        for (int i = 0; i < images.Length; i++)
        {
            images[i] = new PartitionImage(claimed[i].Partition, claimed[i].Epoch, marks[i]);
            byPartition.Add(claimed[i].Partition, images[i]);
        }

        new PostgresJournalReader(connection).Read(row => PartitionImage.AddRow(row, byPartition));
        var missing = new HashSet<Engine.PlanId>();
        foreach (var image in images)
            missing.UnionWith(image.Missing);
        if (missing.Count == 0)
            return images;
        reader.LoadPlans(missing, (id, memo, body) =>
        {
            int partition = PartitionHash.Of(id.Value, partitionCount);
            byPartition[partition].Plans.Add(id, partition, memo, body);
        });
        return images;
    }

    /// <summary>The number of the last record that the tables have, of each.</summary>
    public static long[] ReadMarks(NpgsqlConnection connection, int[] partitions)
    {
        var marks = new Dictionary<int, long>();
        using var command = new NpgsqlCommand(
            "SELECT partition, projected FROM partition_projection WHERE partition = ANY ($1)", connection);
        command.Parameters.AddWithValue(partitions);
        using var rows = command.ExecuteReader();
        while (rows.Read())
            marks.Add(rows.GetInt32(0), rows.GetInt64(1));
        return Array.ConvertAll(partitions, partition => marks[partition]);
    }

    public static string ReadSecret(NpgsqlConnection connection)
    {
        using var command = new NpgsqlCommand("SELECT secret FROM cluster_secret", connection);
        return (string)command.ExecuteScalar()!;
    }

    public static List<ClusterNode> ReadNodes(NpgsqlConnection connection)
    {
        var nodes = new List<ClusterNode>();
        using var command = new NpgsqlCommand(
            "SELECT owner, tcp_host, tcp_port, http, version FROM cluster_node ORDER BY owner", connection);
        using var rows = command.ExecuteReader();
        while (rows.Read())
        {
            nodes.Add(new ClusterNode(
                rows.GetString(0), new NodeEndpoint(rows.GetString(1), rows.GetInt32(2)), rows.GetString(3),
                rows.GetString(4)));
        }

        return nodes;
    }

    public static void Announce(NpgsqlConnection connection, ClusterNode node)
    {
        using var command = new NpgsqlCommand(
            """
            INSERT INTO cluster_node VALUES ($1, $2, $3, $4, $5) ON CONFLICT (owner) DO UPDATE
            SET tcp_host = excluded.tcp_host, tcp_port = excluded.tcp_port, http = excluded.http,
              version = excluded.version
            """,
            connection);
        command.Parameters.AddWithValue(node.Owner);
        command.Parameters.AddWithValue(node.Tcp.Host);
        command.Parameters.AddWithValue(node.Tcp.Port);
        command.Parameters.AddWithValue(node.Http);
        command.Parameters.AddWithValue(node.Version);
        command.ExecuteNonQuery();
    }

    /// <returns>How many streams were emptied.</returns>
    public static int EmptyOldStreams(NpgsqlConnection connection)
    {
        using (var forget = new NpgsqlCommand("DELETE FROM cluster_node WHERE is_gone(owner)", connection))
            forget.ExecuteNonQuery();
        int emptied = 0;
        foreach (var stream in FindOldStreams(connection))
        {
            var last = new Dictionary<int, long>();
            long lastId = ReadLast(connection, stream.Number, last);
            if (lastId > 0 && AreProjected(connection, last) && Empty(connection, stream, lastId))
                emptied++;
        }

        return emptied;
    }

    private static List<OldStream> FindOldStreams(NpgsqlConnection connection)
    {
        var streams = new List<OldStream>();
        using var command = new NpgsqlCommand(
            "SELECT stream, writer FROM journal_stream WHERE is_gone(writer) AND has_rows(stream) ORDER BY stream",
            connection);
        using var rows = command.ExecuteReader();
        while (rows.Read())
            streams.Add(new OldStream(rows.GetInt32(0), rows.GetString(1)));
        return streams;
    }

    /// <summary>The last record of each partition in a stream, and the last id.</summary>
    private static long ReadLast(NpgsqlConnection connection, int stream, Dictionary<int, long> last)
    {
        long lastId = 0;
        new PostgresJournalReader(connection).Read(stream, (id, row) =>
        {
            lastId = id;
            JournalChunk.NoteLast(row, last);
        });
        return lastId;
    }

    private static bool AreProjected(NpgsqlConnection connection, Dictionary<int, long> last)
    {
        int[] partitions = [.. last.Keys];
        long[] marks = ReadMarks(connection, partitions);
        for (int i = 0; i < partitions.Length; i++)
        {
            if (marks[i] < last[partitions[i]])
                return false;
        }

        return true;
    }

    private static bool Empty(NpgsqlConnection connection, OldStream stream, long lastId)
    {
        using var command = new NpgsqlCommand("SELECT empty_stream($1, $2, $3)", connection);
        command.Parameters.AddWithValue(stream.Number);
        command.Parameters.AddWithValue(stream.Writer);
        command.Parameters.AddWithValue(lastId);
        return (bool)command.ExecuteScalar()!;
    }
}
