using System.Diagnostics;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace Karya.Engine.Timing;

/// <summary>
/// Says which timers are due. A hierarchical timing wheel: four levels of 256 slots, each slot of a level as wide as
/// the whole level below, and one list for what is further away than 2^32 ticks.
/// </summary>
/// <remarks>
/// <para>
/// One thread owns it, and nothing inside is synchronised. It does not know the clock: <see cref="Advance"/> is told
/// the tick. A timer is an index that the caller chose, usually the row of what is to happen; the wheel keeps nothing
/// else about it. Its memory is native and no object exists per timer, so the garbage collector sees nothing of it;
/// it must be disposed of.
/// </para>
/// <code>
///              cursor (the tick to process next)
///              ▼
///  level 0     ·▓▓░▓···  1 tick a slot; exact
///  level 1     ····░▓··▓  256 ticks a slot; sorted when the cursor enters the slot, or level 0 if there are too many
///  level 2, 3            2^16 and 2^24 ticks a slot
///  far                   other bits above 32; sorted when the cursor enters the 2^32 ticks of its earliest entry
/// </code>
/// <para>
/// The level of an entry is the highest group of eight bits in which its due tick and the cursor differ. So everything
/// on a level is due before anything on the level above, and the next occupied slot is the first one of the lowest
/// occupied level: empty slots are never visited.
/// </para>
/// <para>
/// Timers of the same tick expire in the order in which they were scheduled. What is sorted (<see cref="SortedSlot"/>)
/// was scheduled before what the lists of level 0 hold, and goes first. Slots are first-in-first-out, a cascade
/// keeps the order, and while a slot is only partly cascaded (<see cref="_openLevel"/>), new entries for its range
/// still go to its end. Cancelling and moving leave the old entry behind as a tombstone; it is dropped when its slot
/// is read, because <see cref="DueTable"/> says something else, or by a sweep before tombstones outnumber timers
/// (<see cref="SweepSome"/>). A timer that comes back to a tick where it left a tombstone expires once, at the turn
/// of either entry.
/// </para>
/// </remarks>
public sealed unsafe class TimingWheel : IDisposable
{
    /// <summary>The due tick of a timer that is not scheduled.</summary>
    public const long NoDue = long.MinValue;

    private const int FarLevel = SlotLists.LevelCount;

    /// <summary>
    /// 1 MiB of chunks that tombstones and half-filled chunks may take before anybody sweeps, however few timers.
    /// </summary>
    private const int ChunksSpareMax = 8192;

    /// <summary>
    /// Chunks swept when scheduling adds one. Sweeping four times as fast as entries arrive ends a pass before the
    /// entries have grown by more than another half of the timers.
    /// </summary>
    private const int ChunksPerSweep = 4;

    /// <summary>How long before its turn a due tick is asked for: time for it to come from memory.</summary>
    private const int EntriesAhead = 32;

    private const int NoSweep = -1;

    private DueTable _due;
    private SlotLists _lists;
    private SortedSlot _sorted;

    /// <summary>The tick to process next: everything before it is done.</summary>
    private long _cursor;

    /// <summary>
    /// The start of the first occupied slot, and its level. Never before the cursor; the maximum when there is none.
    /// </summary>
    private long _next = long.MaxValue;
    private int _nextLevel;

    /// <summary>
    /// The level of the slot that begins at the cursor and is not cascaded to its end yet; 0 when there is none.
    /// Nothing that belongs into this slot may go below it, or it would overtake the rest of the slot.
    /// </summary>
    private int _openLevel;

    /// <summary>
    /// The earliest 2^32 ticks of which the far list may hold an entry, and the same of what a sorting has kept so
    /// far.
    /// </summary>
    private long _farEpoch = long.MaxValue;
    private long _farKeptEpoch = long.MaxValue;

    /// <summary>The list that is being swept.</summary>
    private int _sweepList = NoSweep;

    private readonly int _chunksSpare;
    private bool _disposed;

