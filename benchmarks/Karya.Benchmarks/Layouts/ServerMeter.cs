using System.Globalization;
using Npgsql;

namespace Karya.Benchmarks.Layouts;

/// <summary>
/// What the server did between two points: WAL by kind of record, exactly, and the processor time of the backend of
/// this connection, when it runs on this machine. Stretches add up.
/// </summary>
internal sealed class ServerMeter(NpgsqlConnection connection)
{
    private string _from = "";
    private double _cpuFrom;

    /// <summary>Without full page images, which depend on when the last checkpoint was.</summary>
    public double WalBytes { get; private set; }

    public double ImageBytes { get; private set; }

    public double IndexInsertions { get; private set; }

    public double HeapRecords { get; private set; }

    public double OtherRecords { get; private set; }

    /// <summary>Not a number when the server is elsewhere.</summary>
    public double CpuMicroseconds { get; private set; }

    public void Start()
    {
        _from = Text("SELECT pg_current_wal_insert_lsn()::text");
        _cpuFrom = BackendMicroseconds();
    }

    public void Stop()
    {
        CpuMicroseconds += BackendMicroseconds() - _cpuFrom;
        string to = Text("SELECT pg_current_wal_insert_lsn()::text");
        // Only what is flushed can be read. Not every statement flushes what it wrote; a commit with a message does.
        Text("SELECT pg_logical_emit_message(true, '', '')::text");
        if (to == _from)
            return;
        using var command = new NpgsqlCommand($"""
            SELECT "resource_manager/record_type", count::float8, combined_size::float8, fpi_size::float8
            FROM pg_get_wal_stats('{_from}', '{to}', true) WHERE count > 0
            """, connection);
        using var reader = command.ExecuteReader();
        while (reader.Read())
            Add(reader.GetString(0), reader.GetDouble(1), reader.GetDouble(2), reader.GetDouble(3));
    }

    private void Add(string kind, double count, double bytes, double imageBytes)
    {
        WalBytes += bytes - imageBytes;
        ImageBytes += imageBytes;
        // A split contains the insertion that caused it. Insertions into inner pages follow from splits.
        if (kind is "Btree/INSERT_LEAF" or "Btree/INSERT_POST" or "Btree/SPLIT_L" or "Btree/SPLIT_R")
            IndexInsertions += count;
        else if (kind.StartsWith("Heap", StringComparison.Ordinal))
            HeapRecords += count;
        else
            OtherRecords += count;
    }

    private double BackendMicroseconds()
    {
        string folder = $"/proc/{connection.ProcessID}";
        if (!File.Exists($"{folder}/comm") || !File.ReadAllText($"{folder}/comm").StartsWith("postgres"))
            return double.NaN;
        // In nanoseconds; utime and stime of stat are the same time in steps of 10 ms.
        string onCpu = File.ReadAllText($"{folder}/schedstat").Split(' ')[0];
        return double.Parse(onCpu, CultureInfo.InvariantCulture) / 1000;
    }

    private string Text(string query)
    {
        using var command = new NpgsqlCommand(query, connection);
        return (string)command.ExecuteScalar()!;
    }
}
