using Karya.Engine.Tables;

namespace Karya.Engine.Dispatching;

/// <summary>
/// Due tasks that wait for a place: one queue per lane (target), served in turn, so that a target that is slow or dead
/// holds up nobody but itself. Places are counted in total and per lane.
/// </summary>
/// <remarks>
/// Owned by one shard. The queues are linked through the tasks; a lane exists while it has a task waiting or running,
/// or is paced. <see cref="TryTake"/>, <see cref="Enqueue"/> and <see cref="Release"/> are O(1) and allocate nothing
/// once warm. The pace is the generic cell rate algorithm (ITU-T I.371) without a burst but for that of a millisecond,
/// which is the clock's grain.
/// </remarks>
internal sealed class ReadyQueue(Slab<TaskEntry> tasks, int inFlightMax, int laneInFlightMax, LanePace pace = default)
{
    private const int None = -1;
    private const long UsPerMs = 1000;

    private readonly Slab<Lane> _lanes = new();
    private readonly Dictionary<uint, int> _laneByKey = [];
    private readonly Dictionary<uint, int> _limits = [];
    private readonly PriorityQueue<int, long> _paced = new(); // By when they may start again.
    private int _ring = None; // The lane whose turn it is, among those that have both a task and a place.

    public int InFlight { get; private set; }

    public int Waiting { get; private set; }

    /// <summary>Lanes that have a task waiting or running.</summary>
    public int LaneCount => _laneByKey.Count;

    /// <summary>Lanes whose tasks wait for their turn at the pace.</summary>
    public int PacedCount { get; private set; }

    /// <summary>When the next paced lane may start again; <see cref="long.MaxValue"/> when none is.</summary>
    public long NextMs => _paced.TryPeek(out _, out long ms) ? ms : long.MaxValue;

    /// <summary>A task could be taken now.</summary>
    public bool CanTake => _ring != None && InFlight < inFlightMax;

    public void Enqueue(int task)
    {
        ref var entry = ref tasks[task];
        int index = FindOrAdd(entry.Lane);
        ref var lane = ref _lanes[index];
        entry.IsReady = true;
        entry.NextReady = None;
        if (lane.Head == None)
        {
            lane.Head = task;
            PacedCount += lane.IsPaced ? 1 : 0;
        }
        else
        {
            tasks[lane.Tail].NextReady = task;
        }

        lane.Tail = task;
        Waiting++;
        JoinRing(index);
    }

    /// <summary>
    /// Takes the next task of the next lane, and a place for it. Its owner gives the place back by <see
    /// cref="Release"/>. A task that was cancelled meanwhile comes out like any other, marked as detached or no longer
    /// waiting.
    /// </summary>
    public bool TryTake(out int task)
    {
        task = None;
        if (!CanTake)
            return false;

        int index = _ring;
        ref var lane = ref _lanes[index];
        task = lane.Head;
        ref var entry = ref tasks[task];
        lane.Head = entry.NextReady;
        entry.IsReady = false;
        lane.InFlight++;
        InFlight++;
        Waiting--;
        _ring = lane.Next;
        if (lane.Head == None || lane.InFlight >= lane.Limit)
            LeaveRing(index);
        return true;
    }

    /// <summary>Lanes that have waited for their turn at the pace long enough go on.</summary>
    public void Advance(long nowMs)
    {
        while (_paced.TryPeek(out int index, out long ms) && ms <= nowMs)
        {
            _paced.Dequeue();
            ref var lane = ref _lanes[index];
            lane.IsPaced = false;
            if (lane.Head != None)
            {
                PacedCount--;
                JoinRing(index);
            }
            else if (lane.InFlight == 0)
            {
                Remove(index);
            }
        }
    }

    /// <summary>An attempt of a task that was taken has started: the lane's next one comes at its pace.</summary>
    public void Started(uint key, long nowMs)
    {
        if (pace.IntervalUs == 0 || key == pace.Unpaced)
            return;
        int index = _laneByKey[key];
        ref var lane = ref _lanes[index];
        lane.NextUs = Math.Max(lane.NextUs, nowMs * UsPerMs) + pace.IntervalUs;
        long nextMs = lane.NextUs / UsPerMs;
        if (nextMs <= nowMs)
            return;
        lane.IsPaced = true;
        _paced.Enqueue(index, nextMs);
        if (lane.Head != None)
            PacedCount++;
        if (lane.Next != None)
            LeaveRing(index);
    }

    /// <summary>
    /// Gives one lane a limit of its own, for good or until the next call; 0 lets nothing start. What runs goes on.
    /// </summary>
    public void SetLimit(uint key, int limit)
    {
        if (limit == laneInFlightMax)
            _limits.Remove(key);
        else
            _limits[key] = limit;

        if (!_laneByKey.TryGetValue(key, out int index))
            return;
        ref var lane = ref _lanes[index];
        lane.Limit = limit;
        if (lane.Next != None && lane.InFlight >= limit)
            LeaveRing(index);
        else if (lane.Head != None)
            JoinRing(index);
    }

    public void Release(uint key)
    {
        int index = _laneByKey.GetValueOrDefault(key, None);
        Invariant.Check(index != None);
        ref var lane = ref _lanes[index];
        lane.InFlight--;
        InFlight--;
        Invariant.Check(lane.InFlight >= 0);
        if (lane.Head != None)
            JoinRing(index);
        else if (lane.InFlight == 0 && !lane.IsPaced)
            Remove(index);
    }

    private int FindOrAdd(uint key)
    {
        if (_laneByKey.TryGetValue(key, out int index))
            return index;
        index = _lanes.Take();
        _lanes[index] = new Lane
        {
            Key = key,
            Limit = _limits.GetValueOrDefault(key, laneInFlightMax),
            Head = None,
            Tail = None,
            Next = None,
            Previous = None,
        };
        _laneByKey.Add(key, index);
        return index;
    }

    private void Remove(int index)
    {
        _laneByKey.Remove(_lanes[index].Key);
        _lanes.Free(index);
    }

    private void JoinRing(int index)
    {
        ref var lane = ref _lanes[index];
        if (lane.Next != None || lane.InFlight >= lane.Limit || lane.IsPaced)
            return;
        if (_ring == None)
        {
            lane.Next = lane.Previous = _ring = index;
            return;
        }

        ref var current = ref _lanes[_ring];
        lane.Next = _ring;
        lane.Previous = current.Previous;
        _lanes[current.Previous].Next = index;
        current.Previous = index;
    }

    private void LeaveRing(int index)
    {
        ref var lane = ref _lanes[index];
        if (lane.Next == index)
        {
            _ring = None;
        }
        else
        {
            _lanes[lane.Previous].Next = lane.Next;
            _lanes[lane.Next].Previous = lane.Previous;
            if (_ring == index)
                _ring = lane.Next;
        }

        lane.Next = lane.Previous = None;
    }

    private struct Lane
    {
        public uint Key;
        public int Head;
        public int Tail;
        public int InFlight;
        public int Limit;
        public int Next;
        public int Previous;

        /// <summary>When the next attempt may start, in microseconds.</summary>
        public long NextUs;

        /// <summary>That is later; it is among the paced, however many wait or run.</summary>
        public bool IsPaced;
    }
}

/// <summary>How fast attempts of one lane may follow each other.</summary>
/// <param name="IntervalUs">Microseconds between two on average; 0 for as fast as they come.</param>
/// <param name="Unpaced">A lane to which it does not apply.</param>
public readonly record struct LanePace(long IntervalUs, uint Unpaced = 0);