    public TimingWheel(long nowTick) : this(nowTick, ChunksSpareMax)
    {
    }

    /// <summary>For tests, which want sweeps with few timers.</summary>
    internal TimingWheel(long nowTick, int chunksSpare)
    {
        Invariant.Check(nowTick < long.MaxValue);
        _cursor = nowTick + 1;
        _chunksSpare = chunksSpare;
        _lists.Allocate();
        _sorted.Allocate();
    }

    /// <summary>The last tick that was fully processed.</summary>
    public long NowTick => _cursor - 1;

    /// <summary>Timers that are scheduled.</summary>
    public int Count { get; private set; }

    /// <summary>
    /// The earliest tick at which <see cref="Advance"/> may have something to do: no timer is due before it. It is
    /// the start of a slot, so it can be earlier than the first due tick. <see cref="long.MaxValue"/> when nothing is
    /// scheduled.
    /// </summary>
    public long NextWakeTick => Count == 0 ? long.MaxValue : _next;

    /// <summary>Native memory held, in bytes.</summary>
    internal long MemoryBytes => _due.Bytes + _lists.Bytes + SortedSlot.Bytes;

    internal int ChunksInUse => _lists.ChunksInUse;

    /// <summary>
    /// Schedules a timer, or moves it when it was scheduled already. A tick that has passed counts as the next one.
    /// </summary>
    /// <param name="timer">Not negative, and dense: memory is taken for all indices up to the largest one seen.</param>
    /// <param name="dueTick">When to expire. Moving a timer to the tick that it has leaves it at its place.</param>
    public void Schedule(int timer, long dueTick)
    {
        if (!_due.Covers(timer))
            Cover(timer);

        dueTick = Math.Max(dueTick, _cursor);
        long* due = _due.At(timer);
        ulong* word = _due.WordOf(timer);
        ulong bit = DueTable.BitOf(timer);
        if ((*word & bit) == 0)
        {
            *word |= bit;
            Count++;
        }
        else if (*due == dueTick)
        {
            return;
        }

        *due = dueTick;

        int level = Math.Max(LevelOf(dueTick), _openLevel);
        if (level == FarLevel)
            _farEpoch = Math.Min(_farEpoch, dueTick >> 32);
        long start = dueTick & -(1L << (level * SlotLists.LevelBits));
        if (start < _next)
        {
            _next = start;
            _nextLevel = level;
        }

        int list = ListOf(level, dueTick);
        ulong entry = SlotLists.ToEntry(timer, dueTick);
        if (!_lists.TryAppend(list, entry))
            AppendAndSweep(list, entry);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void AppendAndSweep(int list, ulong entry)
    {
        _lists.AppendToNewChunk(list, entry);
        SweepSome();
    }

    /// <summary>False when the timer was not scheduled.</summary>
    public bool Cancel(int timer)
    {
        if (!_due.Covers(timer))
            return false;

        ulong* word = _due.WordOf(timer);
        ulong bit = DueTable.BitOf(timer);
        if ((*word & bit) == 0)
            return false;

        *word &= ~bit;
        Count--;
        return true;
    }

    /// <summary>When the timer expires, or <see cref="NoDue"/>.</summary>
    public long DueTick(int timer) => _due.Covers(timer) && _due.IsScheduled(timer) ? *_due.At(timer) : NoDue;

    /// <summary>
    /// Hands out the timers that are due at or before a tick, in order of due tick, and within a tick in the order in
    /// which they were scheduled. They are no longer scheduled then.
    /// </summary>
    /// <param name="nowTick">Never less than <see cref="NowTick"/>, which reaches it only when all is done.</param>
    /// <param name="expired">Receives the timers. When it is full, the call ends: call again.</param>
    /// <param name="workLeft">Entries that may be looked at (expired, cascaded, dropped), less those that were.</param>
    /// <returns>How many timers expired.</returns>
    public int Advance(long nowTick, Span<int> expired, ref int workLeft)
    {
        Invariant.Check(nowTick >= NowTick);
        Invariant.Check(nowTick < long.MaxValue);

        int count = 0;
        while (_next <= nowTick)
        {
            if (Count == 0)
            {
                DropTombstones();
                break;
            }

            MoveTo(_next);
            if (_openLevel > 0 && !Cascade(ref workLeft))
                return count;
            if (!ExpireSorted(nowTick, expired, ref count, ref workLeft))
                return count;
            if (!Expire(expired, ref count, ref workLeft))
                return count;
            FindNext();
        }

        if (_cursor <= nowTick)
            MoveTo(nowTick + 1);
        CheckLevels();
        return count;
    }

    public void Dispose()
    {
        if (_disposed)
            return;
        _disposed = true;
        _due.Free();
        _lists.Free();
        _sorted.Free();
        _next = long.MaxValue;
        Count = 0;
    }

    /// <summary>
    /// Moves the cursor over ticks at which nothing is due, and opens the slot that begins where it arrives.
    /// </summary>
    private void MoveTo(long tick)
    {
        if (_cursor == tick)
            return;
        _cursor = tick;
        if (tick == _next)
            _openLevel = _nextLevel;
    }

    /// <summary>Spreads the open slot over the levels below. False when the work ran out.</summary>
    private bool Cascade(ref int workLeft)
    {
        int list = ListOf(_openLevel, _cursor);
        JoinSwept(list);
        while (_lists.TryPeek(list, out ulong* entries, out int available))
        {
            int take = Math.Min(available, workLeft);
            if (take <= 0)
                return false;

            if (list == SlotLists.Far)
                SortFar(entries, take);
            else if (_openLevel == 1)
                Gather(entries, take);
            else
                Spread(entries, take);
            workLeft -= take;
            _lists.Consume(list, take);
        }

        if (_openLevel == 1)
            _sorted.Sort();
        if (list == SlotLists.Far)
        {
            _lists.Prepend(SlotLists.FarKept, SlotLists.Far);
            _farEpoch = _farKeptEpoch;
            _farKeptEpoch = long.MaxValue;
        }

        _openLevel = 0;
        return true;
    }

    /// <summary>
    /// Takes entries of the slot that will be sorted. What finds no room goes to the lists of level 0, which expire
    /// after what is sorted, so the order stays.
    /// </summary>
    /// <remarks>
    /// Asks for the due ticks, which are needed within 256 ticks. The processor drops some of so many requests at once,
    /// so <see cref="ExpireSorted"/> asks again.
    /// </remarks>
    private void Gather(ulong* entries, int count)
    {
        for (int index = 0; index < count; index++)
            PrefetchDue(entries[index]);

        int gathered = _sorted.Gather(entries, count);
        if (gathered < count)
            Spread(entries + gathered, count - gathered);
    }

    /// <summary>
    /// Does not ask whether the entries are alive: that would be a random access for every level.
    /// </summary>
    private void Spread(ulong* entries, int count)
    {
        for (int index = 0; index < count; index++)
        {
            ulong entry = entries[index];
            uint differing = (uint)entry ^ (uint)_cursor;
            int level = (int)((uint)BitOperations.Log2(differing | 1) / SlotLists.LevelBits);
            _lists.Append(ListOf(level, (uint)entry), entry);
        }
    }

    /// <summary>Takes what falls into the 2^32 ticks of the cursor into the levels; the rest stays far.</summary>
    private void SortFar(ulong* entries, int count)
    {
        for (int index = 0; index < count; index++)
        {
            ulong entry = entries[index];
            if (!IsAlive(SlotLists.Far, entry))
                continue;

            long dueTick = DueTick(SlotLists.TimerOf(entry));
            int level = LevelOf(dueTick);
            if (level == FarLevel)
                _farKeptEpoch = Math.Min(_farKeptEpoch, dueTick >> 32);
            _lists.Append(level == FarLevel ? SlotLists.FarKept : ListOf(level, dueTick), entry);
        }
    }

    /// <summary>
    /// Hands out what is sorted, up to the first list of level 0 or the last tick wanted, and moves the cursor there.
    /// False when the work or the room ran out.
    /// </summary>
    private bool ExpireSorted(long nowTick, Span<int> expired, ref int count, ref int workLeft)
    {
        int available = _sorted.Count;
        if (available == 0)
            return true;

        long slotStart = _cursor & -SlotLists.SlotsPerLevel;
        int listKey = _lists.FirstOccupied(0);
        int keyMax = listKey < 0 ? SlotLists.SlotsPerLevel - 1 : listKey;
        keyMax = (int)Math.Min(keyMax, nowTick - slotStart);

        ulong* entries = _sorted.Entries;
        int take = Math.Min(available, workLeft);
        int countBefore = count;
        int index = 0;
        for (; index < take && count < expired.Length && SortedSlot.KeyOf(entries[index]) <= keyMax; index++)
        {
            if (index + EntriesAhead < available)
                PrefetchDue(entries[index + EntriesAhead]);
            if (TryExpire(SlotLists.TimerOf(entries[index]), slotStart | (long)SortedSlot.KeyOf(entries[index])))
                expired[count++] = SlotLists.TimerOf(entries[index]);
        }

        Count -= count - countBefore;
        workLeft -= index;
        _sorted.Consume(index);
        bool isDone = index == available || SortedSlot.KeyOf(entries[index]) > keyMax;
        _cursor = slotStart + (isDone ? keyMax : SortedSlot.KeyOf(entries[index]));
        _next = _cursor;
        _nextLevel = 0;
        return isDone;
    }

    /// <summary>Hands out the list of the cursor's tick. False when the work or the room ran out.</summary>
    private bool Expire(Span<int> expired, ref int count, ref int workLeft)
    {
        int list = ListOf(0, _cursor);
        JoinSwept(list);
        while (_lists.TryPeek(list, out ulong* entries, out int available))
        {
            int take = Math.Min(available, Math.Min(workLeft, expired.Length - count));
            if (take <= 0)
                return false;

            int countBefore = count;
            for (int index = 0; index < take; index++)
            {
                int timer = SlotLists.TimerOf(entries[index]);
                if (TryExpire(timer, _cursor))
                    expired[count++] = timer;
            }

            Count -= count - countBefore;
            workLeft -= take;
            _lists.Consume(list, take);
        }

        return true;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void PrefetchDue(ulong entry)
    {
        if (!Sse.IsSupported)
            return;
        int timer = SlotLists.TimerOf(entry);
        Sse.Prefetch0(_due.At(timer));
        Sse.Prefetch0(_due.WordOf(timer));
    }

    /// <summary>False when the timer is not due at this tick: its entry was a tombstone.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private bool TryExpire(int timer, long tick)
    {
        ulong* word = _due.WordOf(timer);
        ulong bit = DueTable.BitOf(timer);
        if ((*word & bit) == 0 || *_due.At(timer) != tick)
            return false;
        *word &= ~bit;
        return true;
    }

    /// <summary>What is sorted, or the first slot of the lowest occupied level. The cursor's tick is done.</summary>
    private void FindNext()
    {
        if (_sorted.Count > 0)
        {
            int listKey = _lists.FirstOccupied(0);
            int sortedKey = SortedSlot.KeyOf(*_sorted.Entries);
            _next = (_cursor & -SlotLists.SlotsPerLevel) + (listKey < 0 ? sortedKey : Math.Min(listKey, sortedKey));
            _nextLevel = 0;
            return;
        }

        for (int level = 0; level < FarLevel; level++)
        {
            long slot = _lists.FirstOccupied(level);
            if (slot < 0)
                continue;
            int slotLog2 = level * SlotLists.LevelBits;
            _next = (_cursor & -(1L << (slotLog2 + SlotLists.LevelBits))) | slot << slotLog2;
            _nextLevel = level;
            return;
        }

        _next = _farEpoch == long.MaxValue ? long.MaxValue : _farEpoch << 32;
        _nextLevel = FarLevel;
    }

    /// <summary>
    /// Called when scheduling took another chunk: this is how memory grows, so this is where tombstones are bounded.
    /// A pass over all lists begins when there are more tombstones than timers (and 1 MiB of chunks beside), and
    /// drops them, some chunks at a time.
    /// </summary>
    /// <remarks>
    /// Without it they would stay until their slot is read. Deadlines of attempts, hours ahead and cancelled after
    /// milliseconds, would pile up to thousands of times the timers.
    /// </remarks>
    private void SweepSome()
    {
        if (_sweepList == NoSweep)
        {
            long entriesMax = 2L * Count + (long)_chunksSpare * SlotLists.EntriesPerChunk;
            if ((long)_lists.ChunksInUse * SlotLists.EntriesPerChunk <= entriesMax)
                return;
            _sweepList = 0;
        }

        for (int chunk = 0; chunk < ChunksPerSweep && _sweepList != NoSweep; chunk++)
        {
            while (_sweepList < SlotLists.Far && _lists.IsEmpty(_sweepList))
                _sweepList++;
            SweepChunk();
        }
    }

    private void SweepChunk()
    {
        if (_lists.TryPeek(_sweepList, out ulong* entries, out int count))
        {
            for (int index = 0; index < count; index++)
            {
                if (IsAlive(_sweepList, entries[index]))
                    _lists.Append(SlotLists.Swept, entries[index]);
            }

            _lists.Consume(_sweepList, count);
        }

        if (_lists.IsEmpty(_sweepList))
            JoinSwept(_sweepList);
    }

    /// <summary>Ends the sweep of a list: what it has kept so far goes back to the front of it.</summary>
    private void JoinSwept(int list)
    {
        if (list != _sweepList)
            return;
        _lists.Prepend(SlotLists.Swept, list);
        _sweepList = list == SlotLists.Far ? NoSweep : list + 1;
    }

    /// <summary>
    /// All on a level below the far one share the cursor's bits above 32; a far entry has only its low bits to
    /// compare.
    /// </summary>
    private bool IsAlive(int list, ulong entry)
    {
        int timer = SlotLists.TimerOf(entry);
        if (!_due.IsScheduled(timer))
            return false;
        long dueTick = *_due.At(timer);
        if (list == SlotLists.Far)
            return (uint)dueTick == (uint)entry;
        return dueTick == ((_cursor & -(1L << 32)) | (uint)entry);
    }

    private void DropTombstones()
    {
        _lists.Clear();
        _sorted.Clear();
        _next = long.MaxValue;
        _openLevel = 0;
        _farEpoch = long.MaxValue;
        _farKeptEpoch = long.MaxValue;
        _sweepList = NoSweep;
    }

    private void Cover(int timer)
    {
        Invariant.Check(!_disposed);
        _due.Cover(timer);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private int LevelOf(long dueTick)
    {
        ulong differing = (ulong)(dueTick ^ _cursor) | 1;
        return Math.Min(BitOperations.Log2(differing) / SlotLists.LevelBits, FarLevel);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int ListOf(int level, long dueTick)
    {
        int slot = (int)(dueTick >> (level * SlotLists.LevelBits)) & (SlotLists.SlotsPerLevel - 1);
        return level == FarLevel ? SlotLists.Far : level * SlotLists.SlotsPerLevel + slot;
    }

    /// <summary>
    /// What all depends on: nothing on a level is due before the next slot that is found on a lower level.
    /// </summary>
    [Conditional("DEBUG")]
    private void CheckLevels()
    {
        long startBelow = _cursor - 1;
        for (int level = 0; level < FarLevel; level++)
        {
            long slot = _lists.FirstOccupied(level);
            if (slot < 0 || level == _openLevel)
                continue;
            int slotLog2 = level * SlotLists.LevelBits;
            long start = (_cursor & -(1L << (slotLog2 + SlotLists.LevelBits))) | slot << slotLog2;
            Invariant.Check(start > startBelow);
            Invariant.Check(start >= _next);
            startBelow = start;
        }
    }
}
