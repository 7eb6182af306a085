using Karya.Engine;
using Karya.Engine.Shards;
using Karya.Node.Network;
using Karya.Node.Plans;
using Karya.Protocol;
using Karya.Protocol.Messages;

namespace Karya.Node;

/// <summary>What a <see cref="Forwarder"/> has to know of the node it works for.</summary>
/// <param name="PlaceOf">The other node that has a partition; null when none has it, or this one.</param>
/// <param name="IsHere">This node has the partition, and its shard has read it.</param>
/// <param name="IsTrusted">The lease has not run out: nobody else may have taken what is here.</param>
/// <param name="Look">Has the node look where partitions are.</param>
/// <param name="CatchUpHere">Completes when the tables have all that a shard acknowledged, by its number.</param>
internal sealed record ForwarderParts(
    Func<int, NodeEndpoint?> PlaceOf, Predicate<int> IsHere, Func<bool> IsTrusted, Action Look,
    Func<int, Task> CatchUpHere);

/// <summary>
/// Sends what concerns other nodes' partitions to them: requests that came to this node, ends of attempts that moved
/// while they ran, and questions whether the tables are up to date. While a partition moves it waits and tries again:
/// clients notice a move by nothing but its time.
/// </summary>
/// <remarks>
/// <code>
/// shard ─ strays ─► Post ─► here by now? ─► its shard
///                     │  └► elsewhere ───► the node's peer link ─► its shard ─► answer ─► reply target
///                     └ not the owner, not reached ─► look again, a little later
/// </code>
/// What may have arrived is repeated only if that is harmless: submits (as ones that may exist), cancels, and ends of
/// attempts, which count once. Thread-safe.
/// </remarks>
internal sealed class Forwarder : IAsyncDisposable
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);

    /// <summary>How long a request is tried: as long as its client waits for it.</summary>
    private const long RequestMsMax = 10_000;

    /// <summary>How long the end of an attempt is tried: as long as the next owner waits for it.</summary>
    private const long OutcomeMsMax = 60_000;

    /// <summary>How long the tables may take before the node is asked again whether partitions are here.</summary>
    private static readonly TimeSpan CatchUpMax = TimeSpan.FromSeconds(5);

    private readonly ForwarderParts _parts;
    private readonly PeerLinks _links;
    private readonly IReadOnlyList<Shard> _shards;
    private readonly TickClock _ticks;
    private readonly TimeProvider _clock;
    private readonly CancellationTokenSource _stopping = new();
    private readonly Lock _lock = new();
    private readonly int[] _ends; // By partition, how many are under way. Any thread.
    private TaskCompletionSource? _idle;
    private int _underWay;

    /// <param name="partitionCount">Of the cluster.</param>
    /// <param name="parts">Of the node.</param>
    /// <param name="links">To other nodes; ended with this.</param>
    /// <param name="shards">All of the node.</param>
    /// <param name="ticks">Store time.</param>
    /// <param name="clock">Measures pauses.</param>
    public Forwarder(
        int partitionCount, ForwarderParts parts, PeerLinks links, IReadOnlyList<Shard> shards, TickClock ticks,
        TimeProvider clock)
    {
        _ends = new int[partitionCount];
        _parts = parts;
        _links = links;
        _shards = shards;
        _ticks = ticks;
        _clock = clock;
    }

    /// <summary>For other questions, too.</summary>
    public PeerLinks Links => _links;

    public bool IsHere(int partition) => _parts.IsHere(partition);

    /// <summary>Ends of attempts wait here for whoever has the partition.</summary>
    public bool HasEndsOf(int partition) => Volatile.Read(ref _ends[partition]) > 0;

    /// <summary>Takes a command over, with its payload; its target is answered, whatever comes.</summary>
    public void Post(in Command command)
    {
        if (command.ReplyTo is LocalEnd known) // The shard that had got it from here passes it on again.
        {
            known.ComeBack();
            return;
        }

        lock (_lock)
            _underWay++;
        if (command.IsOutcome)
            Interlocked.Increment(ref _ends[command.Partition]);
        _ = ForwardAsync(command);
    }

    /// <summary>Completes when nothing is under way.</summary>
    public Task WhenIdleAsync()
    {
        lock (_lock)
        {
            if (_underWay == 0)
                return Task.CompletedTask;
            _idle ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return _idle.Task;
        }
    }

    /// <summary>As for many; quickly when the partition is here.</summary>
    public Task CatchUpAsync(int partition, CancellationToken stopping) => _parts.IsTrusted() && IsHere(partition)
        ? _parts.CatchUpHere(partition % _shards.Count)
        : CatchUpAsync([partition], stopping);

    /// <summary>
    /// Completes when the tables have all that any node acknowledged of these partitions before the call. Throws
    /// <see cref="TimeoutException"/> after 10 s.
    /// </summary>
    public async Task CatchUpAsync(IReadOnlyList<int> partitions, CancellationToken stopping)
    {
        long untilMs = _ticks.NowMs() + RequestMsMax;
        var missing = partitions;
        while ((missing = await TryCatchUpAsync(missing)).Count > 0)
        {
            if (_ticks.NowMs() > untilMs)
                throw new TimeoutException("Partitions are at no node that answers.");
            _parts.Look();
            await Task.Delay(Pause, _clock, stopping);
        }
    }

    /// <summary>The same for partitions of this node. False: it has not got all, or it takes too long.</summary>
    public async Task<bool> TryCatchUpHereAsync(IReadOnlyList<int> partitions)
    {
        if (!_parts.IsTrusted() || !partitions.All(IsHere))
            return false;
        var shards = partitions.Select(partition => partition % _shards.Count).Distinct();
        try
        {
            await Task.WhenAll(shards.Select(_parts.CatchUpHere)).WaitAsync(CatchUpMax, _clock);
            return true;
        }
        catch (TimeoutException)
        {
            return false;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await _links.DisposeAsync();
        await WhenIdleAsync();
        _stopping.Dispose();
    }

    private async Task<IReadOnlyList<int>> TryCatchUpAsync(IReadOnlyList<int> partitions)
    {
        var asked = new List<(IReadOnlyList<int> Partitions, Task<bool> CaughtUp)>();
        var missing = new List<int>();
        foreach (var place in partitions.GroupBy(partition => IsHere(partition) ? null : _parts.PlaceOf(partition)))
        {
            if (place.Key is { } elsewhere)
            {
                asked.Add(([.. place], AskToCatchUpAsync(elsewhere, [.. place])));
                continue;
            }

            var (here, nowhere) = (place.Where(IsHere).ToArray(), place.Where(one => !IsHere(one)));
            missing.AddRange(nowhere);
            if (here.Length > 0)
                asked.Add((here, TryCatchUpHereAsync(here)));
        }

        foreach (var (some, caughtUp) in asked)
        {
            if (!await caughtUp)
                missing.AddRange(some);
        }

        return missing;
    }

    private async Task<bool> AskToCatchUpAsync(NodeEndpoint place, IReadOnlyList<int> partitions) =>
        await _links.AskAsync(place, new CatchUpRequest(partitions)) is
        { End: PeerEnd.Answered, Refusal: null };

    private async Task ForwardAsync(Command command)
    {
        ReplyCode? code = ReplyCode.Unknown;
        try
        {
            code = await TryAsync(command);
        }
        finally
        {
            End(command, code);
        }
    }

    /// <returns>What became of it. Null: the shard here has it, and answers.</returns>
    private async Task<ReplyCode?> TryAsync(Command command)
    {
        long untilMs = command.AtMs + (command.IsOutcome ? OutcomeMsMax : RequestMsMax);
        byte[]? bytes = null;
        bool mayHaveArrived = false;
        for (bool hasWaited = false; !_stopping.IsCancellationRequested && _ticks.NowMs() <= untilMs; hasWaited = true)
        {
            bool isHere = _parts.IsHere(command.Partition);
            if (isHere && hasWaited) // At first the shard has just passed it on: the partition is about to go.
            {
                if (!command.IsOutcome)
                    return PostHere(command);
                if (await IsKnownHereAsync(command))
                    return null;
            }
            else if (!isHere && _parts.PlaceOf(command.Partition) is { } place)
            {
                bytes ??= PeerCommand.Write(command);
                var answer = await _links.AskAsync(place, new ForwardRequest(bytes));
                if (CodeOf(answer) is { } code && (!command.IsOutcome || IsTaken(code)))
                    return code;
                if (answer.End == PeerEnd.Lost)
                {
                    mayHaveArrived = true;
                    if (!IsRepeatable(command))
                        break;
                    command.MayExist |= command.Kind == CommandKind.Submit;
                    bytes = null;
                }
            }

            _parts.Look();
            await Task.Delay(Pause, _clock, _stopping.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        return mayHaveArrived ? ReplyCode.Unknown : ReplyCode.NotOwner;
    }

    private static bool IsRepeatable(in Command command) =>
        command.IsOutcome || command.Kind is CommandKind.Submit or CommandKind.Cancel;

    /// <summary>
    /// The end of an attempt is durable, or the attempt is over. Else it is sent again: what was fenced off at one
    /// owner counts at the next.
    /// </summary>
    internal static bool IsTaken(ReplyCode code) => code is ReplyCode.Ok or ReplyCode.WrongState;

    /// <summary>Null: it has to be tried again.</summary>
    internal static ReplyCode? CodeOf(in PeerAnswer answer)
    {
        if (answer.End != PeerEnd.Answered)
            return null;
        return answer.Refusal switch
        {
            null => (ReplyCode)answer.Read<ForwardReply>().Code,
            { Code: ErrorCode.Overloaded or ErrorCode.TooManyInFlight } => ReplyCode.Overloaded,
            { Code: ErrorCode.Unknown or ErrorCode.Internal } => ReplyCode.Unknown,
            _ => null, // Nothing was done: it has not got the partition, stops, or is of another version.
        };
    }

    private ReplyCode? PostHere(in Command command) =>
        _shards[command.Partition % _shards.Count].Inbox.TryPost(command) ? null : ReplyCode.Overloaded;

    /// <summary>An end is under way until it is durable: its partition must not go before.</summary>
    /// <returns>False: the shard has given it back, since it has not got the partition any more.</returns>
    private async Task<bool> IsKnownHereAsync(Command command)
    {
        var end = new LocalEnd(command.ReplyTo);
        command.ReplyTo = end;
        _shards[command.Partition % _shards.Count].Inbox.PostOutcome(command);
        await end.IsOver.WaitAsync(_stopping.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return !end.HasComeBack; // When the node stops, the shard has it.
    }

    private void End(in Command command, ReplyCode? code)
    {
        if (code is { } known)
        {
            SubmitDesk.Drop(command);
            if (command.ReplyTo is { } target)
            {
                target.Complete(new Reply
                {
                    Code = known,
                    Plan = command.Key.Plan,
                    Tag = command.Tag,
                    Target = target,
                });
                target.EndOfTurn();
            }
        }

        if (command.IsOutcome)
            Interlocked.Decrement(ref _ends[command.Partition]);
        lock (_lock)
        {
            if (--_underWay == 0)
            {
                _idle?.TrySetResult();
                _idle = null;
            }
        }
    }

    /// <summary>Hears what becomes of an end here, and passes that on to whoever waits for it elsewhere.</summary>
    private sealed class LocalEnd(IReplyTarget? target) : IReplyTarget
    {
        private readonly TaskCompletionSource _isOver = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private volatile bool _hasComeBack;

        /// <summary>It is known, or came back.</summary>
        public Task IsOver => _isOver.Task;

        public bool HasComeBack => _hasComeBack;

        public void ComeBack()
        {
            _hasComeBack = true;
            _isOver.SetResult();
        }

        public void Complete(in Reply reply)
        {
            target?.Complete(reply);
            _isOver.SetResult();
        }

        public void EndOfTurn() => target?.EndOfTurn();
    }
}
