using Karya.Engine.Tables;

namespace Karya.Engine.Dispatching;

/// <summary>
/// Due tasks that wait for a place: one queue per lane (target), served in turn, so that a target that is slow or dead
/// holds up nobody but itself. Places are counted in total and per lane.
/// </summary>
/// <remarks>
/// Owned by one shard. The queues are linked through the tasks; a lane exists while it has a task waiting or running.
/// <see cref="TryTake"/>, <see cref="Enqueue"/> and <see cref="Release"/> are O(1) and allocate nothing once warm.
/// </remarks>
internal sealed class ReadyQueue(Slab<TaskEntry> tasks, int inFlightMax, int laneInFlightMax)
{
    private const int None = -1;

    private readonly Slab<Lane> _lanes = new();
    private readonly Dictionary<uint, int> _laneByKey = [];
    private readonly Dictionary<uint, int> _limits = [];
    private int _ring = None; // The lane whose turn it is, among those that have both a task and a place.

    public int InFlight { get; private set; }

    public int Waiting { get; private set; }

    /// <summary>Lanes that have a task waiting or running.</summary>
    public int LaneCount => _laneByKey.Count;

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
            lane.Head = task;
        else
            tasks[lane.Tail].NextReady = task;
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
        else if (lane.InFlight == 0)
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
        if (lane.Next != None || lane.InFlight >= lane.Limit)
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
    }
}
