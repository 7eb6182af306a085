using Karya.Engine;
using Karya.Node.Network;
using Karya.Node.Workers;
using Karya.Protocol;
using Karya.Protocol.Messages;

namespace Karya.Node;

/// <summary>
/// Brings attempts of other nodes to the workers of this one, and what those say of them back: a worker connects
/// anywhere and gets work from everywhere.
/// </summary>
/// <remarks>
/// <code>
/// their desk ── deliver, revoke ──► peer link ─► our guests ─► worker
///            ◄─ subscribe (our places, divided) ──┤            │
///            ◄─ finish, extend, progress ─────────┴────────────┘
/// </code>
/// To the other node this one is a worker like any other, so that leases, time limits and cancels are the same. What a
/// worker says of a delivery that nobody here knows, since it was connected elsewhere when it got it, is asked of all.
/// Thread-safe.
/// </remarks>
internal sealed class WorkerRelay : IAsyncDisposable
{
    private static readonly TimeSpan TickPeriod = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(50);

    /// <summary>So often what has not changed is said again: a connection may have been replaced.</summary>
    private const long RepeatMs = 1000;

    /// <summary>For how long an end is tried: as long as the worker waits for its answer.</summary>
    private const long FinishMsMax = 10_000;

    private readonly WorkerDesk _desk;
    private readonly Func<IReadOnlyList<PeerNode>> _others;
    private readonly TimeProvider _clock;
    private readonly PeerLinks _links;
    private readonly Dictionary<NodeEndpoint, Told> _told = []; // Of the tick.
    private readonly Lock _tick = new();
    private readonly CancellationTokenSource _stopping = new();
    private ITimer? _timer;

    /// <param name="desk">Of this node.</param>
    /// <param name="others">Nodes that have partitions, without this one.</param>
    /// <param name="client">The name of this node.</param>
    /// <param name="secret">By which nodes know each other.</param>
    /// <param name="clock">Measures pauses.</param>
    public WorkerRelay(
        WorkerDesk desk, Func<IReadOnlyList<PeerNode>> others, string client, string secret, TimeProvider clock)
    {
        _desk = desk;
        _others = others;
        _clock = clock;
        _links = new PeerLinks(client, secret, clock)
        {
            Pushes = host => new PeerPushes(
                delivery => desk.Guests.Take(host, delivery), revoke => desk.Guests.Revoke(host, revoke),
                desk.EndOfTurn),
        };
    }

    public void Start() => _timer = _clock.CreateTimer(_ => Tick(), null, TickPeriod, TickPeriod);

    /// <summary>Takes ends of deliveries that this node has not handed out.</summary>
    /// <param name="ends">At most <see cref="ProtocolLimits.PageMax"/>.</param>
    /// <param name="target">Hears of each, with its id as the tag: in a wrong state is what nobody holds.</param>
    public void Finish(IReadOnlyList<DeliveryEnd> ends, IReplyTarget target)
    {
        foreach (var group in ends.GroupBy(end => _desk.Guests.End(end.Id)).ToList())
            _ = FinishAsync(group.Key, [.. group], target);
    }

    /// <summary>Begins leases anew that this node has not given. Returns those that nobody holds.</summary>
    public async Task<IReadOnlyList<ulong>> ExtendAsync(IReadOnlyList<ulong> ids)
    {
        var notHeld = new List<ulong>();
        foreach (var group in ids.GroupBy(_desk.Guests.HostOf).ToList())
        {
            IReadOnlyList<ulong> open = [.. group];
            foreach (var host in PlacesOf(group.Key))
            {
                // A host that does not answer may hold them all the same: the worker goes on.
                open = await _links.AskAsync(host, new ExtendRequest(open)) is { End: PeerEnd.Answered } answer
                    && answer.Refusal is null
                        ? answer.Read<ExtendReply>().NotHeld
                        : [];
                if (open.Count == 0)
                    break;
            }

            notHeld.AddRange(open);
        }

        return notHeld;
    }

