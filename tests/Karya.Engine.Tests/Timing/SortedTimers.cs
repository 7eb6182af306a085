using Karya.Engine.Timing;

namespace Karya.Engine.Tests.Timing;

/// <summary>
/// What a wheel must do, said with a sorted set. It follows the order in which a wheel hands out timers; for a timer
/// that was cancelled or moved and came back to the same tick (or to one 2^32 ticks away), any of its turns there is
/// right.
/// </summary>
internal sealed class SortedTimers
{
    private readonly Dictionary<int, long> _due = [];
    private readonly SortedSet<(long Due, int Timer)> _sorted = [];
    private readonly Dictionary<(uint DueLow, int Timer), List<long>> _turns = [];
    private long _turn;
    private long _tickReached;
    private long _turnReached;

    public SortedTimers(long nowTick) => NowTick = _tickReached = nowTick;

    public long NowTick { get; set; }

    public int Count => _due.Count;

    public long EarliestDue => _sorted.Count == 0 ? long.MaxValue : _sorted.Min.Due;

    public long DueTick(int timer) => _due.GetValueOrDefault(timer, TimingWheel.NoDue);

    public void Schedule(int timer, long dueTick)
    {
        dueTick = Math.Max(dueTick, NowTick + 1);
        if (DueTick(timer) == dueTick)
            return;
        Cancel(timer);
        _due.Add(timer, dueTick);
        _sorted.Add((dueTick, timer));
        if (!_turns.TryGetValue(((uint)dueTick, timer), out var turns))
            _turns.Add(((uint)dueTick, timer), turns = []);
        turns.Add(++_turn);
    }

    public bool Cancel(int timer)
    {
        if (!_due.Remove(timer, out long dueTick))
            return false;
        _sorted.Remove((dueTick, timer));
        return true;
    }

    /// <summary>
    /// Takes a timer that a wheel handed out, and says what is wrong with that; null when nothing is.
    /// </summary>
    public string? Expire(int timer)
    {
        long dueTick = DueTick(timer);
        if (dueTick != EarliestDue)
            return $"timer {timer}, due at {dueTick}, came before one that is due at {EarliestDue}";
        if (dueTick > _tickReached)
            (_tickReached, _turnReached) = (dueTick, 0);

        long turn = _turns[((uint)dueTick, timer)].Find(turn => turn > _turnReached);
        if (turn == 0)
            return $"timer {timer} came after one that was scheduled later for the same tick, {dueTick}";
        _turnReached = turn;
        Cancel(timer);
        return null;
    }
}
