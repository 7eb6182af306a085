using Karya.Protocol.Messages;

namespace Karya.Client;

/// <summary>A node's figures at one moment.</summary>
/// <param name="NotReady">Why the node takes no work at present; null when it does.</param>
/// <param name="Scheduled">Tasks that are not due yet.</param>
/// <param name="Ready">Due tasks that wait for a place.</param>
/// <param name="WaitingForWorker">Due tasks that wait for a worker.</param>
/// <param name="ProjectionLag">Changed plans that the tables lack.</param>
public sealed record NodeStats(
    string? NotReady, TimeSpan Uptime, long ResidentPlans, long Scheduled, long Ready, long Running,
    long WaitingForWorker, long JournalBacklogBytes, long ProjectionLag, int Connections,
    IReadOnlyList<WorkerStats> Workers)
{
    internal static NodeStats From(StatsReply stats) => new(
        stats.NotReady, TimeSpan.FromMilliseconds(stats.UptimeMs), stats.ResidentPlans, stats.Scheduled, stats.Ready,
        stats.Running, stats.WaitingForWorker, stats.JournalBacklogBytes, stats.ProjectionLag, stats.Connections,
        stats.Workers);
}
