using System.Buffers;
using BenchmarkDotNet.Attributes;
using Karya.Benchmarks.Figures;
using Karya.Engine;
using Karya.Engine.Shards;
using Karya.Protocol;

namespace Karya.Benchmarks.Shards;

/// <summary>
/// The turns that a one-time plan's life takes in the engine alone: submit, durable, due, dispatched, succeeded,
/// durable, projected, out of memory. Time and bytes are per plan; the store answers at once and keeps nothing.
/// </summary>
[MemoryDiagnoser]
public class ShardLifeBenchmarks : IDisposable
{
    private const int PartitionCount = 256;
    private const int Plans = 1000;
    private const long StartMs = 1_800_000_000_000;

    private ShardInbox _inbox = null!;
    private Shard _shard = null!;
    private ulong _nextId;
    private long _nowMs = StartMs;

    [GlobalSetup]
    public void SetUp()
    {
        _inbox = new ShardInbox(Plans * 2, () => { });
        _shard = new Shard(
            new ShardOptions(0, PartitionCount, Plans, Plans, 600_000, 1_000_000, Plans * 10), _inbox, StartMs);
        for (int partition = 0; partition < PartitionCount; partition++)
            _shard.Own(partition, epoch: 1, sequence: 0);
        _shard.Open(StartMs);
        _shard.Turn(StartMs);
        _inbox.PostPage(new LoadedPage { IsLast = true }); // The store has nothing.
    }

    [GlobalCleanup]
    public void Dispose()
    {
        _shard.Dispose();
        GC.SuppressFinalize(this);
    }

    [Benchmark(OperationsPerInvoke = Plans)]
    public long Life()
    {
        for (int i = 0; i < Plans; i++)
            Submit();
        TurnUntilIdle();
        _nowMs += 10;
        TurnUntilIdle();
        _inbox.RequestProjection();
        TurnUntilIdle();
        if (_shard.Status.ResidentPlans != 0)
            throw new InvalidOperationException($"{_shard.Status.ResidentPlans} plans are left.");
        return _shard.Status.Position;
    }

    private void Submit()
    {
        var id = new PlanId(new UInt128(0x0190_0000_0000_7000, ++_nextId));
        var command = new Command
        {
            Kind = CommandKind.Submit,
            Partition = PartitionHash.Of(id.Value, PartitionCount),
            Key = new TaskKey(id, 0, 0),
            AtMs = _nowMs,
            Spec = NodeRig.SpecOf(id, default, _nowMs, delayMs: 10),
            Payload = ArrayPool<byte>.Shared.Rent(NodeRig.Body.Length),
            PayloadBytes = NodeRig.Body.Length,
        };
        NodeRig.Body.CopyTo(command.Payload, 0);
        _inbox.TryPost(command);
    }

    /// <summary>Until a turn has asked for nothing and wants no further one.</summary>
    private void TurnUntilIdle()
    {
        bool hasEffects;
        do
        {
            var effects = _shard.Turn(_nowMs);
            hasEffects = effects.Chunk is not null || effects.Dispatches.Count > 0 || effects.Projection is not null;
            if (effects.Chunk is { } chunk)
                _inbox.PostDurable(chunk.Position, chunk);
            foreach (ref readonly var dispatch in effects.Dispatches.Span)
                Succeed(dispatch);
            if (effects.Projection is not null)
                _inbox.PostProjected();
        }
        while (hasEffects || _shard.NextTurnMs <= _nowMs);
    }

    private void Succeed(in Dispatch dispatch)
    {
        ArrayPool<byte>.Shared.Return(dispatch.Body);
        _inbox.PostOutcome(new Command
        {
            Kind = CommandKind.AttemptSucceeded,
            Partition = dispatch.Partition,
            Key = dispatch.Key,
            Attempt = dispatch.Attempt,
            Epoch = dispatch.Epoch,
            Lane = dispatch.Lane,
            AtMs = _nowMs,
        });
    }
}
