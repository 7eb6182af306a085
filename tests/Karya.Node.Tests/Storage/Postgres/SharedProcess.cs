using Karya.Engine;
using Karya.Engine.Journal;
using Karya.Engine.Shards;
using Karya.Node.Storage;
using Karya.Node.Storage.Postgres;
using Karya.Node.Tests.Joined;
using Karya.Protocol;
using Xunit;

namespace Karya.Node.Tests.Storage.Postgres;

/// <summary>One of several processes on a store, with a real shard and without threads.</summary>
internal sealed class SharedProcess : IDisposable
{
    private readonly int _partitionCount;
    private ProjectionBatch? _batch;

    /// <param name="store">Has joined; stays its owner's.</param>
    public SharedProcess(PostgresStore store)
    {
        Store = store;
        _partitionCount = store.Owned.PartitionCount;
        Shard = new Shard(
            new ShardOptions(0, _partitionCount, 16, 16, ShardRig.HorizonMs, ProjectionIntervalMs: 3_600_000, 1000),
            new ShardInbox(100, () => { }), ShardRig.NowMs);
        Shard.Open(ShardRig.NowMs);
    }

    public PostgresStore Store { get; }

    public Shard Shard { get; }

    /// <summary>Claims partitions as they look now, reads them, and has the shard take them.</summary>
    public void Take(params int[] partitions)
    {
        var seen = Store.ReadLeases().Where(lease => partitions.Contains(lease.Partition));
        var claimed = Store.Claim([.. seen.Select(PostgresOwnership.Seen)]);
        Assert.Equal(partitions, claimed.Select(one => one.Partition));
        foreach (var (partition, epoch) in claimed)
            Store.Owned.Take(partition, epoch);
        foreach (var image in Store.LoadPartitions(claimed))
            Shard.Inbox.PostChange(new PartitionChange(PartitionChangeKind.Grant, image.Partition, image));
        Turn();
        Assert.All(partitions, partition => Assert.True(Shard.Owns(partition)));
    }

    /// <summary>Lets a partition go that it has written nothing more to.</summary>
    public void Release(int partition)
    {
        Store.Release(partition, Store.Owned.EpochOf(partition));
        Lose(partition);
    }

    /// <summary>It is another's, and this process hears of it before it does anything else.</summary>
    public void Lose(int partition)
    {
        Store.Owned.Lose(partition);
        Shard.Inbox.PostChange(new PartitionChange(PartitionChangeKind.Revoke, partition));
        Turn();
    }

    /// <summary>A plan of that partition, due beyond the horizon, in a row of its own.</summary>
    public void Submit(int partition, int number)
    {
        var chunk = Decide(partition, number);
        chunk.Seal();
        Assert.Equal(CommitResult.Committed, Store.Commit(0, chunk.Partitions, chunk.SealedBytes.ToArray()));
    }

    /// <summary>The records of such a plan, not written anywhere.</summary>
    public JournalChunk Decide(int partition, int number)
    {
        ulong draw = 0;
        UInt128 Id() => new(0x0190_0000_0000_7000, ((ulong)number << 32) + draw);
        while (PartitionHash.Of(Id(), _partitionCount) != partition)
            draw++;
        var command = ShardRig.CommandFor(
            new PlanId(Id()), CommandKind.Submit, dueInMs: 10 * ShardRig.HorizonMs);
        command.Partition = partition;
        Assert.True(Shard.Inbox.TryPost(command));
        var chunk = Turn().Chunk;
        Assert.NotNull(chunk);
        return chunk;
    }

    /// <summary>Has the tables catch up with everything.</summary>
    public void Project()
    {
        while (Shard.Status.ProjectedPosition < Shard.Status.Position)
        {
            if (_batch is null)
            {
                Shard.Inbox.RequestProjection();
                Turn();
            }

            Assert.NotNull(_batch);
            Assert.Equal(CommitResult.Committed, Store.Project(_batch));
            _batch = null;
            Shard.Inbox.PostProjected();
            Turn();
        }
    }

    public void Dispose() => Shard.Dispose();

    /// <summary>A batch for the tables, which comes at its own time, is kept until they are to catch up.</summary>
    private EffectList Turn()
    {
        var effects = Shard.Turn(ShardRig.NowMs);
        _batch = effects.Projection ?? _batch;
        return effects;
    }
}
