using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;

namespace Karya.Engine.Timing;

/// <summary>
/// The slots of a wheel: first-in-first-out lists of 8-byte entries in chunks of two cache lines, with one occupancy
/// bit for each slot of the four levels.
/// </summary>
/// <remarks>
/// <code>
///  list                         chunk, 128 bytes                                   chunk
///  ┌───────┬──────┬───────┐     ┌──────┬───────┬───────┬─────────┬─────┬──────────┐     ┌──────┬──
///  │ write │ head │ first │────►│ next │ count │ ahead │ entry 0 │ ... │ entry 14 │ ┌──►│ next │
///  └───────┴──────┴───────┘     └──┬───┴───────┴───────┴─────────┴─────┴──────────┘ │   └──────┴──
///      │                           └────────────────────────────────────────────────┘      ▲
///      └─────────────────────────────────── the place of the next entry ───────────────────┘
///
///  entry   timer index (high 32 bits) | due tick modulo 2^32 (low 32 bits)
/// </code>
/// Chunks lie on multiples of their size, so a write pointer with zero low bits says "no room", for an empty list and
/// for a full last chunk alike: appending tests one condition. The count of the last chunk is in the write pointer;
/// that of any other chunk in its header. A freed chunk is the next one used, while it is still in the cache.
/// </remarks>
internal unsafe struct SlotLists
{
    public const int LevelBits = 8;
    public const int SlotsPerLevel = 1 << LevelBits;
    public const int LevelCount = 4;

    /// <summary>Entries that differ from the cursor above bit 32, in no order of due tick.</summary>
    public const int Far = LevelCount * SlotsPerLevel;

    /// <summary>What stays far, while the far list is being sorted.</summary>
    public const int FarKept = Far + 1;

    /// <summary>What is alive of the list that is being swept.</summary>
    public const int Swept = Far + 2;

    public const int ListCount = Far + 3;

    public const int EntriesPerChunk = 15;

    private const int ChunkBytes = 128;
    private const int ChunksPerBlockLog2 = 14; // 2 MiB of chunks
    private const int WordsPerLevel = SlotsPerLevel / 64;
    private const int OccupancyWords = LevelCount * WordsPerLevel;
    private const int NoChunk = -1;
    private const int ChunksMax = 1 << 27; // what a link can hold

    private List* _lists;
    private ulong* _occupancy;
    private NativeBlocks _blocks;
    private int _freeChunk;      // head of the chain of freed chunks
    private int _chunksTouched;  // chunks from here on were never used

    public int ChunksInUse { get; private set; }

    public readonly long Bytes => _blocks.Bytes + TableBytes;

    private static int TableBytes => ListCount * sizeof(List) + OccupancyWords * sizeof(ulong);

    public void Allocate()
    {
        _occupancy = (ulong*)NativeMemory.AlignedAlloc((nuint)TableBytes, 64);
        _lists = (List*)(_occupancy + OccupancyWords);
        Clear();
    }

    /// <summary>Drops all entries, and keeps the memory.</summary>
    public void Clear()
    {
        NativeMemory.Clear(_occupancy, (nuint)TableBytes);
        _freeChunk = NoChunk;
        _chunksTouched = 0;
        ChunksInUse = 0;
    }

    public void Free()
    {
        NativeMemory.AlignedFree(_occupancy);
        _blocks.Free();
        this = default;
    }

    public static ulong ToEntry(int timer, long dueTick) => (ulong)(uint)timer << 32 | (uint)dueTick;

    public static int TimerOf(ulong entry) => (int)(entry >> 32);

    public readonly bool IsEmpty(int list) => _lists[list].Write == null;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Append(int list, ulong entry)
    {
        if (!TryAppend(list, entry))
            AppendToNewChunk(list, entry);
    }

    /// <summary>False when the list has no room: then <see cref="AppendToNewChunk"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly bool TryAppend(int list, ulong entry)
    {
        ref List to = ref _lists[list];
        ulong* write = to.Write;
        if (((nuint)write & (ChunkBytes - 1)) == 0)
            return false;
        *write = entry;
        to.Write = write + 1;
        return true;
    }

    /// <summary>Out of line, or its registers would be saved on every append.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public void AppendToNewChunk(int list, ulong entry)
    {
        ulong* write = AddChunk(list);
        *write = entry;
        _lists[list].Write = write + 1;
    }

    /// <summary>The unread entries of the first chunk. False when the list is empty.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly bool TryPeek(int list, out ulong* entries, out int count)
    {
        ulong* write = _lists[list].Write;
        if (write == null)
        {
            entries = null;
            count = 0;
            return false;
        }

        Chunk* head = At(_lists[list].Head);
        int first = _lists[list].First;
        count = (head == TailOf(write) ? CountOf(write) : head->Count) - first;
        entries = EntriesOf(head) + first;
        if (head->Ahead != NoChunk)
            Prefetch(At(head->Ahead));
        return true;
    }

