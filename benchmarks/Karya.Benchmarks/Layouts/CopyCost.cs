using System.Globalization;
using Karya.Benchmarks.Figures;
using Npgsql;
using NpgsqlTypes;

namespace Karya.Benchmarks.Layouts;

/// <summary>What a row costs the client: the importer of Npgsql against a stream encoded by hand.</summary>
internal static class CopyCost
{
    private const int RowCount = 5_000;
    private const int RoundCount = 60;

    public static void Print(NpgsqlConnection connection)
    {
        var source = new LifeSource(1000);
        var lives = new Life[RowCount];
        for (int i = 0; i < RowCount; i++)
            lives[i] = source.Next(waitMs: 5);
        var rows = new RowWriter(connection, source.Noise);

        using (var command = new NpgsqlCommand("CREATE TEMPORARY TABLE plan_history (" +
            Tables.HistoryColumns(tasksInside: false, userNumbers: false) + ")", connection))
        {
            command.ExecuteNonQuery();
        }

        double byHand = Measure(() => rows.CopyPlanHistory(lives, tasksInside: false, userNumbers: false));
        double byImporter = Measure(() => Import(connection, lives, source.Noise));
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"COPY, client µs per row: {byHand:0.00} encoded by hand, {byImporter:0.00} by the importer\n"));
    }

    private static double Measure(Action copy)
    {
        for (int i = 0; i < RoundCount / 2; i++)
            copy();
        double started = ThreadClock.Nanoseconds();
        for (int i = 0; i < RoundCount; i++)
            copy();
        return (ThreadClock.Nanoseconds() - started) / 1000 / RoundCount / RowCount;
    }

    private static void Import(NpgsqlConnection connection, Life[] lives, byte[] noise)
    {
        using var importer = connection.BeginBinaryImport("COPY plan_history (id, user_id, parent_id, created_ms, " +
            "ended_ms, partition, status, memo, body) FROM STDIN BINARY");
        foreach (ref readonly var life in lives.AsSpan())
        {
            importer.StartRow();
            importer.Write(life.Id, NpgsqlDbType.Uuid);
            importer.Write(life.User, NpgsqlDbType.Uuid);
            importer.WriteNull();
            importer.Write(life.CreatedMs, NpgsqlDbType.Bigint);
            importer.Write(life.EndedMs, NpgsqlDbType.Bigint);
            importer.Write(life.Partition, NpgsqlDbType.Smallint);
            importer.Write(RowWriter.Completed, NpgsqlDbType.Smallint);
            importer.Write(noise.AsMemory(life.FinalMemo, LifeSource.MemoBytes), NpgsqlDbType.Bytea);
            importer.Write(noise.AsMemory(life.Body, LifeSource.BodyBytes), NpgsqlDbType.Bytea);
        }

        importer.Complete();
    }
}
