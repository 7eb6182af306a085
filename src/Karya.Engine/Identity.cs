using System.Buffers.Binary;
using System.Runtime.CompilerServices;

namespace Karya.Engine;

/// <summary>The identity of a plan: a UUID whose numeric order is the order of its text and of its bytes.</summary>
public readonly record struct PlanId(UInt128 Value) : IComparable<PlanId>
{
    public static readonly PlanId None;

    public static PlanId From(Guid guid) => new(Uuid.ToNumber(guid));

    public Guid ToGuid() => Uuid.ToGuid(Value);

    public int CompareTo(PlanId other) => Value.CompareTo(other.Value);

    /// <summary>The UUID in its <c>D</c> form, lower case.</summary>
    public override string ToString() => ToGuid().ToString("D");
}

/// <summary>The identity of the user who owns plans.</summary>
public readonly record struct UserId(UInt128 Value)
{
    public static UserId From(Guid guid) => new(Uuid.ToNumber(guid));

    public Guid ToGuid() => Uuid.ToGuid(Value);

    public override string ToString() => ToGuid().ToString("D");
}

/// <summary>
/// Names one task of a plan: an occurrence (hook 0), or the run of a hook that followed from it (hook 1 and up).
/// </summary>
/// <param name="Plan">The plan that the task belongs to.</param>
/// <param name="Occurrence">Counts from 1.</param>
/// <param name="Hook">0 for the occurrence itself, else the position of the hook in the plan plus 1.</param>
public readonly record struct TaskKey(PlanId Plan, long Occurrence, int Hook)
{
    public bool IsHook => Hook != 0;

    /// <summary>
    /// The task's UUID (version 8), the same on every node and after every restart: a hash of the key. The mixer is
    /// MurmurHash3's 64-bit finalizer, applied to each half in turn.
    /// </summary>
    public Guid ToTaskId()
    {
        ulong low = Mix((ulong)Plan.Value ^ Mix((ulong)Occurrence + 0x9E3779B97F4A7C15));
        ulong high = Mix((ulong)(Plan.Value >> 64) ^ Mix(low + (ulong)Hook));
        low = Mix(low ^ high);
        high = (high & ~0xF000UL) | 0x8000UL;
        low = (low & 0x3FFFFFFFFFFFFFFF) | 0x8000000000000000;
        return Uuid.ToGuid(new UInt128(high, low));
    }

    /// <summary>Spreads the bits of a number; MurmurHash3's 64-bit finalizer. Always the same, everywhere.</summary>
    public static ulong Mix(ulong value)
    {
        value ^= value >> 33;
        value *= 0xFF51AFD7ED558CCD;
        value ^= value >> 33;
        value *= 0xC4CEB9FE1A85EC53;
        return value ^ (value >> 33);
    }
}

/// <summary>UUIDs as numbers, in the order of their big-endian bytes.</summary>
public static class Uuid
{
    [SkipLocalsInit]
    public static UInt128 ToNumber(Guid guid)
    {
        Span<byte> bytes = stackalloc byte[16];
        guid.TryWriteBytes(bytes, bigEndian: true, out _);
        return BinaryPrimitives.ReadUInt128BigEndian(bytes);
    }

    [SkipLocalsInit]
    public static Guid ToGuid(UInt128 number)
    {
        Span<byte> bytes = stackalloc byte[16];
        BinaryPrimitives.WriteUInt128BigEndian(bytes, number);
        return new Guid(bytes, bigEndian: true);
    }
}
