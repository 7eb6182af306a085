using Karya.Engine;

namespace Karya.Node.Execution;

/// <summary>
/// Hears of each attempt just before it starts. Called by the worker loops, several at once: must not block or throw.
/// </summary>
internal delegate void AttemptStarted(in Dispatch dispatch, long nowMs);

/// <summary>
/// Hears of each attempt that ended, before its outcome is posted. Called as <see cref="AttemptStarted"/> is.
/// </summary>
internal delegate void AttemptEnded(in Dispatch dispatch, in Outcome outcome, long nowMs);

/// <summary>
/// Where outcomes go: into the inbox of the shard that owns the partition. Called by the worker loops, several at
/// once. It takes the command's payload over. It must not throw: that would be a lost outcome.
/// </summary>
internal delegate void OutcomeSink(in Command command);

/// <param name="Concurrency">
/// Attempts that run at once, 1 or more; as many may wait to be picked up. More keeps slow targets from holding up
/// others and costs sockets and memory. Give the engine no more credits than this.
/// </param>
internal sealed record ExecutorOptions(int Concurrency = 256)
{
    public AttemptStarted Started { get; init; } = static (in _, _) => { };

    public AttemptEnded Ended { get; init; } = static (in _, in _, _) => { };

    /// <summary>
    /// Asked immediately before an attempt of a partition and epoch begins: waits while this node's right to fire has
    /// run out, as it does in a process that slept. False: it is not this node's to begin any more, and is given back;
    /// or the executor stops.
    /// </summary>
    public Func<int, long, CancellationToken, ValueTask<bool>> MayBegin { get; init; } =
        static (_, _, _) => ValueTask.FromResult(true);
}

/// <summary>Who carries out which kind of action. Null: not configured on this node.</summary>
internal sealed record Connectors(IConnector Rest, IConnector Chained)
{
    public IConnector? Slack { get; init; }

    public IConnector? Email { get; init; }

    public IConnector? Kafka { get; init; }
}
