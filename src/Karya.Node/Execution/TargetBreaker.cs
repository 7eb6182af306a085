using System.Collections.Concurrent;
using Karya.Engine;
using Karya.Node.Plans;

namespace Karya.Node.Execution;

/// <param name="FailuresMax">In a row, by which a target is found to be down; 0 for never.</param>
/// <param name="Pause">Until it is tried again; doubled after each try that fails, up to a minute.</param>
internal sealed record BreakerOptions(int FailuresMax, TimeSpan Pause);

/// <summary>Hears that the tasks of a target are parked, or not any more.</summary>
/// <param name="target">Its name, for people.</param>
/// <param name="error">What went wrong last; null when the target is back.</param>
internal delegate void TargetParked(string target, string? error);

/// <summary>
/// Parks the tasks of a target that is down, instead of burning their attempts: a circuit breaker, as in M. Nygard,
/// Release It!, with one lane of the engine for each target.
/// </summary>
/// <remarks>
/// <code>
///           failures in a row            pause over             success
/// closed ───────────────────► open ───────────────► half open ──────────► closed
///    ▲                          ▲                       │
///    └─ any answer ends a row   └────── failure ────────┘   (a pause twice as long)
/// </code>
/// Open: nothing of the lane starts, so that what is due waits without costing attempts. Half open: one attempt per
/// shard. Only what says that the target as a whole is down counts (<see cref="Outcome.IsTargetDown"/>). Called by all
/// worker loops at once; while nothing fails it costs a look at a counter.
/// </remarks>
internal sealed class TargetBreaker(
    BreakerOptions options, Action<uint, int> setLimit, TargetParked parked, TimeProvider clock) : IDisposable
{
    /// <summary>That are known to have failed last; beyond it those that are not parked are forgotten.</summary>
    private const int TargetsMax = 10_000;

    private static readonly TimeSpan PauseMax = TimeSpan.FromMinutes(1);

    private readonly ConcurrentDictionary<uint, Target> _targets = new();
    private int _known; // How many are there: to ask the dictionary takes its locks.
    private int _parked;

    /// <summary>Targets whose tasks wait at present.</summary>
    public int ParkedCount => Volatile.Read(ref _parked);

    /// <summary>Why the tasks of a lane wait; null when they do not.</summary>
    public string? WhyParked(uint lane)
    {
        if (!_targets.TryGetValue(lane, out var target))
            return null;
        lock (target)
            return target.State == State.Closed ? null : $"Waits for {target.Name}, which is down: {target.Error}";
    }

    public void Ended(in Dispatch dispatch, in Outcome outcome)
    {
        if (options.FailuresMax == 0 || (!outcome.IsTargetDown && Volatile.Read(ref _known) == 0))
            return;
        if (outcome.IsTargetDown)
            Failed(dispatch, outcome.Error!);
        else if (_targets.TryGetValue(dispatch.Lane, out var target))
            Answered(dispatch.Lane, target);
    }

    public void Dispose()
    {
        foreach (var target in _targets.Values)
            target.Timer?.Dispose();
    }

    private void Failed(in Dispatch dispatch, string error)
    {
        if (Volatile.Read(ref _known) > TargetsMax)
            ForgetThoseThatAreNotParked();
        while (true)
        {
            var target = KnowOrAdd(dispatch.Lane);
            lock (target)
            {
                if (target.IsForgotten)
                    continue; // It was so a moment ago: what is said of it now would be lost.
                Failed(dispatch, target, error);
                return;
            }
        }
    }

    private void Failed(in Dispatch dispatch, Target target, string error)
    {
        uint lane = dispatch.Lane;
        bool isProbe = target.State == State.HalfOpen;
        if (target.State == State.Open || (++target.Failures < options.FailuresMax && !isProbe))
            return; // One that ran when the target was parked already, or not enough yet.
        target.Pause = isProbe
            ? TimeSpan.FromTicks(Math.Min(2 * target.Pause.Ticks, Math.Max(PauseMax.Ticks, options.Pause.Ticks)))
            : options.Pause;
        target.State = State.Open;
        target.Name = NameOf(dispatch);
        target.Error = error;
        setLimit(lane, 0);
        target.Timer ??= clock.CreateTimer(
            _ => Probe(lane, target), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        target.Timer.Change(target.Pause, Timeout.InfiniteTimeSpan);
        if (isProbe)
            return;
        Interlocked.Increment(ref _parked);
        parked(target.Name, error);
    }

    private void Answered(uint lane, Target target)
    {
        lock (target)
        {
            if (target.IsForgotten)
                return;
            if (target.State != State.Closed)
            {
                target.State = State.Closed;
                Interlocked.Decrement(ref _parked);
                setLimit(lane, int.MaxValue);
                parked(target.Name, null);
            }

            Forget(lane, target); // Last: from then on others may find that it fails again.
        }
    }

    private void Probe(uint lane, Target target)
    {
        lock (target)
        {
            if (target.State != State.Open)
                return;
            target.State = State.HalfOpen;
            setLimit(lane, 1);
        }
    }

    private void ForgetThoseThatAreNotParked()
    {
        foreach (var entry in _targets)
        {
            lock (entry.Value)
            {
                if (entry.Value is { State: State.Closed, IsForgotten: false })
                    Forget(entry.Key, entry.Value);
            }
        }
    }

    private Target KnowOrAdd(uint lane)
    {
        while (true)
        {
            if (_targets.TryGetValue(lane, out var known))
                return known;
            var target = new Target();
            if (!_targets.TryAdd(lane, target))
                continue;
            Interlocked.Increment(ref _known);
            return target;
        }
    }

    /// <summary>Under its lock, while it is known.</summary>
    private void Forget(uint lane, Target target)
    {
        target.IsForgotten = true;
        target.Timer?.Dispose();
        _targets.TryRemove(KeyValuePair.Create(lane, target));
        Interlocked.Decrement(ref _known);
    }

    private static string NameOf(in Dispatch dispatch)
    {
        try
        {
            return TargetNames.Of(PlanBodyCodec.ReadAction(
                dispatch.Body.AsSpan(0, dispatch.BodyBytes), dispatch.Key.Hook));
        }
        catch (PlanBodyDamagedException)
        {
            return "a target";
        }
    }

    private enum State
    {
        Closed,
        Open,
        HalfOpen,
    }

    private sealed class Target
    {
        public State State;
        public bool IsForgotten;
        public int Failures;
        public TimeSpan Pause;
        public string Name = "";
        public string Error = "";
        public ITimer? Timer;
    }
}
