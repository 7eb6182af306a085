using System.Runtime.CompilerServices;

namespace Karya.Engine.Timing;

/// <summary>
/// The due tick of every timer, by its index: the truth about a timer. What the slots hold are only pointers to look
/// here, so cancelling is one write.
/// </summary>
/// <remarks>
/// Ticks are stored with the top bit flipped: fresh memory, all zeroes, then says <see cref="TimingWheel.NoDue"/>.
/// </remarks>
internal unsafe struct DueTable
{
    public const long NotScheduled = 0;

    private const int TimersPerBlockLog2 = 18; // 2 MiB of 8-byte ticks
    private const int TimerMask = (1 << TimersPerBlockLog2) - 1;

    private NativeBlocks _blocks;

    public readonly long Bytes => _blocks.Bytes;

    public static long ToStored(long dueTick) => dueTick ^ TimingWheel.NoDue;

    public static long FromStored(long stored) => stored ^ TimingWheel.NoDue;

    /// <summary>The place of a timer that the table covers already.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly long* At(int timer) => (long*)_blocks[timer >> TimersPerBlockLog2] + (timer & TimerMask);

    /// <summary>False for an index that was never scheduled, negative ones included.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly bool Covers(int timer) => (uint)timer >> TimersPerBlockLog2 < (uint)_blocks.Count;

    public void Cover(int timer)
    {
        Invariant.Check(timer >= 0);
        while (!Covers(timer))
            _blocks.Add();
    }

    public void Free() => _blocks.Free();
}
