using System.Buffers.Binary;
using System.Numerics;

namespace Karya.Engine.Tables;

/// <summary>Where bytes lie in a <see cref="ByteArena"/>.</summary>
/// <param name="Block">Segment and offset in units of <see cref="ByteArena.Grain"/>; meaningless when empty.</param>
/// <param name="Length">In bytes; 0 for nothing.</param>
internal readonly record struct ArenaBytes(int Block, int Length)
{
    public static readonly ArenaBytes Empty;

    public bool IsEmpty => Length == 0;
}

/// <summary>
/// Holds the bodies of plans: millions of byte strings of some hundred bytes, in a few large arrays that the garbage
/// collector need not walk.
/// </summary>
/// <remarks>
/// <para>Owned by one shard. A segment is 1 MiB; a block is a multiple of 16 bytes out of one segment. There is a size
/// for each multiple up to 1 KiB, then eight per doubling, so at most a ninth is wasted. A freed block goes to the list
/// of its size (the link lies in the block itself) and is reused for that size only.</para>
/// <para>What is longer than 64 KiB gets a segment of its own, which goes back to the garbage collector.</para>
/// </remarks>
internal sealed class ByteArena
{
    public const int Grain = 16;

    private const int LinearClasses = 64; // Blocks of up to 1 KiB.
    private const int ClassCount = LinearClasses + 6 * 8; // Six doublings, from 1 KiB to 64 KiB.

    private const int SegmentBytes = 1 << 20;
    private const int GrainsPerSegment = SegmentBytes / Grain;
    private const int SegmentsMax = (int)((1L << 31) / GrainsPerSegment); // A block number is an int.
    private const int SharedBytesMax = 64 * 1024;
    private const int None = -1;

    private readonly int[] _freeBySize = new int[ClassCount];
    private readonly Stack<int> _freeSegments = new();
    private byte[]?[] _segments = new byte[]?[8];
    private int _segmentCount;
    private int _fillSegment = None;
    private int _fillOffset;

    internal int SegmentsInUse => _segmentCount - _freeSegments.Count;

    public ByteArena() => Array.Fill(_freeBySize, None);

    public ArenaBytes Store(ReadOnlySpan<byte> bytes)
    {
        if (bytes.IsEmpty)
            return ArenaBytes.Empty;

        int block = bytes.Length > SharedBytesMax ? TakeSegment(bytes.Length) * GrainsPerSegment : Take(bytes.Length);
        bytes.CopyTo(At(block, bytes.Length));
        return new ArenaBytes(block, bytes.Length);
    }

    public ReadOnlySpan<byte> Read(ArenaBytes stored) =>
        stored.IsEmpty ? default : At(stored.Block, stored.Length);

    public void Free(ArenaBytes stored)
    {
        if (stored.IsEmpty)
            return;

        if (stored.Length > SharedBytesMax)
        {
            int segment = stored.Block / GrainsPerSegment;
            _segments[segment] = null;
            _freeSegments.Push(segment);
            return;
        }

        int size = SizeClass(stored.Length, out _);
        BinaryPrimitives.WriteInt32LittleEndian(At(stored.Block, sizeof(int)), _freeBySize[size]);
        _freeBySize[size] = stored.Block;
    }

    /// <summary>One class per grain up to 1 KiB, eight per doubling above.</summary>
    private static int SizeClass(int length, out int blockBytes)
    {
        int grains = (length + Grain - 1) / Grain;
        if (grains <= LinearClasses)
        {
            blockBytes = grains * Grain;
            return grains - 1;
        }

        int doubling = BitOperations.Log2((uint)(grains - 1)); // 2^doubling < grains <= 2^(doubling + 1)
        int step = 1 << (doubling - 3);
        int eighth = (grains - 1 - (1 << doubling)) / step; // 0 to 7
        blockBytes = ((1 << doubling) + (eighth + 1) * step) * Grain;
        return LinearClasses + (doubling - 6) * 8 + eighth;
    }

    private int Take(int length)
    {
        int size = SizeClass(length, out int blockBytes);
        int block = _freeBySize[size];
        if (block != None)
        {
            _freeBySize[size] = BinaryPrimitives.ReadInt32LittleEndian(At(block, sizeof(int)));
            return block;
        }

        if (_fillSegment == None || _fillOffset + blockBytes > SegmentBytes)
        {
            _fillSegment = TakeSegment(SegmentBytes);
            _fillOffset = 0;
        }

        block = _fillSegment * GrainsPerSegment + _fillOffset / Grain;
        _fillOffset += blockBytes;
        return block;
    }

    private int TakeSegment(int bytes)
    {
        if (!_freeSegments.TryPop(out int segment))
        {
            Invariant.Check(_segmentCount < SegmentsMax);
            segment = _segmentCount++;
            if (segment == _segments.Length)
                Array.Resize(ref _segments, segment * 2);
        }

        _segments[segment] = GC.AllocateUninitializedArray<byte>(bytes);
        return segment;
    }

    private Span<byte> At(int block, int length) =>
        _segments[block / GrainsPerSegment].AsSpan(block % GrainsPerSegment * Grain, length);
}
