namespace Karya.Engine.Tables;

/// <summary>
/// Rows of one kind, addressed by a small dense index that stays valid until the row is freed. Grows by segments, so
/// nothing is ever copied or moved and a reference into it stays good while other rows are added.
/// </summary>
/// <remarks>
/// Owned by one shard; no synchronisation. Freed rows are reused last in, first out, and are not cleared.
/// </remarks>
internal sealed class Slab<T> where T : struct
{
    private const int SegmentBits = 12;
    private const int SegmentSize = 1 << SegmentBits; // 4,096 rows: a few hundred kB, small against what fills it.

    private T[][] _segments = new T[4][];
    private int[] _free = new int[64];
    private int _freeCount;
    private int _end;

    public int Count => _end - _freeCount;

    public ref T this[int index] => ref _segments[index >> SegmentBits][index & (SegmentSize - 1)];

    /// <summary>Takes a row; its content is whatever was there.</summary>
    public int Take()
    {
        if (_freeCount > 0)
            return _free[--_freeCount];
        if ((_end & (SegmentSize - 1)) == 0)
            AddSegment();
        return _end++;
    }

    public void Free(int index)
    {
        if (_freeCount == _free.Length)
            Array.Resize(ref _free, _freeCount * 2);
        _free[_freeCount++] = index;
    }

    private void AddSegment()
    {
        int segment = _end >> SegmentBits;
        if (segment == _segments.Length)
            Array.Resize(ref _segments, segment * 2);
        _segments[segment] = new T[SegmentSize];
    }
}
