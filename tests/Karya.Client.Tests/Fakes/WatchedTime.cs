using Microsoft.Extensions.Time.Testing;

namespace Karya.Client.Tests.Fakes;

/// <summary>Time that stands still until told otherwise, and tells who waits for it.</summary>
internal sealed class WatchedTime : FakeTimeProvider
{
    private readonly Lock _lock = new();
    private readonly List<TimeSpan> _armed = [];
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public WatchedTime()
        : base(new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero))
    {
    }

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = base.CreateTimer(callback, state, dueTime, period);
        lock (_lock)
        {
            _armed.Add(dueTime);
            _changed.TrySetResult();
            _changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }

        return timer;
    }

    public int CountOf(TimeSpan due)
    {
        lock (_lock)
            return _armed.Count(armed => armed == due);
    }

    /// <summary>Somebody waits for so long, for that many times since the beginning.</summary>
    public Task ArmedAsync(TimeSpan due, int times = 1) => ArmedAsync(armed => armed == due, times, $"{due}");

    public async Task ArmedAsync(Func<TimeSpan, bool> isMeant, int times, string what = "that kind")
    {
        while (true)
        {
            Task changed;
            lock (_lock)
            {
                if (_armed.Count(isMeant) >= times)
                    return;
                changed = _changed.Task;
            }

            await changed.Soonly($"timer {times} of {what}");
        }
    }

    /// <summary>Waits until somebody waits for so long, and lets it pass.</summary>
    public async Task PassAsync(TimeSpan due, int times = 1)
    {
        await ArmedAsync(due, times);
        Advance(due);
    }
}
