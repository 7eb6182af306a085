using System.Diagnostics.CodeAnalysis;
using Karya.Node.Storage;
using Karya.Protocol.Messages;

namespace Karya.Node.Plans;

/// <summary>
/// Starts operations, carries them out, and takes over those of a node that is gone. Thread-safe.
/// </summary>
/// <remarks>
/// <code>
/// start ─► row in the store ─► OperationRun: count ─► change, page by page ─► row says that it has ended
///             ▲ every second: how far it is; is it to stop?
///             └ not written for half a minute: any node takes it over, under the row's version
/// </code>
/// Two that carry out the same for a while, since one of them was taken for gone, do no harm: what one has replayed is
/// no dead letter for the other.
/// </remarks>
internal sealed class Operations(OperationParts parts, TimeProvider clock) : IAsyncDisposable
{
    /// <summary>That run in the cluster at once.</summary>
    private const int RunningMax = 16;

    private const int ListMax = 100;

    /// <summary>What was not written for so long has nobody who carries it out.</summary>
    private static readonly TimeSpan Silence = TimeSpan.FromSeconds(30);

    private static readonly TimeSpan LookPeriod = TimeSpan.FromSeconds(2);

    private readonly PlanIds _ids = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly Lock _lock = new();
    private readonly Dictionary<Guid, Task> _running = [];
    private Task _looking = Task.CompletedTask;

    /// <summary>Looks for what others have left, now and from now on.</summary>
    public void Start() => _looking = LookAsync();

    public async ValueTask<OperationSnapshot> StartAsync(StartOperationRequest request, CancellationToken stopping)
    {
        var others = await parts.AskAsync(store => store.ListOperations(RunningMax), stopping);
        if (others.Count(other => other.IsRunning) == RunningMax)
        {
            throw new DeskException(
                DeskError.Overloaded, $"{RunningMax} operations run already. Wait for one to end, or stop one.");
        }

        long nowMs = parts.NowMs();
        var filter = request.Filter with { UntilMs = Math.Min(request.Filter.UntilMs ?? long.MaxValue, nowMs + 1) };
        var operation = new Operation(
            new OperationSnapshot(
                _ids.New(nowMs).ToGuid(), request.Verb, filter, OperationState.Counting,
                request.IsDryRun, request.SpreadMs, 0, 0, 0, nowMs, nowMs, false, parts.Node, null),
            Version: 0, Below: null);
        var stored = await parts.AskAsync(store => store.PutOperation(operation.ToRow()), stopping)
            ?? throw new DeskException(DeskError.Unknown, "The operation could not be stored.");
        Run(operation with { Version = stored.Version });
        return operation.Snapshot;
    }

    /// <summary>Those that run first.</summary>
    public async ValueTask<IReadOnlyList<OperationSnapshot>> ListAsync(int limit, CancellationToken stopping)
    {
        var rows = await parts.AskAsync(store => store.ListOperations(limit), stopping);
        return [.. rows.Select(Operation.Of).OfType<Operation>().Select(operation => operation.Snapshot)];
    }

    public async ValueTask<OperationSnapshot?> FindAsync(Guid id, CancellationToken stopping)
    {
        var row = await parts.AskAsync(store => store.FindOperation(id), stopping);
        return row is null ? null : Operation.Of(row)?.Snapshot;
    }

    public async ValueTask<OperationSnapshot?> AskToStopAsync(Guid id, CancellationToken stopping)
    {
        var row = await parts.AskAsync(store => store.StopOperation(id), stopping);
        return row is null ? null : Operation.Of(row)?.Snapshot;
    }

    /// <summary>What runs here ends soon, and is left to others or to the next start.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _looking;
        Task[] running;
        lock (_lock)
            running = [.. _running.Values];
        await Task.WhenAll(running);
        _stop.Dispose();
    }

    private void Run(Operation operation)
    {
        var run = new OperationRun(operation, parts, clock);
        lock (_lock)
        {
            if (!_stop.IsCancellationRequested)
                _running[operation.Snapshot.Id] = RunAsync(run, operation.Snapshot.Id);
        }
    }

    private async Task RunAsync(OperationRun run, Guid id)
    {
        await Task.Yield(); // Out of the lock.
        await run.RunAsync(_stop.Token);
        lock (_lock)
            _running.Remove(id);
    }

    [SuppressMessage("Design", "CA1031", Justification = "What fails now is tried again with the next look.")]
    private async Task LookAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                await TakeOverAsync();
            }
            catch (Exception)
            {
                // The store is away, say, or the node stops.
            }

            await Task.Delay(LookPeriod, clock, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task TakeOverAsync()
    {
        long silentSinceMs = parts.NowMs() - (long)Silence.TotalMilliseconds;
        foreach (var row in await parts.AskAsync(store => store.ListOperations(ListMax), _stop.Token))
        {
            if (!row.IsRunning || row.UpdatedMs > silentSinceMs || Operation.Of(row) is not { } left)
                continue;
            lock (_lock)
            {
                if (_running.ContainsKey(row.Id))
                    continue;
            }

            var taken = left with
            {
                Snapshot = left.Snapshot with { UpdatedMs = parts.NowMs(), Node = parts.Node },
            };
            if (await parts.AskAsync(store => store.PutOperation(taken.ToRow()), _stop.Token) is { } stored)
                Run(taken with { Version = stored.Version });
        }
    }
}

/// <summary>What operations need of the node.</summary>
/// <param name="Node">Its name.</param>
/// <param name="NowMs">Store time.</param>
/// <param name="Replay">Replays one dead letter. False: it is none any more.</param>
internal sealed record OperationParts(
    string Node, Func<long> NowMs, Func<Engine.TaskKey, CancellationToken, ValueTask<bool>> Replay)
{
    /// <summary>Asks the store.</summary>
    public required StoreReads Store { get; init; }

    public ValueTask<T> AskAsync<T>(Func<IStore, T> question, CancellationToken stopping) =>
        Store.AskAsync(question, stopping);
}
