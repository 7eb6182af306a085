using System.Buffers;
using Karya.Engine;
using Karya.Engine.Journal;
using Karya.Engine.Shards;
using Karya.Node.Plans;
using Karya.Node.Storage;
using Karya.Protocol;
using Xunit;

namespace Karya.Node.Tests.Joined;

/// <summary>
/// Real shards without threads, loaded from a store: a test takes their turns itself, to get real chunks, batches and
/// requests for what it puts to the test.
/// </summary>
internal sealed class ShardRig : IDisposable
{
    public const long NowMs = 1_800_000_000_000;
    public const long HorizonMs = 600_000;
    public const int PartitionCount = 4;

    // So many that asking again and again whether requests are let in does not fill it.
    private const int InboxCapacity = 1_000_000;

    public static readonly UserId Ann = new(0xA);

    private readonly ProjectionBatch?[] _batches;

    public ShardRig(IStore store, int shardCount = 1)
    {
        _batches = new ProjectionBatch?[shardCount];
        Shards = new Shard[shardCount];
        for (int i = 0; i < shardCount; i++)
        {
            var options = new ShardOptions(i, PartitionCount, 16, 16, HorizonMs, ProjectionIntervalMs: 1, 1_000_000);
            Shards[i] = new Shard(options, new ShardInbox(InboxCapacity, () => { }), NowMs);
        }

        PartitionHost.OpenAll(store, store.Open(PartitionCount), Shards, NowMs);
        store.AddUser(new UserView(Ann, "ann", NowMs));
        for (int i = 0; i < shardCount; i++)
            LoadHorizon(store, i);
    }

    public Shard[] Shards { get; }

    public IReadOnlyList<ShardInbox> Inboxes => [.. Shards.Select(shard => shard.Inbox)];

    /// <summary>An id, unlike those of other numbers, in a partition that the shard owns.</summary>
    public PlanId IdFor(int shard, int number)
    {
        for (ulong draw = 0; ; draw++)
        {
            var id = new PlanId(new UInt128(0x0190_0000_0000_7000, ((ulong)number << 32) + draw));
            if (PartitionHash.Of(id.Value, PartitionCount) % Shards.Length == shard)
                return id;
        }
    }

    /// <summary>Submits one plan and takes a turn: the chunk with its record.</summary>
    public JournalChunk Submit(int number, int shard = 0, long dueInMs = 60_000, int bodyBytes = 10) =>
        Do(CommandFor(IdFor(shard, number), CommandKind.Submit, dueInMs, bodyBytes), shard);

    /// <summary>Cancels one plan and takes a turn: the chunk with its record.</summary>
    public JournalChunk Cancel(int number, int shard = 0) =>
        Do(CommandFor(IdFor(shard, number), CommandKind.Cancel, 0, 0), shard);

    public JournalChunk Do(in Command command, int shard = 0)
    {
        Assert.True(Shards[shard].Inbox.TryPost(command));
        return Turn(shard).Chunk ?? throw new InvalidOperationException("The turn left no records.");
    }

    public static Command CommandFor(PlanId id, CommandKind kind, long dueInMs = 60_000, int bodyBytes = 10) => new()
    {
        Kind = kind,
        Partition = PartitionHash.Of(id.Value, PartitionCount),
        Key = new TaskKey(id, 0, 0),
        AtMs = NowMs,
        Payload = ArrayPool<byte>.Shared.Rent(Math.Max(1, bodyBytes)),
        PayloadBytes = bodyBytes,
        Spec = new PlanSpec
        {
            Id = id,
            User = Ann,
            CreatedMs = NowMs,
            FirstDueMs = NowMs + dueInMs,
            PeriodMs = 60_000,
            EndMs = PlanSpec.NoEnd,
            Kind = ScheduleKind.Once,
            AttemptsMax = 1,
        },
    };

    /// <summary>Takes a turn. A batch for the tables that comes of it is kept for <see cref="NextBatch"/>.</summary>
    public EffectList Turn(int shard = 0)
    {
        var effects = Shards[shard].Turn(NowMs);
        _batches[shard] = effects.Projection ?? _batches[shard];
        return effects;
    }

    /// <summary>What the tables have to catch up with.</summary>
    public ProjectionBatch NextBatch(int shard = 0)
    {
        if (_batches[shard] is null)
        {
            Shards[shard].Inbox.RequestProjection();
            Turn(shard);
        }

        var batch = _batches[shard] ?? throw new InvalidOperationException("No batch came.");
        _batches[shard] = null;
        return batch;
    }

    /// <summary>Whether requests are let in; a request that is let in changes nothing.</summary>
    public bool TakesRequests(int shard = 0) => Shards[shard].Inbox.TryPost(new Command { Kind = CommandKind.Flush });

    public void Dispose()
    {
        foreach (var shard in Shards)
            shard.Dispose();
    }

    /// <summary>Answers what the first turn asks for.</summary>
    private void LoadHorizon(IStore store, int shard)
    {
        var request = Assert.Single(Turn(shard).HorizonRequests.Span.ToArray());
        var page = new LoadedPage { IsLast = true };
        store.LoadDue(request.FromMs, request.ToMs, (id, memo, body) =>
        {
            int partition = PartitionHash.Of(id.Value, PartitionCount);
            if (partition % Shards.Length == shard)
                page.Add(id, partition, memo, body);
        });
        Shards[shard].Inbox.PostPage(page);
    }
}
