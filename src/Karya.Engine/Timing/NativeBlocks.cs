using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Karya.Engine.Timing;

/// <summary>
/// A table of huge-page blocks that grows and never moves what it holds, so that pointers into it stay valid. It does
/// not shrink: the memory of the busiest hour is kept until <see cref="Free"/>.
/// </summary>
/// <remarks>
/// The first block stays in small pages until a second one is needed: a partition with few timers then occupies what it
/// touches, and not 2 MiB per table.
/// </remarks>
internal unsafe struct NativeBlocks
{
    private const int TableLengthMin = 16;

    private byte** _table;
    private int _tableLength;

    public int Count { get; private set; }

    public readonly long Bytes => (long)Count * HugePages.BlockBytes;

    public readonly byte* this[int block]
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => _table[block];
    }

    public void Add()
    {
        if (Count == _tableLength)
        {
            _tableLength = Math.Max(TableLengthMin, _tableLength * 2);
            _table = (byte**)NativeMemory.Realloc(_table, (nuint)_tableLength * (nuint)sizeof(byte*));
        }

        byte* added = HugePages.Allocate();
        _table[Count++] = added;

        if (Count == 2)
            HugePages.Advise(_table[0], touched: true);
        if (Count >= 2)
            HugePages.Advise(added, touched: false);
    }

    public void Free()
    {
        for (int block = 0; block < Count; block++)
            HugePages.Free(_table[block]);
        NativeMemory.Free(_table);
        this = default;
    }
}
