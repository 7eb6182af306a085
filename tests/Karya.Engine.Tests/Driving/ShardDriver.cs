using System.Buffers;
using System.Text;
using Karya.Engine.Dispatching;
using Karya.Engine.Journal;
using Karya.Engine.Shards;
using Xunit;

namespace Karya.Engine.Tests.Driving;

/// <summary>
/// A shard with a clock that is moved by hand and a store in memory: performs the effects, at once or when told, and
/// checks what must hold for every dispatch. Crashes and recovers as a node does.
/// </summary>
internal sealed class ShardDriver : IDisposable
{
    public const long StartMs = 1_800_000_000_000;

    private const int TurnsMax = 100_000;

    private readonly ShardOptions _options;
    private readonly Queue<JournalChunk> _uncommitted = new();
    private readonly Queue<LoadedPage> _heldPages = new();
    private readonly Dictionary<PlanId, int> _partitionOf = [];
    private readonly List<(PlanId Plan, PlanId Parent)> _family = [];
    private readonly HashSet<PlanId> _cancelled = [];
    private readonly HashSet<PlanId> _triggered = [];
    private readonly bool _ownsAll;
    private ShardInbox _inbox;
    private ProjectionBatch? _heldProjection;
    private bool _isAwake;

    /// <param name="store">Several share it and are granted their partitions; else the shard has them all.</param>
    public ShardDriver(
        int partitions = 4, long horizonMs = 600_000, int inFlightMax = 10_000, int laneInFlightMax = 10_000,
        long projectionIntervalMs = 50, int projectionLagMax = 1_000_000,
        FakeStore? store = null, LanePace lanePace = default)
    {
        _options = new ShardOptions(
            0, partitions, inFlightMax, laneInFlightMax, horizonMs, projectionIntervalMs, projectionLagMax)
        {
            LanePace = lanePace,
        };
        _ownsAll = store is null;
        Store = store ?? new FakeStore(partitions);
        (_inbox, Shard) = Recover();
    }

    public FakeStore Store { get; }

    public Shard Shard { get; private set; }

    public ShardInbox Inbox => _inbox;

    public long NowMs { get; private set; } = StartMs;

    public int PartitionCount => _options.PartitionCount;

    /// <summary>Chunks become durable by <see cref="CommitNext"/> only.</summary>
    public bool HoldsCommits { get; set; }

    /// <summary>Pages from the tables arrive by <see cref="DeliverPage"/> only, as they were when asked for.</summary>
    public bool HoldsLoads { get; set; }

    /// <summary>Projections reach the tables by <see cref="WriteProjection"/> only.</summary>
    public bool HoldsProjections { get; set; }

    /// <summary>Attempts are started again, and the ends of both count, because their owner changed.</summary>
    public bool MayRunTwice { get; init; }

    /// <summary>The next loads answer that the store failed.</summary>
    public int LoadFailures { get; set; }

    /// <summary>Windows that the shard asked for.</summary>
    public List<HorizonRequest> Windows { get; } = [];

    /// <summary>Attempts handed out and not ended, oldest first.</summary>
    public List<Dispatch> Running { get; } = [];

    /// <summary>Every attempt handed out, in order.</summary>
    public List<Dispatch> Started { get; } = [];

    /// <summary>Attempts that were told to stop, in order.</summary>
    public List<Revocation> Revoked { get; } = [];

    /// <summary>What has become of partitions, in order.</summary>
    public List<PartitionNotice> Notices { get; } = [];

    /// <summary>Ends of attempts that the owners of their partitions want to know of.</summary>
    public List<Command> Strays { get; } = [];

    /// <summary>Gets the dispatches of every turn.</summary>
    public Action<Dispatch[]>? TurnEnded { get; set; }

    public int HeldPageCount => _heldPages.Count;

    public bool HoldsProjection => _heldProjection is not null;

    /// <summary>Claims a partition and hands it to the shard.</summary>
    public void Grant(int partition) => Post(PartitionChangeKind.Grant, partition, Store.Claim(partition));

    public void Close(int partition, long drainMs = 0, long awayMs = 0) => _inbox.PostChange(new PartitionChange(
        PartitionChangeKind.Close, partition, null, NowMs + drainMs, NowMs + awayMs));

    public void Revoke(int partition) => Post(PartitionChangeKind.Revoke, partition);

    public bool HasClosed(int partition) => Notices.Exists(notice =>
        notice == new PartitionNotice(PartitionNoticeKind.Closed, partition, Store.Epochs[partition]));

