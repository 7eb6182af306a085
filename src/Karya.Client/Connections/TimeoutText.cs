using Karya.Protocol;

namespace Karya.Client.Connections;

/// <summary>Time-outs that explain themselves.</summary>
internal static class TimeoutText
{
    /// <summary>More work queued than this per thread, and the process is what is slow.</summary>
    private const int QueuedPerThreadMax = 10;

    public static KaryaTimeoutException NoAnswer(
        Call call, NodeConnection connection, Deadline deadline, TimeSpan sinceSent) =>
        new(
            ErrorCode.Unknown,
            $"{call.Operation} got no answer from {connection.Node} within {Seconds(deadline.Limit)}." +
            $"\n sent {Seconds(sinceSent)} ago | {State(connection)}\n {ThreadPoolState()}\n {call.Advice}",
            connection.Node)
        {
            IsTransient = call.IsRepeatable,
        };

    public static KaryaTimeoutException NoTurn(Call call, NodeConnection connection, Deadline deadline) =>
        new(
            ErrorCode.Unavailable,
            $"{call.Operation} did not get its turn on the connection to {connection.Node} within " +
            $"{Seconds(deadline.Limit)}.\n not sent | {State(connection)}\n {ThreadPoolState()}\n " +
            "Nothing was done; trying again is safe. Fewer requests at once, or batches, would help.",
            connection.Node)
        {
            IsTransient = true,
        };

    private static string State(NodeConnection connection) =>
        $"in flight {connection.SlotsTaken} of {connection.SlotCount}, waiting {connection.Waiting} | " +
        $"last frame from the node {Seconds(connection.SinceLastFrame)} ago";

    private static string ThreadPoolState()
    {
        long queued = ThreadPool.PendingWorkItemCount;
        int threads = ThreadPool.ThreadCount;
        string verdict = queued > threads * QueuedPerThreadMax
            ? "  <- this process is likely blocking on async code"
            : "";
        return $"thread pool: {threads} threads, {queued} queued{verdict}";
    }

    private static string Seconds(TimeSpan span) => $"{span.TotalSeconds:0.###} s";
}
