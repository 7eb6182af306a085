namespace Karya.Engine.Tests.Driving;

/// <summary>
/// Two shards of two nodes over one store, with one clock, that hand partitions to each other. The first one has them
/// all at the beginning. Strays are carried to whoever owns their partition.
/// </summary>
internal sealed class ShardPair : IDisposable
{
    private readonly ShardDriver?[] _owners;
    private readonly List<Command> _strays = [];

    public ShardPair(
        int partitions = 2, long horizonMs = 600_000, int laneInFlightMax = 10_000, bool mayRunTwice = false)
    {
        Store = new FakeStore(partitions);
        First = new ShardDriver(partitions, horizonMs, laneInFlightMax: laneInFlightMax, store: Store)
        {
            MayRunTwice = mayRunTwice,
        };
        Second = new ShardDriver(partitions, horizonMs, laneInFlightMax: laneInFlightMax, store: Store)
        {
            MayRunTwice = mayRunTwice,
        };
        _owners = new ShardDriver?[partitions];
        for (int partition = 0; partition < partitions; partition++)
            Grant(First, partition);
        Settle();
    }

    public FakeStore Store { get; }

    public ShardDriver First { get; }

    public ShardDriver Second { get; }

    public long NowMs => First.NowMs;

    /// <summary>Strays wait until this is false.</summary>
    public bool HoldsStrays { get; set; }

    /// <summary>Strays on their way.</summary>
    public IReadOnlyList<Command> Strays => _strays;

    public ShardDriver OwnerOf(PlanId plan) => _owners[First.PartitionOf(plan)]!;

    public void Grant(ShardDriver to, int partition)
    {
        _owners[partition] = to;
        to.Grant(partition);
    }

    /// <summary>Closes a partition at its owner and grants it to the other one when the first has let go.</summary>
    public void Move(int partition, long drainMs = 0, long awayMs = 60_000)
    {
        var from = _owners[partition]!;
        from.Close(partition, drainMs, awayMs);
        Settle();
        while (!from.HasClosed(partition))
            AdvanceTo(Math.Max(NowMs + 1, from.Shard.NextTurnMs));
        Grant(from == First ? Second : First, partition);
        Settle();
    }

    /// <summary>The other one claims a partition whose owner does not know of it, and is told only then.</summary>
    public void TakeAway(int partition)
    {
        var from = _owners[partition]!;
        Grant(from == First ? Second : First, partition);
        from.Revoke(partition);
        Settle();
    }

    public void Settle()
    {
        do
        {
            First.Settle();
            Second.Settle();
        }
        while (CarryStrays());
    }

    public void AdvanceTo(long nowMs)
    {
        Settle();
        for (long nextMs = NextMs(); nextMs <= nowMs; nextMs = NextMs())
        {
            First.AdvanceTo(Math.Max(NowMs, nextMs));
            Second.AdvanceTo(First.NowMs);
            Settle();
        }

        First.AdvanceTo(nowMs);
        Second.AdvanceTo(nowMs);
    }

    public void Advance(long ms) => AdvanceTo(NowMs + ms);

    public void Dispose()
    {
        First.Dispose();
        Second.Dispose();
    }

    private long NextMs() => Math.Min(First.Shard.NextTurnMs, Second.Shard.NextTurnMs);

    private bool CarryStrays()
    {
        _strays.AddRange(First.Strays);
        _strays.AddRange(Second.Strays);
        First.Strays.Clear();
        Second.Strays.Clear();
        if (HoldsStrays)
            return false;

        // While a partition is with nobody, they wait.
        var carried = _strays.FindAll(stray => !_owners[stray.Partition]!.HasClosed(stray.Partition));
        _strays.RemoveAll(carried.Contains);
        foreach (var stray in carried)
            _owners[stray.Partition]!.Inbox.PostOutcome(stray);
        return carried.Count > 0;
    }
}
