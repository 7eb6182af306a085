namespace Karya.Protocol.Messages;

/// <summary>Asks for a node's figures.</summary>
public sealed record StatsRequest : IMessage<StatsRequest>
{
    public static Opcode Opcode => Opcode.Stats;

    public void Write(FrameWriter writer) => writer.WriteArray(0);

    public static StatsRequest Read(ref WireReader reader)
    {
        reader.ReadArray("stats", 0, 0);
        return new StatsRequest();
    }
}

/// <summary>Who serves a task name, and what waits for them.</summary>
/// <param name="Credits">Tasks that they would take at once.</param>
/// <param name="Running">Tasks that they have.</param>
public sealed record WorkerStats(string Name, int Workers, int Credits, int Running)
{
    internal void Write(FrameWriter writer)
    {
        writer.WriteArray(4);
        writer.WriteString(Name);
        writer.WriteInt64(Workers);
        writer.WriteInt64(Credits);
        writer.WriteInt64(Running);
    }

    internal static WorkerStats Read(ref WireReader reader)
    {
        reader.ReadArray("worker", 4, 4);
        return new WorkerStats(
            reader.ReadString("worker.name", ProtocolLimits.TaskNameBytesMax),
            reader.ReadInt32("worker.workers", 0),
            reader.ReadInt32("worker.credits", 0),
            reader.ReadInt32("worker.running", 0));
    }
}

/// <summary>A node's figures at one moment.</summary>
/// <param name="NotReady">Why the node takes no work at present; null when it does.</param>
/// <param name="Scheduled">Tasks in the timing wheels.</param>
/// <param name="Ready">Due tasks that wait for a place.</param>
/// <param name="WaitingForWorker">Due tasks that wait for a worker.</param>
/// <param name="ProjectionLag">Changed plans that the tables lack.</param>
public sealed record StatsReply(
    string? NotReady, long UptimeMs, long ResidentPlans, long Scheduled, long Ready, long Running,
    long WaitingForWorker, long JournalBacklogBytes, long ProjectionLag, int Connections,
    IReadOnlyList<WorkerStats> Workers) : IMessage<StatsReply>
{
    private const int WorkersMax = 100_000;

    public static Opcode Opcode => Opcode.Stats | Opcode.Reply;

    public void Write(FrameWriter writer)
    {
        writer.WriteArray(11);
        writer.WriteStringOrNil(NotReady);
        writer.WriteInt64(UptimeMs);
        writer.WriteInt64(ResidentPlans);
        writer.WriteInt64(Scheduled);
        writer.WriteInt64(Ready);
        writer.WriteInt64(Running);
        writer.WriteInt64(WaitingForWorker);
        writer.WriteInt64(JournalBacklogBytes);
        writer.WriteInt64(ProjectionLag);
        writer.WriteInt64(Connections);
        writer.WriteArray(Workers.Count);
        foreach (var worker in Workers)
            worker.Write(writer);
    }

    public static StatsReply Read(ref WireReader reader)
    {
        reader.ReadArray("stats", 11, 11);
        return new StatsReply(
            reader.ReadStringOrNil("stats.not_ready", ProtocolLimits.ErrorBytesMax),
            reader.ReadInt64("stats.uptime", 0),
            reader.ReadInt64("stats.resident_plans", 0),
            reader.ReadInt64("stats.scheduled", 0),
            reader.ReadInt64("stats.ready", 0),
            reader.ReadInt64("stats.running", 0),
            reader.ReadInt64("stats.waiting_for_worker", 0),
            reader.ReadInt64("stats.journal_backlog", 0),
            reader.ReadInt64("stats.projection_lag", 0),
            reader.ReadInt32("stats.connections", 0),
            ReadWorkers(ref reader));
    }

    private static WorkerStats[] ReadWorkers(ref WireReader reader)
    {
        var workers = new WorkerStats[reader.ReadArray("stats.workers", 0, WorkersMax, itemSlots: 4)];
        for (int i = 0; i < workers.Length && !reader.HasFailed; i++)
            workers[i] = WorkerStats.Read(ref reader);
        return workers;
    }
}