    public int PartitionOf(PlanId plan) =>
        _partitionOf.TryGetValue(plan, out int known) ? known : (int)((ulong)plan.Value % (ulong)PartitionCount);

    public Answer Submit(PlanDraft draft)
    {
        int partition = draft.Parent == PlanId.None ? PartitionOf(draft.Id) : PartitionOf(draft.Parent);
        _partitionOf[draft.Id] = partition;
        var answer = new Answer { Completed = () => _family.Add((draft.Id, draft.Parent)) };
        Post(draft.ToCommand(NowMs, partition, answer));
        return answer;
    }

    /// <summary>Submits, and runs until the answer is there.</summary>
    public void SubmitNow(PlanDraft draft)
    {
        var answer = Submit(draft);
        Settle();
        Assert.Equal(ReplyCode.Ok, answer.Code);
    }

    public Answer Cancel(PlanId plan)
    {
        var answer = new Answer { Completed = () => NoteCancelled(plan) };
        Post(new Command
        {
            Kind = CommandKind.Cancel,
            Partition = PartitionOf(plan),
            Key = new TaskKey(plan, 0, 0),
            AtMs = NowMs,
            ReplyTo = answer,
        });
        return answer;
    }

    public void CancelNow(PlanId plan)
    {
        var answer = Cancel(plan);
        Settle();
        Assert.Equal(ReplyCode.Ok, answer.Code);
    }

    public Answer Update(
        PlanId plan, PlanUpdate what, long periodMs = 0, int attempts = 0, HookSpec[]? hooks = null,
        byte[]? body = null, ulong madeFrom = 0)
    {
        var answer = new Answer();
        var command = new Command
        {
            Kind = CommandKind.Update,
            MadeFrom = madeFrom,
            Update = what,
            Partition = PartitionOf(plan),
            Key = new TaskKey(plan, 0, 0),
            AtMs = NowMs,
            Hooks = hooks,
            ReplyTo = answer,
            Spec = new PlanSpec { PeriodMs = periodMs, AttemptsMax = attempts, HookCount = hooks?.Length ?? 0 },
        };
        PlanDraft.SetPayload(ref command, body ?? new PlanDraft(plan, 0).Body);
        Post(command);
        return answer;
    }

    /// <summary>
    /// Replays a dead letter as the tables have it. That of an ended descendant of a cancelled plan may run: it was not
    /// cancelled, and somebody wants it now.
    /// </summary>
    public Answer Replay(TaskKey key)
    {
        var row = Store.Tasks[key];
        var answer = new Answer { Completed = () => _cancelled.Remove(key.Plan) };
        Post(new Command
        {
            Kind = CommandKind.Replay,
            Partition = PartitionOf(key.Plan),
            Key = key,
            Attempt = row.Attempts,
            DueMs = row.DueMs,
            AtMs = NowMs,
            ReplyTo = answer,
            Spec = new PlanSpec { CreatedMs = row.CreatedMs },
        });
        return answer;
    }

    /// <summary>How many attempts of a lane workers take at once.</summary>
    public void SetCredits(uint lane, int credits) => _inbox.PostCredits(lane, credits);

    /// <summary>How many attempts of a lane connectors carry out at once.</summary>
    public void SetLimit(uint lane, int limit) => _inbox.PostLimit(lane, limit);

    public Answer Trigger(PlanId plan)
    {
        var answer = new Answer();
        _triggered.Add(plan);
        Post(new Command
        {
            Kind = CommandKind.Trigger,
            Partition = PartitionOf(plan),
            Key = new TaskKey(plan, 0, 0),
            AtMs = NowMs,
            ReplyTo = answer,
        });
        return answer;
    }

    /// <summary>Nobody made the attempt after all.</summary>
    public void Release(Dispatch attempt)
    {
        PostOutcome(attempt, CommandKind.AttemptReleased, null, false, 0);
        Running.Remove(attempt);
    }

    public Answer Succeed(Dispatch attempt, byte[]? result = null) =>
        End(attempt, CommandKind.AttemptSucceeded, result, false, 0);

    public Answer Fail(
        Dispatch attempt, bool retryable = true, int retryAfterMs = 0, string error = "It failed.",
        FailureClass failure = FailureClass.Other) =>
        End(attempt, CommandKind.AttemptFailed, Encoding.UTF8.GetBytes(error), retryable, retryAfterMs, failure);

