using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Karya.Engine.Timing;

/// <summary>
/// The first entries of the level 1 slot that the cursor is in, sorted by due tick; entries of one tick keep their
/// order. First <see cref="Gather"/>, then <see cref="Sort"/>, then <see cref="Consume"/> until it is empty.
/// </summary>
/// <remarks>
/// Ten million timers within an hour are three a tick. Spread over the lists of level 0, every tick would take a chunk
/// for them and give it back; sorted, 256 ticks are read as one array.
/// </remarks>
internal unsafe struct SortedSlot
{
    /// <summary>
    /// From here on there are sixteen entries a tick, and chunks are as good. Two arrays of it fit the second-level
    /// cache.
    /// </summary>
    public const int EntriesMax = 4096;

    private const int Ticks = SlotLists.SlotsPerLevel;

    /// <summary>Up to here, comparing entries is cheaper than counting those of 256 ticks.</summary>
    private const int InsertionMax = 16;

    private ulong* _gathered;
    private ulong* _sorted;
    private int* _counts; // by the low bits of the due tick; all zero unless gathering
    private int _gatheredCount;
    private int _consumed;
    private int _count;

    public static long Bytes => 2 * EntriesMax * sizeof(ulong) + Ticks * sizeof(int);

    public readonly int Count => _count - _consumed;

    /// <summary>What is left, in order of due tick.</summary>
    public readonly ulong* Entries => _sorted + _consumed;

    public void Allocate()
    {
        _gathered = (ulong*)NativeMemory.AlignedAlloc((nuint)Bytes, 64);
        _sorted = _gathered + EntriesMax;
        _counts = (int*)(_sorted + EntriesMax);
        Clear();
    }

    public void Clear()
    {
        NativeMemory.Clear(_counts, Ticks * sizeof(int));
        _gatheredCount = 0;
        _consumed = 0;
        _count = 0;
    }

    public void Free()
    {
        NativeMemory.AlignedFree(_gathered);
        this = default;
    }

    /// <summary>Takes the first entries, as many as there is room for, and says how many.</summary>
    public int Gather(ulong* entries, int count)
    {
        int taken = Math.Min(count, EntriesMax - _gatheredCount);
        ulong* to = _gathered + _gatheredCount;
        for (int index = 0; index < taken; index++)
        {
            ulong entry = entries[index];
            to[index] = entry;
            _counts[KeyOf(entry)]++;
        }

        _gatheredCount += taken;
        return taken;
    }

    public void Sort()
    {
        if (_gatheredCount <= InsertionMax)
            SortByInsertion();
        else
            SortByCounting();

        NativeMemory.Clear(_counts, Ticks * sizeof(int));
        _count = _gatheredCount;
        _gatheredCount = 0;
        _consumed = 0;
    }

    public void Consume(int count) => _consumed += count;

    /// <summary>The due tick within the slot.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int KeyOf(ulong entry) => (byte)entry;

    private readonly void SortByInsertion()
    {
        for (int index = 0; index < _gatheredCount; index++)
        {
            ulong entry = _gathered[index];
            int place = index;
            for (; place > 0 && KeyOf(_sorted[place - 1]) > KeyOf(entry); place--)
                _sorted[place] = _sorted[place - 1];
            _sorted[place] = entry;
        }
    }

    private readonly void SortByCounting()
    {
        int start = 0;
        for (int key = 0; key < Ticks; key++)
        {
            int count = _counts[key];
            _counts[key] = start;
            start += count;
        }

        for (int index = 0; index < _gatheredCount; index++)
        {
            ulong entry = _gathered[index];
            _sorted[_counts[KeyOf(entry)]++] = entry;
        }
    }
}
