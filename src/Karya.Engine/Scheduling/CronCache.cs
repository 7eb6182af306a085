using System.Diagnostics.CodeAnalysis;
using System.IO.Hashing;

namespace Karya.Engine.Scheduling;

/// <summary>Parsed schedules by their stored text, so that an occurrence costs no parsing and no memory.</summary>
/// <remarks>
/// Owned by one shard. When it is full it starts afresh: that costs some µs per text in use, and nobody keeps count.
/// </remarks>
internal sealed class CronCache
{
    private readonly Dictionary<byte[], CronSchedule?> _schedules = new(new ByText());
    private readonly Dictionary<byte[], CronSchedule?>.AlternateLookup<ReadOnlySpan<byte>> _byText;

    public CronCache() => _byText = _schedules.GetAlternateLookup<ReadOnlySpan<byte>>();

    public int Count => _schedules.Count;

    /// <summary>Null when the text cannot be read, which is remembered as well.</summary>
    public CronSchedule? Get(ReadOnlySpan<byte> text)
    {
        if (_byText.TryGetValue(text, out var schedule))
            return schedule;

        if (_schedules.Count == Limits.CronSchedulesMax)
            _schedules.Clear();
        CronSchedule.TryRead(text, out schedule);
        _byText[text] = schedule;
        return schedule;
    }

    private sealed class ByText : IEqualityComparer<byte[]>, IAlternateEqualityComparer<ReadOnlySpan<byte>, byte[]>
    {
        public byte[] Create(ReadOnlySpan<byte> text) => text.ToArray();

        public bool Equals(ReadOnlySpan<byte> text, byte[] other) => text.SequenceEqual(other);

        public bool Equals(byte[]? one, byte[]? other) => one.AsSpan().SequenceEqual(other);

        public int GetHashCode(ReadOnlySpan<byte> text) => (int)XxHash3.HashToUInt64(text);

        public int GetHashCode([DisallowNull] byte[] text) => GetHashCode(text.AsSpan());
    }
}
