namespace Karya.Engine.Timing;
// stand-in until the wheel is merged
public sealed class TimingWheel : IDisposable
{
    public const long NoDue = long.MinValue;
    private readonly SortedDictionary<(long, long), int> _q = new();
    private readonly Dictionary<int, (long, long)> _by = new();
    private long _n;
    public TimingWheel(long nowTick) => NowTick = nowTick;
    public long NowTick { get; private set; }
    public int Count => _by.Count;
    public long NextWakeTick => _q.Count == 0 ? long.MaxValue : _q.First().Key.Item1;
    public void Schedule(int timer, long dueTick) { Cancel(timer); var k = (Math.Max(dueTick, NowTick + 1), _n++); _q[k] = timer; _by[timer] = k; }
    public bool Cancel(int timer) { if (!_by.Remove(timer, out var k)) return false; _q.Remove(k); return true; }
    public long DueTick(int timer) => _by.TryGetValue(timer, out var k) ? k.Item1 : NoDue;
    public int Advance(long nowTick, Span<int> expired, ref int workLeft)
    {
        int n = 0;
        while (n < expired.Length && workLeft > 0 && _q.Count > 0 && _q.First().Key.Item1 <= nowTick)
        { var f = _q.First(); _q.Remove(f.Key); _by.Remove(f.Value); expired[n++] = f.Value; workLeft--; }
        if (_q.Count == 0 || _q.First().Key.Item1 > nowTick) NowTick = nowTick;
        return n;
    }
    public void Dispose() { }
}
