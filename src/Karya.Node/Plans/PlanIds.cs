using System.Buffers.Binary;
using System.Security.Cryptography;
using Karya.Engine;
using Karya.Protocol;

namespace Karya.Node.Plans;

/// <summary>
/// Makes plan ids: UUID version 7 (RFC 9562), so that the order of ids is the order of creation, also within one
/// millisecond of one node: the 12 bits behind the time count up.
/// </summary>
/// <remarks>Thread-safe.</remarks>
/// <param name="fill">Fills an array with random bytes; null for the system's generator.</param>
internal sealed class PlanIds(Action<byte[]>? fill = null)
{
    private const int RandomBytes = 4096; // One call to the generator for 512 ids.
    private const int CounterMax = 0xFFF;

    /// <summary>A single partition among many is then missed once in 10^27 times.</summary>
    private const int DrawsPerPartition = 64;

    private readonly Lock _lock = new();
    private readonly byte[] _random = new byte[RandomBytes];
    private int _randomUsed = RandomBytes;
    private long _lastMs;
    private int _counter;

    /// <summary>A new id.</summary>
    /// <param name="nowMs">Milliseconds since 1970 UTC. Ids are never older than the one before.</param>
    public PlanId New(long nowMs)
    {
        lock (_lock)
        {
            if (nowMs > _lastMs)
            {
                _lastMs = nowMs;
                _counter = 0;
            }
            else if (++_counter > CounterMax)
            {
                _lastMs++; // More than 4,096 in one millisecond: borrow from the next one.
                _counter = 0;
            }

            return Compose(_lastMs, (ulong)_counter, NextRandom());
        }
    }

    /// <summary>
    /// A new id of a plan that falls into a partition of which a predicate says so: drawn until one does. None when
    /// there is no such partition.
    /// </summary>
    /// <param name="nowMs">As above.</param>
    /// <param name="partitionCount">Of the store.</param>
    /// <param name="isWanted">Its answers may change meanwhile.</param>
    public PlanId New(long nowMs, int partitionCount, Predicate<int> isWanted)
    {
        for (int draw = 0; draw < DrawsPerPartition * partitionCount; draw++)
        {
            var id = New(nowMs);
            if (isWanted(PartitionHash.Of(id.Value, partitionCount)))
                return id;
        }

        return PlanId.None;
    }

    /// <summary>
    /// The id of a plan that a task starts: the same for every attempt of the task, and in the task's own partition, so
    /// that a plan and all its descendants have one owner and cancelling them is one commit.
    /// </summary>
    public static PlanId OfChild(TaskKey task, long dueMs, int partition, int partitionCount)
    {
        var source = Uuid.ToNumber(task.ToTaskId());
        for (ulong draw = 0; ; draw++)
        {
            ulong random = TaskKey.Mix((ulong)source + draw * 0x9E3779B97F4A7C15)
                ^ TaskKey.Mix((ulong)(source >> 64) + draw);
            var id = Compose(dueMs, (ulong)(source >> 64) & CounterMax, random);
            if (PartitionHash.Of(id.Value, partitionCount) == partition)
                return id;
        }
    }

    /// <summary>
    /// The id of a plan with an idempotency key: the same for the same user and key, on every node and for ever. A UUID
    /// of version 8. SHA-256, since whoever could find two keys of one id could take the place of another's plan.
    /// </summary>
    public static PlanId OfKey(UserId user, ReadOnlySpan<byte> key)
    {
        Span<byte> source = stackalloc byte[16 + 255];
        BinaryPrimitives.WriteUInt128BigEndian(source, user.Value);
        key.CopyTo(source[16..]);
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(source[..(16 + key.Length)], hash);
        ulong high = (BinaryPrimitives.ReadUInt64BigEndian(hash) & ~0xF000UL) | 0x8000;
        ulong low = (BinaryPrimitives.ReadUInt64BigEndian(hash[8..]) & 0x3FFFFFFFFFFFFFFF) | 0x8000000000000000;
        return new PlanId(new UInt128(high, low));
    }

    private static PlanId Compose(long ms, ulong counter, ulong random)
    {
        ulong high = ((ulong)ms << 16) | 0x7000 | counter;
        ulong low = (random & 0x3FFFFFFFFFFFFFFF) | 0x8000000000000000;
        return new PlanId(new UInt128(high, low));
    }

    private ulong NextRandom()
    {
        if (_randomUsed == RandomBytes)
        {
            Refill();
            _randomUsed = 0;
        }

        ulong random = BitConverter.ToUInt64(_random, _randomUsed);
        _randomUsed += sizeof(ulong);
        return random;
    }

    private void Refill()
    {
        if (fill is null)
            RandomNumberGenerator.Fill(_random);
        else
            fill(_random);
    }
}
