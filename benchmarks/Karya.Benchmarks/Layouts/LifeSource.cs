namespace Karya.Benchmarks.Layouts;

/// <summary>
/// Lives as a busy node would make them: ids of version 7 in the order of time, users and partitions at random, bytes
/// that do not compress. The same seed gives the same lives, so that every layout gets the same rows.
/// </summary>
internal sealed class LifeSource
{
    public const int BodyBytes = 219; // A REST call, as stored.
    public const int MemoBytes = 90;  // As long as the memo of such a plan.
    public const long StartMs = 20_782 * DayMs + DayMs / 2; // Noon, so that a run stays within one day.
    public const long DayMs = 86_400_000;

    private const int PartitionCount = 256;
    public const int LivesPerMs = 50;
    private const int NoiseBytes = 1 << 20;

    private readonly Random _random = new(20261125);
    private readonly Guid[] _users;
    private long _made;

    public LifeSource(int userCount)
    {
        Noise = new byte[NoiseBytes];
        _random.NextBytes(Noise);
        _users = new Guid[userCount];
        for (int i = 0; i < userCount; i++)
            _users[i] = NewId(StartMs - DayMs + i);
    }

    public byte[] Noise { get; }

    /// <param name="waitMs">How long the plan waits before it ends.</param>
    public Life Next(long waitMs)
    {
        long createdMs = StartMs + _made++ / LivesPerMs;
        int user = _random.Next(_users.Length);
        return new Life
        {
            Id = NewId(createdMs),
            User = _users[user],
            UserNumber = user,
            Partition = (short)_random.Next(PartitionCount),
            CreatedMs = createdMs,
            EndedMs = createdMs + waitMs,
            Body = _random.Next(NoiseBytes - BodyBytes),
            WaitingMemo = _random.Next(NoiseBytes - MemoBytes),
            FinalMemo = _random.Next(NoiseBytes - MemoBytes),
        };
    }

    public int Random(int below) => _random.Next(below);

    /// <summary>A version 7 id whose random bits come from the seed.</summary>
    private Guid NewId(long ms)
    {
        Span<byte> bytes = stackalloc byte[16];
        _random.NextBytes(bytes);
        for (int i = 0; i < 6; i++)
            bytes[i] = (byte)(ms >> (40 - 8 * i));
        bytes[6] = (byte)(0x70 | (bytes[6] & 0x0F));
        bytes[8] = (byte)(0x80 | (bytes[8] & 0x3F));
        return new Guid(bytes, bigEndian: true);
    }
}