    /// <summary>False: nobody holds the delivery.</summary>
    public async Task<bool> SetProgressAsync(ProgressRequest progress)
    {
        foreach (var host in PlacesOf(_desk.Guests.HostOf(progress.Id)))
        {
            var answer = await _links.AskAsync(host, progress);
            if (answer.End != PeerEnd.Answered || answer.Refusal is not null || answer.Read<ProgressReply>().Held)
                return true;
        }

        return false;
    }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        if (_timer is not null)
            await _timer.DisposeAsync();
        await _links.DisposeAsync();
        _stopping.Dispose();
    }

    private IEnumerable<NodeEndpoint> PlacesOf(NodeEndpoint? host) =>
        host is null ? _others().Select(node => node.Tcp) : [host];

    private async Task FinishAsync(NodeEndpoint? host, IReadOnlyList<DeliveryEnd> ends, IReplyTarget target)
    {
        var open = ends.Select(end => end.Id).ToHashSet();
        bool isUnknown = false;
        foreach (var place in PlacesOf(host))
        {
            if (await FinishAtAsync(place, [.. ends.Where(end => open.Contains(end.Id))]) is not { } notHeld)
                isUnknown = true; // It may hold them, or have ended them.
            else
                open.IntersectWith(notHeld);
            if (open.Count == 0)
                break;
        }

        var code = isUnknown ? ReplyCode.Unknown : ReplyCode.WrongState;
        foreach (var end in ends)
        {
            target.Complete(new Reply
            {
                Code = open.Contains(end.Id) ? code : ReplyCode.Ok,
                Tag = end.Id,
                Target = target,
            });
        }

        target.EndOfTurn();
    }

    /// <returns>Those that it does not hold; null: it is not known.</returns>
    private async Task<IReadOnlyList<ulong>?> FinishAtAsync(NodeEndpoint host, IReadOnlyList<DeliveryEnd> ends)
    {
        long since = _clock.GetTimestamp();
        while (!_stopping.IsCancellationRequested && _clock.GetElapsedTime(since).TotalMilliseconds < FinishMsMax)
        {
            // An end that came twice is not held the second time: it counted.
            var answer = await _links.AskAsync(host, new FinishRequest(ends));
            if (answer.End == PeerEnd.Answered && answer.Refusal is null)
                return answer.Read<FinishReply>().NotHeld;
            if (answer.End == PeerEnd.Answered && answer.Refusal!.Code is ErrorCode.Unknown or ErrorCode.Internal)
                return null;
            await Task.Delay(Pause, _clock, _stopping.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        return null;
    }

    private void Tick()
    {
        if (!_tick.TryEnter())
            return; // The last one is not over.
        try
        {
            var places = _desk.Guests.Divide(_others());
            foreach (var gone in _told.Keys.Where(host => !places.ContainsKey(host)).ToList())
                _told.Remove(gone);
            foreach (var (host, names) in places)
                Tell(host, names);
            foreach (var waiting in _desk.Guests.TakeOverdue().GroupBy(guest => guest.Host))
            {
                foreach (var some in waiting.Chunk(ProtocolLimits.PageMax))
                {
                    _ = _links.AskAsync(waiting.Key, new FinishRequest([.. some.Select(guest =>
                        new DeliveryEnd(guest.Delivery.Id, DeliveryOutcome.Released, null, null, 0))]));
                }
            }

            _desk.EndOfTurn();
        }
        finally
        {
            _tick.Exit();
        }
    }

    private void Tell(NodeEndpoint host, Dictionary<string, int> names)
    {
        if (!_told.TryGetValue(host, out var told))
            _told.Add(host, told = new Told());
        lock (told)
        {
            bool isRepeated = _clock.GetElapsedTime(told.Timestamp).TotalMilliseconds >= RepeatMs;
            var news = names.Where(name => isRepeated || told.Names.GetValueOrDefault(name.Key) != name.Value)
                .Concat(told.Names.Keys.Where(name => !names.ContainsKey(name))
                    .Select(name => KeyValuePair.Create(name, 0)))
                .Take(ProtocolLimits.NamesPerWorkerMax)
                .Select(name => new NameCredits(name.Key, name.Value)).ToList();
            if (told.IsBusy || news.Count == 0)
                return;
            told.IsBusy = true;
            _ = TellAsync(host, told, news);
        }
    }

    private async Task TellAsync(NodeEndpoint host, Told told, IReadOnlyList<NameCredits> news)
    {
        var answer = await _links.AskAsync(host, new SubscribeRequest(news));
        lock (told)
        {
            told.IsBusy = false;
            told.Timestamp = _clock.GetTimestamp();
            if (answer.End != PeerEnd.Answered || answer.Refusal is not null)
            {
                told.Names.Clear();
                return;
            }

            foreach (var (name, credits) in news)
            {
                if (credits == 0)
                    told.Names.Remove(name);
                else
                    told.Names[name] = credits;
            }
        }
    }

    /// <summary>What a host has been told of our places. Guarded by itself.</summary>
    private sealed class Told
    {
        public Dictionary<string, int> Names { get; } = new(StringComparer.Ordinal);

        public long Timestamp { get; set; }

        public bool IsBusy { get; set; }
    }
}