    /// <summary>
    /// Takes the first entries off, no more than <see cref="TryPeek"/> showed. Their memory may be reused at once.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Consume(int list, int count)
    {
        ref List from = ref _lists[list];
        int index = from.Head;
        Chunk* head = At(index);
        bool last = head == TailOf(from.Write);
        from.First += count;
        if (from.First < (last ? CountOf(from.Write) : head->Count))
            return;

        from.First = 0;
        from.Head = head->Next;
        head->Link(_freeChunk, 0);
        _freeChunk = index;
        ChunksInUse--;
        if (last)
            SetEmpty(list);
    }

    /// <summary>Puts all entries of one list before those of another, and leaves the first empty.</summary>
    public void Prepend(int from, int to)
    {
        List source = _lists[from];
        if (source.Write == null)
            return;

        if (_lists[to].Write == null)
        {
            _lists[to] = source;
            SetOccupied(to);
        }
        else
        {
            Chunk* tail = TailOf(source.Write);
            tail->Link(_lists[to].Head, CountOf(source.Write));
            Invariant.Check(_lists[to].First == 0);
        }

        _lists[to].Head = source.Head;
        _lists[to].First = source.First;
        SetEmpty(from);
    }

    /// <summary>The first occupied slot of a level, or -1.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly int FirstOccupied(int level)
    {
        ulong* words = _occupancy + level * WordsPerLevel;
        for (int word = 0; word < WordsPerLevel; word++)
        {
            if (words[word] != 0)
                return word * 64 + BitOperations.TrailingZeroCount(words[word]);
        }

        return -1;
    }

    private ulong* AddChunk(int list)
    {
        int index = TakeChunk();
        Chunk* added = At(index);
        added->Link(NoChunk, 0);
        added->Ahead = NoChunk;

        ref List to = ref _lists[list];
        if (to.Write == null)
        {
            to = new List { Head = index, Recent1 = NoChunk, Recent2 = NoChunk, Recent3 = NoChunk, Recent4 = NoChunk };
            SetOccupied(list);
        }
        else
        {
            TailOf(to.Write)->Link(index, EntriesPerChunk);
        }

        if (to.Recent4 != NoChunk)
            At(to.Recent4)->Ahead = index;
        to.Recent4 = to.Recent3;
        to.Recent3 = to.Recent2;
        to.Recent2 = to.Recent1;
        to.Recent1 = index;
        return EntriesOf(added);
    }

    private int TakeChunk()
    {
        ChunksInUse++;
        int index = _freeChunk;
        if (index != NoChunk)
        {
            _freeChunk = At(index)->Next;
            if (_freeChunk != NoChunk)
                Prefetch(At(_freeChunk));
            return index;
        }

        if (_chunksTouched == _blocks.Count << ChunksPerBlockLog2)
        {
            Invariant.Check(_chunksTouched < ChunksMax);
            _blocks.Add();
        }

        return _chunksTouched++;
    }

    private readonly void SetOccupied(int list)
    {
        if (list < Far)
            _occupancy[list >> 6] |= 1UL << list;
    }

    private readonly void SetEmpty(int list)
    {
        _lists[list].Write = null;
        if (list < Far)
            _occupancy[list >> 6] &= ~(1UL << list);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private readonly Chunk* At(int chunk) =>
        (Chunk*)(_blocks[chunk >> ChunksPerBlockLog2] + (chunk & ((1 << ChunksPerBlockLog2) - 1)) * ChunkBytes);

    private static ulong* EntriesOf(Chunk* chunk) => (ulong*)(chunk + 1);

    private static Chunk* TailOf(ulong* write) => (Chunk*)((nuint)(write - 1) & ~(nuint)(ChunkBytes - 1));

    private static int CountOf(ulong* write) => (int)(((nuint)(write - 1) & (ChunkBytes - 1)) / sizeof(ulong));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Prefetch(Chunk* chunk)
    {
        if (!Sse.IsSupported)
            return;
        Sse.Prefetch0(chunk);
        Sse.Prefetch0((byte*)chunk + 64);
    }

    private struct List
    {
        public ulong* Write;
        public int Head;

        /// <summary>The first unread entry of the head.</summary>
        public int First;

        /// <summary>The last four chunks, the youngest first.</summary>
        public int Recent1, Recent2, Recent3, Recent4;
    }

    /// <summary>The header of a chunk, 8 bytes; its entries follow.</summary>
    private struct Chunk
    {
        private const int NextBits = 28;

        private uint _link;

        /// <summary>
        /// The chunk four further on, to be prefetched: following <see cref="Next"/> alone waits for one chunk after
        /// the other. Only a hint; it may name a chunk that is used otherwise by now.
        /// </summary>
        public int Ahead;

        /// <summary>28 bits with a sign: two billion entries.</summary>
        public readonly int Next => (int)(_link << (32 - NextBits)) >> (32 - NextBits);

        public readonly int Count => (int)(_link >> NextBits);

        public void Link(int next, int count) => _link = (uint)count << NextBits | (uint)next & ((1u << NextBits) - 1);
    }
}
