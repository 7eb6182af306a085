using System.Runtime.CompilerServices;

namespace Karya.Engine.Timing;

/// <summary>
/// The truth about every timer, by its index: one bit says whether it is scheduled, and a due tick that counts only
/// then. What the slots hold are only pointers to look here, so cancelling is one write.
/// </summary>
/// <remarks>
/// The bits of ten million timers take 1.25 MB and stay in the cache; their ticks do not. So scheduling only writes a
/// tick, which the processor need not wait for, and cancelling and expiring write no tick at all.
/// </remarks>
internal unsafe struct DueTable
{
    private const int TimersPerBlockLog2 = 18; // 2 MiB of 8-byte ticks
    private const int TimerMask = (1 << TimersPerBlockLog2) - 1;
    private const int TimersPerBitBlockLog2 = 24; // 2 MiB of bits
    private const int BitBlockWordMask = (1 << (TimersPerBitBlockLog2 - 6)) - 1;

    private NativeBlocks _blocks;
    private NativeBlocks _bitBlocks;

    public readonly long Bytes => _blocks.Bytes + _bitBlocks.Bytes;

    /// <summary>The due tick of a timer that the table covers already.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly long* At(int timer) => (long*)_blocks[timer >> TimersPerBlockLog2] + (timer & TimerMask);

    /// <summary>The word with the bit of a timer that the table covers already; see <see cref="BitOf"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly ulong* WordOf(int timer) =>
        (ulong*)_bitBlocks[timer >> TimersPerBitBlockLog2] + ((timer >> 6) & BitBlockWordMask);

    public static ulong BitOf(int timer) => 1UL << timer;

    public readonly bool IsScheduled(int timer) => (*WordOf(timer) & BitOf(timer)) != 0;

    /// <summary>False for an index that was never scheduled, negative ones included.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly bool Covers(int timer) => (uint)timer >> TimersPerBlockLog2 < (uint)_blocks.Count;

    public void Cover(int timer)
    {
        Invariant.Check(timer >= 0);
        while (!Covers(timer))
            _blocks.Add();
        while (timer >> TimersPerBitBlockLog2 >= _bitBlocks.Count)
            _bitBlocks.Add();
    }

    public void Free()
    {
        _blocks.Free();
        _bitBlocks.Free();
    }
}