    /// <summary>Posts an outcome whether or not the attempt runs.</summary>
    public Answer PostOutcome(
        Dispatch attempt, CommandKind kind, byte[]? payload, bool retryable, int retryAfterMs,
        FailureClass failure = FailureClass.Other)
    {
        var answer = new Answer();
        var command = new Command
        {
            Kind = kind,
            Retryable = retryable,
            RetryAfterMs = retryAfterMs,
            Failure = failure,
            Partition = attempt.Partition,
            Attempt = attempt.Attempt,
            Epoch = attempt.Epoch,
            Lane = attempt.Lane,
            IsPulled = attempt.IsPulled,
            Key = attempt.Key,
            AtMs = NowMs,
            ReplyTo = answer,
        };
        if (payload is not null)
            PlanDraft.SetPayload(ref command, payload);
        _inbox.PostOutcome(command);
        return answer;
    }

    public void Post(in Command command) => Assert.True(_inbox.TryPost(command));

    /// <summary>The attempt of this task that runs now; there must be one.</summary>
    public Dispatch RunningOf(PlanId plan, long occurrence = 1, int hook = 0) =>
        Running.Single(d => d.Key == new TaskKey(plan, occurrence, hook));

    public bool IsRunning(PlanId plan, long occurrence = 1, int hook = 0) =>
        Running.Any(d => d.Key == new TaskKey(plan, occurrence, hook));

    /// <summary>One turn at the present instant.</summary>
    public void Step()
    {
        _isAwake = false;
        var effects = Shard.Turn(NowMs);
        if (effects.Chunk is { } chunk)
            _uncommitted.Enqueue(chunk);

        if (effects.Projection is { } projection)
            _heldProjection = projection;
        foreach (ref readonly var request in effects.PlanRequests.Span)
            Hold(Read(Store.LoadPlan(request)));
        foreach (ref readonly var window in effects.HorizonRequests.Span)
        {
            Windows.Add(window);
            Hold(Read(Store.LoadDue(window)));
        }

        Notices.AddRange(effects.Notices.Span);
        Strays.AddRange(effects.Strays.Span);
        Revoked.AddRange(effects.Revocations.Span);
        foreach (ref readonly var reply in effects.Replies.Span)
            reply.Target.Complete(reply);
        foreach (ref readonly var dispatch in effects.Dispatches.Span)
            Take(dispatch);
        TurnEnded?.Invoke(effects.Dispatches.Span.ToArray());
        Perform();
    }

    /// <summary>Turns at the present instant until the shard wants none.</summary>
    public void Settle()
    {
        for (int turns = 0; _isAwake || Shard.NextTurnMs <= NowMs; turns++)
        {
            Assert.True(turns < TurnsMax, "The shard does not come to rest.");
            Step();
        }
    }

    /// <summary>Moves the clock, with a turn at every instant that the shard asked for.</summary>
    public void AdvanceTo(long nowMs)
    {
        Settle();
        while (Shard.NextTurnMs <= nowMs)
        {
            NowMs = Math.Max(NowMs, Shard.NextTurnMs);
            Settle();
        }

        NowMs = nowMs;
    }

    public void Advance(long ms) => AdvanceTo(NowMs + ms);

    /// <summary>Moves the clock without a turn: the node was stopped, or paused.</summary>
    public void Sleep(long ms)
    {
        NowMs += ms;
        _isAwake = true;
    }

    /// <summary>Brings the tables up to date and lets go of what need not be in memory.</summary>
    public void ProjectNow()
    {
        _inbox.RequestProjection();
        Settle();
    }

    public bool CommitNext()
    {
        if (!_uncommitted.TryDequeue(out var chunk))
            return false;
        Store.Write(chunk);
        _inbox.PostDurable(chunk.Position, chunk);
        return true;
    }

    public void CommitAll()
    {
        while (CommitNext())
        {
        }
    }

    public void DeliverPage() => _inbox.PostPage(_heldPages.Dequeue());

    /// <summary>One stored plan, ahead of the page that is asked for.</summary>
    public void PostPage(PlanId plan)
    {
        var page = new LoadedPage();
        var stored = Store.Plans[plan];
        page.Add(stored.Id, stored.Partition, stored.Memo, stored.Body);
        _inbox.PostPage(page);
    }

    public void WriteProjection()
    {
        Store.Write(_heldProjection!);
        _heldProjection = null;
        _inbox.PostProjected();
    }

    /// <summary>What is not durable is lost, what runs is forgotten; another owner recovers from the store.</summary>
    public void Crash(long downMs = 0)
    {
        _uncommitted.Clear();
        _heldPages.Clear();
        _heldProjection = null;
        foreach (var attempt in Running)
            ArrayPool<byte>.Shared.Return(attempt.Body);
        Running.Clear();
        Shard.Dispose();
        NowMs += downMs;
        (_inbox, Shard) = Recover();
    }

    /// <summary>A shard that knows nothing but the journal.</summary>
    public Shard ReplayJournal()
    {
        var shard = new Shard(_options, new ShardInbox(16, () => { }), NowMs);
        for (int partition = 0; partition < PartitionCount; partition++)
            shard.Own(partition, epoch: 99, sequence: 0);
        foreach (byte[] row in Store.JournalRows)
            shard.Replay(row);
        return shard;
    }

    public void Dispose() => Shard.Dispose();

    private (ShardInbox, Shard) Recover()
    {
        var inbox = new ShardInbox(100_000, () => _isAwake = true);
        var shard = new Shard(_options, inbox, NowMs);
        for (int partition = 0; _ownsAll && partition < PartitionCount; partition++)
            shard.Own(partition, ++Store.Epochs[partition], Store.Sequences[partition]);
        HashSet<PlanId> missing = [];
        foreach (byte[] row in Store.JournalRows)
            shard.CollectMissing(row, missing);
        foreach (var plan in missing.Where(Store.Plans.ContainsKey).Select(id => Store.Plans[id]))
            shard.Load(plan.Id, plan.Partition, plan.Memo, plan.Body);
        foreach (byte[] row in Store.JournalRows)
            shard.Replay(row);
        shard.Open(NowMs);

        // The store is quick: what is due is there when the first turn begins, which asks for it all the same.
        if (!HoldsLoads)
        {
            var page = Store.LoadDue(new HorizonRequest(long.MinValue, shard.ResidentUntilMs));
            page.IsLast = false;
            inbox.PostPage(page);
        }

        return (inbox, shard);
    }

    private void Perform()
    {
        if (!HoldsCommits)
            CommitAll();
        while (!HoldsLoads && _heldPages.Count > 0)
            DeliverPage();
        bool isDurable = _uncommitted.Count == 0
            || _heldProjection?.DurablePosition < _uncommitted.Peek().Position;
        if (_heldProjection is not null && !HoldsProjections && isDurable)
            WriteProjection();
    }

    private void Post(PartitionChangeKind kind, int partition, PartitionImage? image = null) =>
        _inbox.PostChange(new PartitionChange(kind, partition, image));

    private LoadedPage Read(LoadedPage page)
    {
        if (LoadFailures == 0)
            return page;
        LoadFailures--;
        return new LoadedPage
        {
            Requested = page.Requested,
            Partition = page.Partition,
            Version = page.Version,
            IsLast = true,
            HasFailed = true,
        };
    }

    private void Hold(LoadedPage page) => _heldPages.Enqueue(page);

    private Answer End(
        Dispatch attempt, CommandKind kind, byte[]? payload, bool retryable, int retryAfterMs,
        FailureClass failure = FailureClass.Other)
    {
        Assert.Equal(1, Running.RemoveAll(d =>
            d.Key == attempt.Key && d.Attempt == attempt.Attempt && d.Epoch == attempt.Epoch));
        ArrayPool<byte>.Shared.Return(attempt.Body);
        return PostOutcome(attempt, kind, payload, retryable, retryAfterMs, failure);
    }

    private void Take(in Dispatch dispatch)
    {
        var key = dispatch.Key;
        bool isDue = NowMs >= dispatch.DueMs || _triggered.Contains(key.Plan);
        Assert.True(isDue, $"{key} started {dispatch.DueMs - NowMs} ms early.");
        Assert.True(NowMs >= dispatch.AttemptDueMs, $"An attempt of {key} started early.");
        Assert.True(MayRunTwice || Running.TrueForAll(d => d.Key != key), $"{key} runs twice.");
        Assert.DoesNotContain(key.Plan, _cancelled);
        Assert.Equal(Store.Epochs[dispatch.Partition], dispatch.Epoch);
        Assert.Equal(NowMs, dispatch.StartedMs);
        Running.Add(dispatch);
        Started.Add(dispatch);
    }

    private void NoteCancelled(PlanId plan)
    {
        _cancelled.Add(plan);
        foreach (var (child, parent) in _family)
        {
            if (parent == plan && !_cancelled.Contains(child))
                NoteCancelled(child);
        }
    }
}
